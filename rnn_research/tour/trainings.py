"""Trainings of the tour: a command that is shown is the one whose settings are run."""

import dataclasses
import importlib
import pathlib
import shlex
from collections.abc import Callable
from typing import Any, NamedTuple

from rnn_research import config, errors, models, runs, runtime, training
from rnn_research.runs import loading
from rnn_research.runs.settings import as_dict
from rnn_research.tasks.base import Task
from rnn_research.tour import base

START = "python", "-m"


class Trained(NamedTuple):
    """What the training of a command came to.

    Attributes:
      settings: of the program, by their classes.
    """

    settings: dict[type, config.Settings]
    model: models.Model
    task: Task
    result: training.Result

    @property
    def test(self) -> dict:
        """The metrics of test at the best weights of the first run."""
        return self.result.runs[0].summary["test"]


def trained(
    command: str, folder: pathlib.Path, *, small: tuple[str, ...] = ()
) -> Trained:
    """Train as a program's command says, in a folder; the same call resumes.

    What the program draws and writes besides is left out.

    Args:
      command: 'python -m experiments.speech --cell=gru', of a program that trains.
      small: flags that make it a matter of seconds, for a test.

    Raises:
      errors.UsageError: a flag is none, a package or a data set is missing.
    """
    settings = read(command, small)
    model, optimizer = settings[models.ModelConfig], settings[runs.OptimizerConfig]
    train, run_config = settings[training.TrainConfig], settings[runtime.RunConfig]
    (task,) = (own.task() for own in settings.values() if hasattr(own, "task"))
    values, result = of_settings(model, task, train, optimizer, run_config, folder)
    return Trained(settings, values.model, values.task, result)


def of_cell(
    cell, task: Task, own: training.TrainConfig, work: base.Work, name: str, **options
) -> training.Result:
    """Train a cell on a task in a folder of the section's own; the same call resumes.

    Args:
      own: settings, of which a small tour takes few updates.
      name: of the folder.
      options: of `runs.train`.
    """
    if work.small:
        own = dataclasses.replace(own, num_steps=20, eval_every=10)
    return runs.train(
        cell, task, own, workdir=work.folder / name, quiet=True, **options
    )


def of_settings(
    model: models.ModelConfig,
    task: runs.TaskConfig,
    train: training.TrainConfig,
    optimizer: runs.OptimizerConfig,
    run_config: runtime.RunConfig,
    folder: pathlib.Path,
) -> tuple[loading.Resolved, training.Result]:
    """What these settings name, and the training of it in a folder."""
    runtime.start(
        run_config,
        batch_size=train.batch_size,
        hidden_size=model.hidden_size,
        num_runs=len(train.all_runs()),
    )
    values = loading.resolved(model, task, optimizer)
    result = training.train(
        values.model,
        values.task,
        train,
        keeper=runs.InFolder(folder, as_dict(model, task, optimizer, run_config)),
        **values.options,
    )
    return values, result


def read(command: str, further: tuple[str, ...] = ()) -> dict[type, config.Settings]:
    """The settings of the program that a command names, as the command has them.

    Args:
      further: flags that take the place of the command's.
    """
    words = shlex.split(command)
    assert tuple(words[:2]) == START, f"not of python -m: {command}"
    program = importlib.import_module(words[2])
    settings = config.parse(config.replaced(words[3:], further), *program.SETTINGS)
    return {type(own): own for own in settings}


def lacking(*reads: Callable[[], Any]) -> str | None:
    """What the first of these that fails says it needs; None: nothing is missing."""
    for each in reads:
        try:
            each()
        except errors.UsageError as error:
            return str(error)
    return None
