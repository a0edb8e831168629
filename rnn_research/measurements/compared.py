"""What is compared: cells as they start, and trained runs before and after."""

import dataclasses
import pathlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax

from rnn_research import config, errors, models, runs
from rnn_research.resolve import resolve
from rnn_research.runs.settings import trust
from rnn_research.tasks.base import Task

Tree = Any
DEFAULT_CELLS = ("elman", "irnn", "gru", "lstm")


@dataclasses.dataclass(frozen=True)
class ComparedConfig(config.Seeds):
    """Compared:"""

    cells: tuple[str, ...] | None = config.setting(
        None,
        f"cells to compare, as for --cell; default: {','.join(DEFAULT_CELLS)}",
        names="cells",
    )
    runs: tuple[str, ...] | None = config.setting(
        None, "folders of trained runs: their weights before and after training"
    )
    trust: tuple[str, ...] | None = trust()


def named_cells(settings, default: tuple[str, ...] = DEFAULT_CELLS) -> dict[str, Any]:
    """Cells and layers by their texts; without --cells and --runs those of `default`.

    Args:
      settings: a `ComparedConfig` with `hidden_size`.

    Raises:
      errors.UsageError: a text names none.
    """
    return {
        text: resolve("cell", text, hidden_size=settings.hidden_size)
        for text in settings.cells or (() if settings.runs else default)
    }


def named_runs(settings: ComparedConfig) -> list[tuple[str, runs.Loaded]]:
    """Every run of --runs, by its folder and, of several, the learning rate.

    Raises:
      errors.UsageError: a folder holds none, or none of a command, or needs a file
        that --trust lacks.
    """
    paths = [pathlib.Path(folder) for folder in settings.runs or ()]
    names = [path.resolve().name for path in paths]  # `.` has none
    found = []
    for path, own in zip(paths, names, strict=True):
        twice = names.count(own) > 1
        loaded = runs.load_all(path, allow=settings.trust or ())
        if "cell" not in loaded[0].settings:
            raise errors.UsageError(
                f"{path} was trained from Python, not by a command; measure it there, "
                "with `diagnostics`"
            )
        several = len({one.learning_rate for one in loaded}) > 1
        for one in loaded:
            rate = f", rate {one.learning_rate:g}" if several else ""
            found.append(((str(path) if twice else own) + rate, one))
    return found


def before_and_after(one: runs.Loaded) -> dict[str, Tree]:
    """The weights of a run, by what they are."""
    return {"initial": one.initial_params, "trained": one.params}


def task_of(one: runs.Loaded, length: int | None) -> Task:
    """The task of a run, of another length if one is given.

    Raises:
      errors.UsageError: it takes no length.
    """
    if length is None:
        return one.task
    given = dict(one.task.origin.arguments)
    if "length" not in given:
        raise errors.UsageError(f"{one.task} takes no length; leave out --length")
    return one.task.origin.factory(**given | {"length": length})


class Network(NamedTuple):
    """A model with weights and its task.

    Attributes:
      name: of the cell, as it was given, or of the run.
      weights: 'initial' or 'trained'.
      seed: of its weights, of a run those before training.
      trained: whether it is of a run.
    """

    name: str
    weights: str
    seed: int
    trained: bool
    model: models.Model
    task: Task
    params: Tree

    @property
    def label(self) -> str:
        return f"{self.name} ({self.weights})" if self.trained else self.name


def networks(settings, seeds: tuple[int, ...]) -> Iterator[Network]:
    """Every cell on the task with weights of every seed, then every run of --runs.

    Args:
      settings: a `ComparedConfig` with `hidden_size`, `task` and `length`.

    Raises:
      errors.UsageError: as `named_cells` and `named_runs`; or a cell does not fit.
    """
    cells, trained = named_cells(settings), named_runs(settings)
    task = resolve("task", settings.task, length=settings.length)
    for text, cell in cells.items():
        options = models.ModelConfig(cell=text, hidden_size=settings.hidden_size)
        model = models.build(cell, task, options)
        for seed in seeds:
            params = jax.jit(model.init)(jax.random.key(seed))
            yield Network(text, "initial", seed, False, model, task, params)
    for name, one in trained:
        for weights, params in before_and_after(one).items():
            of_run = one.seed, True, one.model, one.task, params
            yield Network(name, weights, *of_run)
