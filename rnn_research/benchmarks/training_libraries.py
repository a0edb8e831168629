"""Whole training updates in each library: batch, forward, backward, clipping, Adam.

LIBRARIES goes from a name to a function

    build(problem) -> Training

Each makes its own data while it trains, as `problem.row.task` says; the first batches
are those of the problem.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from rnn_research.benchmarks import libraries
from rnn_research.benchmarks.training_problem import (
    ENDLESS,
    LEARNING_RATE,
    LONGEST_GRADIENT,
    OF_ARRAYS,
    SEED,
    Problem,
    batch_of,
    cell_of,
    optimizer,
    params_of,
    recurrent,
    task_of,
)


class Training(NamedTuple):
    """A training ready to be measured.

    Attributes:
      start: the state before the first update.
      update: (state, count) -> (state, loss of the last), as many updates, made when it
        returns. The state that is given is used up.
      recurrent: state -> the matrices that the network's state is multiplied with, as
        NumPy arrays.
      make_batches: (count), makes as many batches and nothing else; None where that
        cannot be told apart.
    """

    start: Any
    update: Callable[[Any, int], tuple[Any, float]]
    recurrent: Callable[[Any], list[np.ndarray]]
    make_batches: Callable[[int], None] | None = None


def ours(problem: Problem) -> Training:
    """The program of several updates that `training.train` calls."""
    import jax
    import jax.numpy as jnp

    from rnn_research import models, runtime, training
    from rnn_research.training import trainer, update
    from rnn_research.training.state import of_each_run

    row, task = problem.row, task_of(problem.row)
    config = training.TrainConfig(
        batch_size=row.batch_size,
        learning_rate=LEARNING_RATE,
        grad_clip=LONGEST_GRADIENT,
        seed=SEED,
    )
    made = trainer.build(models.as_model(cell_of(row), task), task, config)
    start = made.init()
    params = jax.tree.map(
        lambda new, old: jax.device_put(
            jnp.asarray(new, old.dtype)[None], old.sharding
        ),
        params_of(problem),
        start.params,
    )
    start = start._replace(params=params)
    compiled = made.compile_update(start)

    def updates(state, count):
        state = compiled(state, np.asarray(state.step) + count)
        return state, float(state.loss[0])

    (run,), (first,) = map(of_each_run, (made.runs, start._replace(params=None)))
    rows, _ = made.supply.training(made.runs, np.zeros(1, int), np.ones(1, int))

    @functools.partial(jax.jit, compiler_options=runtime.compiler_options())
    def total(rows, state, count):
        """The sum of all that is in the batches, so that all of it is made."""

        def one(step, total):
            given = update.batch(made, rows, run, state._replace(step=step))
            return total + sum(jnp.sum(leaf) for leaf in jax.tree.leaves(given.batches))

        return jax.lax.fori_loop(0, count, one, jnp.zeros(()))

    def make_batches(count):
        jax.block_until_ready(total(rows, first, count))

    def matrices(state):
        return [np.array(leaf[0]) for leaf in recurrent(state.params)]

    return Training(start, updates, matrices, make_batches)


def linen(problem: Problem) -> Training:
    """A loop of updates in one compiled program, as its users write it."""
    import jax
    import jax.numpy as jnp
    import optax

    row, task = problem.row, task_of(problem.row)
    dtype = problem.W.dtype.name
    built = libraries.linen(row.cell, problem.weights, row.hidden_size, dtype)
    params = {"network": built.params, "W": problem.W, "b": problem.b}
    params = jax.tree.map(jnp.asarray, params)

    def loss(params, batch):
        h = built.last(params["network"], batch.inputs)
        return jnp.mean((h @ params["W"] + params["b"] - batch.targets) ** 2)

    def one(state, _):
        params, inner, step = state
        batch = batch_of(task, row.batch_size, step)
        value, grads = jax.value_and_grad(loss)(params, batch)
        changes, inner = optimizer().update(grads, inner, params)
        return (optax.apply_updates(params, changes), inner, step + 1), value

    @functools.partial(jax.jit, static_argnums=1, donate_argnums=0)
    def several(state, count):
        return jax.lax.scan(one, state, length=count)

    def updates(state, count):
        state, losses = several(state, count)
        return state, float(losses[-1])

    def matrices(state):
        return [np.array(array) for array in built.recurrent(state[0]["network"])]

    start = params, optimizer().init(params), jnp.zeros((), jnp.int32)
    return Training(start, updates, matrices)


# The gate from which on PyTorch's second bias does what no other does.
OWN_FROM = {"elman": 1, "gru": 2, "lstm": 4}


def pytorch(problem: Problem) -> Training:
    """A loop of updates, as its users write it. The state is the number made.

    PyTorch has two biases where one would do. The second stays where it is, so that
    the network is the same as elsewhere; but for the GRU's n, where it is another.
    """
    import torch

    row = problem.row
    dtype = problem.W.dtype.name
    network = libraries.pytorch(
        row.cell, problem.weights, row.hidden_size, dtype
    ).params
    head = torch.nn.Linear(*problem.W.shape)
    head.load_state_dict(
        {"weight": torch.from_numpy(problem.W.T), "bias": torch.from_numpy(problem.b)}
    )
    trained = torch.zeros_like(network.bias_hh_l0)
    trained[OWN_FROM[row.cell] * row.hidden_size :] = 1
    network.bias_hh_l0.register_hook(lambda gradient: gradient * trained)
    params = [*network.parameters(), *head.parameters()]
    adam = torch.optim.Adam(params, lr=LEARNING_RATE)
    given = list(map(torch.from_numpy, (problem.inputs, problem.targets)))

    def one(step):
        if step < len(problem.inputs):
            x, target = (each[step] for each in given)
        else:
            x, target = adding_in_pytorch(row.length, row.batch_size)
        adam.zero_grad()
        loss = torch.nn.functional.mse_loss(head(network(x)[0][-1]), target)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params, LONGEST_GRADIENT)
        adam.step()
        return loss

    def updates(made, count):
        for step in range(made, made + count):
            loss = one(step)
        return made + count, loss.item()

    def matrices(made):
        del made
        return [network.weight_hh_l0.detach().numpy().copy()]

    return Training(0, updates, matrices)


def adding_in_pytorch(length: int, batch_size: int):
    """Inputs [T, B, 2] and targets [B, 1] of the adding problem."""
    import torch

    half, each = length // 2, torch.arange(batch_size)
    values, markers = torch.rand(length, batch_size), torch.zeros(length, batch_size)
    markers[torch.randint(0, half, (batch_size,)), each] = 1
    markers[torch.randint(half, length, (batch_size,)), each] = 1
    targets = (values * markers).sum(0)[:, None]
    return torch.stack([values, markers], dim=-1), targets


LIBRARIES = {"ours": ours, "linen": linen, "pytorch": pytorch}
TASKS = {"ours": (ENDLESS, OF_ARRAYS), "linen": (ENDLESS,), "pytorch": (ENDLESS,)}
