"""Compiled programs, kept in the process and on disk for reuse.

JAX's persistent cache finds a program by all that it was compiled from: its operations,
shapes, constants, options, versions. It does not know the very processor, so each kind
has a folder of its own: a home directory may be shared by machines that differ.
"""

import contextlib
import hashlib
import os
import pathlib
import time
import warnings

import jax
from jax.experimental.compilation_cache import compilation_cache

from rnn_research import compile_times, signatures, waiting

KEPT = 16  # programs of this process
LARGEST = 2 * 2**30  # bytes of a processor's folder before its older half is removed


_kept: dict[tuple, jax.stages.Compiled] = {}  # the newest last


def compiled(lowered: jax.stages.Lowered, mesh) -> jax.stages.Compiled:
    """`lowered.compile()`, or what an equal program has become in this process."""
    text = lowered.as_text()
    if "callback" in text:  # which Python function it calls, the text does not say
        return lowered.compile()
    digest = hashlib.sha256(text.encode()).hexdigest()
    key = digest, mesh, lowered.in_tree, lowered.out_tree
    _kept[key] = _kept.pop(key, None) or _timed(lowered, text)
    for old in list(_kept)[:-KEPT]:
        del _kept[old]
    return _kept[key]


def _timed(lowered: jax.stages.Lowered, text: str) -> jax.stages.Compiled:
    """`lowered.compile()`; whoever waits is told how long that may take."""
    waiting.expect(compile_times.expected(text))
    begun = time.monotonic()
    found = lowered.compile()
    compile_times.note(text, time.monotonic() - begun)
    return found


def use(chosen: str):
    """Keep compiled programs as the setting says; a folder of the user's own stays.

    Args:
      chosen: 'on', in the user's cache directory; 'off'; or a folder.
    """
    if chosen.lower() in signatures.BOOLEANS:
        chosen = "on" if signatures.BOOLEANS[chosen.lower()] else "off"
    jax.config.update("jax_enable_compilation_cache", chosen != "off")
    if chosen == "off" or (chosen == "on" and jax.config.jax_compilation_cache_dir):
        return
    folder = _users_folder() if chosen == "on" else pathlib.Path(chosen)
    try:
        folder = folder.absolute() / _processor()
        folder.mkdir(parents=True, exist_ok=True)
        _remove_older(folder)
        writable = os.access(folder, os.W_OK)
    except (OSError, RuntimeError):  # there may be no home
        writable = False
    if not writable:
        return  # it saves time and changes nothing
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    compilation_cache.reset_cache()  # it was opened without a folder, if at all
    # An entry that cannot be read is compiled; a disk that is full keeps none.
    warnings.filterwarnings("ignore", "Error (read|writ)ing persistent compilation")


def _users_folder() -> pathlib.Path:
    home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(home) / "rnn_research" / "compiled"


def _processor() -> str:
    """A name for all that code compiled for this processor may use."""
    about = ""
    with contextlib.suppress(OSError):
        lines = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")
        names = ("model name", "flags", "Features", "CPU part")
        about = "\n".join(x for x in lines[0].splitlines() if x.startswith(names))
    return hashlib.sha256(about.encode()).hexdigest()[:8]


def _remove_older(folder: pathlib.Path):
    """Remove the older half once the folder has become too large."""
    files = [(entry.stat(), entry.path) for entry in os.scandir(folder)]
    size = sum(stat.st_size for stat, _ in files)
    if size <= LARGEST:
        return
    for stat, path in sorted(files, key=lambda each: each[0].st_mtime):
        with contextlib.suppress(OSError):  # of another process that does the same
            os.unlink(path)
        size -= stat.st_size
        if size <= LARGEST / 2:
            return
