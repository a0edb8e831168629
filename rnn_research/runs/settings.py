"""The settings that name the task, the optimizer and the folder."""

import dataclasses
import inspect
import pathlib

from rnn_research import config, tasks
from rnn_research.training import optimizers, penalties, scheduled_sampling


@dataclasses.dataclass(frozen=True)
class TaskConfig(config.Settings):
    """Task:"""

    task: str = config.setting(
        "adding",
        f"{', '.join(tasks.__all__)}; with options, 'copy_memory(layout=janet)'; your "
        "own, 'my_tasks:mine'",
        names="tasks",
    )
    length: int | None = config.setting(
        200, "T, as the task defines it; none: the task takes no length", low=1
    )

    @classmethod
    def called(cls, name: str, length: int | None, files=(), **options):
        """The task of that name with options; None is left out where it is the default.

        Args:
          files: the options that are paths; they become absolute, so that a run is
            found again from any folder.
        """
        known = inspect.signature(getattr(tasks, name)).parameters
        given = []
        for key, value in options.items():
            if value is None and known[key].default is None:
                continue
            if key in files:
                value = str(pathlib.Path(value).expanduser().absolute())
            given.append(f"{key}={value!r}")
        text = ", ".join(given)
        return cls(task=f"{name}({text})", length=length)


@dataclasses.dataclass(frozen=True)
class OptimizerConfig(config.Settings):
    """Optimizer:"""

    optimizer: str = config.setting(
        "adam",
        f"{', '.join(optimizers.OPTIMIZERS)}; with options, 'rmsprop(decay=0.99)'; "
        "your own, 'my_file:mine'",
        names="optimizers",
    )
    schedule: str = config.setting(
        "constant",
        f"the learning rate over time: {', '.join(optimizers.SCHEDULES)}; with "
        "options, 'cosine(final=0.1)'",
        names="schedules",
    )
    penalties: tuple[str, ...] | None = config.setting(
        None,
        f"terms added to the loss: {', '.join(penalties.__all__)}; with options, "
        "'omega(weight=2),orthogonality(weight=0.1)'; your own, 'my_terms:mine'",
        names="penalties",
    )
    scheduled_sampling: str | None = config.setting(
        None,
        "how often training reads the network's own tokens in place of the true ones, "
        f"in tasks that ask for the next token: {', '.join(scheduled_sampling.__all__)}"
        "; with options, 'linear(steps=500, final=0.25)'; default: never",
        names="samplings",
    )


@dataclasses.dataclass(frozen=True)
class FolderConfig(config.Settings):
    """Folder:"""

    workdir: str | None = config.setting(
        None,
        "folder of the run; the same command resumes there; default: a folder in runs/ "
        "named after the settings",
    )
    figures: bool = config.setting(
        True, "draw the learning curves and the gradients by lag at the end"
    )


def trust():
    """The setting of every program that reads folders of runs."""
    return config.setting(
        None,
        "files of yours that the settings of a run may name, such as my_cells; they "
        "are imported, no others are",
    )


def as_dict(*settings: config.Settings) -> dict:
    """The fields of all of them."""
    return {k: v for group in settings for k, v in dataclasses.asdict(group).items()}
