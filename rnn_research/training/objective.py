"""What training minimises: scores and penalties of a whole batch, on any devices.

Each device makes its share of the batch and the outputs for it. The score is then that
of all of it, so a ratio of sums is the same on one device and on many.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors, runtime
from rnn_research.cells.base import Keys
from rnn_research.engines.base import Engine, solver_scores
from rnn_research.layers import Call
from rnn_research.models import Model, fit
from rnn_research.tasks.base import Batch, Task, as_totals
from rnn_research.training import penalties, scheduled_sampling
from rnn_research.training.record import COLUMNS

Tree = Any
PENALTY = "penalty"  # the name of what the penalties add, among the metrics


class Shares(NamedTuple):
    """A batch divided over devices, leaves [shards, ...].

    Attributes:
      batches: the share of each.
      noise: the keys of dropout and noise.
      context: where each share resumes; None where nothing is carried.
    """

    batches: Batch
    noise: Keys
    context: Tree


class Carried(NamedTuple):
    """What a batch is given of the one before, in the order of the batch.

    Attributes:
      context: behind that batch.
      goes_on: [B], whether a row continues from it, or begins anew.
    """

    context: Tree
    goes_on: jax.Array


@dataclasses.dataclass(frozen=True, eq=False)
class Objective:
    """Scores and penalties of a batch in shares, as functions of the parameters."""

    model: Model
    task: Task
    penalties: tuple
    engine: Engine
    mesh: jax.sharding.Mesh

    @functools.cached_property
    def _context_axes(self) -> Tree:
        return _context_axes(self.model)

    @functools.cached_property
    def _batch_axes(self) -> Tree:
        return batch_axes(lambda size: fit.like_batch(self.task, size))

    @functools.cached_property
    def _output_axes(self) -> Tree:
        return batch_axes(lambda size: fit.applied(self.model, self.task, size).outputs)

    def starting(self, params, size: int) -> Tree:
        """The context of sequences that begin."""
        return self.model.initial_context(params, (size,))

    def shares(
        self,
        params,
        rows,
        key,
        size: int,
        weight=None,
        carried: Carried | None = None,
        make: Callable | None = None,
    ) -> Shares:
        """The batch of `size` rows, made on the devices.

        Args:
          rows: of the batch, leaves [size, ...]; None of an endless task.
          key: of what the batch and the noise of training draw.
          weight: [size]; None of an endless task.
          carried: of the batch before; None where nothing is.
          make: (rows, keys) -> Batch; None: as the task makes it.
        """
        make = make or self.task.batch
        count = self.mesh.shape["batch"]
        keys = jax.random.split(key, size).reshape(count, -1)
        noise = jax.random.split(jax.random.fold_in(key, size), size + 1)
        shared = jnp.broadcast_to(noise[0], (count,))
        each = noise[1:].reshape(count, -1)
        rows, weight = jax.tree.map(lambda leaf: _split(leaf, 0, count), (rows, weight))

        def of_shard(rows, keys, weight):
            return make(rows, keys).weighted(weight)

        made = runtime.over_shards(of_shard, self.mesh, rows, keys, weight)
        context = None if carried is None else self._continued(params, size, carried)
        return Shares(made, Keys(shared, each), context)

    def _continued(self, params, size: int, carried: Carried) -> Tree:
        """The context in which each share resumes, without a gradient to before."""
        axes, count = self._context_axes, self.mesh.shape["batch"]
        anew = self.starting(params, size)
        fixed = jax.lax.stop_gradient(carried.context)
        chosen = _over(
            lambda old, new, axis: _choose(carried.goes_on, old, new, axis),
            fixed,
            anew,
            axes,
        )
        return _over(lambda leaf, axis: _split(leaf, axis, count), chosen, axes)

    def totals(self, params, given: Shares, *, training: bool):
        """{name: Mean} of the whole batch, and the context behind it."""
        outputs, solved, behind = self._outputs(params, given, training)
        task = self.task
        batch = _over(_join, given.batches, self._batch_axes)
        outputs = _over(_join, outputs, self._output_axes)
        scores = task.totals(outputs, batch)
        if taken := scores.keys() & {*COLUMNS, *solved, PENALTY}:
            raise errors.UsageError(
                f"metric {min(taken)!r} of {task}: a record has that name already; "
                "give it another"
            )
        scores |= as_totals({k: jnp.mean(each) for k, each in solved.items()})
        if behind is not None:
            behind = _over(_join, behind, self._context_axes)
        return scores, behind

    def reading_its_own(
        self, params, given: Shares, sampling: scheduled_sampling.Sampling, step
    ) -> Shares:
        """The shares with some of the network's own tokens among those it reads."""
        probability = sampling.probability(step)

        def of_shard(params, batch, noise, context):
            def outputs_of(batch):
                return self._applied(params, batch, noise, context).outputs

            keys = noise.each
            return scheduled_sampling.mixed(
                sampling, probability, outputs_of, batch, keys
            )

        own = runtime.copies(params, self.mesh)
        made = runtime.over_shards(
            of_shard, self.mesh, own, given.batches, given.noise, given.context
        )
        return given._replace(batches=made)

    def _applied(self, params, batch, noise, context):
        """The model on a share; without `noise` as outside of training."""
        call = Call(mask=batch.mask, reset=batch.reset, key=noise, engine=self.engine)
        if context is None:
            context = self.starting(params, batch_size(batch))
        return self.model.apply(params, batch.inputs, context, call)

    def _outputs(self, params, given: Shares, training: bool):
        """Outputs, engine records and final context of each share."""

        def of_shard(params, batch, noise, context):
            own = noise if training else None
            applied = self._applied(params, batch, own, context)
            behind = applied.context if self.task.carries else None
            return applied.outputs, solver_scores(applied.records), behind

        own = runtime.copies(params, self.mesh)
        return runtime.over_shards(
            of_shard, self.mesh, own, given.batches, given.noise, given.context
        )

    def penalty(self, params, given: Shares):
        """The sum of the penalties."""
        return sum(self._penalty_of(term, params, given) for term in self.penalties)

    def _penalty_of(self, term, params, given: Shares):
        def of_shard(params, batch):
            return term.value(self.model, params, self.task, batch)

        def mean(params):
            own = runtime.copies(params, self.mesh)
            found = runtime.over_shards(of_shard, self.mesh, own, given.batches)
            return jnp.mean(found)

        if term.skips_batches:
            return penalties.zero_unless_finite(mean, params)
        return mean(params)


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
