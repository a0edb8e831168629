"""The plain loop with a backward pass of its own, derived from the cell's step."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import values
from rnn_research.cells import base as cells_base
from rnn_research.engines import base

Tree = Any

# Measured with `engine_speed`: on CPUs what a chunk makes should stay in the cache; few
# steps make narrow products, and on GPUs many launches.
CHUNK_BYTES = {"cpu": 2**20, "gpu": 2**28}
SMALLEST_CHUNK, LARGEST_CHUNK = 8, {"cpu": 100, "gpu": 1000}


@base.engine
def adjoint(*, chunk=None, unroll=1):
    """The loop, keeping only the states; going back, only the adjoint of the state.

        forward:   h_t = step(w, h_{t-1}, u_t)                            t = 1 ... T
        backward:  a_{t-1} = (dh_t/dh_{t-1})^T a_t + dL/dh_{t-1} directly   t = T ... 1
        then       dL/dw = sum_t (dh_t/dw)^T a_t                      many t at once

    Autodiff of a loop does all of this in the loop, with one small matrix product and
    one sum into dL/dw a step. Here the part that cannot be parallel does the least, and
    the rest is one wide product. What the derivatives need of each step is made anew
    from the states, `chunk` steps at once, so that it stays in the cache. It is the
    step's own `jax.vjp`, taken apart in time.

    Memory beyond inputs and outputs is that of the states. Reverse mode only, of any
    order; for `jax.jvp` take `sequential`.

    Args:
      chunk: steps whose derivatives are made at once; None is about as many as take
        1 MiB, 8 at least and 100 at most, on GPUs 256 MiB and 1,000.
      unroll: steps in a turn of the two compiled loops, as in `sequential`.

    Raises:
      UsageError: the step cannot be taken apart so, or closes over a value that is
        being traced, which the backward pass would not see.
    """
    if chunk is not None:
        cells_base.check_size(chunk=chunk)
    cells_base.check_size(unroll=unroll)

    def run(recurrence, state, inputs):
        if not fits(recurrence, state, inputs):
            raise values.UsageError(
                "engine adjoint: the derivatives of this cell cannot be taken apart in "
                "time, or it closes over a traced value; use --engine=sequential"
            )
        return evaluate(recurrence, state, inputs, chunk, unroll)

    return base.Engine(run)


def evaluate(recurrence, state, inputs, chunk=None, unroll=1):
    """What the engine does for a recurrence that `fits`."""
    length = base.length_of(inputs)
    size = min(chunk or default_chunk(recurrence, state, inputs), length)
    outputs, final = _run(recurrence, state, inputs, size, unroll)
    return outputs, final, base.Record(adjoint(chunk=size, unroll=unroll))


def default_chunk(recurrence, state, inputs) -> int:
    drive = jax.eval_shape(recurrence.project, base.at(inputs, 0))
    step_bytes = base.size_in_bytes((drive, state))
    platform = "gpu" if jax.default_backend() == "gpu" else "cpu"
    steps = CHUNK_BYTES[platform] // step_bytes
    most = int(np.clip(steps, SMALLEST_CHUNK, LARGEST_CHUNK[platform]))
    return base.even_chunk(base.length_of(inputs), most, least=SMALLEST_CHUNK)


def fits(recurrence, state, inputs) -> bool:
    """Whether what the derivative of many steps needs is that of each, side by side.

    And whether all that is differentiated is seen: a cell that closes over a value that
    is being traced is not.
    """
    length = _unlike_any_size((recurrence.weights, state, base.at(inputs, 0)))
    several = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((length, *jnp.shape(leaf)), leaf.dtype),
        (state, base.at(inputs, 0)),
    )

    def traced(recurrence, h, given):
        def arrays(weights, h, given):
            drive = recurrence.of(weights).project(given)
            return jax.tree.leaves(_pull_step(recurrence, weights, h, drive))

        return jax.make_jaxpr(arrays)(recurrence.weights, h, given)

    one = traced(recurrence, state, base.at(inputs, 0))
    many = traced(_over_time(recurrence), *several)
    shapes = zip(one.out_avals, many.out_avals, strict=False)
    return (
        bool(_floats(state))
        and not base.closes_over_traced(recurrence, state, inputs)
        and len(one.out_avals) == len(many.out_avals)
        and all(
            many.shape in (one.shape, (length, *one.shape), (1, *one.shape))
            for one, many in shapes
        )
    )


def _unlike_any_size(tree: Tree) -> int:
    """A length by which an axis of time is known among all others."""
    sizes = {size for leaf in jax.tree.leaves(tree) for size in jnp.shape(leaf)}
    return 7919 + sum(sizes)  # greater than them and than what is put together of them


def _over_time(recurrence):
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


def _run(recurrence, state, inputs, size: int, unroll: int):
    """(outputs, final state), whose derivative is `backward`."""

    @jax.custom_vjp
    def run(weights, state, inputs):
        outputs, final, _ = _forward(recurrence.of(weights), state, inputs, unroll)
        return outputs, final

    def forward(weights, state, inputs):
        outputs, final, states = _forward(recurrence.of(weights), state, inputs, unroll)
        return (outputs, final), (weights, state, states, inputs)

    def back(kept, cotangents):
        weights, state, states, inputs = kept

        def states_of(end, start, inputs):
            after = jax.tree.map(
                lambda leaf: jax.lax.dynamic_slice_in_dim(
                    leaf, start, base.length_of(inputs)
                ),
                states,
            )
            before = jax.tree.map(
                lambda first, all_, rest: jnp.concatenate(
                    [jnp.where(start == 0, first, all_[start - 1])[None], rest[:-1]]
                ),
                state,
                states,
                after,
            )
            return before, after, end

        arguments = recurrence, weights, state, inputs, *cotangents, size
        return backward(*arguments, states_of, end=(), unroll=unroll)

    run.defvjp(forward, back)
    return run(recurrence.weights, state, inputs)


def _forward(recurrence, state, inputs, unroll: int):
    """(outputs, final state, states h_1 ... h_T) of the loop.

    An output that is a part of the state is not written twice.
    """
    drive = jax.eval_shape(recurrence.project, base.at(inputs, 0))
    parts = _parts_of_state(recurrence.readout, state, drive)

    def body(h, given):
        drive = recurrence.project(given)
        h = recurrence.step(h, drive)
        outputs = jax.tree.leaves(recurrence.readout(h, drive))
        others = [y for y, part in zip(outputs, parts, strict=True) if part is None]
        return h, (others, h)

    final, (others, states) = jax.lax.scan(body, state, inputs, unroll=unroll)
    others, leaves = iter(others), jax.tree.leaves(states)
    outputs = [next(others) if part is None else leaves[part] for part in parts]
    tree = jax.tree.structure(jax.eval_shape(recurrence.readout, state, drive))
    return tree.unflatten(outputs), final, states


def _parts_of_state(readout, state, drive) -> list[int | None]:
    """For each output, which leaf of the state it is, or None if it is none."""
    jaxpr = jax.make_jaxpr(readout)(state, drive).jaxpr
    leaves = jaxpr.invars[: len(jax.tree.leaves(state))]
    return [
        next((i for i, leaf in enumerate(leaves) if leaf is out), None)
        for out in jaxpr.outvars
    ]


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
    unroll=1,
):
    """Cotangents of (weights, state, inputs), from the last chunk to the first.

    Args:
      size: steps in a chunk.
      states_of: (end, start, inputs of the chunk) -> (before, after, end of the chunk
        before it), the states that its steps start from and those they make.
      end: of the last chunk, whatever `states_of` goes on from.
    """
    length = base.length_of(inputs)
    whole = length // size * size

    def chunk(carry, start, size):
        end, sums = carry
        x, d_y = jax.tree.map(
            lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, start, size),
            (inputs, _floats(d_outputs)),
        )
        before, after, end = states_of(end, start, x)
        arguments = recurrence, weights, sums, before, after, x, d_y
        sums, d_x = _backward_chunk(*arguments, unroll)
        return (end, sums), d_x

    d_weights = [jnp.zeros_like(leaf) for leaf in _floats(weights)]
    carry = end, (_floats(d_final), d_weights)
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
        _cotangent(weights, d_weights),
        _cotangent(state, d_state),
        _cotangent(inputs, d_inputs),
    )


def _backward_chunk(
    recurrence, weights, carry, before, after, inputs, d_outputs, unroll: int
):
    """Of some steps: what the derivatives need, the loop back, the sums over time."""
    adjoint, d_weights = carry
    many = _over_time(recurrence)

    def project(w, x):
        filled = many.of(_filled(weights, w))
        return _floats(filled.project(_filled(inputs, x)))

    def readout(w, h, u):
        filled = many.of(_filled(weights, w))
        return _floats(filled.readout(_filled(after, h), _filled(drive, u)))

    w = _floats(weights)
    drive = many.of(weights).project(inputs)
    _, pull_project = jax.vjp(project, w, _floats(inputs))
    _, pull_readout = jax.vjp(readout, w, _floats(after), _floats(drive))
    pull_all = _pull_step(many, weights, before, drive)
    pull_one = jax.eval_shape(
        functools.partial(_pull_step, recurrence), weights, *base.at((before, drive), 0)
    )
    arrays, tree_of_all = jax.tree.flatten(pull_all)
    arrays = jax.lax.optimization_barrier(arrays)  # made once for both uses below
    shapes, tree_of_one = jax.tree.flatten(pull_one)
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
            next(varying) if varies else array
            for varies, array in zip(in_time, fixed, strict=True)
        ]
        adjoint = _add(adjoint, d_h)
        _, d_before, _ = tree_of_one.unflatten(own)(adjoint)
        return d_before, adjoint

    varying = [a for a, varies in zip(arrays, in_time, strict=True) if varies]
    d_w_readout, d_after, d_u_readout = pull_readout(d_outputs)
    adjoint, adjoints = jax.lax.scan(
        back, adjoint, (varying, d_after), reverse=True, unroll=unroll
    )
    d_w_step, _, d_u_step = tree_of_all.unflatten(arrays)(adjoints)
    d_w_project, d_inputs = pull_project(_add(d_u_readout, d_u_step))
    for more in (d_w_readout, d_w_step, d_w_project):
        d_weights = _add(d_weights, more)
    return (adjoint, d_weights), d_inputs


def _pull_step(recurrence, weights, h, drive):
    """adjoint of step's value -> those of (weights, h, drive); a tree of arrays.

    For many steps the program is that for one, with a leading axis of time on whatever
    does not depend on the weights only; `_backward_chunk` takes it apart by that.
    """

    def step(w, h_, u):
        filled = recurrence.of(_filled(weights, w))
        return _floats(filled.step(_filled(h, h_), _filled(drive, u)))

    return jax.vjp(step, _floats(weights), _floats(h), _floats(drive))[1]


# --------------------------------------------- trees of which some leaves are no floats


def _is_float(leaf) -> bool:
    return jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)


def _floats(tree: Tree) -> list[jax.Array]:
    return [leaf for leaf in jax.tree.leaves(tree) if _is_float(leaf)]


def _filled(tree: Tree, floats: list) -> Tree:
    """The tree with these in place of its floats."""
    given = iter(floats)
    return jax.tree.map(lambda leaf: next(given) if _is_float(leaf) else leaf, tree)


def _cotangent(tree: Tree, floats: list) -> Tree:
    """The cotangent of `tree`: its floats' are given, the others have none."""
    given = iter(floats)
    return jax.tree.map(
        lambda leaf: (
            next(given)
            if _is_float(leaf)
            else np.zeros(jnp.shape(leaf), jax.dtypes.float0)
        ),
        tree,
    )


def _add(some: list, others: list) -> list:
    return [a + b for a, b in zip(some, others, strict=True)]
