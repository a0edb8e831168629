"""Whether a task and a model fit together, by shapes alone."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnn_research import engines, errors
from rnn_research.layers import Applied, Call
from rnn_research.models.base import Model
from rnn_research.tasks.base import Batch, Sourced, Task
from rnn_research.unroll import describe

Tree = Any
SIZE = 5  # of a batch; no other axis is likely to have it


def like_batch(task: Task, size: int) -> Batch:
    """The batch of rows of zeros."""
    keys = jax.random.split(jax.random.key(0), size)
    weight = None if task.is_endless else jnp.ones(size)
    return task.batch(task.example_rows(size), keys).weighted(weight)


def applied(model: Model, task: Task, size: int, engine=engines.auto()) -> Applied:
    """The model, with weights of a start, on that batch."""
    params = model.init(jax.random.key(0))
    batch = like_batch(task, size)
    context = model.initial_context(params, (size,))
    call = Call(mask=batch.mask, reset=batch.reset, engine=engine)
    return model.apply(params, batch.inputs, context, call)


def check_fit(model: Model, task: Task, engine=engines.auto()) -> Applied:
    """The shapes that the model gives of SIZE rows, if all fits together.

    Raises:
      errors.UsageError: batch, model and score do not.
    """
    batch = check_batch(task)
    found = jax.eval_shape(lambda: applied(model, task, SIZE, engine))
    outputs = found.outputs
    given = f"outputs {_text(outputs)} and targets {_text(batch.targets)}"
    scores = _stage(task, f"score fails on {given}", task.totals, outputs, batch)
    if task.monitor not in scores:
        raise errors.UsageError(
            f"{task}: monitor={task.monitor!r} is no metric of its score, which gives "
            f"{', '.join(scores)}"
        )
    unknown = (task.references | task.limits).keys() - scores.keys()
    if unknown and not task.evaluators:  # what these give is seen at the end
        raise errors.UsageError(
            f"{task}: references or limits speak of {min(unknown)!r}, which its score "
            f"does not give; it gives {', '.join(scores)}"
        )
    return found


def check_batch(task: Task) -> Batch:
    """The shapes of a batch of SIZE rows.

    Raises:
      errors.UsageError: the data, the batch or the order are not as the contract says.
    """
    if task.carries and task.is_endless:
        raise errors.UsageError(
            f"{task}: carries=True needs data, whose rows follow each other; an "
            "endless task has none"
        )
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), SIZE))
    rows = task.example_rows(SIZE)
    what = "no rows" if rows is None else f"rows {_text(rows)}"
    batch = _stage(task, f"batch fails on {what}", task.batch, rows, keys)
    if not isinstance(batch, Batch):
        raise errors.UsageError(
            f"{task}: batch must return a tasks.base.Batch, not a "
            f"{type(batch).__name__}"
        )
    _check_inputs(task, batch.inputs)
    if batch.weight is not None and batch.weight.shape != (SIZE,):
        raise errors.UsageError(
            f"{task}: weight must be numbers [B] = [{SIZE}], not {_text(batch.weight)}"
        )
    if not task.is_endless:
        _check_order(task)
    return jax.eval_shape(lambda: like_batch(task, SIZE))


def _check_inputs(task: Task, inputs: Tree):
    network = task.network
    if isinstance(inputs, Sourced) != (network.source is not None):
        raise errors.UsageError(
            f"{task}: batch must make Sourced inputs where its network has a source, "
            f"and only there; it makes {_text(inputs)}"
        )
    inputs = inputs.steps if isinstance(inputs, Sourced) else inputs
    if not isinstance(inputs, jax.ShapeDtypeStruct):
        return  # a tree, for a model of the user's own
    shape = (task.length, SIZE) + (() if network.tokens else (network.inputs,))
    kind = jnp.integer if network.tokens else jnp.floating
    if inputs.shape != shape or not jnp.issubdtype(inputs.dtype, kind):
        whole = jnp.issubdtype(inputs.dtype, jnp.integer) and not network.tokens
        raise errors.UsageError(
            f"{task}: of {SIZE} rows batch must make inputs of "
            f"{'whole numbers' if network.tokens else 'floats'} {list(shape)}, time "
            f"first, as its length and network say; it makes {_text(inputs)}"
            + "; of tokens, give Network(tokens=True)"
            * whole
        )


def _check_order(task: Task):
    size = task.size("train")
    if task.carries and size < SIZE:
        return  # fewer rows than streams; the batch size may be smaller yet
    indices = _stage(
        task,
        f"order fails on {size} rows and a batch of {SIZE}",
        lambda seed, step: task.order(seed, step, size, SIZE),
        0,
        0,
    )
    is_whole = jnp.issubdtype(getattr(indices, "dtype", float), jnp.integer)
    if jnp.shape(indices) != (SIZE,) or not is_whole:
        raise errors.UsageError(
            f"{task}: order must give whole numbers [{SIZE}] for a batch of {SIZE}, "
            f"not {_text(indices)}"
        )


def _stage(task: Task, failing: str, function: Callable, *arguments):
    """The shapes that a function of the task gives, or one line that says why not."""
    try:
        return jax.eval_shape(function, *arguments)
    except errors.UsageError:
        raise
    except Exception as error:
        raise errors.UsageError(
            f"{task}: {failing}: {errors.one_line(error)}"
        ) from error


def _text(tree: Tree) -> str:
    return errors.cut(describe(tree), 120)
