"""Saturation of gates and states, and the time scales that a network keeps."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import values
from rnn_research.diagnostics.gradients import forward
from rnn_research.diagnostics.jacobians import step_jacobians
from rnn_research.diagnostics.lyapunov import check_no_mask
from rnn_research.engines.base import one_later
from rnn_research.unroll import set_up, where

Tree = Any
GATE_LOW, GATE_HIGH = 0.1, 0.9
STATE_HIGH = 0.99


class Saturation(NamedTuple):
    """Shares over sequences and units, at every step; masked ones do not count.

    Attributes:
      low: gate -> [T], the share below 0.1: closed.
      high: gate -> [T], the share above 0.9: open.
      state: part of the state -> [T], the share with |h| above 0.99.
    """

    low: dict[str, jax.Array]
    high: dict[str, jax.Array]
    state: dict[str, jax.Array]


def saturation(cell, params: Tree, x: jax.Array, **options) -> Saturation:
    """How many gates are closed or open, and how much of the state is at its limits.

    The gates are those of the cell's own `gates`; a cell without has none. Of a state
    that is not bounded by 1, such as an LSTM's c, the share says how much exceeds it.
    NaN at a step that is masked in all sequences. Options: state, mask, reset and key,
    as for `unroll`.
    """
    setup = set_up(cell, params, x, **options)
    w, start = setup.recurrence.weights
    drives = setup.recurrence.project(setup.inputs)
    last, before = forward(setup)
    states = one_later(before, last)
    if drives.reset is not None:
        before = where(drives.reset, start, before)
    there = setup.inputs.mask
    low, high = {}, {}
    if cell.gates is not None:
        for name, gate in cell.gates(w, before, drives.u)._asdict().items():
            low[name] = _share(gate < GATE_LOW, there)
            high[name] = _share(gate > GATE_HIGH, there)
    beyond = {name: _share(jnp.abs(h) > STATE_HIGH, there) for name, h in parts(states)}
    return Saturation(low, high, beyond)


def parts(state: Tree):
    """(name, leaf) of each part of a state; 'h' where it is one array."""
    named = jax.tree_util.tree_leaves_with_path(state)
    for path, leaf in named:
        yield jax.tree_util.keystr(path).strip(".[]'") or "h", leaf


def _share(true: jax.Array, there: jax.Array | None) -> jax.Array:
    each = jnp.mean(true.reshape(*true.shape[:2], -1), axis=2)  # [T, B]
    return jnp.mean(each, axis=1, where=there)


def time_scales(cell, params: Tree, x: jax.Array, **options) -> np.ndarray:
    """The time scales of the state, [B, n] in steps, the longest first.

        tau_i = -1 / mean over t of ln |lambda_i(t)|

    with lambda_i(t) the eigenvalues of the Jacobian of step t, the i-th largest of
    each: of a diagonal linear recurrence its own, of a gated cell about -1 / ln f.
    Infinite where a direction does not decay, zero where it is lost, as at a reset.

    Raises:
      UsageError: the Jacobians take too much memory, or are not finite; a mask.
    """
    check_no_mask(options.get("mask"))
    jacobians = np.asarray(step_jacobians(cell, params, x, **options))
    if not np.isfinite(jacobians).all():
        raise values.UsageError("the trajectory is not finite; no time scales")
    moduli = -np.sort(-np.abs(np.linalg.eigvals(jacobians)), axis=-1)
    with np.errstate(divide="ignore"):
        rates = np.mean(np.log(moduli), axis=0)
        return np.where(rates < 0, -1 / rates, np.inf)
