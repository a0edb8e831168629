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
from rnn_research.runs import metrics
from rnn_research.tasks.base import Batch, Mean, as_totals
from rnn_research.training import penalties

Tree = Any


class Objective(NamedTuple):
    """Functions of the parameters and a batch.

    Attributes:
      batches: (key) -> the shares of a batch and the Keys of its noise, [shards, ...].
      totals: (params, batches, Keys or None) -> {name: Mean}, of the whole batch.
      penalty: (params, batches) -> the sum of the penalties.
    """

    batches: Callable
    totals: Callable
    penalty: Callable


def build(model, task, batch_size: int, terms: list, engine, mesh) -> Objective:
    """The objective of `model` on `task` with penalties, over the devices of a mesh."""
    shards = mesh.shape["batch"]

    def batches(key):
        keys = jax.random.split(key, batch_size).reshape(shards, -1)
        noise = jax.random.split(jax.random.fold_in(key, batch_size), batch_size + 1)
        shared = jnp.broadcast_to(noise[0], (shards,))
        each = noise[1:].reshape(shards, -1)
        return runtime.over_shards(lambda own: task.batch(None, own), mesh, keys), Keys(
            shared, each
        )

    def totals(params, batches, noise: Keys | None) -> dict[str, Mean]:
        def outputs_of(params, batch, noise):
            call = Call(mask=batch.mask, key=noise, engine=engine)
            context = model.initial_context(params, batch.inputs.shape[1:2])
            applied = model.apply(params, batch.inputs, context, call)
            return applied.outputs, solver_scores(applied.records)

        own = runtime.copies(params, mesh)
        outputs, solved = runtime.over_shards(outputs_of, mesh, own, batches, noise)
        outputs = runtime.in_a_row(outputs, 1 if task.network.head == "step" else 0)
        along = 1 if task.network.head == "step" else 0
        batch = Batch(
            runtime.in_a_row(batches.inputs, 1),
            runtime.in_a_row(batches.targets, along),
            runtime.in_a_row(batches.mask, 1),
        )
        scores = task.totals(outputs, batch)
        if taken := scores.keys() & {*metrics.COLUMNS, *solved, PENALTY}:
            raise errors.UsageError(
                f"metric {min(taken)!r} of {task}: a record has that name already; "
                "give it another"
            )
        return scores | as_totals({k: jnp.mean(each) for k, each in solved.items()})

    def penalty(params, batches):
        return sum(penalty_of(term, params, batches) for term in terms)

    def penalty_of(term, params, batches):
        def of_shard(params, batch):
            return term.value(model, params, task, batch)

        def mean(params):
            own = runtime.copies(params, mesh)
            return jnp.mean(runtime.over_shards(of_shard, mesh, own, batches))

        if term.skips_batches:
            return penalties.zero_unless_finite(mean, params)
        return mean(params)

    return Objective(batches, totals, penalty)


PENALTY = "penalty"  # the name of what the penalties add, among the metrics
