"""Order or chaos: do small differences of the state die out or grow?

    python -m experiments.lyapunov
    python -m experiments.lyapunov --cells=gru --runs=runs/adding_problem/gru-...

Left: the largest Lyapunov exponent of a random tanh network without inputs against the
gain g of its weights, which changes sign near g = 1 (Sompolinsky, Crisanti & Sommers
1988), where the state begins to move by itself. Right: the leading exponents of cells
driven by white noise, and of trained runs, before and after, by the inputs of their
task; a gradient through time shrinks or grows at the rate of these. First the Lorenz
system, whose largest exponent is 0.906 a unit of time, to show that the measurement is
right. Where --count covers all exponents, the Kaplan-Yorke dimension is given too.
Writes lyapunov.csv and lyapunov.png. Takes about a minute on 2 CPU cores.
"""

import dataclasses
import pathlib

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import Cell, config, diagnostics, models, plotting, runs, runtime
from rnn_research.cells.base import zeros_state
from rnn_research.measurements import driver, subjects
from rnn_research.resolve import resolve
from rnn_research.runs import run_folder


@dataclasses.dataclass(frozen=True)
class LyapunovConfig(subjects.ComparedConfig):
    """Lyapunov exponents:"""

    gains: tuple[float, ...] = config.setting(
        (0.4, 0.6, 0.8, 0.9, 1.0, 1.1, 1.2, 1.4, 1.7, 2.0, 2.5, 3.0),
        "gains g of the random network",
    )
    cells: tuple[str, ...] = config.setting(
        ("elman", "gru", "lstm", "cornn"), "cells to compare, as for --cell"
    )
    count: int = config.setting(16, "leading exponents of each cell", low=1)
    network_size: int = config.setting(200, "units of the random network", low=2)
    hidden_size: int = config.setting(64, "units of each cell", low=1)
    length: int = config.setting(1500, "steps", low=100)
    transient: int = config.setting(500, "first steps, which are not counted", low=0)
    input_size: int = config.setting(2, "channels of the white noise", low=1)
    batch_size: int = config.setting(2, "sequences to average over", low=1)
    workdir: str = config.setting("runs/lyapunov", "folder for table and figure")


TIME_STEP = 0.01
LORENZ_STEPS = 60_000
LORENZ_EXPONENTS = (0.906, 0.0, -14.572)  # a unit of time
COLUMNS = (
    "kind",
    "label",
    "seed",
    "trained_seed",
    "gain",
    "index",
    "exponent",
    "error",
    "expected",
    "dimension",
)


def main(settings: LyapunovConfig, run_config: runtime.RunConfig):
    runtime.start(run_config, batch_size=1, hidden_size=settings.hidden_size)
    folder = pathlib.Path(settings.workdir)
    run_folder.check(folder)
    named = [
        (
            text,
            models.only_cell(resolve("cell", text, hidden_size=settings.hidden_size)),
        )
        for text in settings.cells
    ]
    runs = subjects.named_runs(settings.runs or (), settings.trust or ())
    with jax.default_matmul_precision("highest"):
        measurements = []
        for seed in settings.all_seeds():
            measurements.append(random_network(seed, settings))
            measurements += [driven(*one, seed, settings) for one in named]
        measurements += [trained(*one, settings) for one in runs]
        found = driver.rows([calibration(), *measurements], folder)
        rows = [row for own in found for row in own]
    tables = {"lyapunov": rows}
    driver.write(folder, tables, "lyapunov.png", plotting.lyapunov, columns=COLUMNS)


def lorenz() -> Cell:
    """The Lorenz system, sigma = 10, rho = 28, beta = 8/3, by Runge and Kutta."""

    def velocity(h):
        x, y, z = h[..., 0], h[..., 1], h[..., 2]
        return jnp.stack([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z], -1)

    def step(w, h, u):
        del w, u
        a = velocity(h)
        b = velocity(h + TIME_STEP / 2 * a)
        c = velocity(h + TIME_STEP / 2 * b)
        d = velocity(h + TIME_STEP * c)
        return h + TIME_STEP / 6 * (a + 2 * b + 2 * c + d)

    def initial_state(params, batch_shape):
        start = jnp.array([1.0, 1.0, 20.0], params.dtype)
        return jnp.broadcast_to(start, (*batch_shape, 3))

    return Cell(
        init=lambda key, input_size: jnp.ones(()),
        initial_state=initial_state,
        step=step,
    )


def calibration() -> driver.Measurement:
    """Rows of the Lorenz system, a unit of time, with what is known of it."""
    cell = lorenz()

    def found():
        params = cell.init(jax.random.key(0), 1)
        x = jnp.zeros((LORENZ_STEPS, 1, 1))
        each = exponents(cell, params, x, transient=5000)
        return jax.tree.map(lambda leaf: leaf / TIME_STEP, each)

    def rows():
        label = "Lorenz system, a unit of time"
        each = rows_of(found(), 3, kind="calibration", label=label)
        for row, expected in zip(each, LORENZ_EXPONENTS, strict=True):
            row["expected"] = expected
        return each

    def headline(rows):
        first = rows[0]
        return (
            f"Lorenz: largest exponent {first['exponent']:.3f} +- "
            f"{first['error']:.3f}, expected {first['expected']}; dimension "
            f"{first['dimension']:.3f}"
        )

    return driver.Measurement("Lorenz system", found, rows, (), headline)


