"""Forecasting the delay equation of Mackey and Glass."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import errors
from rnn_research.errors import check_size
from rnn_research.tasks import base, flows

BETA, GAMMA, POWER = 0.2, 0.1, 10
SUBSTEPS = 10  # a unit of time
WARM_UP = 200  # units of time that are dropped
MOST = 100


@base.task
def mackey_glass(length: int, *, delay=17, every=1, horizon=1) -> base.Task:
    """Forecast a chaotic equation with a delay, of how blood cells are made.

        x'(t) = 0.2 x(t - tau) / (1 + x(t - tau)^10) - 0.1 x(t)

    (Mackey & Glass 1977); chaotic with tau = 17, and more so with 30. Before time 0 x
    is a constant, uniform in (0.5, 1.5); 200 units of time are dropped. The values have
    mean 0 and variance 1. Without the delay's second turn it can be solved by hand:
    from a constant c, up to time tau, x(t) = s + (c - s) exp(-0.1 t) with
    s = 2 c / (1 + c^10):

        c = 1, s = 1: x(t) = 1        c = 0.5, s = 0.99902: x(10) = 0.81544

    Args:
      length: T.
      delay: tau, a whole number up to 100.
      every: units of time between two steps.
      horizon: how many steps ahead; 84 units of time are often asked of tau = 17.

    Loss: mean squared error in units of the variance, the square of the literature's
    NRMSE. Baselines are of a sample that is integrated when the task is made: the mean,
    persistence, and a straight line through the last two values.

    Integrated a delay at a time: there the equation is linear with a known drive, so
    steps of 0.1 are summed by Simpson's rule, with midpoints by Hermite's polynomial,
    both of order 4.
    """
    check_size(length=length, delay=delay, every=every, horizon=horizon)
    if delay > MOST:
        raise errors.UsageError(f"delay must be at most {MOST}, not {delay}")
    count = length + horizon
    return flows.forecast(
        lambda key: solved(
            jax.random.uniform(key, (1,), minval=0.5, maxval=1.5),
            count,
            delay,
            every,
            jnp,
        ),
        functools.partial(sample_of, delay=delay, every=every),
        length=length,
        horizon=horizon,
        standardised=True,
    )


@functools.lru_cache(maxsize=8)
def sample_of(count: int, delay: int, every: int) -> np.ndarray:
    """Values [count, 1, N] of many starts."""
    number = max(8, min(256, flows.MOST_STEPS // count))
    start = 0.5 + (np.arange(number) + 0.5) / number
    return solved(start, count, delay, every, np)[:, None]


def solved(start, count: int, delay: int, every: int, xp, warm_up: int = WARM_UP):
    """x [count, N] from the constants `start` [N], after the warm-up."""
    points = warm_up * SUBSTEPS + every * SUBSTEPS * np.arange(count)
    blocks = points[-1] // (delay * SUBSTEPS) + 1
    before = xp.broadcast_to(start, (delay * SUBSTEPS + 1, *start.shape))
    past = before, xp.zeros_like(before)  # x and x' at the points of a delay
    turn = functools.partial(_next_delay, delay=delay, xp=xp)
    if xp is jnp:
        _, found = jax.lax.scan(
            lambda now, _: (turn(now), now[0]), past, None, blocks + 1
        )
    else:
        found = []
        for _ in range(blocks + 1):
            found.append(past[0])
            past = turn(past)
        found = np.stack(found)
    later = found[1:, :-1].reshape(-1, *start.shape)
    return later[points]


def _next_delay(past, *, delay: int, xp):
    """x and x' [S + 1, N] at the points of the next delay."""
    x, slope = past
    h = 1 / SUBSTEPS
    middle = (x[:-1] + x[1:]) / 2 + h / 8 * (slope[:-1] - slope[1:])
    drive, half = _drive(x), _drive(middle)
    fade = np.exp(-GAMMA * h)
    added = h / 6 * (fade * drive[:-1] + 4 * fade**0.5 * half + drive[1:])
    lags = np.subtract.outer(np.arange(1, len(x)), np.arange(1, len(x)))
    sums = np.where(lags >= 0, fade ** np.maximum(lags, 0), 0)
    decay = fade ** np.arange(1, len(x))
    rest = decay[:, None] * x[-1] + xp.asarray(sums, added.dtype) @ added
    now = xp.concatenate([x[-1:], rest.astype(x.dtype)])
    return now, drive - GAMMA * now


def _drive(x):
    square = x * x
    fourth = square * square
    return BETA * x / (1 + fourth * fourth * square)
