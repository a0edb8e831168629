"""Saturation of gates and states, and the time scales that a network keeps."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import errors, shapes
from rnn_research.cells.activations import part_name
from rnn_research.cells.base import gate_ranges
from rnn_research.diagnostics.inside import states_and_gates
from rnn_research.diagnostics.jacobians import step_jacobians
from rnn_research.diagnostics.lyapunov import check_no_mask
from rnn_research.diagnostics.vectors import check_remembered, precise
from rnn_research.unroll import Setup, set_up

Tree = Any
GATE_EDGE = 0.1  # of a gate's range, at either end
STATE_HIGH = 0.99


class Saturation(NamedTuple):
    """Shares over sequences and units, at every step.

    Masked steps and states that are not finite do not count.

    Attributes:
      low: gate -> [T], the share in the lowest tenth of its range: of a gate in (0, 1)
        below 0.1, closed; of one in (-1, 1) below -0.8.
      high: gate -> [T], the share in the highest tenth: above 0.9, open; above 0.8.
      state: part of the state's activations -> [T], the share with |h| above 0.99.
    """

    low: dict[str, jax.Array]
    high: dict[str, jax.Array]
    state: dict[str, jax.Array]

    __repr__ = shapes.record


@precise
def saturation(cell, params: Tree, x: jax.Array, **options) -> Saturation:
    """How many gates are closed or open, and how much of the state is beyond 0.99.

    The gates are those of the cell's own `gates`, with the ranges declared there; a
    cell without has none, and a gate without bounds, such as the logarithm of one, is
    left out. A part of the state saturates only if it is bounded by 1, as what comes
    out of a tanh is; of others, such as an LSTM's c, the share tells their size. NaN at
    a step at which nothing counts. Options: state, mask, reset and key, as for
    `unroll`.
    """
    return saturation_of(set_up(cell, params, x, **options))


@precise
def saturation_of(setup: Setup) -> Saturation:
    """`saturation` of a recurrence as it stands, such as a model's layer."""
    states, gates = states_and_gates(setup)
    check_remembered(states)
    there = _finite(states)
    if setup.inputs.mask is not None:
        there &= setup.inputs.mask
    if setup.inputs.lost is not None:
        there &= ~setup.inputs.lost
    low, high = {}, {}
    if gates is not None:
        for name, (least, most, _) in gate_ranges(type(gates)).items():
            edge = GATE_EDGE * (most - least)
            if np.isfinite(edge):
                gate = getattr(gates, name)
                low[name] = _share(gate < least + edge, there)
                high[name] = _share(gate > most - edge, there)
    beyond = {name: _share(jnp.abs(h) > STATE_HIGH, there) for name, h in parts(states)}
    return Saturation(low, high, beyond)


def _finite(states: Tree) -> jax.Array:
    """[T, B] of leaves [T, B, ...]."""
    each = [
        jnp.isfinite(leaf).reshape(*leaf.shape[:2], -1).all(axis=2)
        for leaf in jax.tree.leaves(states)
    ]
    return jnp.stack(each).all(axis=0)


def parts(state: Tree):
    """(name, leaf) of each part of a state; 'h' where it is one array."""
    named = jax.tree_util.tree_leaves_with_path(state)
    for path, leaf in named:
        yield part_name(path), leaf


def _share(true: jax.Array, there: jax.Array) -> jax.Array:
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
        raise errors.UsageError("the trajectory is not finite; no time scales")
    moduli = -np.sort(-np.abs(np.linalg.eigvals(jacobians)), axis=-1)
    with np.errstate(divide="ignore"):
        rates = np.mean(np.log(moduli), axis=0)
        return np.where(rates < 0, -1 / rates, np.inf)