def exponents(cell, params, x, **options):
    """`diagnostics.lyapunov_exponents`, compiled."""
    measure = jax.jit(
        lambda params, x: diagnostics.lyapunov_exponents(cell, params, x, **options)
    )
    return measure(params, x)


def random_network(seed: int, settings) -> driver.Measurement:
    """A row a gain: the largest exponent of h' = tanh(g J h), J normal of 1/N."""
    size = settings.network_size
    key_J, key_h = jax.random.split(jax.random.key(seed))
    normal = jax.random.normal(key_J, (size, size)) / size**0.5
    cell = Cell(
        init=lambda key, input_size: normal,
        initial_state=zeros_state(size),
        step=lambda w, h, u: jnp.tanh(h @ w),
    )
    state = jax.random.normal(key_h, (1, size))
    x = jnp.zeros((settings.length, 1, 1))

    @jax.jit
    def leading(gain):
        options = {"state": state, "count": 1, "transient": settings.transient}
        return diagnostics.lyapunov_exponents(cell, gain * normal, x, **options)

    def rows():
        labels = {"kind": "gain", "label": "random network", "seed": seed}
        return [
            row
            for gain in settings.gains
            for row in rows_of(leading(gain), size, **labels, gain=gain)
        ]

    given = (normal, state, settings.gains, settings.length, settings.transient)
    label = f"random network, seed {seed}"
    return driver.Measurement(label, lambda: leading(1.0), rows, given)


def driven(text: str, cell, seed: int, settings) -> driver.Measurement:
    """A row for each of the leading exponents of a cell at initialisation."""

    def found():
        key_params, key_x = jax.random.split(jax.random.key(seed))
        shape = (settings.length, settings.batch_size, settings.input_size)
        params = cell.init(key_params, settings.input_size)
        size = numbers_in(cell.initial_state(params, (1,)))
        noise = jax.random.normal(key_x, shape)
        options = {"count": min(settings.count, size), "transient": settings.transient}
        return exponents(cell, params, noise, **options), size

    def rows():
        each, size = found()
        return rows_of(each, size, kind="network", label=text, seed=seed)

    sizes = settings.length, settings.batch_size, settings.input_size, settings.count
    given = (cell, seed, sizes, settings.transient)
    return driver.Measurement(text, found, rows, given, headlines)


def trained(name: str, one: runs.Loaded, settings) -> driver.Measurement:
    """Rows of every recurrence of a run, before and after, on its task's inputs."""
    task = resolve("task", one.settings["task"], length=settings.length)

    batch = task.sample(jax.random.key(one.seed), settings.batch_size)

    @jax.jit
    def every_layer(params, batch):
        setups = diagnostics.recurrences(one.model, params, batch.inputs, batch.mask)
        sizes = [numbers_in(setup.state) for setup in setups]
        return sizes, [
            diagnostics.exponents_of(
                setup,
                count=min(settings.count, size),
                transient=settings.transient,
            )
            for setup, size in zip(setups, sizes, strict=True)
        ]

    def rows():
        found = []
        both = {"initial": one.initial_params, "trained": one.params}
        for weights, params in both.items():
            sizes, each = every_layer(params, batch)
            for layer, exponents in enumerate(each):
                label = f"{name} ({weights})" + f", layer {layer + 1}" * (len(each) > 1)
                labels = {"kind": "network", "label": label, "seed": one.seed}
                labels["trained_seed"] = one.seed
                found += rows_of(exponents, int(sizes[layer]), **labels)
        return found

    weights = jax.tree.leaves((one.initial_params, one.params))
    sizes = settings.batch_size, settings.count, settings.transient
    given = (one.model, task, one.seed, weights, sizes)
    return driver.Measurement(
        name, lambda: every_layer(one.params, batch), rows, given, headlines
    )


def numbers_in(state) -> int:
    """Real numbers of a state [B, ...] of one sequence."""
    return sum(
        leaf[0].size * (2 if jnp.iscomplexobj(leaf) else 1)
        for leaf in jax.tree.leaves(state)
    )


def rows_of(found, size: int, **labels) -> list[dict]:
    """A row for each exponent, the mean over sequences, with its standard error.

    Args:
      size: the real numbers in the state; if so many exponents are there, the first
        row holds the Kaplan-Yorke dimension, the mean over sequences.
    """
    rows = [
        dict.fromkeys(COLUMNS, "")
        | labels
        | {"index": index + 1, "exponent": float(value), "error": float(error)}
        for index, (value, error) in enumerate(zip(*found.mean(), strict=True))
    ]
    if len(rows) == size:
        dimensions = diagnostics.kaplan_yorke_dimension(found.exponents)
        rows[0]["dimension"] = float(np.mean(dimensions))
    return rows


def headlines(rows: list[dict]) -> str:
    """A line for each network: its largest exponent, and the dimension if known."""
    lines = []
    for first in (row for row in rows if row["index"] == 1):
        dimension = first["dimension"]
        lines.append(
            f"{first['label']}: largest exponent {first['exponent']:+.4f} +- "
            f"{first['error']:.4f} nats a step"
            + (f", dimension {dimension:.2f}" if dimension != "" else "")
        )
    return "\n".join(lines)


if __name__ == "__main__":
    config.run(main, LyapunovConfig(), runtime.RunConfig())
