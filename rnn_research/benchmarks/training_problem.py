"""What every library trains: the same network, from the same weights, on the same data;
and the losses that it must come to.
"""

import pathlib
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from rnn_research import cells, engines, errors, interop, layers, models, tasks
from rnn_research.layers import Call
from rnn_research.tasks import rows
from rnn_research.training import update
from rnn_research.training.state import Runs

CHECKED = 3  # updates that are held against float64
ACCURACY = 1e-3  # of their losses and of the way the weights go, relative
LEARNING_RATE, LONGEST_GRADIENT, SEED = 1e-3, 1.0, 0
ENDLESS, OF_ARRAYS = "adding", "sequential_images"


class Row(NamedTuple):
    """What is measured; B and H come last, as `turns` has them."""

    task: str  # ENDLESS or OF_ARRAYS
    cell: str
    length: int
    batch_size: int
    hidden_size: int

    def __str__(self):
        sizes = f"{self.length} x {self.batch_size} x {self.hidden_size}"
        return f"{self.cell}, {self.task}, {sizes}"


class Problem(NamedTuple):
    """What a library is given, and what it must find.

    Attributes:
      weights: of the recurrent network, a PyTorch state dict of arrays.
      W, b: of the linear head, [H, O] and [O].
      inputs, targets: of the first batches, [CHECKED, T, B, D] and [CHECKED, B, ...].
      losses: [CHECKED], each before its update, in float64.
      moved: how far the recurrent matrices come from where they started, Frobenius
        norm, in float64.
    """

    row: Row
    weights: dict[str, np.ndarray]
    W: np.ndarray
    b: np.ndarray
    inputs: np.ndarray
    targets: np.ndarray
    losses: np.ndarray
    moved: np.ndarray


def task_of(row: Row) -> tasks.base.Task:
    """The task; images have a length of their own."""
    if row.task == OF_ARRAYS:
        return tasks.sequential_images()
    return tasks.adding(row.length)


def cell_of(row: Row) -> cells.base.Cell:
    return getattr(cells, row.cell)(row.hidden_size)


def params_of(problem: Problem) -> models.ModelParams:
    """The weights as our model has them."""
    body = interop.pytorch.load(cell_of(problem.row), problem.weights)
    head = layers.LinearParams(jnp.asarray(problem.W), jnp.asarray(problem.b))
    return models.ModelParams(body, head)


def recurrent(params: models.ModelParams) -> list:
    """The matrices that the state is multiplied with."""
    named = params.body._asdict()
    return [named[name] for name in ("W_h", "W_hh") if name in named]


def batch_of(task: tasks.base.Task, size: int, step) -> tasks.base.Batch:
    """The batch of an update in a training of seed SEED; of endless tasks jittable."""
    _, training, _ = update.keys_of(Runs(SEED, LEARNING_RATE))
    keys = jax.random.split(jax.random.fold_in(training, step), size)
    given = None
    if not task.is_endless:
        indices = task.order(SEED, step, task.size("train"), size)
        given = rows.gathered(task.splits["train"], np.asarray(indices))
    return jax.jit(task.batch)(given, keys)


def optimizer() -> optax.GradientTransformation:
    """What a training has by default."""
    clip = optax.clip_by_global_norm(LONGEST_GRADIENT)
    return optax.chain(clip, optax.adam(LEARNING_RATE))


# ------------------------------------------------------------------ before measuring


def begun(row: Row) -> Problem:
    """Weights as a training begins with, and the first batches; nothing found yet.

    In the precision that JAX has.
    """
    task, cell = task_of(row), cell_of(row)
    params = jax.jit(models.as_model(cell, task).init)(jax.random.key(SEED))
    batches = [batch_of(task, row.batch_size, step) for step in range(CHECKED)]
    return Problem(
        row,
        interop.pytorch.export(cell, params.body),
        np.array(params.head.W),
        np.array(params.head.b),
        np.stack([batch.inputs for batch in batches]),
        np.stack([batch.targets for batch in batches]),
        losses=np.full(CHECKED, np.nan),
        moved=np.array(np.nan),
    )


def solved(problem: Problem) -> Problem:
    """With what must be found, by the plain loop in float64."""
    task = task_of(problem.row)
    model = models.as_model(cell_of(problem.row), task)
    call = Call(engine=engines.sequential())
    with jax.enable_x64(True):

        def loss(params, batch):
            return task.loss(model.outputs(params, batch.inputs, call), batch)

        def one(state, batch):
            params, inner = state
            value, grads = jax.value_and_grad(loss)(params, batch)
            changes, inner = optimizer().update(grads, inner, params)
            return (optax.apply_updates(params, changes), inner), value

        @jax.jit
        def several(params, batches):
            start = params, optimizer().init(params)
            (params, _), losses = jax.lax.scan(one, start, batches)
            return params, losses

        start = jax.tree.map(_wide, params_of(problem))
        batches = tasks.base.Batch(_wide(problem.inputs), _wide(problem.targets))
        params, losses = several(start, batches)
        moved = distance(recurrent(params), recurrent(start))
    return problem._replace(losses=np.asarray(losses), moved=np.array(moved))


def _wide(array):
    """In float64, where it holds real numbers."""
    kind = np.float64 if np.issubdtype(array.dtype, np.floating) else array.dtype
    return jnp.asarray(array, kind)


def distance(these: list, others: list) -> float:
    """The Frobenius norm of all differences together."""
    squares = [
        np.sum((np.asarray(one, np.float64) - np.asarray(other, np.float64)) ** 2)
        for one, other in zip(these, others, strict=True)
    ]
    return float(np.sqrt(sum(squares)))


def check(name: str, problem: Problem, losses: list[float], moved: float):
    """Raise unless a library's updates are those in float64.

    Raises:
      errors.RunError: they are others.
    """
    found = {f"loss {number}": loss for number, loss in enumerate(losses, 1)}
    found["the way of the recurrent weights"] = moved
    for (what, value), exact in zip(
        found.items(), [*problem.losses, problem.moved], strict=True
    ):
        if not abs(value - exact) <= ACCURACY * abs(exact):
            raise errors.RunError(
                f"{name}, {problem.row}: {what} is {value:.6g}, in float64 {exact:.6g}"
            )


# ---------------------------------------------------------------------- as a file


def save(problem: Problem, folder: pathlib.Path):
    arrays = problem._asdict()
    weights = arrays.pop("weights")
    del arrays["row"]
    np.savez(_path(problem.row, folder), **arrays, **weights)


def load(row: Row, folder: pathlib.Path) -> Problem:
    arrays = dict(np.load(_path(row, folder)))
    own = {name: arrays.pop(name) for name in Problem._fields[2:]}
    return Problem(row, arrays, **own)


def _path(row: Row, folder: pathlib.Path) -> pathlib.Path:
    return folder / f"{'_'.join(map(str, row))}.npz"
