"""The folder of a training: lock, record, checkpoints, resuming, reading it back."""

import pathlib

from rnn_research import layers, models, training
from rnn_research.cells.base import Cell
from rnn_research.runs import artefacts
from rnn_research.runs.keeper import InFolder
from rnn_research.runs.loading import Loaded, load, load_all
from rnn_research.runs.settings import (
    FolderConfig,
    OptimizerConfig,
    TaskConfig,
)
from rnn_research.tasks.base import Task

__all__ = [
    "FolderConfig",
    "InFolder",
    "OptimizerConfig",
    "Loaded",
    "TaskConfig",
    "artefacts",
    "load",
    "load_all",
    "train",
]


def train(
    model: Cell | layers.Layer | models.Model,
    task: Task,
    config: training.TrainConfig = training.TrainConfig(),
    *,
    workdir: str | pathlib.Path | None = None,
    settings: dict | None = None,
    **options,
) -> training.Result:
    """As `training.train`, kept in a folder.

    Args:
      workdir: folder of the training: config.json, metrics.jsonl, summary.json,
        TensorBoard events, checkpoints. A training that is there already is resumed.
        None keeps nothing.
      settings: further settings for config.json.
      options: those of `training.train`.

    Raises:
      errors.UsageError: settings that do not fit, or not those of the folder.
      errors.RunError: the folder cannot be written to.
    """
    keeper = None if workdir is None else InFolder(workdir, settings)
    return training.train(model, task, config, keeper=keeper, **options)
