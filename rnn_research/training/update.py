"""One update: the gradient of a batch, and the optimizer's step.

The batch of an update is a function of (data, seed, step), made inside the compiled
call. An update that is not finite is not applied.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax

from rnn_research import runtime
from rnn_research.diagnostics.vectors import global_norm
from rnn_research.tasks.base import Mean
from rnn_research.training import curriculum, objective, supply
from rnn_research.training.state import (
    PARTS,
    Best,
    Runs,
    State,
    goes_on,
    part_of,
)

Tree = Any


def keys_of(run: Runs):
    """The keys of initialisation, training and evaluation."""
    return jax.random.split(jax.random.key(run.seed), 3)


def init(trainer, run: Runs) -> State:
    """A run before its first update."""
    params = trainer.model.init(keys_of(run)[0])
    count, number = jnp.zeros((), jnp.int32), jnp.zeros(())
    context = None
    if trainer.task.carries:
        context = trainer.objective.starting(params, trainer.config.batch_size)
    return State(
        params=params,
        opt_state=trainer.optimizer_of(run).init(params),
        context=context,
        best=Best(
            params=params if trainer.keeps_best else None,
            score=jnp.full((), jnp.inf),
            step=count,
            since=count,
        ),
        step=count,
        loss=number,
        grad_norm=number,
        finite=jnp.array(True),
        loss_sum=jnp.zeros(PARTS),
        made=jnp.zeros(PARTS, jnp.int32),
        largest_grad_norm=number,
        dropped=count,
        in_a_row=count,
    )


def many(trainer, rows: supply.Rows, run: Runs, state: State, limit) -> State:
    """Updates until the run is at its limit or can make none."""
    return jax.lax.while_loop(
        lambda now: (now.step < limit) & goes_on(trainer.config, now),
        lambda now: one(trainer, rows, run, now),
        state,
    )


def one(trainer, rows: supply.Rows, run: Runs, state: State) -> State:
    """One update of a run, made or dropped."""
    given = batch(trainer, rows, run, state)
    grads, (loss, context) = jax.grad(
        functools.partial(_minimised, trainer, given, state.step), has_aux=True
    )(state.params)
    grads = jax.tree.map(
        lambda leaf, label: jnp.zeros_like(leaf) if label == "fixed" else leaf,
        grads,
        trainer.labels,
    )
    updates, opt_state = trainer.optimizer_of(run).update(
        grads, state.opt_state, state.params
    )
    params = trainer.model.retract(optax.apply_updates(state.params, updates))
    new = params, opt_state, context
    old = state.params, state.opt_state, state.context
    finite = jnp.isfinite(loss) & _is_finite(grads) & _stays_finite(new, old)
    params, opt_state, context = jax.tree.map(
        lambda new, old: jnp.where(finite, new, old), new, old
    )
    state = state._replace(params=params, opt_state=opt_state, context=context)
    return _counted(trainer.config, state, loss, global_norm(grads), finite)


def batch(trainer, rows: supply.Rows, run: Runs, state: State) -> objective.Shares:
    """The batch of a step, in shares."""
    task, size = trainer.task, trainer.config.batch_size
    key = jax.random.fold_in(keys_of(run)[1], state.step)
    if task.is_endless:
        steps = trainer.config.curriculum_steps
        make = curriculum.batch_at(task, steps, state.step)
        made = trainer.objective.shares(state.params, None, key, size, make=make)
        return _sampled(trainer, made, state)
    order = functools.partial(
        task.order, run.seed, size=task.size("train"), batch_size=size
    )
    indices = runtime.undivided(order(step=state.step), trainer.mesh)
    carried = None
    if task.carries:
        before = order(step=state.step - 1)
        goes_on = (indices == before + 1) & (state.step > 0)
        carried = objective.Carried(state.context, goes_on)
    own = supply.pick(rows, indices, state.step)
    made = trainer.objective.shares(
        state.params, own, key, size, weight=jnp.ones(size), carried=carried
    )
    return _sampled(trainer, made, state)


def _sampled(trainer, made: objective.Shares, state: State) -> objective.Shares:
    """What the network reads: where it is so trained, some tokens of its own."""
    if trainer.sampling is None:
        return made
    return trainer.objective.reading_its_own(
        state.params, made, trainer.sampling, state.step
    )


def _minimised(trainer, given: objective.Shares, step, params):
    """The loss with the penalties; and the loss alone, and the context behind."""
    scores, context = trainer.objective.totals(params, given, training=True)
    loss = _of_what_counts(scores["loss"])
    if not trainer.penalties:
        return loss, (loss, context)
    until = trainer.config.penalty_steps
    if not until:
        return loss + trainer.objective.penalty(params, given), (loss, context)
    added = jax.lax.cond(
        step < until,
        lambda: trainer.objective.penalty(params, given),
        lambda: jnp.zeros(()),
    )
    return loss + added, (loss, context)


def _of_what_counts(loss: Mean):
    """The mean; 0 of a batch in which nothing counts, which teaches nothing."""
    nothing = loss.count == 0
    mean = loss.total / jnp.where(nothing, 1, loss.count)
    return jnp.where(nothing, 0, mean)


def _counted(config, state: State, loss, grad_norm, finite) -> State:
    """The state with what is told of the update."""
    just_evaluated = state.step % config.eval_every == 0
    loss_sum = jnp.where(just_evaluated, 0, state.loss_sum)
    made = jnp.where(just_evaluated, 0, state.made)
    largest = jnp.where(just_evaluated, 0, state.largest_grad_norm)
    part = part_of(config, state.step)
    known = jnp.where(jnp.isnan(grad_norm), jnp.inf, grad_norm)
    return state._replace(
        step=state.step + (finite | config.skips_nan),
        loss=loss,
        grad_norm=grad_norm,
        finite=finite,
        loss_sum=loss_sum.at[part].add(jnp.where(finite, loss, 0)),
        made=made.at[part].add(finite),
        largest_grad_norm=jnp.maximum(largest, known),
        dropped=state.dropped + (~finite & config.skips_nan),
        in_a_row=jnp.where(finite, 0, state.in_a_row + config.skips_nan),
    )


def _is_finite(tree: Tree):
    """Whether every number is finite."""
    leaves = [jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]
    return functools.reduce(jnp.logical_and, leaves, jnp.array(True))


def _stays_finite(new: Tree, old: Tree):
    """Whether every number is finite that was so before."""
    lost = jnp.array(False)
    for after, before in zip(*map(jax.tree.leaves, (new, old)), strict=True):
        if jnp.issubdtype(after.dtype, jnp.inexact):
            lost |= (jnp.isfinite(before) & ~jnp.isfinite(after)).any()
    return ~lost
