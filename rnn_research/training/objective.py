"""What training minimises: scores and penalties of a whole batch, on any devices.

Each device makes its share of the batch and the outputs for it. The score is then that
of all of it, so a ratio of sums is the same on one device and on many.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors, runtime
from rnn_research.cells.base import Keys
from rnn_research.engines.base import solver_scores
from rnn_research.layers import Call
from rnn_research.tasks.base import Batch, as_totals
from rnn_research.training import penalties
from rnn_research.training.record import COLUMNS

Tree = Any
PENALTY = "penalty"  # the name of what the penalties add, among the metrics


class Shares(NamedTuple):
    """A batch divided over devices, leaves [shards, ...].

    Attributes:
      batches: the share of each.
      noise: the keys of dropout and noise.
      context: that each goes on from; None where nothing is carried.
    """

    batches: Batch
    noise: Keys
    context: Tree


class Objective(NamedTuple):
    """Functions of the parameters and a batch in shares.

    Attributes:
      shares: (params, rows of the batch, key, batch size, weight, carried) -> Shares.
      totals: (params, Shares, in training) -> {name: Mean} of the whole batch, and the
        context behind it, as `carried`.
      penalty: (params, Shares) -> the sum of the penalties.
      starting: (params, batch size) -> the context of sequences that begin.
    """

    shares: Callable
    totals: Callable
    penalty: Callable
    starting: Callable


class Carried(NamedTuple):
    """What a batch is given of the one before, in the order of the batch.

    Attributes:
      context: behind that batch.
      goes_on: [B], whether a row goes on from it, or begins anew.
    """

    context: Tree
    goes_on: jax.Array


def build(model, task, terms, engine, mesh) -> Objective:
    """The objective of `model` on `task` with penalties, over the devices of a mesh."""
    shards = mesh.shape["batch"]
    context_axes = _context_axes(model)

    def spread(tree, axes):
        return _over(lambda leaf, axis: _split(leaf, axis, shards), tree, axes)

    def starting(params, size):
        return model.initial_context(params, (size,))

    def shares(params, rows, key, size, weight=None, carried=None) -> Shares:
        keys = jax.random.split(key, size).reshape(shards, -1)
        noise = jax.random.split(jax.random.fold_in(key, size), size + 1)
        shared = jnp.broadcast_to(noise[0], (shards,))
        each = noise[1:].reshape(shards, -1)
        rows, weight = jax.tree.map(
            lambda leaf: _split(leaf, 0, shards), (rows, weight)
        )

        def of_shard(rows, keys, weight):
            return task.batch(rows, keys)._replace(weight=weight)

        made = runtime.over_shards(of_shard, mesh, rows, keys, weight)
        context = None
        if carried is not None:
            anew = starting(params, size)
            fixed = jax.lax.stop_gradient(carried.context)
            context = _over(
                lambda old, new, axis: _choose(carried.goes_on, old, new, axis),
                fixed,
                anew,
                context_axes,
            )
            context = spread(context, context_axes)
        return Shares(made, Keys(shared, each), context)

    def totals(params, given: Shares, training: bool):
        def outputs_of(params, batch, noise, context):
            call = Call(
                mask=batch.mask,
                reset=batch.reset,
                key=noise if training else None,
                engine=engine,
            )
            if context is None:
                context = starting(params, batch_size(batch))
            applied = model.apply(params, batch.inputs, context, call)
            behind = applied.context if task.carries else None
            return applied.outputs, solver_scores(applied.records), behind

        own = runtime.copies(params, mesh)
        outputs, solved, behind = runtime.over_shards(
            outputs_of, mesh, own, given.batches, given.noise, given.context
        )
        batch = joined(given.batches, lambda size: like_batch(task, size))
        outputs = joined(outputs, lambda size: _like_outputs(model, task, size))
        scores = task.totals(outputs, batch)
        if taken := scores.keys() & {*COLUMNS, *solved, PENALTY}:
            raise errors.UsageError(
                f"metric {min(taken)!r} of {task}: a record has that name already; "
                "give it another"
            )
        scores |= as_totals({k: jnp.mean(each) for k, each in solved.items()})
        if behind is not None:
            behind = _over(_join, behind, context_axes)
        return scores, behind

    def joined(tree, like: Callable[[int], Tree]):
        """Shares put together along the axis on which they depend on the batch."""
        return _over(_join, tree, batch_axes(like))

    def penalty(params, given: Shares):
        return sum(penalty_of(term, params, given.batches) for term in terms)

    def penalty_of(term, params, batches):
        def of_shard(params, batch):
            return term.value(model, params, task, batch)

        def mean(params):
            own = runtime.copies(params, mesh)
            return jnp.mean(runtime.over_shards(of_shard, mesh, own, batches))

        if term.skips_batches:
            return penalties.zero_unless_finite(mean, params)
        return mean(params)

    return Objective(shares, totals, penalty, starting)


# ------------------------------------------------------------- the axis of the batch


def batch_size(batch: Batch) -> int:
    """B."""
    return jax.tree.leaves(batch.inputs)[0].shape[1]


def batch_axes(like: Callable[[int], Tree]) -> Tree:
    """For each leaf of like(B) the axis whose size changes with B; -1: none."""

    def axis(small, large):
        differ = [
            place
            for place, pair in enumerate(zip(small.shape, large.shape, strict=True))
            if pair[0] != pair[1]
        ]
        return differ[0] if differ else -1

    return jax.tree.map(axis, *(jax.eval_shape(lambda n=n: like(n)) for n in (2, 3)))


def like_batch(task, size: int) -> Batch:
    keys = jax.random.split(jax.random.key(0), size)
    weight = None if task.is_endless else jnp.ones(size)
    return task.batch(task.example_rows(size), keys)._replace(weight=weight)


def _like_outputs(model, task, size: int) -> Tree:
    params = model.init(jax.random.key(0))
    batch = like_batch(task, size)
    context = model.initial_context(params, (size,))
    call = Call(mask=batch.mask, reset=batch.reset)
    return model.apply(params, batch.inputs, context, call).outputs


def _context_axes(model) -> Tree:
    return batch_axes(
        lambda size: model.initial_context(model.init(jax.random.key(0)), (size,))
    )


def _over(function: Callable, *trees) -> Tree:
    """function(leaf, ..., axis) for every leaf; the last tree has the axes."""
    *trees, axes = trees
    return jax.tree.map(function, *trees, axes)


def _split(leaf, axis: int, shards: int):
    """[shards, ...] of the whole; of what has no axis of the batch, a copy each."""
    if axis < 0:
        return jnp.broadcast_to(leaf, (shards, *leaf.shape))
    shape = leaf.shape
    parts = leaf.reshape(*shape[:axis], shards, -1, *shape[axis + 1 :])
    return jnp.moveaxis(parts, axis, 0)


def _join(leaf, axis: int):
    """The whole of [shards, ...], in the order of the shards."""
    return leaf[0] if axis < 0 else runtime.in_a_row(leaf, axis)


def _choose(these, old, new, axis: int):
    """`old` for the rows in `these` [B], `new` for others."""
    if axis < 0:
        return old
    shape = [1] * old.ndim
    shape[axis] = -1
    return jnp.where(these.reshape(shape), old, new)
