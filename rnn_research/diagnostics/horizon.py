"""How far back: memory horizons and rates of decay, from norms by lag."""

import math
from typing import NamedTuple

import numpy as np

from rnn_research import values

LAGS = 200  # all pairs of more would take long
FORGOTTEN = 0.01  # of the gradient at the end


class Horizon(NamedTuple):
    """The first lag at which a norm is below a threshold; inf: at none measured."""

    lag: float
    low: float  # of a 95 % interval, by bootstrap over the sequences
    high: float


def memory_horizon(
    log_norms,
    *,
    lags=None,
    threshold: float = FORGOTTEN,
    samples: int = 1000,
    seed: int = 0,
) -> Horizon:
    """The smallest lag whose median norm, relative to lag 0, is below `threshold`.

    0.5 gives the half-life. For h_t = lambda h_{t-1} + x_t it is the first whole number
    above ln threshold / ln lambda.

    Args:
      log_norms: [L, B], natural logs by lag, lag 0 first; -inf is a norm of zero.
      lags: [L], increasing; None is 0, 1, ..., L - 1.
      samples: resampled batches of the bootstrap.

    Raises:
      UsageError: a threshold outside of (0, 1), or norms that are NaN or infinite.
    """
    if not 0 < threshold < 1:
        raise values.UsageError(f"threshold must be in (0, 1), not {threshold}")
    log_norms = checked(log_norms)
    lags = _lags_of(log_norms, lags)
    relative = log_norms - log_norms[0]
    batch = relative.shape[1]

    def first_below(columns) -> float:
        below = np.median(relative[:, columns], axis=1) < math.log(threshold)
        return float(lags[np.argmax(below)]) if below.any() else math.inf

    rng = np.random.default_rng(seed)
    drawn = [first_below(rng.integers(batch, size=batch)) for _ in range(samples)]
    low, high = np.quantile(drawn, [0.025, 0.975], method="nearest")
    return Horizon(first_below(np.arange(batch)), float(low), float(high))


class Decay(NamedTuple):
    """norm at lag k ~ exp(rate k)."""

    rate: float  # nats a step, negative where the gradient vanishes
    low: float  # of a 95 % interval
    high: float


def decay_rate(
    log_norms, *, lags=None, first: int = 0, samples: int = 200, seed: int = 0
) -> Decay:
    """The rate at which the norm falls or grows with the lag, by a robust line.

    The median of the slopes between all pairs of lags (Theil & Sen) through the median
    over sequences, from lag `first` to the last before a norm of zero. The interval is
    by bootstrap over the sequences; of one sequence it is empty.

    Args:
      log_norms: [L, B], natural logs by lag, lag 0 first.
      lags: [L], increasing; None is 0, 1, ..., L - 1.
      samples: resampled batches of the bootstrap.

    Raises:
      UsageError: fewer than three lags with a norm that is not zero.
    """
    from scipy import stats

    log_norms = checked(log_norms)
    middle = np.median(log_norms, axis=1)
    zero = np.flatnonzero(np.isneginf(middle))
    end = zero[0] if len(zero) else len(middle)
    lags = _lags_of(log_norms, lags)
    used = np.flatnonzero(lags[:end] >= first)
    if len(used) < 3:
        raise values.UsageError(
            f"a rate needs three lags with a norm that is not zero; there are "
            f"{len(used)}"
        )
    used = used[:: -(-len(used) // LAGS)]
    batch = log_norms.shape[1]

    def slope(columns) -> float:
        line = np.median(log_norms[used][:, columns], axis=1)
        there = np.isfinite(line)
        if there.sum() < 2:
            return math.nan
        return float(stats.theilslopes(line[there], lags[used][there])[0])

    rng = np.random.default_rng(seed)
    drawn = [slope(rng.integers(batch, size=batch)) for _ in range(samples)]
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return Decay(slope(np.arange(batch)), float(low), float(high))


def _lags_of(log_norms: np.ndarray, lags) -> np.ndarray:
    lags = np.arange(len(log_norms)) if lags is None else np.asarray(lags)
    if lags.shape != log_norms.shape[:1] or (np.diff(lags) <= 0).any():
        raise values.UsageError(
            f"lags must be {len(log_norms)} increasing numbers, one for each row; got "
            f"{lags}"
        )
    return lags


def checked(log_norms) -> np.ndarray:
    log_norms = np.asarray(log_norms, np.float64)
    if log_norms.ndim != 2 or np.isnan(log_norms).any() or np.isposinf(log_norms).any():
        raise values.UsageError(
            "norms must be [L, B] and not NaN or infinite; was the trajectory finite?"
        )
    if np.isneginf(log_norms[0]).any():
        raise values.UsageError(
            "the norm at lag 0 is zero, so nothing is relative to it"
        )
    return log_norms
