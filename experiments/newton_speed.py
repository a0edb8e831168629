"""When does Newton's method beat the loop, and when does it converge at all?

    python -m experiments.newton_speed
    python -m experiments.newton_speed --cell=lstm --lengths=1000,10000 --platform=gpu

Three sweeps, each with the loop beside it: over the length T and over the width H of a
cell, and over the gain g of a random tanh network of width 64 with weak inputs, T=512,
whose largest Lyapunov exponent grows with g through zero, from order to chaos. Measured
are the iterations until all states solve the recurrence, whether that was reached (if
not, the loop has run after them), the largest difference from the loop, and the time of
a gradient of mean(y_T^2), newton and loop in turns. In float32, products in full
precision. Takes a few minutes on 2 CPU cores, where the loop wins: the method is for
devices with thousands of lanes. Writes newton_speed.csv and newton_speed.png.
"""

import dataclasses
import pathlib
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import (
    cells,
    config,
    diagnostics,
    engines,
    errors,
    models,
    plotting,
    runtime,
)
from rnn_research.diagnostics import table
from rnn_research.engines.loop_choice import fastest_loop
from rnn_research.resolve import resolve
from rnn_research.runs import run_folder
from rnn_research.unroll import unroll

INPUT_SIZE = 2
CHAOS_SIZE, CHAOS_LENGTH, CHAOS_INPUT = 64, 512, 0.1
EXPONENT_STEPS = 2000  # at the most; the exponent is then known to a hundredth
LOOP = engines.base.Engine(lambda *given: fastest_loop(*given)(*given))


@dataclasses.dataclass(frozen=True)
class NewtonSpeedConfig(config.Settings):
    """Newton's method:"""

    cell: str = config.setting(
        "gru", "the cell of the sweeps over length and width", names="cells"
    )
    lengths: tuple[int, ...] = config.setting(
        (100, 300, 1000, 3000, 10000), "T of the sweep over the length", low=20
    )
    widths: tuple[int, ...] = config.setting(
        (2, 4, 8, 16, 32), "H of the sweep over the width", low=1
    )
    gains: tuple[float, ...] = config.setting(
        (0.25, 0.5, 0.75, 1.0, 1.3, 1.6, 2.0, 3.0), "g of the sweep over the gain"
    )
    hidden_size: int = config.setting(8, "H of the sweep over the length", low=1)
    length: int = config.setting(1000, "T of the sweep over the width", low=20)
    batch_size: int = config.setting(1, "sequences", low=1)
    rounds: int = config.setting(5, "gradients of each, for the median", low=1)
    methods: tuple[str, ...] = config.setting(
        (
            "newton",
            "newton(jacobian=diagonal)",
            "newton(jacobian=diagonal, damping=0.1)",
        ),
        "what to compare, as for --engine",
    )
    seed: int = config.setting(0, "seed of weights and inputs", low=0)
    workdir: str = config.setting("runs/newton_speed", "folder for table and figure")


def main(settings: NewtonSpeedConfig, run_config: runtime.RunConfig):
    runtime.start(run_config, batch_size=1, hidden_size=1)
    folder = pathlib.Path(settings.workdir)
    run_folder.check(folder)
    methods = {text: resolve("engine", text) for text in settings.methods}
    cell = models.only_cell(
        resolve("cell", settings.cell, hidden_size=settings.hidden_size)
    )
    for name, engine in methods.items():
        check_iterates(name, engine, cell)

    rows = []
    with jax.default_matmul_precision("highest"):
        for problem in problems(settings):
            rows += measure(problem, methods, settings)
            print_rows(rows[-len(methods) :])
    path = folder / "newton_speed.csv"
    table.write_csv(rows, path, columns=tuple(rows[0]))
    plotting.newton_speed(rows, folder / "newton_speed.png")
    print(f"table:  {path}\nfigure: {folder / 'newton_speed.png'}")


