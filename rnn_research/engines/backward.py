"""The backward pass of a loop that kept its states."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core

from rnn_research.engines import base
from rnn_research.engines.floats import add, cotangent, filled, floats_of
from rnn_research.engines.products import replayed

Tree = Any


def backward(
    recurrence,
    weights,
    state,
    inputs,
    d_outputs,
    d_final,
    size,
    states_of,
    end,
    scan=jax.lax.scan,
    products=(),
):
    """Cotangents of (weights, state, inputs), from the last chunk to the first.

    Args:
      size: steps in a chunk.
      states_of: (end, start, inputs of the chunk) -> (before, after, end of the chunk
        before it), the states that its steps start from and those they make.
      end: of the last chunk, whatever `states_of` goes on from.
      scan: the loop, as `jax.lax.scan`.
    """
    length = base.length_of(inputs)
    whole = length // size * size

    def chunk(carry, start, size):
        end, sums = carry
        x, d_y, known = jax.tree.map(
            lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, start, size),
            (inputs, floats_of(d_outputs), list(products)),
        )
        before, after, end = states_of(end, start, x)
        arguments = recurrence, weights, sums, before, after, x, d_y
        sums, d_x = _backward_chunk(*arguments, scan, known)
        return (end, sums), d_x

    d_weights = [jnp.zeros_like(leaf) for leaf in floats_of(weights)]
    carry = end, (floats_of(d_final), d_weights)
    d_rest = []
    if whole < length:
        carry, d_rest = chunk(carry, whole, length - whole)
    starts = jnp.arange(0, whole, size)
    carry, d_inputs = jax.lax.scan(
        lambda carry, start: chunk(carry, start, size), carry, starts, reverse=True
    )
    d_inputs = base.unfold(d_inputs)
    if whole < length:
        d_inputs = base.join(d_inputs, d_rest)
    _, (d_state, d_weights) = carry
    return (
        cotangent(weights, d_weights),
        cotangent(state, d_state),
        cotangent(inputs, d_inputs),
    )


def _backward_chunk(
    recurrence, weights, carry, before, after, inputs, d_outputs, scan, products
):
    """Of some steps: what the derivatives need, the loop back, the sums over time."""
    adjoint, d_weights = carry
    many = over_time(recurrence)

    def project(w, x):
        own = many.of(filled(weights, w))
        return floats_of(own.project(filled(inputs, x)))

    def readout(w, h, u):
        own = many.of(filled(weights, w))
        return floats_of(own.readout(filled(after, h), filled(drive, u)))

    w = floats_of(weights)
    drive = many.of(weights).project(inputs)
    _, pull_project = jax.vjp(project, w, floats_of(inputs))
    _, pull_readout = jax.vjp(readout, w, floats_of(after), floats_of(drive))
    pull_all = pull_step(many, weights, before, drive, products)
    one, pull_one = jax.make_jaxpr(
        functools.partial(pull_step, recurrence), return_shape=True
    )(weights, *base.at((before, drive, products), 0))
    arrays, tree_of_all = jax.tree.flatten(pull_all)
    shapes, tree_of_one = jax.tree.flatten(pull_one)
    spread = spread_out(one.jaxpr)
    whole = [array.shape for array in arrays]
    arrays = [a[..., :1] if s else a for a, s in zip(arrays, spread, strict=True)]
    arrays = jax.lax.optimization_barrier(arrays)  # made once for both uses below
    length = base.length_of(inputs)
    in_time, fixed = [], []
    for array, shape in zip(arrays, shapes, strict=True):
        leading = array.ndim > shape.ndim  # of time, or of 1 to be multiplied by it
        in_time.append(leading and len(array) == length)
        fixed.append(array[0] if leading else array)

    def back(adjoint, at_t):
        varying, d_h = at_t
        varying = iter(varying)
        own = [
            jnp.broadcast_to(next(varying) if varies else array, shape.shape)
            for varies, array, shape in zip(in_time, fixed, shapes, strict=True)
        ]
        adjoint = add(adjoint, d_h)
        _, d_before, _ = tree_of_one.unflatten(own)(adjoint)
        return d_before, adjoint

    varying = [a for a, varies in zip(arrays, in_time, strict=True) if varies]
    d_w_readout, d_after, d_u_readout = pull_readout(d_outputs)
    adjoint, adjoints = scan(back, adjoint, (varying, d_after), reverse=True)
    pull_all = tree_of_all.unflatten(map(jnp.broadcast_to, arrays, whole))
    d_w_step, _, d_u_step = pull_all(adjoints)
    d_w_project, d_inputs = pull_project(add(d_u_readout, d_u_step))
    for more in (d_w_readout, d_w_step, d_w_project):
        d_weights = add(d_weights, more)
    return (adjoint, d_weights), d_inputs


def pull_step(recurrence, weights, h, drive, products=()):
    """adjoint of step's value -> those of (weights, h, drive); a tree of arrays.

    For many steps the program is that for one, with a leading axis of time on whatever
    does not depend on the weights only; `_backward_chunk` takes it apart by that.
    """

    def step(w, h_, u):
        own = recurrence.of(filled(weights, w)).step
        if products:
            own = replayed(own, products)
        return floats_of(own(filled(h, h_), filled(drive, u)))

    return jax.vjp(step, floats_of(weights), floats_of(h), floats_of(drive))[1]


def is_spread(given: tuple, dims: tuple, out: tuple) -> bool:
    """Whether a broadcast makes what is the same along its last axis.

    Args:
      given, out: the shapes before and after.
      dims: the axes of `out` that those of `given` become.
    """
    kept = len(out) - 1 in dims and given[-1] == out[-1]
    return bool(out) and not kept


def spread_out(jaxpr) -> list[bool]:
    """Of each result, whether it is the same along its last axis, such as a mask."""
    spread = set()
    for each in jaxpr.eqns:
        if each.primitive.name == "broadcast_in_dim":
            given, out = each.invars[0].aval.shape, each.outvars[0].aval.shape
            if is_spread(given, each.params["broadcast_dimensions"], out):
                spread.update(each.outvars)
        elif each.primitive.name == "jit":
            inner = spread_out(each.params["jaxpr"].jaxpr)
            spread |= {v for v, s in zip(each.outvars, inner, strict=True) if s}
    return [isinstance(v, core.Var) and v in spread for v in jaxpr.outvars]


def over_time(recurrence):
    """The recurrence for many steps at once: a leading axis of time on all but weights.

    By `jax.vmap`, so that a cell which counts its axes from the front is right too.
    """

    def of(weights):
        one = recurrence.of(weights)
        return dataclasses.replace(
            one,
            project=jax.vmap(one.project),
            step=jax.vmap(one.step),
            readout=jax.vmap(one.readout),
            of=of,
        )

    return of(recurrence.weights)
