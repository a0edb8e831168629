"""How far back: memory horizons and rates of decay, from norms by lag."""

import math
from typing import NamedTuple

import numpy as np

from rnn_research import errors
from rnn_research.diagnostics.table import median

LAGS = 200  # all pairs of more would take long
FORGOTTEN = 0.01  # of the gradient before
TIE = 1e-5  # nats within which a norm equals the threshold, as float32 rounds
FLOOR_SHARE = 0.05  # of a fall: where so little is left of it there may be a floor


class Horizon(NamedTuple):
    """The first lag at which a norm is below a threshold; inf: at none measured."""

    lag: float
    low: float  # of a 95 % interval, by bootstrap over the sequences; NaN of one
    high: float


def memory_horizon(
    log_norms,
    *,
    lags=None,
    threshold: float = FORGOTTEN,
    samples: int = 1000,
    seed: int = 0,
) -> Horizon:
    """The first lag at which the norm is below `threshold` times its running maximum.

        min {k : median of n_k / max(n_0 ... n_k) < threshold}

    with n_k the norm at lag k and the median over the sequences that have the lag. Of a
    norm that only falls this is relative to lag 0; where every step has a loss, as in
    the copy task, lag 0 has that of one step alone, and the norm rises first. 0.5 gives
    the half-life. For h_t = lambda h_{t-1} + x_t it is the first whole number above
    ln threshold / ln lambda. A norm that equals the threshold, to rounding (a part in
    10^5), is not below it.

    Args:
      log_norms: [L, B], natural logs by lag, lag 0 first, as of `table.by_lag`: -inf is
        a norm of zero, NaN from some lag on a sequence that is not so long.
      lags: [L], increasing; None is 0, 1, ..., L - 1.
      samples: resampled batches of the bootstrap.

    Raises:
      UsageError: a threshold outside of (0, 1), or norms that are not finite.
    """
    if not 0 < threshold < 1:
        raise errors.UsageError(f"threshold must be in (0, 1), not {threshold}")
    log_norms = checked(log_norms)
    lags = _lags_of(log_norms, lags)
    relative = log_norms - np.maximum.accumulate(log_norms, axis=0)
    batch = relative.shape[1]

    def first_below(columns) -> float:
        below = median(relative[:, columns]) < math.log(threshold) - TIE
        return float(lags[np.argmax(below)]) if below.any() else math.inf

    found = first_below(np.arange(batch))
    if batch == 1:
        return Horizon(found, math.nan, math.nan)
    rng = np.random.default_rng(seed)
    drawn = [first_below(rng.integers(batch, size=batch)) for _ in range(samples)]
    low, high = np.quantile(drawn, [0.025, 0.975], method="nearest")
    return Horizon(found, float(low), float(high))


class Decay(NamedTuple):
    """norm at lag k ~ exp(rate k)."""

    rate: float  # nats a step, negative where the gradient vanishes
    low: float  # of a 95 % interval; NaN of one sequence
    high: float
    last: int  # the greatest lag that counted


def decay_rate(
    log_norms, *, lags=None, first: int = 0, samples: int = 200, seed: int = 0
) -> Decay:
    """The rate at which the norm falls or grows with the lag, by a robust line.

    The median of the slopes between all pairs of lags (Theil & Sen) through the median
    over sequences, from lag `first` to the last before a norm of zero, or before a
    floor: of a log norm that falls by more than ln 100, the lags from where 95 % of the
    fall is done do not count. The interval is by bootstrap over the sequences.

    Args:
      log_norms: [L, B], as for `memory_horizon`.
      lags: [L], increasing; None is 0, 1, ..., L - 1.
      samples: resampled batches of the bootstrap.

    Raises:
      UsageError: fewer than three lags with a norm that is not zero.
    """
    from scipy import stats

    log_norms = checked(log_norms)
    middle = median(log_norms)
    missing = np.flatnonzero(~np.isfinite(middle))
    end = missing[0] if len(missing) else len(middle)
    lags = _lags_of(log_norms, lags)
    used = np.flatnonzero(lags[:end] >= first)
    if len(used) < 3:
        raise errors.UsageError(
            f"a rate needs three lags with a norm that is not zero; there are "
            f"{len(used)}"
        )
    used = used[: max(3, _to_floor(middle[used]))]
    last = int(lags[used[-1]])
    used = used[:: -(-len(used) // LAGS)]
    batch = log_norms.shape[1]

    def slope(columns) -> float:
        line = median(log_norms[used][:, columns])
        there = np.isfinite(line)
        if there.sum() < 2:
            return math.nan
        return float(stats.theilslopes(line[there], lags[used][there])[0])

    found = slope(np.arange(batch))
    if batch == 1:
        return Decay(found, math.nan, math.nan, last)
    rng = np.random.default_rng(seed)
    drawn = [slope(rng.integers(batch, size=batch)) for _ in range(samples)]
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return Decay(found, float(low), float(high), last)


def _to_floor(line: np.ndarray) -> int:
    """How many lags there are before the floor of the line, or all."""
    fall = line[0] - line.min()
    if fall <= -math.log(FORGOTTEN):
        return len(line)
    return int(np.argmax(line <= line.min() + FLOOR_SHARE * fall))


def _lags_of(log_norms: np.ndarray, lags) -> np.ndarray:
    lags = np.arange(len(log_norms)) if lags is None else np.asarray(lags)
    if lags.shape != log_norms.shape[:1] or (np.diff(lags) <= 0).any():
        raise errors.UsageError(
            f"lags must be {len(log_norms)} increasing numbers, one for each row; got "
            f"{lags}"
        )
    return lags


def checked(log_norms) -> np.ndarray:
    log_norms = np.asarray(log_norms, np.float64)
    missing = np.isnan(log_norms)
    broken = (
        log_norms.ndim != 2 or missing[0].any() or (missing[:-1] > missing[1:]).any()
    )
    if broken or np.isposinf(log_norms).any():
        raise errors.UsageError(
            "norms must be [L, B], and finite but for NaN from a sequence's length on; "
            "was the trajectory finite?"
        )
    if np.isneginf(log_norms[0]).any():
        raise errors.UsageError(
            "the norm at lag 0 is zero, so nothing is relative to it"
        )
    return log_norms
