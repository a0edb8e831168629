"""What is measured of a network while it learns, at `--diagnose_every`."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import diagnostics
from rnn_research.diagnostics.gradients import states_of
from rnn_research.diagnostics.saturation import STATE_HIGH
from rnn_research.diagnostics.table import LOG_10, spread_lags
from rnn_research.unroll import where

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
        there is more at all lags. Not there if no gradient is finite and not zero.
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
        finite = ~(np.isnan(by_lag) | np.isposinf(by_lag)).any(axis=0)
        usable = by_lag[:, finite & ~np.isneginf(by_lag[0])]
        if usable.size:
            horizon = diagnostics.memory_horizon(usable, samples=1).lag
            found["horizon"] = _number(horizon)
        radii = diagnostics.spectral_radii(params, self._labels(params))
        if radii:
            found["spectral_radius"] = _number(np.max(radii))
        return found


def _number(value) -> float | None:
    return float(value) if math.isfinite(value) else None


def _saturated(setup) -> jax.Array:
    leaves = jax.tree.leaves(states_of(setup))
    there = setup.inputs.mask
    if there is None:
        there = jnp.ones(leaves[0].shape[:2], bool)
    beyond = sum(
        jnp.sum(where(there, jnp.abs(leaf) > STATE_HIGH, False)) for leaf in leaves
    )
    return beyond / (jnp.sum(there) * sum(leaf[0, 0].size for leaf in leaves))
