"""Forecasts of dynamical systems: how they are integrated, units and baselines."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research.errors import check_flags, check_size
from rnn_research.tasks import base, scores

MOST_STEPS = 200_000  # of the sample that baselines are computed from
UNIT_STEPS = 500  # of the sample that units are of, whatever the length of the task
PERSISTENCE, STRAIGHT = "persistence", "a straight line through the last two values"
MEAN = "predicting the mean"


class Flow(NamedTuple):
    """A system x' = f(x), as it is drawn and observed.

    Attributes:
      field: (state, xp) -> its derivatives; a state is a tuple of arrays, xp the module
        of their functions, numpy or jax.numpy.
      start: (uniform numbers in [0, 1) [draws, ...], xp) -> the state at first.
      draws: how many numbers `start` takes.
      observed: (state, xp) -> what is seen [D, ...].
      every: time between two observations.
      substeps: steps of the Runge-Kutta method of order 4 between them.
      warm_up: observations that are dropped, until the state is on the attractor.
    """

    field: Callable
    start: Callable
    draws: int
    observed: Callable
    every: float
    substeps: int
    warm_up: int = 0


def rk4(field: Callable, state: tuple, h: float) -> tuple:
    """The state after a step of the classical Runge-Kutta method of order 4."""

    def moved(slopes, by):
        return tuple(x + by * dx for x, dx in zip(state, slopes, strict=True))

    first = field(state)
    second = field(moved(first, h / 2))
    third = field(moved(second, h / 2))
    last = field(moved(third, h))
    slopes = zip(first, second, third, last, strict=True)
    return moved(tuple(a + 2 * b + 2 * c + d for a, b, c, d in slopes), h / 6)


def observe(flow: Flow, state: tuple, xp) -> tuple:
    """The state after the time between two observations."""
    for _ in range(flow.substeps):
        h = flow.every / flow.substeps
        state = rk4(lambda now: flow.field(now, xp), state, h)
    return state


def series(flow: Flow, key: jax.Array, count: int) -> jax.Array:
    """Observations [count, D], the first one `warm_up` after the start."""

    def step(state, _):
        after = observe(flow, state, jnp)
        return after, state

    state = flow.start(jax.random.uniform(key, (flow.draws,)), jnp)
    state = jax.lax.fori_loop(
        0, flow.warm_up, lambda _, now: observe(flow, now, jnp), state
    )
    _, states = jax.lax.scan(step, state, None, count)
    return jax.vmap(lambda one: flow.observed(one, jnp))(states)


@functools.lru_cache(maxsize=8)
def sample_of(flow: Flow, count: int) -> np.ndarray:
    """Observations [count, D, N] of many starts, in NumPy, the same in each process."""
    number = max(8, min(256, MOST_STEPS // count))
    drawn = np.random.default_rng(0).permuted(
        np.tile((np.arange(number) + 0.5) / number, (flow.draws, 1)), axis=1
    )
    state, found = flow.start(drawn, np), []
    for step in range(flow.warm_up + count):
        if step >= flow.warm_up:
            found.append(flow.observed(state, np))
        state = observe(flow, state, np)
    return np.stack(found)


# ------------------------------------------------------------------------- forecasts


class Units(NamedTuple):
    """What is taken off each variable [D], and what it is divided by."""

    mean: np.ndarray
    scale: np.ndarray


def units_of(sample: np.ndarray, standardised: bool) -> Units:
    """Mean 0 and variance 1 of a sample [T, D, N], or as it is."""
    check_flags(standardised=standardised)
    if standardised:
        return Units(sample.mean(axis=(0, 2)), sample.std(axis=(0, 2)))
    return Units(np.zeros(sample.shape[1]), np.ones(sample.shape[1]))


def forecast(
    draw: Callable,
    sample_of: Callable,
    *,
    length: int,
    horizon: int,
    standardised: bool,
) -> base.Task:
    """The task to forecast every variable `horizon` observations ahead, at each step.

    Args:
      draw: (key) -> observations [length + horizon, D].
      sample_of: (count) -> such observations of many starts [count, D, N].
      standardised: in units in which a sample has mean 0 and variance 1.
    """
    units = units_of(sample_of(UNIT_STEPS), standardised)
    sample = sample_of(length + horizon)
    variables = sample.shape[1]
    network = base.Network(variables, variables)

    def example(key):
        found = (draw(key) - units.mean) / units.scale
        found = found.astype(jnp.zeros(()).dtype)
        return base.Example(found[:length], found[horizon:])

    def score(outputs, batch):
        return {"loss": scores.squared_error(outputs, batch)}

    known = baselines((sample - units.mean[:, None]) / units.scale[:, None], horizon)
    least = min(known.values())
    return base.Task(
        batch=base.from_examples(example, network),
        score=score,
        network=network,
        length=length,
        references={"loss": known},
        solved_at=least / 10,
        thresholds=tuple(least * share for share in (0.5, 0.1, 0.01)),
    )


def baselines(sample: np.ndarray, horizon: int) -> dict[str, float]:
    """Mean squared errors of simple forecasts on a sample [T + horizon, D, N].

    The straight line x_t + horizon (x_t - x_{t-1}) repeats the first value before it.
    """
    now, target = sample[:-horizon], sample[horizon:]
    before = np.concatenate([now[:1], now[:-1]])
    mean = target.mean(axis=(0, 2), keepdims=True)
    guesses = {
        MEAN: mean,
        PERSISTENCE: now,
        STRAIGHT: now + horizon * (now - before),
    }
    return {
        name: float(np.mean((guess - target) ** 2)) for name, guess in guesses.items()
    }


def of_flow(flow: Flow, *, length: int, horizon: int, standardised: bool) -> base.Task:
    """The forecast of what is observed of a flow."""
    check_size(length=length, horizon=horizon)
    count = length + horizon
    return forecast(
        lambda key: series(flow, key, count),
        functools.partial(sample_of, flow),
        length=length,
        horizon=horizon,
        standardised=standardised,
    )
