"""Lyapunov exponents: of a known system, a random network, cells, and trained runs."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import Cell, diagnostics, models, runs
from rnn_research.cells.base import zeros_state
from rnn_research.measurements import compared
from rnn_research.measurements.driver import Measurement
from rnn_research.tasks.base import Task

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


def plan(settings) -> list[Measurement]:
    """The Lorenz system, then for every seed a random network and every cell; runs.

    Args:
      settings: a `compared.ComparedConfig` with `gains`, `count`, `network_size`,
        `hidden_size`, `length`, `transient`, `input_size` and `batch_size`.
    """
    cells = {
        text: models.only_cell(cell)
        for text, cell in compared.named_cells(settings).items()
    }
    shape = settings.length, settings.batch_size, settings.input_size
    options = {"count": settings.count, "transient": settings.transient}
    trained = [
        (name, one, compared.task_of(one, settings.length))
        for name, one in compared.named_runs(settings)
    ]
    found = [calibration()]
    for seed in settings.all_seeds():
        found.append(
            of_random_network(
                seed,
                settings.gains,
                size=settings.network_size,
                length=settings.length,
                transient=settings.transient,
            )
        )
        found += [of_cell(*each, seed, shape, **options) for each in cells.items()]
    for name, one, task in trained:
        found += of_run(name, one, task, settings.batch_size, **options)
    return found


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


def calibration() -> Measurement:
    """Rows of the Lorenz system, a unit of time, with what is known of it."""
    cell = lorenz()
    label = "Lorenz system, a unit of time"

    def found():
        params = cell.init(jax.random.key(0), 1)
        x = jnp.zeros((LORENZ_STEPS, 1, 1))
        each = exponents(cell, params, x, transient=5000)
        return jax.tree.map(lambda leaf: leaf / TIME_STEP, each)

    def rows():
        each = rows_of(found(), 3, kind="calibration", label=label)
        return [
            row | {"expected": expected}
            for row, expected in zip(each, LORENZ_EXPONENTS, strict=True)
        ]

    def headline(rows):
        first = rows[0]
        return (
            f"Lorenz: largest exponent {first['exponent']:.3f} +- "
            f"{first['error']:.3f}, expected {first['expected']}; dimension "
            f"{first['dimension']:.3f}"
        )

    return Measurement(label, found, rows, headline)


def exponents(cell, params, x, **options):
    """`diagnostics.lyapunov_exponents`, compiled."""
    measure = jax.jit(
        lambda params, x: diagnostics.lyapunov_exponents(cell, params, x, **options)
    )
    return measure(params, x)


def of_random_network(
    seed: int, gains: tuple[float, ...], *, size: int, length: int, transient: int
) -> Measurement:
    """A row a gain: the largest exponent of h' = tanh(g J h), J normal of 1/N."""
    key_J, key_h = jax.random.split(jax.random.key(seed))
    normal = jax.random.normal(key_J, (size, size)) / size**0.5
    cell = Cell(
        init=lambda key, input_size: normal,
        initial_state=zeros_state(size),
        step=lambda w, h, u: jnp.tanh(h @ w),
    )
    state = jax.random.normal(key_h, (1, size))
    labels = {"kind": "gain", "label": "random network", "seed": seed}

    @jax.jit
    def leading(gain):
        x = jnp.zeros((length, 1, 1))
        options = {"state": state, "count": 1, "transient": transient}
        return diagnostics.lyapunov_exponents(cell, gain * normal, x, **options)

    def rows():
        return [
            row
            for gain in gains
            for row in rows_of(leading(gain), size, **labels, gain=gain)
        ]

    return Measurement(f"random network, seed {seed}", lambda: leading(1.0), rows)


def of_cell(
    text: str,
    cell: Cell,
    seed: int,
    shape: tuple[int, int, int],
    *,
    count: int,
    transient: int,
) -> Measurement:
    """A row for each of the leading exponents at initialisation, by white noise.

    Args:
      shape: of the noise, (T, B, D).
    """

    def found():
        key_params, key_x = jax.random.split(jax.random.key(seed))
        params = cell.init(key_params, shape[-1])
        size = numbers_in(cell.initial_state(params, (1,)))
        noise = jax.random.normal(key_x, shape)
        options = {"count": min(count, size), "transient": transient}
        return exponents(cell, params, noise, **options), size

    def rows():
        each, size = found()
        return rows_of(each, size, kind="network", label=text, seed=seed)

    return Measurement(text, found, rows, headline)


def of_run(
    name: str,
    one: runs.Loaded,
    task: Task,
    batch_size: int,
    *,
    count: int,
    transient: int,
) -> list[Measurement]:
    """Before and after training: rows of every recurrence, on its task's inputs."""
    batch = task.sample(jax.random.key(one.seed), batch_size)
    model, seeds = one.model, {"seed": one.seed, "trained_seed": one.seed}

    @jax.jit
    def every_layer(params, batch):
        setups = diagnostics.recurrences(model, params, batch)
        sizes = [numbers_in(setup.state) for setup in setups]
        return sizes, [
            diagnostics.exponents_of(setup, count=min(count, size), transient=transient)
            for setup, size in zip(setups, sizes, strict=True)
        ]

    def found(params):
        return every_layer(params, batch)

    def rows(label, params):
        sizes, each = found(params)
        return [
            row
            for layer, exponents in enumerate(each)
            for row in rows_of(
                exponents,
                int(sizes[layer]),
                kind="network",
                label=label + f", layer {layer + 1}" * (len(each) > 1),
                **seeds,
            )
        ]

    return [
        Measurement(
            label := f"{name} ({weights})",
            functools.partial(found, params),
            functools.partial(rows, label, params),
            headline,
        )
        for weights, params in compared.before_and_after(one).items()
    ]


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


def headline(rows: list[dict]) -> str:
    """A line for each network: its largest exponent, and the dimension if known."""
    return "\n".join(
        f"{first['label']}: largest exponent {first['exponent']:+.4f} +- "
        f"{first['error']:.4f} nats a step"
        + (f", dimension {first['dimension']:.2f}" if first["dimension"] != "" else "")
        for first in rows
        if first["index"] == 1
    )
