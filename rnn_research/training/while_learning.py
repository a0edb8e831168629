"""Measurements while a network learns, at `--diagnose_every`."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import diagnostics
from rnn_research.diagnostics import table
from rnn_research.diagnostics.saturation import saturation_of

Tree = Any
BATCH = 16  # sequences that are measured, fewer if they
MOST_STEPS = 10**6  # have more steps together
LAGS = 40  # at most, evenly spread over a logarithmic scale


def sequences(length: int) -> int:
    """How many of T = length are measured."""
    return max(1, min(BATCH, MOST_STEPS // length))


class WhileLearning:
    """Measures the last recurrence of a model on fresh sequences of the task.

    `measure` gives, as numbers and lists of numbers:

      not_finite: the share of sequences whose gradient is not finite; they do not count
        in what follows.
      gradient_lags, gradient_log10: log10 ||dL/dh_{T-k}||, median over the sequences
        that have the lag; -inf is the log of zero, NaN all where not_finite is 1.
      horizon: the lag at which less than a hundredth is left of what the gradient was
        at lags before; inf if there is more at all lags, NaN if no gradient is finite
        and not zero.
      closed, open: the share of each gate's numbers in the lowest and the highest tenth
        of its range; only of cells that give gates.
      beyond: the share of the numbers of each part of the state with |h| > 0.99: of a
        part that is bounded by 1 how much is saturated, of others a size.
      spectral_radius: the largest of the matrices that the states of all recurrences
        are multiplied with, gate by gate; only where their cells name some.
      parameter_log10: log10 ||dL/dtheta|| of every parameter array by name.
    """

    def __init__(self, model, task):
        self._lags = table.spread_lags(max(1, task.length - 1), LAGS)
        count = sequences(task.length)

        @jax.jit
        def measure(params, batch):
            norms = diagnostics.model_log_norms(model, params, task, batch)
            setups = diagnostics.recurrences(model, params, batch)
            of_parameters = diagnostics.parameter_log_norms(model, params, task, batch)
            shares = jax.tree.map(jnp.nanmean, saturation_of(setups[-1]))
            matrices = diagnostics.recurrent_matrices(setups)
            return norms, setups[-1].inputs.mask, shares, of_parameters, matrices

        self._measure, self._init = measure, model.init
        self._sample = lambda key: task.sample(key, count)

    def check(self):
        """Raise what keeps the model from being measured; nothing is computed."""
        params = jax.eval_shape(self._init, jax.random.key(0))
        jax.eval_shape(self._measure, params, self._sample(jax.random.key(0)))

    def measure(self, params: Tree, seed: int, step: int) -> dict:
        """The measurements of one run's parameters at a step."""
        key = jax.random.fold_in(jax.random.key(seed), step)
        norms, mask, shares, of_parameters, matrices = jax.device_get(
            self._measure(params, self._sample(key))
        )
        finite = table.is_finite(norms)
        by_lag = table.by_lag(norms[1:], mask)[:, finite]
        middle = table.median(by_lag) / table.LOG_10
        lags = [lag for lag in self._lags if lag < len(by_lag)]
        if finite.any():
            lags = [lag for lag in lags if not np.isnan(middle[lag])]
        found = {
            "not_finite": float(np.mean(~finite)),
            "gradient_lags": lags,
            "gradient_log10": [float(middle[lag]) for lag in lags],
            "beyond": _known(shares.state),
            "parameter_log10": {
                name: float(log / table.LOG_10) for name, log in of_parameters.items()
            },
        }
        if shares.low:
            found |= {"closed": _known(shares.low), "open": _known(shares.high)}
        usable = by_lag[:, ~np.isneginf(by_lag[0])]
        found["horizon"] = math.nan
        if usable.size:
            horizon = diagnostics.memory_horizon(usable, samples=1).lag
            found["horizon"] = float(horizon)
        radii = diagnostics.spectral_radii(matrices)
        if radii:
            largest = np.max([np.max(each) for each in radii.values()])
            found["spectral_radius"] = float(largest)
        return found


def _known(shares: dict) -> dict[str, float]:
    return {name: float(value) for name, value in shares.items() if value == value}
