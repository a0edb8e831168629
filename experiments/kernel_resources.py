"""What does a fused kernel need on a GPU? Read from its code, without a GPU.

    python -m experiments.kernel_resources
    python -m experiments.kernel_resources --cells=gru --precisions=bfloat16

Makes the two kernels of `engine=fused` of each cell, forward and backward, lowers them
for CUDA, compiles them for an H100 (sm_90) with the package `triton`, and reads
registers, spilled bytes, shared memory and the instructions of a step. A model of the
chip predicts the time of a step from these instructions, to be held against
`experiments.fused_speed` on a GPU: nothing here has run on one. Cells that do not
qualify are left out. A cell and precision take about 2 s on 2 CPU cores. What the
table has is not done again. Writes kernel_resources.csv and kernel_resources.md.
"""

import dataclasses
import pathlib

import jax
import jax.numpy as jnp

from rnn_research import cells, config, files, markdown
from rnn_research.diagnostics import table
from rnn_research.engines.fused import complaint, fused
from rnn_research.kernels import cost, static
from rnn_research.kernels.precisions import PRECISIONS
from rnn_research.resolve import resolve
from rnn_research.runs import run_folder
from rnn_research.unroll import set_up

LENGTH, INPUT_SIZE = 64, 2  # the compiler leaves no loop of a shorter one
PASSES = ("forward", "backward")


@dataclasses.dataclass(frozen=True)
class KernelResourcesConfig(config.Settings):
    """Kernels:"""

    cells: tuple[str, ...] | None = config.setting(
        None, "cells; default: all", names="cells"
    )
    hidden_size: int = config.setting(128, "H", low=1, high=512)
    batch_size: int = config.setting(16, "B", low=1)
    precisions: tuple[str, ...] = config.setting(
        ("bfloat16", "float32"), "of products", choices=tuple(PRECISIONS)
    )
    workdir: str = config.setting("runs/kernel_resources", "folder for the table")


def main(settings: KernelResourcesConfig):
    folder = pathlib.Path(settings.workdir)
    run_folder.check(folder)
    path = folder / "kernel_resources.csv"
    rows = table.read_csv(path) if path.exists() else []
    known = {(r["cell"], int(r["H"]), r["precision"]) for r in rows}
    for name in settings.cells or cells.__all__:
        cell = resolve("cell", name, hidden_size=settings.hidden_size)
        for precision in settings.precisions:
            if (name, settings.hidden_size, precision) in known:
                continue
            if why := complaint(cell, precision):
                print(f"{name}, {precision}: {why}")
                continue
            for row in measured(name, cell, precision, settings):
                rows.append(row)
                print("  ".join(f"{key} {value}" for key, value in row.items()))
            table.write_csv(rows, path, columns=tuple(rows[0]))
            files.write_atomically(folder / "kernel_resources.md", page(rows))
    print(f"table: {path}")


def measured(name: str, cell, precision: str, settings) -> list[dict]:
    """A row each for the kernels of the forward and of the backward pass."""
    batch, hidden = settings.batch_size, settings.hidden_size
    found = static.kernels(lowered(cell, precision, (LENGTH, batch, INPUT_SIZE)))
    return [
        {"cell": name, "B": batch, "H": hidden, "precision": precision, "pass": each}
        | static.compiled(*kernel)._asdict()
        for each, kernel in zip(PASSES, found, strict=False)  # then rests of a chunk
    ]


def lowered(cell, precision: str, shape) -> str:
    """The gradient for x of a shape [T, B, D], with masks and resets, for CUDA."""
    params = jax.eval_shape(lambda s: cell.init(jax.random.key(s), shape[-1]), 0)
    x = jax.ShapeDtypeStruct(shape, jnp.float32)
    flags = jax.ShapeDtypeStruct(shape[:2], bool)
    engine = fused(precision=precision)

    def gradient(params, x, mask, reset):
        def loss(params):
            setup = set_up(cell, params, x, mask=mask, reset=reset)
            return jnp.sum(engine.run(*setup)[0])

        return jax.grad(loss)(params)

    return static.lowered(gradient, params, x, flags, flags)


def page(rows: list[dict]) -> str:
    columns = list(rows[0])
    lines = [
        "# Kernels of the engine `fused`, compiled for an H100",
        "",
        "Read from compiled code; nothing here has run on a GPU. With masks, resets.",
        "",
        "## Predicted time",
        "",
        "Microseconds of a step, by a model that runs the instructions of the loop",
        f"at {cost.GIGAHERTZ} GHz with round, assumed latencies (rnn_research/kernels/",
        "cost.py). The fastest first. To be compared with times from a GPU. What is",
        "done before and after the kernel, for all times at once, is not in it.",
        "",
        markdown.table(
            ["cell", "B", "H", "precision", "forward", "backward", "both"],
            predicted(rows),
        ),
        "",
        "## What they need",
        "",
        "`spilled` is the stack of a thread in bytes. `shared` is in bytes, of which",
        "there are 232,448. `instructions` are those of a thread in one step,",
        "`products` the tensor instructions among them, `weights_in_loop` loads of",
        "matrices. `bytes` of a step go to and from the outside of the chip.",
        "",
        markdown.table(columns, [[str(row[name]) for name in columns] for row in rows]),
    ]
    return "\n".join(lines) + "\n"


def predicted(rows: list[dict]) -> list[list[str]]:
    """A row for each cell: its key, and us of forward, backward and both."""
    keys = "cell", "B", "H", "precision"
    by_key = {}
    for row in rows:
        each = by_key.setdefault(tuple(str(row[name]) for name in keys), {})
        each[row["pass"]] = int(row["cycles"]) / cost.GIGAHERTZ / 1e3
    ordered = sorted(by_key.items(), key=lambda pair: sum(pair[1].values()))
    return [
        [*key, *(f"{us:.2f}" for us in (*map(each.get, PASSES), sum(each.values())))]
        for key, each in ordered
    ]


SETTINGS = (KernelResourcesConfig(),)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
