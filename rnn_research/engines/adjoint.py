"""The plain loop with a backward pass of its own, derived from the cell's step."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import errors
from rnn_research.engines import base
from rnn_research.engines.backward import backward, over_time, pull_step
from rnn_research.engines.floats import floats_of
from rnn_research.engines.products import recorded, results_of

Tree = Any

# Measured with `engine_speed`: on CPUs what a chunk makes should stay in the cache; few
# steps make narrow products, and on GPUs many launches.
CHUNK_BYTES = {"cpu": 2**20, "gpu": 2**28}
SMALLEST_CHUNK, LARGEST_CHUNK = 8, {"cpu": 100, "gpu": 1000}
KEPT_PRODUCTS_BYTES = 2**24  # on CPUs; more of them cost more to fetch than to make


@base.engine
def adjoint(*, chunk=None, unroll=1, keep_products: bool | None = None) -> base.Engine:
    """The loop, with a backward pass that carries only the adjoint of the state.

        forward:   h_t = step(w, h_{t-1}, u_t)                            t = 1 ... T
        backward:  a_{t-1} = (dh_t/dh_{t-1})^T a_t + dL/dh_{t-1} directly   t = T ... 1
        then       dL/dw = sum_t (dh_t/dw)^T a_t                      many t at once

    Autodiff of a loop does all of this in the loop, with one small matrix product and
    one sum into dL/dw a step. Here the part that cannot be parallel does the least, and
    the rest is one wide product. What the derivatives need of each step is made anew
    from the states, `chunk` steps at once, so that it stays in the cache. It is the
    step's own `jax.vjp`, taken apart in time.

    Memory beyond inputs and outputs is that of the states, and of the products that are
    kept. Reverse mode only, of any order; for `jax.jvp` take `sequential`.

    Args:
      chunk: steps whose derivatives are made at once; None is about as many as take
        1 MiB, 8 at least and 100 at most, on GPUs 256 MiB and 1,000.
      unroll: steps in a turn of the two compiled loops, as in `sequential`.
      keep_products: keep the results of the step's matrix products, so that they are
        not made a second time; None does so on CPUs where they take 16 MiB at most.

    Raises:
      UsageError: the step cannot be taken apart so, or closes over a value that is
        being traced, which the backward pass would not see.
    """
    if chunk is not None:
        errors.check_size(chunk=chunk)
    errors.check_size(most=errors.DEEPEST, unroll=unroll)
    if keep_products is not None:
        errors.check_flags(keep_products=keep_products)

    def run(recurrence, state, inputs):
        check_fits("adjoint", recurrence, state, inputs)
        return evaluate(recurrence, state, inputs, chunk, unroll, keep_products)

    return base.Engine(run)


def evaluate(recurrence, state, inputs, chunk=None, unroll=1, keep_products=None):
    """What the engine does for a recurrence that `fits`."""
    length = base.length_of(inputs)
    size = min(chunk or default_chunk(recurrence, state, inputs), length)
    if keep_products is None:
        keep_products = _products_are_few(recurrence, state, inputs)
    keep = _keepable(recurrence, state, inputs) if keep_products else []
    forward = functools.partial(_forward, unroll=unroll, keep=keep)
    scan = functools.partial(jax.lax.scan, unroll=unroll)
    outputs, final = differentiable(recurrence, state, inputs, size, forward, scan)
    engine = adjoint(chunk=size, unroll=unroll, keep_products=keep_products)
    return outputs, final, base.Record(engine)


def default_chunk(recurrence, state, inputs, platform: str | None = None) -> int:
    """Steps whose derivatives are made at once on a platform, by default this one."""
    drive = jax.eval_shape(recurrence.project, base.at(inputs, 0))
    step_bytes = base.size_in_bytes((drive, state))
    platform = "gpu" if (platform or jax.default_backend()) == "gpu" else "cpu"
    steps = CHUNK_BYTES[platform] // step_bytes
    most = int(np.clip(steps, SMALLEST_CHUNK, LARGEST_CHUNK[platform]))
    return base.even_chunk(base.length_of(inputs), most, least=SMALLEST_CHUNK)


def check_fits(engine: str, recurrence, state, inputs, instead="sequential"):
    """Raises `UsageError` unless the recurrence `fits` and does nothing but compute."""
    if base.acts(recurrence, state, inputs):
        raise errors.UsageError(
            f"engine {engine}: this cell prints or calls back, which only "
            "--engine=sequential does once a step"
        )
    if not fits(recurrence, state, inputs):
        raise errors.UsageError(
            f"engine {engine}: the derivatives of this cell cannot be taken apart in "
            f"time, or it closes over a traced value; use --engine={instead}"
        )


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
            return jax.tree.leaves(pull_step(recurrence, weights, h, drive))

        return jax.make_jaxpr(arrays)(recurrence.weights, h, given)

    one = traced(recurrence, state, base.at(inputs, 0))
    many = traced(over_time(recurrence), *several)
    shapes = zip(one.out_avals, many.out_avals, strict=False)
    return (
        bool(floats_of(state))
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


def differentiable(recurrence, state, inputs, size: int, forward, scan=jax.lax.scan):
    """(outputs, final state) of a loop that keeps its states; its derivative.

    Args:
      size: steps whose derivatives are made at once.
      forward: (recurrence, state, inputs) -> (outputs, final state, states h_1 ... h_T,
        products), the loop.
      scan: the loop back, as `jax.lax.scan`.
    """

    @jax.custom_vjp
    def run(weights, state, inputs):
        return forward(recurrence.of(weights), state, inputs)[:2]

    def ahead(weights, state, inputs):
        of = recurrence.of(weights)
        outputs, final, states, products = forward(of, state, inputs)
        return (outputs, final), (weights, state, states, inputs, products)

    def back(kept, cotangents):
        weights, state, states, inputs, products = kept

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
        return backward(*arguments, states_of, end=(), scan=scan, products=products)

    run.defvjp(ahead, back)
    return run(recurrence.weights, state, inputs)


def _products_are_few(recurrence, state, inputs) -> bool:
    drive = jax.eval_shape(recurrence.project, base.at(inputs, 0))
    made = base.size_in_bytes(results_of(recurrence.step, state, drive))
    few = base.length_of(inputs) * made <= KEPT_PRODUCTS_BYTES
    return few and jax.default_backend() == "cpu"


def _keepable(recurrence, state, inputs) -> list[bool]:
    """Of each product in a step, whether that of many is those of each in a row."""
    length = _unlike_any_size((recurrence.weights, state, base.at(inputs, 0)))
    drive = jax.eval_shape(recurrence.project, base.at(inputs, 0))
    several = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((length, *jnp.shape(leaf)), leaf.dtype),
        (state, drive),
    )
    one = results_of(recurrence.step, state, drive)
    many = results_of(over_time(recurrence).step, *several)
    if len(one) != len(many):
        return []
    return [b.shape == (length, *a.shape) for a, b in zip(one, many, strict=True)]


def _forward(recurrence, state, inputs, unroll: int, keep: list[bool]):
    """(outputs, final state, states h_1 ... h_T, products) of the loop.

    An output that is a part of the state is not written twice.
    """
    drive = jax.eval_shape(recurrence.project, base.at(inputs, 0))
    parts = _parts_of_state(recurrence.readout, state, drive)

    def body(h, given):
        drive = recurrence.project(given)
        products = []
        if any(keep):
            h, made = recorded(recurrence.step)(h, drive)
            products = [p if kept else None for p, kept in zip(made, keep, strict=True)]
        else:
            h = recurrence.step(h, drive)
        outputs = jax.tree.leaves(recurrence.readout(h, drive))
        others = [y for y, part in zip(outputs, parts, strict=True) if part is None]
        return h, (others, h, products)

    final, (others, states, products) = jax.lax.scan(body, state, inputs, unroll=unroll)
    others, leaves = iter(others), jax.tree.leaves(states)
    outputs = [next(others) if part is None else leaves[part] for part in parts]
    tree = jax.tree.structure(jax.eval_shape(recurrence.readout, state, drive))
    return tree.unflatten(outputs), final, states, products


def _parts_of_state(readout, state, drive) -> list[int | None]:
    """For each output, which leaf of the state it is, or None if it is none."""
    jaxpr = jax.make_jaxpr(readout)(state, drive).jaxpr
    leaves = jaxpr.invars[: len(jax.tree.leaves(state))]
    return [
        next((i for i, leaf in enumerate(leaves) if leaf is out), None)
        for out in jaxpr.outvars
    ]
