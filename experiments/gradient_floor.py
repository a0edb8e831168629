"""What is the time of a gradient through time made of?

    python -m experiments.gradient_floor
    python -m experiments.gradient_floor --cells=gru,my_cells:leaky --shapes=200x50x128

For each cell and shape, one after the other in one process: the matrix products of the
recurrent weights alone (forward h W, backward a W^T, and the gradient of W, which no
exact method does without), the forward pass, and the gradient, at the engine and the
number of devices that a training would have. What is left of the gradient is
elementwise work, memory traffic, products done twice, and the loop itself. Writes
gradient_floor.csv and gradient_floor.md.
"""

import dataclasses
import functools
import pathlib
import statistics
import time

import jax
import jax.numpy as jnp

from experiments.engine_speed import INPUT_SIZE
from rnn_research import (
    config,
    engines,
    errors,
    files,
    hardware,
    models,
    runtime,
    unroll,
)
from rnn_research.benchmarks import turns
from rnn_research.diagnostics import table
from rnn_research.resolve import resolve
from rnn_research.runs import run_folder


@dataclasses.dataclass(frozen=True)
class GradientFloorConfig(config.Settings):
    """Gradient floor:"""

    cells: tuple[str, ...] = config.setting(
        ("elman", "gru", "lstm"), "cells, as for --cell", names="cells"
    )
    shapes: tuple[str, ...] = config.setting(
        ("100x32x64", "200x50x128", "784x128x128", "200x64x512", "5000x16x32"),
        "T x B x H, one per row",
    )
    engine: str = config.setting("auto", "as for --engine", names="engines")
    rounds: int = config.setting(9, "calls of each, in turns", low=1)
    workdir: str = config.setting("runs/gradient_floor", "folder for the table")


def main(settings: GradientFloorConfig, run_config: runtime.RunConfig):
    shapes = [turns.parse_shape(text) for text in settings.shapes]
    largest = max(batch for _, batch, _ in shapes)
    runtime.start(run_config, batch_size=largest, hidden_size=1)
    engine = resolve("engine", settings.engine)
    folder = pathlib.Path(settings.workdir)
    run_folder.check(folder)
    planned = [
        (text, *shape, models.only_cell(resolve("cell", text, hidden_size=shape[-1])))
        for text in settings.cells
        for shape in shapes
    ]
    for *_, cell in planned:
        engines.check(engine, cell)
        jax.eval_shape(lambda cell=cell: side_by_side(cell, started(cell)))
    rows = []
    for text, length, batch, hidden, cell in planned:
        rows.append(
            {"cell": text, "T": length, "B": batch, "H": hidden}
            | measure(cell, length, batch, hidden, engine, settings.rounds)
        )
        print(line(rows[-1]), flush=True)
    table.write_csv(rows, folder / "gradient_floor.csv", columns=tuple(rows[0]))
    files.write_atomically(folder / "gradient_floor.md", markdown(rows))
    print(f"tables: {folder}")


def started(cell):
    """The parameters that a cell is measured with."""
    return cell.init(jax.random.key(0), INPUT_SIZE)


def side_by_side(cell, params) -> jax.Array:
    """All matrices that the state is multiplied with, [N, k N]."""
    own = cell.matrices(cell.weights(params)) if cell.matrices else {}
    sizes = {M.shape[-1] for M in own.values()}
    if len(sizes) != 1 or cell.structure.jacobian != "dense":
        raise errors.UsageError(
            f"{cell} does not multiply its state with full matrices of one size; the "
            "floor is the time of such products"
        )
    (size,) = sizes
    blocks = [one for M in own.values() for one in M.reshape(-1, size, size)]
    return jnp.concatenate(blocks, axis=1)


