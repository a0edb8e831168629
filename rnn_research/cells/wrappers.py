"""Wrappers: cells made of a cell, usable wherever a cell is."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base
from rnn_research.cells.activations import is_log_of_zero
from rnn_research.cells.decayed import decayed
from rnn_research.cells.forced import forced
from rnn_research.cells.weight_drop import weight_drop
from rnn_research.cells.zoneout import zoneout

__all__ = [
    "decayed",
    "forced",
    "learned_state",
    "residual",
    "resettable",
    "weight_drop",
    "zoneout",
]


class LearnedStateParams(NamedTuple):
    cell: tuple  # the parameters of the wrapped cell
    state: tuple  # its activations at the start, [N] or, if complex, [2, N] a leaf


@base.cell
def learned_state(cell: base.Cell) -> base.Cell:
    """The cell with an initial state that is trained, starting at the cell's own.

    Of a state that holds more than activations (a clock, a stabiliser) only these are
    trained. The logarithm of an empty memory, which nothing could be added to, starts
    at 0: `slstm` with a memory of weight 1, in which 0 is.
    """
    read, write = cell.activations.read, cell.activations.write
    _refuse_learned_start(cell)

    def to_real(leaf):
        if jnp.iscomplexobj(leaf):
            return jnp.stack([leaf.real, leaf.imag])
        return jnp.where(is_log_of_zero(leaf), 0, leaf)

    def init(key, input_size):
        params = cell.init(key, input_size)
        start = read(cell.initial_state(params, ()))
        return LearnedStateParams(params, jax.tree.map(to_real, start))

    def initial_state(params, batch_shape):
        start = cell.initial_state(params.cell, batch_shape)
        like = read(cell.initial_state(params.cell, ()))

        def spread(leaf, like):
            is_complex = jnp.issubdtype(like.dtype, jnp.complexfloating)
            leaf = jax.lax.complex(leaf[0], leaf[1]) if is_complex else leaf
            return jnp.broadcast_to(leaf, (*batch_shape, *like.shape))

        return write(start, jax.tree.map(spread, params.state, like))

    def groups(params):
        return LearnedStateParams(cell.groups(params.cell), base.all_free(params.state))

    perturb = cell.perturb and (
        lambda key, params: params._replace(cell=cell.perturb(key, params.cell))
    )
    return cell.replace(
        init=init,
        initial_state=initial_state,
        weights=lambda params: cell.weights(params.cell),
        groups=groups,
        retract=lambda params: params._replace(cell=cell.retract(params.cell)),
        perturb=perturb,
    )


def _refuse_learned_start(cell):
    params, state = base.shapes(cell)
    if not jax.tree.leaves(jax.eval_shape(cell.activations.read, state)):
        raise errors.UsageError(
            f"{cell.name} has no activations in its state, so no start to learn"
        )
    jaxpr = jax.make_jaxpr(lambda p: cell.initial_state(p, ()))(params).jaxpr
    read = {id(atom) for eqn in jaxpr.eqns for atom in eqn.invars}
    if read & {id(leaf) for leaf in jaxpr.invars}:
        raise errors.UsageError(
            f"{cell.name} learns its initial state already; take it without "
            "learned_state"
        )


class ResidualParams(NamedTuple):
    cell: tuple  # the parameters of the wrapped cell
    W_s: jax.Array  # [D, H], the skip; absent (None) where D = H


class _Residual(NamedTuple):
    u: jax.Array  # the drive of the wrapped cell
    skip: jax.Array  # [*, H]


@base.cell
def residual(cell: base.Cell) -> base.Cell:
    """The cell with a skip connection, y_t = cell(x_t) + x_t (He et al. 2015,
    arXiv 1512.03385).

    Where input and output differ in size the skip is W_s x_t, W_s normal of variance
    1/D.
    """
    _refuse_noise("residual", cell)

    def init(key, input_size):
        key, key_s = jax.random.split(key)
        params = cell.init(key, input_size)
        size = _output_size(cell, params, input_size)
        skip = None
        if size != input_size:
            skip = base.lecun_normal(key_s, input_size, size)
        return ResidualParams(params, skip)

    def weights(params):
        return ResidualParams(cell.weights(params.cell), params.W_s)

    def project(w, x):
        return _Residual(cell.project(w.cell, x), x if w.W_s is None else x @ w.W_s)

    def groups(params):
        skip = None if params.W_s is None else "free"
        return ResidualParams(cell.groups(params.cell), skip)

    form = cell.associative and base.Associative(
        lambda w, u: cell.associative.element(w.cell, u.u),
        cell.associative.combine,
        cell.associative.apply,
    )
    return cell.replace(
        init=init,
        initial_state=lambda params, shape: cell.initial_state(params.cell, shape),
        weights=weights,
        project=project,
        step=lambda w, h, u: cell.step(w.cell, h, u.u),
        readout=lambda w, h, u: cell.readout(w.cell, h, u.u) + u.skip,
        associative=form,
        gates=cell.gates and (lambda w, h, u: cell.gates(w.cell, h, u.u)),
        gated=None,
        inverse=cell.inverse and (lambda w, h, u: cell.inverse(w.cell, h, u.u)),
        transition=cell.transition and (lambda w, h: cell.transition(w.cell, h)),
        matrices=cell.matrices and (lambda w: cell.matrices(w.cell)),
        groups=groups,
        retract=lambda params: params._replace(cell=cell.retract(params.cell)),
        perturb=cell.perturb
        and (lambda key, p: p._replace(cell=cell.perturb(key, p.cell))),
    )


class _ResetWeights(NamedTuple):
    w: tuple  # of the wrapped cell
    start: tuple  # its initial state, without batch axes


class _Reset(NamedTuple):
    u: jax.Array  # the drive of the wrapped cell
    reset: jax.Array  # [*] bool


@base.cell
def resettable(cell: base.Cell) -> base.Cell:
    """The cell with a reset among its inputs: where the last feature of x_t is above
    1/2, h_{t-1} is the initial state.

    For data that bring their own resets, as packed episodes do. (Every cell and engine
    takes resets from outside, as `reset` of `unroll`.)
    """
    _refuse_noise("resettable", cell)

    def init(key, input_size):
        if input_size < 2:
            raise errors.UsageError(
                "resettable: the inputs need a feature for the reset"
            )
        return cell.init(key, input_size - 1)

    def weights(params):
        return _ResetWeights(cell.weights(params), cell.initial_state(params, ()))

    def project(w, x):
        return _Reset(cell.project(w.w, x[..., :-1]), x[..., -1] > 0.5)

    def forget(w, h, reset):
        def one(old, start):
            where = reset.reshape(reset.shape + (1,) * start.ndim)
            return jnp.where(where, start, old)

        return jax.tree.map(one, h, w.start)

    gates = cell.gates and (lambda w, h, u: cell.gates(w.w, forget(w, h, u.reset), u.u))
    return cell.replace(
        init=init,
        weights=weights,
        project=project,
        step=lambda w, h, u: cell.step(w.w, forget(w, h, u.reset), u.u),
        readout=lambda w, h, u: cell.readout(w.w, h, u.u),
        gates=gates,
        gated=None,
        associative=None,
        inverse=None,
        transition=None,
        matrices=cell.matrices and (lambda w: cell.matrices(w.w)),
        structure=dataclasses.replace(cell.structure, properties=(), linear_map=False),
    )


def _refuse_noise(name: str, cell):
    if cell.noise is not None:
        raise errors.UsageError(
            f"{cell.name} draws noise; wrap the other way round, as in "
            f"'{cell.name}({name}(...))'"
        )


def _output_size(cell, params, input_size: int) -> int:
    def run(params):
        w = cell.weights(params)
        u = cell.project(w, jnp.zeros(input_size))
        return cell.readout(w, cell.initial_state(params, ()), u)

    return jax.eval_shape(run, params).shape[-1]
