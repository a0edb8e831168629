"""A trained run at other lengths of its task: does it generalise in length?"""

import inspect
import math
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import errors, runs, values
from rnn_research.layers import Call
from rnn_research.tasks.base import Task, add, means
from rnn_research.training import evaluation
from rnn_research.training.state import Runs
from rnn_research.training.update import keys_of

COLUMNS = (
    "seed",
    "learning_rate",
    "length",
    "trained",
    "metric",
    "value",
    "reference",
)


def rows(
    every: list[runs.Loaded], lengths: tuple[int, ...], *, count: int, batch_size: int
) -> list[dict]:
    """The metrics of trained runs of one folder on fresh sequences of each length.

    Args:
      lengths: as the factory of the task takes them.
      count: how many sequences of each, rounded up to whole batches.
      batch_size: how many at once.

    Returns:
      A row for each run, length and metric: `trained` is whether training had that
      length, `reference` the best baseline at it, or None.

    Raises:
      errors.UsageError: the task takes no length, not this one, or is on data; or its
        network is another at this length.
    """
    task = every[0].task
    shortest, longest = trained_range(task)
    found = []
    for padded, together in groups(lengths, task):
        measure = _measure(every[0].model, padded, -(-count // batch_size), batch_size)
        for length in together:
            known = of_length(task, length).references
            for run in every:
                measured = measure(run.params, np.uint32(run.seed), np.int32(length))
                for metric, value in measured.items():
                    row = {"seed": run.seed, "learning_rate": run.learning_rate}
                    row |= {"length": length, "metric": metric, "value": float(value)}
                    row["trained"] = shortest <= length <= longest
                    row["reference"] = best(known.get(metric, {}), metric)
                    found.append(row)
    return found


def trained_range(task: Task) -> tuple[int, int]:
    """The shortest and the longest length that training drew.

    Raises:
      errors.UsageError: the task takes no length, or is on data.
    """
    if task.origin is None or "length" not in dict(task.origin.arguments):
        raise errors.UsageError(f"{task} takes no length; there is no other to try")
    if not task.is_endless:
        raise errors.UsageError(
            f"{task} is on data, whose sequences are as long as they are; only tasks "
            "that make fresh sequences have other lengths"
        )
    arguments = dict(task.origin.arguments)
    longest = arguments["length"]
    return arguments.get("shortest") or longest, longest


def of_length(task: Task, length: int) -> Task:
    """The task whose sequences are all of that length."""
    arguments = {"length": length}
    if "shortest" in inspect.signature(task.origin.factory).parameters:
        arguments["shortest"] = None
    return values.remade(task, **arguments)


def groups(lengths, task: Task) -> Iterator[tuple[Task, list[int]]]:
    """(task, lengths that its padded sequences serve), so that few are compiled.

    A length is padded to at most twice its own; of a task without `of_length` each is
    for itself.
    """
    left = sorted(set(lengths))
    while left:
        padded = _padded(task, left[-1])
        least = left[-1] / 2 if padded.of_length else left[-1]
        yield padded, [length for length in left if length >= least]
        left = [length for length in left if length < least]


def _padded(task: Task, length: int) -> Task:
    """A task for the same network whose sequences can be that long.

    Raises:
      errors.UsageError: at that length there are other inputs or outputs.
    """
    padded = of_length(task, length)
    if padded.network == task.network:
        return padded
    longest = trained_range(task)[1]
    if length > longest or task.of_length is None:
        most = "" if task.of_length is None else f" up to {longest}"
        raise errors.UsageError(
            f"--lengths={length}: the outputs of a network for {task} depend on the "
            f"length; give its own{most}"
        )
    return task


def best(known: dict[str, float], metric: str) -> float | None:
    """The best baseline of a metric: the least of a loss, else the greatest."""
    choose = min if metric.endswith("loss") else max
    return choose(known.values(), default=None)


def _measure(model, task: Task, batches: int, size: int):
    """(params, seed, length) -> metrics, compiled once for all lengths and runs.

    Sequences are drawn as those of 'test' are: by the seed of the run, and by neither
    its training nor its validation.
    """

    def make(keys, length):
        if task.of_length is None:
            return task.batch(None, keys)
        return task.of_length(keys, length)

    def of_batch(params, key, length):
        batch = make(jax.random.split(key, size), length)
        call = Call(mask=batch.mask, reset=batch.reset)
        return task.totals(model.outputs(params, batch.inputs, call), batch)

    @jax.jit
    def measure(params, seed, length):
        key = keys_of(Runs(seed, jnp.zeros(())))[2]
        key = jax.random.fold_in(key, evaluation.NUMBERS[evaluation.TEST])
        key = jax.random.fold_in(key, length)

        def one_more(number, sums):
            own = of_batch(params, jax.random.fold_in(key, number), length)
            return add(sums, own)

        like = jax.eval_shape(lambda: of_batch(params, key, length))
        zero = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), like)
        return means(jax.lax.fori_loop(0, batches, one_more, zero))

    return measure


# ------------------------------------------------------------------------- in words


def shown_metric(rows: list[dict], metric: str | None) -> str:
    """The metric that is drawn: the one asked for, else one with a chance level.

    Raises:
      errors.UsageError: the task has none of that name.
    """
    names = list(dict.fromkeys(row["metric"] for row in rows))
    if metric is not None:
        errors.check_option("metric", metric, tuple(names))
        return metric
    known = {row["metric"] for row in rows if row["reference"] is not None}
    others = [name for name in names if name in known and not name.endswith("loss")]
    return others[0] if others else "loss"


def text(rows: list[dict]) -> str:
    """A table: a line a length, for each metric the median over runs, and chance."""
    names = list(dict.fromkeys(row["metric"] for row in rows))
    heads = ["length", *(text for name in names for text in (name, "chance"))]
    lines = [heads]
    for length in dict.fromkeys(sorted(row["length"] for row in rows)):
        own = [row for row in rows if row["length"] == length]
        line = [f"{length}{'' if own[0]['trained'] else ' *'}"]
        for name in names:
            of_metric = [row for row in own if row["metric"] == name]
            line.append(f"{np.median([row['value'] for row in of_metric]):.4g}")
            reference = of_metric[0]["reference"]
            line.append("" if reference is None else f"{reference:.4g}")
        lines.append(line)
    wide = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, wide, strict=True))
        for line in lines
    )


def sentence(rows: list[dict], metric: str) -> str:
    """What the metric is within the lengths of training and beyond."""
    parts = []
    for trained, where in ((True, "at lengths of training"), (False, "at others")):
        own = [r for r in rows if r["metric"] == metric and r["trained"] is trained]
        if own:
            mean = np.mean([row["value"] for row in own])
            known = [row["reference"] for row in own]
            chance = "" if None in known else f" (chance {np.mean(known):.4g})"
            parts.append(f"{mean:.4g} {where}{chance}")
    said = f"mean {metric}: {', '.join(parts)}"
    if any(not math.isfinite(row["value"]) for row in rows):
        said += "; some values are not finite"
    return said
