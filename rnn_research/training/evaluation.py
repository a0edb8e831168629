"""Evaluation: the metrics on held-out rows.

On a finite split every row counts once, whatever the batch size: what fills the last
batch has weight 0. Where context is carried the split is read in a number of streams
that does not depend on the batch size. Endless tasks give fresh rows at every step.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import errors
from rnn_research.tasks.base import Mean, add, as_totals, means
from rnn_research.training import objective, supply
from rnn_research.training.state import Best, Runs, State
from rnn_research.training.update import keys_of

Tree = Any
VALIDATION, TEST = "validation", "test"
NUMBERS = {VALIDATION: 0, TEST: 1}
STREAMS = 16  # in which a split is read where context is carried


class Plan(NamedTuple):
    """Which rows an evaluation reads.

    Attributes:
      indices: [batches, B].
      counts: [batches, B] whether the row counts, or only fills the batch.
      goes_on: [batches, B] whether it continues the row of the batch before.
    """

    indices: np.ndarray
    counts: np.ndarray
    goes_on: np.ndarray


def plan(task, split: str, config, shards: int) -> Plan:
    """How a split is read; of an endless task how many batches, in `eval_size`."""
    if task.is_endless:
        shape = math.ceil(config.eval_size / config.batch_size), config.batch_size
        nothing = np.zeros(shape, np.int32)
        return Plan(nothing, nothing == 0, nothing > 0)
    size = task.size(split)
    if task.carries:
        streams = min(STREAMS, size)
        width = -(-streams // shards) * shards
        length = -(-size // streams)
        indices = np.arange(streams) * length + np.arange(length)[:, None]
        ends = np.minimum((np.arange(streams) + 1) * length, size)
        counts = np.pad(indices < ends, ((0, 0), (0, width - streams)))
        indices = np.pad(indices, ((0, 0), (0, width - streams)))
        goes_on = np.broadcast_to(np.arange(length)[:, None] > 0, indices.shape)
    else:
        batches = -(-size // config.batch_size)
        indices = np.arange(batches * config.batch_size).reshape(batches, -1)
        counts, goes_on = indices < size, np.zeros(indices.shape, bool)
    return Plan(np.minimum(indices, size - 1).astype(np.int32), counts, goes_on)


def begin(trainer, plan: Plan, run: Runs, params: Tree):
    """The sums of no batch, and the context of a start."""
    del run
    size = plan.indices.shape[1]
    like = jax.eval_shape(lambda: _one_batch(trainer, params, size))
    zero = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), like)
    context = None
    if trainer.task.carries:
        context = trainer.objective.starting(params, size)
    return zero, context


def _one_batch(trainer, params, size: int) -> dict[str, Mean]:
    """The metrics of a batch of zeros, for their names and types."""
    task, key = trainer.task, jax.random.key(0)
    weight = None if task.is_endless else jnp.ones(size)
    given = trainer.objective.shares(
        params, task.example_rows(size), key, size, weight=weight
    )
    return _scored(trainer, params, given)[0]


def _scored(trainer, params, given: objective.Shares):
    found, context = trainer.objective.totals(params, given, training=False)
    if trainer.penalties:
        added = trainer.objective.penalty(params, given)
        found |= as_totals({objective.PENALTY: added})
    return found, context


def some(
    trainer, plan: Plan, rows, span, split, run: Runs, params, step, active, carried
):
    """The sums and the context with batches from span[0] to span[1] added."""
    task, size = trainer.task, plan.indices.shape[1]
    key = jax.random.fold_in(keys_of(run)[2], split)
    if task.is_endless:
        key = jax.random.fold_in(key, step)

    def add_batch(number, carried):
        sums, context = carried
        own, weight, before = None, None, None
        if not task.is_endless:
            own = supply.pick(rows, plan.indices[number], number)
            weight = plan.counts[number].astype(jnp.zeros(()).dtype)
        if task.carries:
            before = objective.Carried(context, plan.goes_on[number])
        at = jax.random.fold_in(key, number)
        given = trainer.objective.shares(
            params, own, at, size, weight=weight, carried=before
        )
        found, context = _scored(trainer, params, given)
        return add(sums, found), context

    first, end = span
    return jax.lax.fori_loop(first, jnp.where(active, end, first), add_batch, carried)


def kept_best(trainer, state: State, scores, due) -> State:
    """The state with the best parameters so far, of the runs that were evaluated.

    A score that is not finite is never the best; as long as there is no other, the
    newest parameters are kept.
    """
    task = trainer.task
    score = scores[task.monitor].astype(state.best.score.dtype)
    score = jnp.where(jnp.isfinite(score), score, jnp.inf)
    score = jnp.where(task.larger_is_better & jnp.isfinite(score), -score, score)
    better = due & (score < state.best.score)
    taken = better | (due & jnp.isinf(state.best.score))
    best = Best(
        params=jax.tree.map(
            lambda new, old: jnp.where(
                taken.reshape(-1, *[1] * (new.ndim - 1)), new, old
            ),
            None if state.best.params is None else state.params,
            state.best.params,
        ),
        score=jnp.where(better, score, state.best.score),
        step=jnp.where(taken, state.step, state.best.step),
        since=jnp.where(
            due, jnp.where(better, 0, state.best.since + 1), state.best.since
        ),
    )
    return state._replace(best=best)


def asked(task, model, params: Tree, kept: str) -> dict[str, float]:
    """What the task's evaluators say of the rows of 'test'.

    Args:
      kept: where the weights are, for the message.

    Raises:
      errors.RunError: one of them fails, or gives no numbers.
    """
    found = {}
    for evaluator in task.evaluators:
        name = errors.cut(getattr(evaluator, "__name__", str(evaluator)), 80)
        try:
            said = evaluator(model, params, task.splits.get(TEST))
            found |= {str(key): float(value) for key, value in said.items()}
        except Exception as error:
            raise errors.RunError(
                f"evaluator {name} must return numbers by name: "
                f"{errors.one_line(error)}; {kept}"
            ) from error
    return found


def measured(sums) -> dict[str, np.ndarray]:
    """The metrics [R] of all that was added."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return means(jax.device_get(sums))
