"""Memory: how much there is, how much a computation needs, messages about both."""

import ctypes
import os
import pathlib
import re
from typing import Any

import jax

from rnn_research import errors

Tree = Any
LIMITS = (  # of a container, in either version of control groups
    pathlib.Path("/sys/fs/cgroup/memory.max"),
    pathlib.Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
# Operations whose results are always written to memory; others may be fused.
WRITING = frozenset({"scan", "dot_general", "conv_general_dilated"})


def available(devices) -> int:
    """Bytes that can be had now: of these devices, on CPUs of the machine."""
    shares = []
    for device in devices:
        stats = device.memory_stats() if device.platform != "cpu" else None
        if not stats or "bytes_limit" not in stats:
            return _of_machine()
        shares.append(stats["bytes_limit"] - stats.get("bytes_in_use", 0))
    return sum(shares)


def _of_machine() -> int:
    known = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    try:
        lines = pathlib.Path("/proc/meminfo").read_text(encoding="utf-8")
        found = dict(re.findall(r"^(\w+): +(\d+) kB$", lines, re.MULTILINE))
        free = 1024 * (int(found["MemAvailable"]) + int(found["SwapFree"]))
        known.append(free + _freed_and_kept())
    except (OSError, KeyError):  # not Linux
        pass
    for path in LIMITS:
        try:
            known.append(int(path.read_text(encoding="utf-8")))
        except (OSError, ValueError):  # no such file; "max"
            pass
    return min(known)


class _Mallinfo2(ctypes.Structure):  # glibc's malloc.h
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks "
        "fordblks keepcost".split()
    ]


def _freed_and_kept() -> int:
    """Bytes that glibc keeps for this process, as `runtime.keep_freed_memory` says.

    They are the next array's, though the system counts them as used.
    """
    try:
        mallinfo2 = ctypes.CDLL("libc.so.6").mallinfo2
    except (OSError, AttributeError):  # not glibc, or one before 2.33
        return 0
    mallinfo2.restype = _Mallinfo2
    return mallinfo2().fordblks


def size(tree: Tree) -> int:
    """The bytes of all leaves, arrays or their shapes."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def largest(jaxpr) -> int:
    """The bytes that the one operation with the largest results writes.

    Results that nothing reads are not among them: compilers drop these.

    Args:
      jaxpr: of a traced function; what loops and calls hold is looked at too.
    """
    found, read = 0, {id(atom) for atom in jaxpr.outvars}
    for equation in reversed(jaxpr.eqns):
        kept = [var for var in equation.outvars if id(var) in read]
        if not kept and not equation.effects:
            continue
        read |= {id(atom) for atom in equation.invars}
        if equation.primitive.name in WRITING:
            found = max(found, sum(_bytes(var.aval) for var in kept))
        parameters = list(equation.params.values())
        for value in jax.tree.leaves(parameters, is_leaf=_holds_jaxpr):
            if _holds_jaxpr(value):
                found = max(found, largest(getattr(value, "jaxpr", value)))
    return found


def _holds_jaxpr(value) -> bool:
    return hasattr(value, "eqns") or hasattr(value, "jaxpr")


def _bytes(aval) -> int:
    dtype = getattr(aval, "dtype", None)
    return aval.size * getattr(dtype, "itemsize", 0) if dtype is not None else 0


def in_words(count: float) -> str:
    """`1.5 GiB`, `20 MiB`."""
    gib = count / 2**30
    return f"{gib:.3g} GiB" if gib >= 1 else f"{count / 2**20:.3g} MiB"


def check(needed: int, devices, what: str, advice: str):
    """Raise unless so many bytes can be had.

    Raises:
      errors.UsageError: with `what` needs them and `advice`, the flags to lower.
    """
    there = available(devices)
    if needed > there:
        raise errors.UsageError(
            f"out of memory: {what} needs at least {in_words(needed)}, and there are "
            f"{in_words(there)}; {advice}"
        )


def shortage(error: BaseException) -> str:
    """One line for an error that says that memory is short, '' for others."""
    text = str(error)
    if not (isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in text):
        return ""
    asked = re.search(r"(?:allocat\w+|of) (\d+) bytes", text)
    wanted = f" of {in_words(int(asked[1]))} at once" if asked else ""
    return (
        f"out of memory: an array{wanted} could not be had; lower --batch_size, "
        "--length or --hidden_size"
    )
