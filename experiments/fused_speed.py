"""Is one kernel for the whole loop right, and is it faster than the loop?

    python -m experiments.fused_speed --platform=gpu
    python -m experiments.fused_speed --cells=gru --shapes=3x2x8 --interpret=True

For each cell that qualifies: the gradient of mean(y_T^2) with respect to all parameters
by `fused` and by what `auto` picks. `loss_error` and `gradient_error` are the largest
differences of each from `sequential` in float32 with exact products, relative to the
largest entry. Times are medians, in ms; memory is what the compiled gradient needs
beside its arguments. With --seeds=8 eight networks run side by side, by `vmap`. What
the table has is not measured again. Without a GPU --interpret=True runs the kernel on
the CPU, slowly, so its times mean nothing. Writes fused_speed.csv.
"""

import dataclasses
import itertools
import pathlib
import statistics
import time

import jax
import jax.numpy as jnp

from rnn_research import cells, config, engines, runtime
from rnn_research.benchmarks import turns
from rnn_research.checks.report import difference
from rnn_research.diagnostics import table
from rnn_research.engines.fused import complaint
from rnn_research.kernels.precisions import PRECISIONS
from rnn_research.resolve import resolve
from rnn_research.runs import run_folder
from rnn_research.unroll import unroll

INPUT_SIZE = 2
KEYS = "cell", "T", "B", "H", "precision", "seeds"


@dataclasses.dataclass(frozen=True)
class FusedSpeedConfig(config.Settings):
    """Fused kernels:"""

    cells: tuple[str, ...] | None = config.setting(
        None, "cells; default: all", names="cells"
    )
    shapes: tuple[str, ...] = config.setting(("1000x16x128",), "T x B x H of each row")
    precisions: tuple[str, ...] = config.setting(
        ("float32", "bfloat16"), "of the kernel's products", choices=tuple(PRECISIONS)
    )
    seeds: int = config.setting(1, "networks side by side", low=1)
    rounds: int = config.setting(5, "gradients of each, for the median", low=1)
    interpret: bool = config.setting(False, "run the kernel on any device, slowly")
    workdir: str = config.setting("runs/fused_speed", "folder for the table")


def main(settings: FusedSpeedConfig, run_config: runtime.RunConfig):
    runtime.start(run_config, batch_size=1, hidden_size=1)
    folder = pathlib.Path(settings.workdir)
    run_folder.check(folder)
    path = folder / "fused_speed.csv"
    rows = table.read_csv(path) if path.exists() else []
    known = {tuple(str(row[name]) for name in KEYS) for row in rows}
    sizes = [turns.parse_shape(text) for text in settings.shapes]
    for (length, batch, hidden), name in itertools.product(
        sizes, settings.cells or cells.__all__
    ):
        cell = resolve("cell", name, hidden_size=hidden)
        for precision in settings.precisions:
            key = name, length, batch, hidden, precision, settings.seeds
            if tuple(map(str, key)) in known:
                continue
            if why := complaint(cell, None if settings.interpret else precision):
                print(f"{name}, H = {hidden}, {precision}: {why}")
                continue
            rows.append(
                dict(zip(KEYS, key, strict=True)) | measured(cell, key, settings)
            )
            print("  ".join(f"{name} {value}" for name, value in rows[-1].items()))
            table.write_csv(rows, path, columns=tuple(rows[0]))
    print(f"table: {path}")


def measured(cell, key, settings) -> dict:
    """Errors, times and memory of `fused` and of `auto`."""
    _, length, batch, _, precision, seeds = key
    keys = jax.random.split(jax.random.key(0), seeds)
    params = jax.jit(jax.vmap(lambda k: cell.init(k, INPUT_SIZE)))(keys)
    x = jax.random.normal(jax.random.key(1), (length, batch, INPUT_SIZE))
    fused = engines.fused(precision=precision, interpret=settings.interpret)
    found, row = {}, {}
    for name, engine in (
        ("fused", fused),
        ("auto", engines.auto()),
        ("exact", engines.sequential()),
    ):
        with jax.default_matmul_precision("highest"):
            call = jax.jit(gradients(cell, engine)).lower(params, x).compile()
        found[name] = jax.block_until_ready(call(params, x))
        row[name] = times(call, params, x, settings.rounds)
        row[f"{name}_mb"] = call.memory_analysis().temp_size_in_bytes / 1e6
    for name in ("fused", "auto"):
        for what, own, exact in zip(
            ("loss", "gradient"), found[name], found["exact"], strict=True
        ):
            row[f"{name}_{what}_error"] = float(difference(own, exact))
    del row["exact"], row["exact_mb"]
    return row


def gradients(cell, engine):
    """(params of all seeds, x) -> (losses, gradients)."""

    def loss(params, x):
        return jnp.mean(unroll(cell, params, x, engine=engine).outputs[-1] ** 2)

    return jax.vmap(jax.value_and_grad(loss), in_axes=(0, None))


def times(call, params, x, rounds: int) -> float:
    """Median ms of a call."""

    def once():
        start = time.perf_counter()
        jax.block_until_ready(call(params, x))
        return 1e3 * (time.perf_counter() - start)

    return statistics.median(once() for _ in range(rounds))


SETTINGS = (FusedSpeedConfig(), runtime.RunConfig())

if __name__ == "__main__":
    config.run(main, *SETTINGS)
