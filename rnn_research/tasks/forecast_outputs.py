"""From the outputs of a network to forecasts, and from forecasts to metrics.

Outputs say how the forecast differs from one that is made without the network, so a
network whose outputs are zero forecasts just that, weight decay draws towards it, and
nothing has to be learnt that is known. Everything here is in units of the standard
deviation of the variable within 'train', less the forecast that is corrected.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research.errors import UsageError
from rnn_research.tasks import forecast_references as without
from rnn_research.tasks import scores

FORMS = ("quantile", "absolute", "squared")
LEVELS = np.arange(1, 10) / 10  # of the quantiles
MEDIAN = 4
EXACT = 1e-5  # standard deviations: an error that is not more is rounding
LEAST = 0.1  # of the mean distance: as near neighbours may start, also where values tie


class Corrected(NamedTuple):
    """The forecast that outputs correct.

    Attributes:
      middle: [L, H], what it says at each step.
      unit: [H], the root mean square of its errors within 'train'.
      spread: [H, 9], the quantiles of these errors at LEVELS.
    """

    middle: np.ndarray
    unit: np.ndarray
    spread: np.ndarray


def corrected(name: str | None, known: without.Known) -> Corrected:
    """The forecast of that name, of `forecast_references`; None: the mean of 'train'.

    Args:
      known: the variable, normalised.

    Raises:
      errors.UsageError: its errors within 'train' are zero.
    """
    every = np.arange(len(known.y))
    if name is None:
        mean = np.nanmean(known.y[: known.train])
        middle = np.full((len(every), known.horizon), mean)
    else:
        middle = without.middle(name, known, every)
    fit = known.origins
    errors = without.after(known.y, fit, known.horizon) - middle[fit]
    unit = np.sqrt(np.nanmean(errors**2, axis=0))
    if not (unit > EXACT).all():
        raise UsageError(
            f"{name or 'the mean'} is exact within train, which leaves nothing to "
            "correct; give another --corrects, or lower --length: a linear "
            "autoregression on few rows fits them all"
        )
    return Corrected(middle, unit, np.nanquantile(errors, LEVELS, axis=0).T)


def forecasts(outputs, base: Corrected, form: str):
    """Outputs [..., O] as forecasts [..., H, Q], less `base.middle`.

    Q is 1 of the forms that are one number.
    """
    if form == "quantile":
        return quantiles(outputs, base)
    return (outputs * base.unit)[..., None]


def quantiles(outputs, base: Corrected):
    """Outputs [..., H 9] as quantiles [..., H, 9] at LEVELS, in order.

        median         s_5 + unit o_5
        distances      (s_{k+1} - s_k) softplus(o) / softplus(0)

    with the spread s of the errors of `base`. Distances are positive, so that no two
    quantiles cross; the o of a distance is that of its end away from the median.
    """
    each = outputs.reshape(*outputs.shape[:-1], -1, len(LEVELS))
    apart = np.diff(base.spread, axis=-1)
    apart = np.maximum(apart, LEAST * apart.mean(axis=-1, keepdims=True))
    grown = jax.nn.softplus(each) / np.log(2)
    below, above = grown[..., :MEDIAN], grown[..., MEDIAN + 1 :]
    below, above = below * apart[:, :MEDIAN], above * apart[:, MEDIAN:]
    median = base.spread[:, MEDIAN] + base.unit * each[..., MEDIAN]
    median = median[..., None]
    below = median - jnp.cumsum(below[..., ::-1], axis=-1)[..., ::-1]
    above = median + jnp.cumsum(above, axis=-1)
    return jnp.concatenate([below, median, above], axis=-1)


def score(form: str, base: Corrected, std: float, scale: float):
    """The score of a task; see `tasks.forecasting`.

    Args:
      std, scale: of the series within 'train', and the unit of MASE.
    """

    def metrics(outputs, batch):
        y = batch.targets["after"]
        mean = functools.partial(
            scores.mean, batch=batch, by_step=True, there=batch.targets["counts"]
        )
        error = y[..., None] - forecasts(outputs, base, form)  # [T, B, H, Q]
        if form != "quantile":
            error = error[..., 0]
            loss = jnp.abs(error) if form == "absolute" else error**2
            return {"loss": mean(loss), "mase": mean(jnp.abs(error) * std / scale)}
        levels = jnp.asarray(LEVELS, error.dtype)
        pinball = jnp.maximum(levels * error, (levels - 1) * error)
        within = (error[..., 0] >= 0) & (error[..., -1] <= 0)
        return {
            "loss": mean(pinball),
            "mase": mean(jnp.abs(error[..., MEDIAN]) * std / scale),
            "crps": mean(2 * pinball * std),
            "within_80": mean(within),
        }

    return metrics


def references(
    form: str, known: without.Known, std: float, scale: float, origins: np.ndarray
) -> dict:
    """{metric: {reference: number}} at these origins, in the units of the metrics."""
    y = without.after(known.y, origins, known.horizon)
    found: dict[str, dict[str, float]] = {}
    for name in without.names(known):
        error = y - without.middle(name, known, origins)
        mase = np.nanmean(np.abs(error)) / scale
        if form == "quantile":
            own = without.forecast(name, known, origins, LEVELS)
            pinball = np.nanmean(without.pinball(y, own, LEVELS))
            numbers = {"loss": pinball / std, "mase": mase, "crps": 2 * pinball}
        else:
            error = error / std
            loss = np.abs(error) if form == "absolute" else error**2
            numbers = {"loss": np.nanmean(loss), "mase": mase}
        for metric, number in numbers.items():
            found.setdefault(metric, {})[name] = float(number)
    return found
