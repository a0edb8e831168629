"""Forecasts without a network, as baselines: quantiles [N, H, Q] at N origins.

A forecast at origin t knows y up to t. With h = 1 ... H and the season m,

    persistence              y_t
    seasonal-naive           the y of time t + h one season ago, y_{t+h-m}; where that
                             is not past yet, two seasons ago, and so on
    drift                    y_t + h (y_t - y_0) / t
    linear autoregression    b_h + w_h . (y_{t-L+1} ... y_t, time of the year at t),
                             least squares on 'train', for each h by itself
    climatology              the quantiles of 'train' at the same time of the season

The quantiles of the first four are the forecast and the quantiles of its own errors on
'train', at each h. Hyndman & Athanasopoulos, Forecasting: principles and practice.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

NEAR = 24  # of a season: what is at most 1/24 of it away is the same time


class Known(NamedTuple):
    """A variable as forecasts know it.

    Attributes:
      y: [L], NaN where nothing is known.
      phases: [L, P], known of all times.
      train: the number of its first values, the only ones that anything is fitted to.
      length: how many past values a linear autoregression sees.
      horizon: H.
      season: m.
    """

    y: np.ndarray
    phases: np.ndarray
    train: int
    length: int
    horizon: int
    season: int

    @property
    def origins(self) -> np.ndarray:
        """Those of 'train': `length` values up to each, all H after it in 'train'."""
        return np.arange(self.length - 1, self.train - self.horizon)

    @property
    def filled(self) -> np.ndarray:
        """y, with the last known value where nothing is known."""
        there = ~np.isnan(self.y)
        last = np.maximum.accumulate(np.where(there, np.arange(len(self.y)), -1))
        return np.where(last < 0, np.nanmean(self.y[: self.train]), self.y[last])


def after(y: np.ndarray, origins: np.ndarray, horizon: int) -> np.ndarray:
    """What comes: y_{t+1} ... y_{t+H}, [N, H]."""
    return y[origins[:, None] + np.arange(1, horizon + 1)]


def persistence(known: Known, origins: np.ndarray) -> np.ndarray:
    """[N, H]"""
    return np.repeat(known.filled[origins][:, None], known.horizon, axis=1)


def seasonal_naive(known: Known, origins: np.ndarray) -> np.ndarray:
    """[N, H]; before the first season is over, as persistence."""
    ahead = np.arange(1, known.horizon + 1)
    back = known.season * -(-ahead // known.season)
    at = origins[:, None] + ahead - back
    return known.filled[np.where(at < 0, origins[:, None], at)]


def drift(known: Known, origins: np.ndarray) -> np.ndarray:
    """[N, H]"""
    y = known.filled
    slope = (y[origins] - y[0]) / np.maximum(origins, 1)
    return y[origins][:, None] + slope[:, None] * np.arange(1, known.horizon + 1)


def linear_autoregression(known: Known, origins: np.ndarray) -> np.ndarray:
    """[N, H]"""
    fit = known.origins
    features, wanted = _features(known, fit), after(known.y, fit, known.horizon)
    weights = np.zeros((features.shape[1], known.horizon))
    for h in range(known.horizon):
        there = ~np.isnan(wanted[:, h])
        weights[:, h] = np.linalg.lstsq(features[there], wanted[there, h])[0]
    return _features(known, origins) @ weights


def _features(known: Known, origins: np.ndarray) -> np.ndarray:
    back = np.maximum(origins[:, None] - np.arange(known.length), 0)
    past = known.filled[back]
    ones = np.ones((len(origins), 1))
    return np.concatenate([ones, past, known.phases[origins]], axis=1)


POINTS: dict[str, Callable] = {
    "persistence": persistence,
    "seasonal-naive": seasonal_naive,
    "drift": drift,
    "linear autoregression": linear_autoregression,
}
CLIMATOLOGY = "climatology"
NAMES = (*POINTS, CLIMATOLOGY)


def names(known: Known) -> tuple[str, ...]:
    """The forecasts that differ; without a season seasonal-naive is persistence."""
    seasonal = known.season > 1
    return tuple(name for name in NAMES if seasonal or name != "seasonal-naive")


def forecast(
    name: str, known: Known, origins: np.ndarray, levels: np.ndarray
) -> np.ndarray:
    """The quantiles [N, H, Q] of the forecast of that name at the origins [N]."""
    if name == CLIMATOLOGY:
        return climatology(known, origins, levels)
    point = POINTS[name]
    fit = known.origins
    errors = after(known.y, fit, known.horizon) - point(known, fit)
    spread = np.nanquantile(errors, levels, axis=0).T  # [H, Q]
    return point(known, origins)[:, :, None] + spread


def middle(name: str, known: Known, origins: np.ndarray) -> np.ndarray:
    """The forecast itself, [N, H]; of climatology the median."""
    if name == CLIMATOLOGY:
        return climatology(known, origins, np.array([0.5]))[..., 0]
    return POINTS[name](known, origins)


def climatology(known: Known, origins: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """[N, H, Q]"""
    y, season = known.y[: known.train], known.season
    phase = np.arange(len(y)) % season
    table = np.empty((season, len(levels)))
    for at in range(season):
        apart = np.abs(phase - at)
        near = y[np.minimum(apart, season - apart) <= season // NEAR]
        near = near[~np.isnan(near)]
        table[at] = np.quantile(near if len(near) else y[~np.isnan(y)], levels)
    ahead = origins[:, None] + np.arange(1, known.horizon + 1)
    return table[ahead % season]


def scale(known: Known) -> float:
    """The mean of |y_t - y_{t-m}| over 'train', in which MASE is measured.

    Hyndman & Koehler 2006, 'Another look at measures of forecast accuracy'.
    """
    y = known.y[: known.train]
    return float(np.nanmean(np.abs(y[known.season :] - y[: -known.season])))


def pinball(y: np.ndarray, quantiles: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """max(q (y - f), (q - 1) (y - f)) of y [...] and f [..., Q] at levels q [Q]."""
    error = y[..., None] - quantiles
    return np.maximum(levels * error, (levels - 1) * error)
