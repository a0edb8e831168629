"""What is measured of a network while it learns, at `--diagnose_every`."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import diagnostics, values
from rnn_research.diagnostics.gradients import states_of
from rnn_research.diagnostics.saturation import STATE_HIGH
from rnn_research.diagnostics.table import LOG_10, spread_lags

Tree = Any
BATCH = 16  # sequences that are measured, fewer if they
MOST_STEPS = 10**6  # have more steps together
LAGS = 40  # at most, evenly spread over a logarithmic scale


def sequences(length: int) -> int:
    """How many of T = length are measured."""
    return max(1, min(BATCH, MOST_STEPS // length))


class Watch:
    """Measures the last recurrence of a model on fresh sequences of the task.

    `measure` gives, as numbers and lists of numbers (None for the log of zero):

      gradient_lags, gradient_log10: log10 ||dL/dh_{T-k}||, median over sequences.
      horizon: the lag at which a hundredth of the gradient at the end is left; None if
        there is more at all lags.
      saturated: the share of the state's numbers with |h| > 0.99.
      spectral_radius: the largest of the recurrent matrices, gate by gate; only where
        there are square ones.
      parameter_log10: log10 ||dL/dtheta|| of every parameter array by name.
    """

    def __init__(self, model, task):
        self._labels = model.groups
        self._lags = spread_lags(task.length, LAGS)
        count = sequences(task.length)

        @jax.jit
        def measure(params, key):
            norms = diagnostics.model_log_norms(model, params, task, key, count)
            batch = task.sample(key, count)
            setups = diagnostics.recurrences(model, params, batch.inputs, batch.mask)
            of_parameters = diagnostics.parameter_log_norms(model, params, task, batch)
            return norms[::-1], _saturated(setups[-1]), of_parameters

        self._measure = measure

    def measure(self, params: Tree, seed: int, step: int) -> dict:
        """Of one run's parameters at a step."""
        key = jax.random.fold_in(jax.random.key(seed), step)
        with jax.default_matmul_precision("highest"):
            measured = jax.device_get(self._measure(params, key))
        by_lag, saturated, of_parameters = measured
        lags = [lag for lag in self._lags if lag < len(by_lag)]
        found = {
            "gradient_lags": lags,
            "gradient_log10": [
                _number(value / LOG_10) for value in np.median(by_lag[lags], axis=1)
            ],
            "saturated": float(saturated),
            "parameter_log10": {
                name: _number(value / LOG_10) for name, value in of_parameters.items()
            },
        }
        try:
            horizon = diagnostics.memory_horizon(by_lag, samples=1).lag
        except values.UsageError:  # no gradient at the end
            horizon = math.inf
        found["horizon"] = _number(horizon)
        radii = diagnostics.spectral_radii(params, self._labels(params))
        if radii:
            found["spectral_radius"] = _number(np.max(radii))
        return found


def _number(value) -> float | None:
    return float(value) if math.isfinite(value) else None


def _saturated(setup) -> jax.Array:
    states = states_of(setup, setup.recurrence.project(setup.inputs))
    leaves = jax.tree.leaves(states)
    beyond = sum(jnp.sum(jnp.abs(leaf) > STATE_HIGH) for leaf in leaves)
    return beyond / sum(leaf.size for leaf in leaves)