def measure(cell, length, batch, hidden, engine, rounds) -> dict:
    useful = min(runtime.useful_cores(batch, hidden), jax.local_device_count())
    devices = runtime.largest_divisor(batch, useful)
    mesh = runtime.make_mesh(batch, num_devices=devices)
    everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    params = started(cell)
    x = jax.random.normal(jax.random.key(1), (length, batch, INPUT_SIZE))
    W = side_by_side(cell, params)
    params, x, W = jax.device_put((params, x, W), everywhere)

    def mean(function):
        """The mean over devices of function(params, x of a shard)."""

        def over_all(params, x):
            parts = x.reshape(length, devices, -1, INPUT_SIZE).swapaxes(0, 1)
            own = runtime.copies(params, mesh)
            return jnp.mean(runtime.over_shards(function, mesh, own, parts), axis=0)

        return over_all

    def loss(params, x):
        return jnp.mean(unroll(cell, params, x, engine=engine).outputs[-1] ** 2)

    program = functools.partial(jax.jit, compiler_options=runtime.compiler_options())
    forward, gradient = program(mean(loss)), program(jax.grad(mean(loss)))
    floor = program(mean(products))
    times = in_turn(
        [
            lambda: floor(W, x),
            lambda: forward(params, x),
            lambda: gradient(params, x),
        ],
        rounds,
    )
    memory = gradient.lower(params, x).compile().memory_analysis()
    share = x[:, : batch // devices]
    record = jax.eval_shape(lambda: unroll(cell, params, share, engine=engine)).record
    return {
        "engine": repr(record.engine),
        "devices": devices,
        "gflop": 3 * 2 * length * batch * W.size / 1e9,
        "products_ms": times[0],
        "forward_ms": times[1],
        "gradient_ms": times[2],
        "temporary_mb": memory.temp_size_in_bytes / 2**20,
    }


def products(W, x):
    """The three products of every step with W [H, G H], and as little else as can."""
    hidden, width = W.shape
    length, batch, _ = x.shape
    start = jnp.broadcast_to(x[0, :, :1], (batch, hidden))

    def forward(h, _):
        u = h @ W
        return 0.5 * h + 1e-6 * u[:, :hidden], h

    def backward(a, h):
        back = jnp.tile(a @ W.T, (1, width // hidden))
        return 0.5 * a + 1e-6 * back, a

    last, states = jax.lax.scan(forward, start, length=length)
    adjoint = jnp.tile(last, (1, width // hidden))
    _, adjoints = jax.lax.scan(backward, adjoint, states, reverse=True)
    return jnp.einsum("tbh,tbg->hg", states, adjoints)


def in_turn(calls, rounds: int) -> list[float]:
    """The median ms of each, called in turn, twice, of which the second counts."""
    times = [[] for _ in calls]
    for call in calls:
        jax.block_until_ready(call())
    for _ in range(rounds):
        for call, own in zip(calls, times, strict=True):
            for _ in range(2):
                begun = time.perf_counter()
                jax.block_until_ready(call())
                spent = time.perf_counter() - begun
            own.append(1e3 * spent)
    return [statistics.median(own) for own in times]


def line(row: dict) -> str:
    return (
        f"{row['cell']}, {row['T']} x {row['B']} x {row['H']}: products "
        f"{row['products_ms']:.1f} ms, forward {row['forward_ms']:.1f} ms, gradient "
        f"{row['gradient_ms']:.1f} ms"
    )


def markdown(rows: list[dict]) -> str:
    lines = [
        "# What a gradient is made of",
        "",
        "Median ms. Products: those of the recurrent matrices alone. Share: of the "
        "gradient's time. Kept: temporary memory of the compiled gradient on a device.",
        "",
        "| cell | T, B, H | engine, devices | GFLOP | products | at GFLOP/s | forward "
        "| gradient | share of products | kept, MB |",
        "|---" * 10 + "|",
    ]
    for row in rows:
        lines.append(
            f"| {row['cell']} | {row['T']}, {row['B']}, {row['H']} "
            f"| {row['engine']}, {row['devices']} | {row['gflop']:.2f} "
            f"| {row['products_ms']:.1f} "
            f"| {1e3 * row['gflop'] / row['products_ms']:.0f} "
            f"| {row['forward_ms']:.1f} | {row['gradient_ms']:.1f} "
            f"| {row['products_ms'] / row['gradient_ms']:.2f} "
            f"| {row['temporary_mb']:.0f} |"
        )
    return "\n".join([*lines, "", hardware.machine(["jax"])]) + "\n"


SETTINGS = (
    GradientFloorConfig(),
    runtime.RunConfig(),
)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
