"""What training compiles: many updates in one call, and the evaluation.

The batch of an update is a function of (seed, step), made on the device inside the
compiled call, each device its own share. The call stops by itself at a loss or gradient
that is not finite, before that update is applied.
"""

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import NamedSharding, PartitionSpec

from rnn_research import runtime
from rnn_research.layers import Call
from rnn_research.training import optimizers

Tree = Any


class State(NamedTuple):
    params: Tree
    opt_state: Tree


class Progressed(NamedTuple):
    """What a compiled call carries from update to update."""

    state: State
    step: jax.Array  # updates made
    loss: jax.Array  # of the last update
    grad_norm: jax.Array  # of the last update, before clipping
    loss_sum: jax.Array  # since the last evaluation
    finite: jax.Array


class Programs(NamedTuple):
    init: Any  # () -> State
    compile: Any  # (state) -> (update, evaluate)
    place: Any  # (leaf) -> leaf on all devices
    schedule: optimizers.Schedule
    engines: list[str]
    announcement: str


def build(model, task, config, engine) -> Programs:
    mesh = runtime.batch_mesh(config.batch_size, config.num_devices)
    shards = mesh.devices.size
    everywhere = NamedSharding(mesh, PartitionSpec())
    root = jax.random.key(config.seed)
    init_key, train_key, eval_key = jax.random.split(root, 3)

    labels = model.groups(jax.eval_shape(model.init, init_key))
    schedule = optimizers.resolve(config.schedule, "schedule", optimizers.SCHEDULES)
    optimizer = optimizers.build(
        optimizers.resolve(config.optimizer, "optimizer", optimizers.OPTIMIZERS),
        schedule,
        learning_rate=config.learning_rate,
        num_steps=config.num_steps,
        warmup_steps=config.warmup_steps,
        grad_clip=config.grad_clip,
        weight_decay=config.weight_decay,
        recurrent_learning_rate=config.recurrent_learning_rate,
        labels=labels,
    )

    def place(leaf):
        return jax.device_put(leaf, everywhere)

    def init():
        params = jax.jit(model.init)(init_key)
        return jax.tree.map(place, State(params, optimizer.init(params)))

    def shard_scores(params, keys, noise_key):
        batch = task.batch(keys)
        call = Call(mask=batch.mask, key=noise_key, engine=engine)
        scores = task.score(model.outputs(params, batch.inputs, call), batch)
        return scores["loss"], scores

    def over_shards(function, key):
        """The mean over shards of function(keys of the shard, noise key)."""
        keys = jax.random.split(key, config.batch_size).reshape(shards, -1)
        noise = jax.random.split(jax.random.fold_in(key, config.batch_size), shards)
        return runtime.mean_over_shards(function, mesh, keys, noise)

    def one_update(done: Progressed) -> Progressed:
        params, opt_state = done.state
        gradient = jax.grad(shard_scores, has_aux=True)
        grads, scores = over_shards(
            functools.partial(gradient, params),
            jax.random.fold_in(train_key, done.step),
        )
        grad_norm = optax.tree.norm(grads)
        updates, opt_state = optimizer.update(grads, opt_state, params)
        params = model.retract(optax.apply_updates(params, updates))
        finite = jnp.isfinite(scores["loss"]) & jnp.isfinite(grad_norm)
        state = jax.tree.map(
            lambda new, old: jnp.where(finite, new, old),
            State(params, opt_state),
            done.state,
        )
        return Progressed(
            state=state,
            step=done.step + finite,
            loss=scores["loss"],
            grad_norm=grad_norm,
            loss_sum=done.loss_sum + scores["loss"],
            finite=finite,
        )

    def update(state, step, target, loss_sum):
        zero = jnp.zeros_like(loss_sum)
        start = Progressed(state, step, zero, zero, loss_sum, jnp.array(True))
        return jax.lax.while_loop(
            lambda done: (done.step < target) & done.finite, one_update, start
        )

    batches = math.ceil(config.eval_size / config.batch_size)

    def evaluate(params, step):
        def one_batch(index):
            key = jax.random.fold_in(jax.random.fold_in(eval_key, step), index)

            def scores(keys, noise_key):
                del noise_key
                return shard_scores(params, keys, None)[1]

            return over_shards(scores, key)

        each = jax.lax.map(one_batch, jnp.arange(batches))
        return jax.tree.map(lambda leaf: jnp.mean(leaf, axis=0), each)

    def compile(state):
        step, loss_sum = jnp.zeros((), jnp.int32), jnp.zeros(())
        update_call = jax.jit(update, donate_argnums=0)
        evaluate_call = jax.jit(evaluate)
        compiled = update_call.lower(state, step, step, loss_sum).compile()
        compiled_eval = evaluate_call.lower(state.params, step).compile()
        number = functools.partial(jnp.asarray, dtype=jnp.int32)

        def run_update(state, step, target, loss_sum):
            return compiled(state, number(step), number(target), place(loss_sum))

        return run_update, lambda params, step: compiled_eval(params, number(step))

    def records(key):
        params = model.init(key)
        x = task.sample(key, config.batch_size // shards).inputs
        context = model.initial_context(params, x.shape[1:2])
        return model.apply(params, x, context, Call(engine=engine)).records

    used = [str(r.engine) for r in jax.eval_shape(records, init_key)]
    parameters = sum(
        leaf.size for leaf in jax.tree.leaves(jax.eval_shape(model.init, init_key))
    )
    announcement = (
        f"{parameters:,} parameters | {', '.join(dict.fromkeys(used))} | "
        f"{shards} {jax.local_devices()[0].device_kind} device{'s' * (shards > 1)} | "
        f"memoryless baseline {task.baseline:.5f}"
    )
    return Programs(init, compile, place, schedule, used, announcement)