def check_iterates(name: str, engine, cell):
    """Raise unless the engine runs the cell and reports iterations."""
    engines.check(engine, cell)

    def record():
        params = cell.init(jax.random.key(0), INPUT_SIZE)
        x = jnp.zeros((2, 1, INPUT_SIZE))
        return unroll(cell, params, x, engine=engine).record

    if jax.eval_shape(record).solver is None:
        raise errors.UsageError(
            f"--methods: {name} does not iterate; give newton with its options"
        )


@dataclasses.dataclass(frozen=True)
class Problem:
    sweep: str  # 'length', 'width' or 'gain'
    at: float
    cell: cells.base.Cell
    params: object
    length: int


def problems(settings):
    key = jax.random.key(settings.seed)
    for sweep, pairs in (
        ("length", [(settings.hidden_size, length) for length in settings.lengths]),
        ("width", [(width, settings.length) for width in settings.widths]),
    ):
        for size, length in pairs:
            cell = resolve("cell", settings.cell, hidden_size=size)
            at = length if sweep == "length" else size
            yield Problem(sweep, at, cell, cell.init(key, INPUT_SIZE), length)
    for gain in settings.gains:
        cell = cells.elman(CHAOS_SIZE)
        params = cell.init(key, INPUT_SIZE)
        normal = jax.random.normal(key, (CHAOS_SIZE, CHAOS_SIZE))
        params = params._replace(
            W_hh=gain * CHAOS_SIZE**-0.5 * normal, W_xh=CHAOS_INPUT * params.W_xh
        )
        yield Problem("gain", gain, cell, params, CHAOS_LENGTH)


def measure(problem: Problem, methods: dict, settings) -> list[dict]:
    """A row for each method."""
    shape = (problem.length, settings.batch_size, INPUT_SIZE)
    x = jax.random.normal(jax.random.key(settings.seed + 1), shape)
    some = x[:EXPONENT_STEPS]
    exponents = jax.jit(
        lambda params, x: (
            diagnostics.lyapunov_exponents(
                problem.cell, params, x, count=1, transient=len(x) // 10
            ).exponents
        )
    )(problem.params, some)
    loop = compiled(problem, LOOP, x)
    own = {name: compiled(problem, engine, x) for name, engine in methods.items()}
    times = {name: [] for name in ("loop", *own)}
    for _ in range(settings.rounds):
        for name, call in {"loop": loop, **own}.items():
            begun = time.perf_counter()
            jax.block_until_ready(call(problem.params, x))
            times[name].append(1000 * (time.perf_counter() - begun))
    _, (outputs, _) = loop(problem.params, x)
    rows = []
    for name, call in own.items():
        _, (solved, solver) = call(problem.params, x)
        rows.append(
            {
                "sweep": problem.sweep,
                "at": problem.at,
                "method": name,
                "T": problem.length,
                "H": solved.shape[-1],
                "exponent": float(np.mean(exponents)),
                "converged": bool(solver.converged),
                "iterations": int(solver.iterations),
                "residual": float(solver.residual),
                "difference": float(jnp.abs(solved - outputs).max()),
                "ms": statistics.median(times[name]),
                "loop_ms": statistics.median(times["loop"]),
            }
        )
    return rows


def compiled(problem: Problem, engine, x):
    """(params, x) -> (gradient, (outputs, solver)), compiled."""

    def loss(params, x):
        result = unroll(problem.cell, params, x, engine=engine)
        return jnp.mean(result.outputs[-1] ** 2), (
            result.outputs,
            result.record.solver,
        )

    return jax.jit(jax.grad(loss, has_aux=True)).lower(problem.params, x).compile()


def print_rows(rows: list[dict]):
    for row in rows:
        ending = "" if row["converged"] else " (did not converge: the loop)"
        print(
            f"{row['sweep']} {row['at']:g}: {row['method']}: {row['iterations']} "
            f"iterations{ending}, {row['ms']:.1f} ms, loop {row['loop_ms']:.1f} ms, "
            f"exponent {row['exponent']:.2f}",
            flush=True,
        )


SETTINGS = (
    NewtonSpeedConfig(),
    runtime.RunConfig(),
)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
