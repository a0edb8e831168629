"""The command that a run was begun with, as far as its settings say."""

import dataclasses
import pathlib
import shlex

from rnn_research import config, models, runs, runtime, training

SETTINGS = (
    models.ModelConfig(),
    runs.TaskConfig(),
    runs.OptimizerConfig(),
    runtime.RunConfig(),
)
DEFAULTS = training.TrainConfig().resolved() | {
    field.name: getattr(group, field.name)
    for group in SETTINGS
    for field in dataclasses.fields(group)
}


def flags(settings: dict) -> list[str] | None:
    """The flags of `python -m experiments.train` that give these settings.

    Those that are the default are left out. None: the run was begun from Python.
    """
    if "cell" not in settings:
        return None
    return config.as_flags(
        {
            name: settings[name]
            for name, default in DEFAULTS.items()
            if name in settings and settings[name] != default
        }
    )


def command(given: list[str] | None, folder: pathlib.Path) -> str | None:
    """The command that resumes a run in its folder; None: no program began it."""
    if given is None:
        return None
    program = ["python", "-m", "experiments.train"]
    return shlex.join([*program, *given, f"--workdir={folder}"])
