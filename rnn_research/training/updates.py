"""What training compiles: many updates of every run in one call, and the evaluation.

A run is a seed and a learning rate; all runs are trained by one program. The batch of
an update is a function of (seed, step), made on the device inside the compiled call,
each device its own share. Devices compute outputs, the score is of the whole batch. A
run stops by itself at an update that is not finite, before that is applied, or drops
the update and goes on.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import NamedSharding, PartitionSpec

from rnn_research import compiled_programs, errors, memory, runtime, values
from rnn_research.diagnostics.vectors import global_norm
from rnn_research.layers import Call
from rnn_research.tasks.base import add, as_totals, means
from rnn_research.training import objective, optimizers, penalties

Tree = Any
VALIDATION, TEST = 0, 1


class Runs(NamedTuple):
    """What tells the runs apart."""

    seed: np.ndarray  # [R] uint32
    learning_rate: np.ndarray  # [R]


class State(NamedTuple):
    """All that a run is at a step; outside of compiled calls leaves are [R, ...]."""

    params: Tree
    opt_state: Tree
    step: jax.Array  # updates made or dropped
    loss: jax.Array  # of the last update
    grad_norm: jax.Array  # of the last update, of what is trained, before clipping
    finite: jax.Array  # whether loss, gradient and what the update gave are
    loss_sum: jax.Array  # over the updates made since the last evaluation
    made: jax.Array  # their number
    largest_grad_norm: jax.Array  # among them and those dropped
    dropped: jax.Array  # updates dropped since the start
    in_a_row: jax.Array  # of them, since the last that was made


GIVE_UP = 100  # updates dropped in a row


def goes_on(config, state: State):
    """Whether a run can make updates; at `on_nan=stop` until one is not finite."""
    if config.skips_nan:
        return state.in_a_row < GIVE_UP
    return state.finite


class Programs(NamedTuple):
    """The compiled side of training.

    Attributes:
      check: () -> raises what tracing raises, and errors.UsageError where the learning
        rate is not finite or memory is short; nothing is compiled for it.
      init: () -> State of all runs.
      compile_update: (State) -> (State, limits [R]) -> State, every run at its limit or
        stopped before; the state that is given is used up.
      compile_evaluate: (State) -> (params, step [R], active [R], split) -> scores, a
        dict of [R] for the active runs, on fresh data.
      mesh: the devices and how the work is divided over them.
      schedule: of the learning rate.
      parts: the values that shape an update beside model, task and engine.
      engines: what runs the recurrences, in order.
      announcement: one line for the user.
    """

    check: Callable
    init: Callable
    compile_update: Callable
    compile_evaluate: Callable
    mesh: jax.sharding.Mesh
    schedule: optimizers.Schedule
    parts: tuple[values.Value, ...]
    engines: list[str]
    announcement: str


def is_finite(tree: Tree):
    """Whether every number is finite."""
    leaves = [jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]
    return functools.reduce(jnp.logical_and, leaves, jnp.array(True))


def stays_finite(new: Tree, old: Tree):
    """Whether every number is finite that was so before."""
    lost = jnp.array(False)
    for after, before in zip(*map(jax.tree.leaves, (new, old)), strict=True):
        if jnp.issubdtype(after.dtype, jnp.inexact):
            lost |= (jnp.isfinite(before) & ~jnp.isfinite(after)).any()
    return ~lost


def build(model, task, config, engine) -> Programs:
    """The programs that train `model` on `task` for all runs of `config`."""
    runtime.check_compiles()
    number_type = jnp.zeros(()).dtype
    pairs = config.all_runs()
    runs = Runs(
        np.array([seed for seed, _ in pairs], np.uint32),
        np.array([rate for _, rate in pairs], number_type),
    )
    mesh = runtime.make_mesh(config.batch_size, len(pairs), config.num_devices)
    everywhere = NamedSharding(mesh, PartitionSpec())
    labels = model.groups(jax.eval_shape(model.init, jax.random.key(0)))
    schedule = optimizers.resolve(config.schedule, "schedule", optimizers.SCHEDULES)
    terms = penalties.resolve(config.penalties or ())
    scored = objective.build(model, task, config.batch_size, terms, engine, mesh)
    chosen = optimizers.resolve(config.optimizer, "optimizer", optimizers.OPTIMIZERS)

    def keys_of(run: Runs):
        """The keys of initialisation, training and evaluation."""
        return jax.random.split(jax.random.key(run.seed), 3)

    def optimizer_of(run: Runs):
        return optimizers.build(
            chosen,
            schedule,
            learning_rate=run.learning_rate,
            num_steps=config.num_steps,
            warmup_steps=config.warmup_steps,
            clip_value=config.clip_value,
            grad_clip=config.grad_clip,
            weight_decay=config.weight_decay,
            recurrent_learning_rate=config.recurrent_learning_rate,
            labels=labels,
        )

    def init_one(run: Runs) -> State:
        params = model.init(keys_of(run)[0])
        count, number = jnp.zeros((), jnp.int32), jnp.zeros(())
        return State(
            params=params,
            opt_state=optimizer_of(run).init(params),
            step=count,
            loss=number,
            grad_norm=number,
            finite=jnp.array(True),
            loss_sum=number,
            made=count,
            largest_grad_norm=number,
            dropped=count,
            in_a_row=count,
        )

    def one_update(run: Runs, state: State) -> State:
        key = jax.random.fold_in(keys_of(run)[1], state.step)
        batches, noise = scored.batches(key)

        def minimised(params):
            loss = means(scored.totals(params, batches, noise))["loss"]
            if not terms:
                return loss, loss
            if not config.penalty_steps:
                return loss + scored.penalty(params, batches), loss
            added = jax.lax.cond(
                state.step < config.penalty_steps,
                lambda: scored.penalty(params, batches),
                lambda: jnp.zeros(()),
            )
            return loss + added, loss

        grads, loss = jax.grad(minimised, has_aux=True)(state.params)
        grads = jax.tree.map(
            lambda leaf, label: jnp.zeros_like(leaf) if label == "fixed" else leaf,
            grads,
            labels,
        )
        updates, opt_state = optimizer_of(run).update(
            grads, state.opt_state, state.params
        )
        params = model.retract(optax.apply_updates(state.params, updates))
        finite = jnp.isfinite(loss) & is_finite(grads)
        finite &= stays_finite((params, opt_state), (state.params, state.opt_state))
        params, opt_state = jax.tree.map(
            lambda new, old: jnp.where(finite, new, old),
            (params, opt_state),
            (state.params, state.opt_state),
        )
        grad_norm = global_norm(grads)
        just_evaluated = state.step % config.eval_every == 0
        loss_sum = jnp.where(just_evaluated, 0, state.loss_sum)
        made = jnp.where(just_evaluated, 0, state.made)
        largest = jnp.where(just_evaluated, 0, state.largest_grad_norm)
        return State(
            params=params,
            opt_state=opt_state,
            step=state.step + (finite | config.skips_nan),
            loss=loss,
            grad_norm=grad_norm,
            finite=finite,
            loss_sum=loss_sum + jnp.where(finite, loss, 0),
            made=made + finite,
            largest_grad_norm=jnp.maximum(
                largest, jnp.where(jnp.isnan(grad_norm), jnp.inf, grad_norm)
            ),
            dropped=state.dropped + (~finite & config.skips_nan),
            in_a_row=jnp.where(finite, 0, state.in_a_row + config.skips_nan),
        )

    def update_one(run: Runs, state: State, limit) -> State:
        return jax.lax.while_loop(
            lambda now: (now.step < limit) & goes_on(config, now),
            lambda now: one_update(run, now),
            state,
        )

    batches_made = math.ceil(config.eval_size / config.batch_size)

    def evaluate_one(run: Runs, params, step, active, split) -> dict:
        key = jax.random.fold_in(jax.random.fold_in(keys_of(run)[2], split), step)

        def one_batch(index):
            batches, _ = scored.batches(jax.random.fold_in(key, index))
            found = scored.totals(params, batches, None)
            if terms:
                found |= as_totals({objective.PENALTY: scored.penalty(params, batches)})
            return found

        zero = jax.tree.map(jnp.zeros_like, jax.eval_shape(one_batch, 0))
        total = jax.lax.fori_loop(
            0,
            jnp.where(active, batches_made, 0),
            lambda index, sums: add(sums, one_batch(index)),
            zero,
        )
        return means(total)

    def update_all(runs, state, limits):
        return runtime.each_run(update_one, mesh, runs, state, limits)

    def evaluate_all(runs, params, step, active, split):
        splits = jnp.broadcast_to(split, step.shape)
        return runtime.each_run(evaluate_one, mesh, runs, params, step, active, splits)

    init_all = jax.jit(
        lambda runs: jax.lax.map(init_one, runs), out_shardings=everywhere
    )
    update_all = jax.jit(
        update_all,
        donate_argnums=1,
        out_shardings=everywhere,
        compiler_options=runtime.compiler_options(),
    )
    evaluate_all = jax.jit(evaluate_all, out_shardings=everywhere)
    counts, every = np.zeros(len(pairs), np.int32), np.ones(len(pairs), bool)
    mine = mesh.local_devices

    def advice(by_batch: bool) -> str:
        if by_batch:
            return "lower --batch_size, --length or --hidden_size"
        fewer = "train fewer runs at once, or " * (len(pairs) > 1)
        return f"{fewer}lower --hidden_size or --num_layers"

    def check():
        state = jax.eval_shape(init_all, runs)
        traced = update_all.trace(runs, state, counts)
        evaluate_all.trace(runs, state.params, counts, every, np.int32(VALIDATION))
        rates = jax.jit(
            lambda: [
                schedule.make(rate, config.num_steps)(jnp.array(step))
                for rate in config.all_learning_rates()
                for step in (0, config.num_steps - 1)
            ]
        )
        if not np.isfinite(rates()).all():
            raise errors.UsageError(
                f"schedule {schedule}: the learning rate does not stay a finite number"
            )
        size = config.batch_size
        batch = jax.eval_shape(lambda key: task.sample(key, size), jax.random.key(0))
        arrays = memory.size(batch) + memory.largest(traced.jaxpr)
        arrays = arrays * len(mine) // mesh.devices.size
        held = memory.size(state) * len(mine)  # every device has a copy
        memory.check(held + arrays, mine, "this training", advice(held < arrays))

    def fitting(lowered):
        """Compiled, and seen to fit into memory."""
        compiled = compiled_programs.compiled(lowered, mesh)
        if found := compiled.memory_analysis():
            added = found.output_size_in_bytes - found.alias_size_in_bytes
            needed = len(mine) * (found.temp_size_in_bytes + added)
            memory.check(needed, mine, "the compiled training", advice(True))
        return compiled

    def compile_update(state: State):
        compiled = fitting(update_all.lower(runs, state, counts))
        return lambda state, limits: compiled(runs, state, limits.astype(np.int32))

    def compile_evaluate(state: State):
        example = runs, state.params, counts, every, np.int32(VALIDATION)
        compiled = fitting(evaluate_all.lower(*example))
        return lambda params, step, active, split: compiled(
            runs, params, step.astype(np.int32), active, np.int32(split)
        )

    def records(key):
        params = model.init(key)
        x = task.sample(key, config.batch_size // mesh.shape["batch"]).inputs
        context = model.initial_context(params, x.shape[1:2])
        return model.apply(params, x, context, Call(engine=engine)).records

    key = jax.random.key(0)
    used = [record.engine for record in jax.eval_shape(records, key)]
    parameters = jax.tree.leaves(jax.eval_shape(model.init, key))
    devices = mesh.devices.size
    parts = [
        f"{sum(leaf.size for leaf in parameters):,} parameters",
        ", ".join(dict.fromkeys(map(str, used))) or "no recurrence",
        f"{devices} {mesh.devices.flat[0].device_kind} device{'s' * (devices > 1)}",
        *([] if task.baseline is None else [f"baseline {task.baseline:.5f}"]),
    ]
    if len(pairs) > 1:
        parts.insert(0, f"{len(pairs)} runs")
    return Programs(
        check=check,
        init=lambda: init_all(runs),
        compile_update=compile_update,
        compile_evaluate=compile_evaluate,
        mesh=mesh,
        schedule=schedule,
        parts=(chosen, schedule, *terms),
        engines=list(map(repr, used)),
        announcement=" | ".join(parts),
    )
