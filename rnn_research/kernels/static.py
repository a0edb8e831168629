"""What a kernel needs on the chip, without a chip: compiled for an H100, and read.

JAX lowers a program for CUDA on any machine. The text of each Triton kernel in it is
compiled by the package `triton`, whose tools say registers, shared memory and the
instructions of the loop.
"""

import contextlib
import pathlib
import re
import subprocess
import tempfile
from typing import NamedTuple

import jax
from jax import sharding

from rnn_research import errors
from rnn_research.kernels import cost

H100 = "NVIDIA H100 80GB HBM3"
KERNEL = re.compile(
    r'ir = "((?:[^"\\]|\\.)*)", name = "kernel", num_stages = (\d+) : i32, '
    r"num_warps = (\d+) : i32"
)
PRODUCTS = "HMMA", "HGMMA", "DMMA"
BYTE = re.compile(rb'\\([0-9A-F]{2}|[\\"])')
RESOURCES = re.compile(r"Function kernel:\s+REG:(\d+) STACK:(\d+)")


class Resources(NamedTuple):
    """What a kernel needs.

    Attributes:
      warps: of 32 threads.
      registers: of a thread, 255 at most.
      spilled: bytes of a thread that registers do not hold.
      shared: bytes of shared memory, of which an H100 has 232,448.
      instructions: of the loop's body, those of one step.
      products: tensor instructions among them.
      weights_in_loop: loads of matrices in the loop, in number.
      bytes: that a block of the batch reads and writes outside the chip in a step.
      cycles: of a step, as `cost` predicts.
    """

    warps: int
    registers: int
    spilled: int
    shared: int
    instructions: int
    products: int
    weights_in_loop: int
    bytes: int
    cycles: int


def lowered(function, *given) -> str:
    """The program of function(*given) for CUDA, as text; `given` are shapes."""
    mesh = contextlib.nullcontext()
    if hasattr(sharding, "AbstractDevice"):
        names = {"device_kind": H100, "num_cores": 1, "platform": "gpu"}
        with contextlib.suppress(TypeError):  # jax 0.10 has no platform, nor needs it
            device = sharding.AbstractDevice(**names)
            mesh = sharding.AbstractMesh((1,), ("x",), abstract_device=device)
            mesh = sharding.use_abstract_mesh(mesh)
    with mesh:
        traced = jax.jit(function).trace(*given)
        return traced.lower(lowering_platforms=("cuda",)).as_text()


def kernels(program: str) -> list[tuple[str, int, int]]:
    """(text, stages, warps) of the Triton kernels in a lowered program."""
    found = []
    for code, stages, warps in KERNEL.findall(program):
        found.append((_text(_bytes(code)), int(stages), int(warps)))
    return found


def _bytes(escaped: str) -> bytes:
    def byte(match):
        code = match[1]
        return code if code in (b"\\", b'"') else bytes([int(code, 16)])

    return BYTE.sub(byte, escaped.encode("latin-1"))


def _text(code: bytes) -> str:
    from jaxlib.mlir import ir
    from jaxlib.triton import dialect

    with ir.Context() as context:
        dialect.register_dialect(context)
        return ir.Module.parse(code).operation.get_asm(enable_debug_info=False)


def compiled(text: str, stages: int, warps: int) -> Resources:
    """Compile a kernel for sm_90 and read what it needs.

    Raises:
      UsageError: the package `triton` is not there.
    """
    try:
        import triton
        from triton.backends.compiler import GPUTarget
    except ImportError:
        raise errors.UsageError(
            "the package triton is needed: pip install -e '.[kernels]'"
        ) from None
    tools = pathlib.Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
    options = {"num_warps": warps, "num_stages": stages}
    with tempfile.TemporaryDirectory() as folder:
        source, cubin = (pathlib.Path(folder, f"kernel.{s}") for s in ("ttir", "cubin"))
        source.write_text(text, encoding="utf-8")
        target = GPUTarget("cuda", 90, 32)
        made = triton.compile(str(source), target=target, options=options)
        cubin.write_bytes(made.asm["cubin"])
        usage = _output(tools / "cuobjdump", "-res-usage", cubin)
        code = _output(tools / "nvdisasm", cubin)
    registers, spilled = map(int, RESOURCES.search(usage).groups())
    loop = cost.instructions(_loop(code))
    steps = cost.steps(loop)
    products = sum(each.name.startswith(PRODUCTS) for each in loop)
    return Resources(
        warps,
        registers,
        spilled,
        made.metadata.shared,
        instructions=round(len(loop) / steps),
        products=round(products / steps),
        weights_in_loop=_loads_of_weights(made.asm["ttgir"]),
        bytes=round(cost.streamed(loop, warps) / steps),
        cycles=round(cost.cycles(loop, warps) / steps),
    )


def _output(*command) -> str:
    run = subprocess.run(list(map(str, command)), capture_output=True, check=True)
    return run.stdout.decode()


def _loop(code: str) -> list[str]:
    """The instructions of the longest way back: the loop over time."""
    lines, labels, longest = [], {}, (0, 0)
    for line in code.splitlines():
        if label := re.match(r"(\.L\w+):", line):
            labels[label[1]] = len(lines)
        elif line.rstrip().endswith(";") or re.match(r"\s+/\*[0-9a-f]{4,}\*/", line):
            back = re.search(r"BRA\S* .*?`\((\.L\w+)\)", line)
            if back and back[1] in labels:
                start = labels[back[1]]
                longest = max(longest, (len(lines) - start, start))
            lines.append(line)
    size, start = longest
    loop = lines[start : start + size + 1]
    if not any("STG" in line for line in loop):
        raise ValueError("no loop over time in the code: it takes a longer one")
    return loop


def _loads_of_weights(ttgir: str) -> int:
    """Loads of [K, N] that are no rows of the batch, after the loop's beginning."""
    loop = ttgir[ttgir.index("scf.for") :]
    matrix = r"tensor<(?:32|64|128)x(?:32|64|128)x"
    return len(re.findall(rf"(?:tt\.load|async_copy_global\w*) .*{matrix}", loop))
