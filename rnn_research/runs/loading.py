"""Reading a training back from its folder."""

import dataclasses
import pathlib
from typing import Any, NamedTuple

import jax.numpy as jnp

from rnn_research import config, errors, files, models, runtime, shapes, texts
from rnn_research.resolve import resolve, resolve_penalties, resolve_sampling
from rnn_research.runs import checkpoints, from_python, same_run
from rnn_research.runs.settings import OptimizerConfig, TaskConfig, as_dict
from rnn_research.tasks.base import Task
from rnn_research.training import trainer
from rnn_research.training.settings import CANNOT_CHANGE_THE_PAST, TrainConfig
from rnn_research.training.state import of_each_run


class Loaded(NamedTuple):
    """A run read back from its folder."""

    settings: dict
    model: models.Model
    task: Task
    seed: int
    learning_rate: float
    initial_params: Any
    params: Any
    step: int

    __repr__ = shapes.record


def load(
    folder: str | pathlib.Path,
    *,
    seed: int | None = None,
    learning_rate: float | None = None,
    allow: tuple[str, ...] = (),
) -> Loaded:
    """The model, the task and the newest weights of a training run.

        trained = load("runs/mine")
        outputs = trained.model.outputs(trained.params, x)   x [T, B, D]

    Args:
      folder: of a training program, or the `workdir` of `runs.train`.
      seed, learning_rate: which run, where the folder holds several.
      allow: files of yours, such as 'my_cells', that its settings may name; they are
        imported. Others are not, whatever the folder says.

    Raises:
      errors.UsageError: the folder holds no such run, several, or no checkpoint; or it
        needs a file that is not allowed.
    """
    runs = load_all(folder, allow=allow)
    fitting = [
        run
        for run in runs
        if seed in (None, run.seed) and learning_rate in (None, run.learning_rate)
    ]
    if len(fitting) != 1:
        held = ", ".join(f"({run.seed}, {run.learning_rate:g})" for run in runs)
        raise errors.UsageError(
            f"{folder}: give the seed and learning_rate of one of its runs: {held}"
        )
    return fitting[0]


def load_all(
    folder: str | pathlib.Path, *, allow: tuple[str, ...] = ()
) -> list[Loaded]:
    """As `load`, for every run in the folder.

    Raises:
      errors.UsageError: the folder holds no run, or one without a checkpoint; or it
        needs a file that is not allowed.
    """
    folder = pathlib.Path(folder)
    saved = files.read_json(folder / "config.json")
    if saved is None:
        raise errors.UsageError(
            f"{folder} holds no run: there is no config.json in it; give the folder of "
            "a training"
        )
    settings, made = _made(folder, saved, allow)
    initial = made.init()
    store = checkpoints.Checkpoints(folder / "checkpoints")
    now = settings | _described(settings, made)
    free = CANNOT_CHANGE_THE_PAST | same_run.NOT_COMPARED | {"on_nan"}

    def accept(notes):
        advice = "undo the change to measure this run"
        same_run.compare(settings, now, frozenset(), folder, advice)
        advice = f"put back the {folder / 'config.json'} that belongs to them"
        noted = notes.get("settings")
        if isinstance(noted, dict):  # what both have not was added since: the default
            since = settings.keys() - saved.keys() - noted.keys()
            noted = noted | {name: settings[name] for name in since}
        same_run.compare(noted, settings, free, store.folder, advice)

    wanted = _Best(_Kept.of(initial.best)) if made.keeps_best else _Kept.of(initial)
    restored = store.newest(wanted, accept, say=print, part=True)
    if restored is None:
        raise errors.UsageError(f"{folder} has no checkpoint yet")
    kept = restored.tree.best if made.keeps_best else restored.tree
    each = of_each_run((initial.params, kept.params, kept.step))
    return [
        Loaded(
            settings,
            made.model,
            made.task,
            seed,
            rate,
            before,
            after,
            int(step),
        )
        for (seed, rate), (before, after, step) in zip(
            made.config.all_runs(), each, strict=True
        )
    ]


class _Kept(NamedTuple):
    """The part of a `State`, or of its `Best`, that is loaded."""

    params: Any
    step: Any

    @classmethod
    def of(cls, state) -> "_Kept":
        return cls(state.params, state.step)


class _Best(NamedTuple):
    best: _Kept


def _made(folder: pathlib.Path, settings: dict, allow: tuple[str, ...]):
    """The settings with the defaults of others, and the trainer they make."""
    if "cell" in settings:
        return _by_command(folder, settings, allow)
    model, task = from_python.read(folder, settings.get("calls"), allow)
    config = _read(TrainConfig, settings, allow)
    return settings, trainer.build(
        model, task, dataclasses.replace(config, num_devices=1)
    )


def _described(settings: dict, made: trainer.Trainer) -> dict:
    """What model, task and their code are now, to compare with the settings.

    From Python the optimizer and the engine, which may be any, are not made again.
    """
    described = same_run.describe(made)
    if "cell" in settings:
        return {name: described[name] for name in same_run.FOLLOWS}
    code = {**settings.get("code", {}), **described["code"]}
    return {"model": described["model"], "task": described["task"], "code": code}


def _by_command(folder: pathlib.Path, settings: dict, allow: tuple[str, ...]):
    """As `_made`, of the settings of a training program.

    Raises:
      errors.UsageError: a setting is none, or names what is not allowed.
    """
    try:
        model_config = _read(models.ModelConfig, settings, allow)
        task_config = _read(TaskConfig, settings, allow)
        train_config = _read(TrainConfig, settings, allow)
        optimizer_config = _read(OptimizerConfig, settings, allow)
        precision = _read(runtime.RunConfig, settings, allow).precision
    except errors.UsageError as error:
        raise errors.UsageError(f"{folder}/config.json: {error}") from None
    if precision != str(jnp.zeros(()).dtype):
        raise errors.UsageError(f"{folder} was trained with --precision={precision}")
    settings = settings | as_dict(model_config, task_config, optimizer_config)
    config = dataclasses.replace(train_config, num_devices=1)
    try:
        found = resolved(model_config, task_config, optimizer_config)
    except errors.UsageError as error:
        raise errors.UsageError(f"{folder}/config.json: {error}") from None
    return settings, trainer.build(found.model, found.task, config, **found.options)


class Resolved(NamedTuple):
    """The values that the texts of settings name."""

    cell: Any
    task: Task
    model: models.Model
    options: (
        dict  # of `training.train`: engine, optimizer, schedule, penalties, sampling
    )


def resolved(model_config, task_config, optimizer_config: OptimizerConfig) -> Resolved:
    """The values of a training program's settings."""
    cell = resolve("cell", model_config.cell, hidden_size=model_config.hidden_size)
    options = {
        "engine": resolve("engine", model_config.engine),
        "optimizer": resolve("optimizer", optimizer_config.optimizer),
        "schedule": resolve("schedule", optimizer_config.schedule),
        "penalties": resolve_penalties(optimizer_config.penalties),
        "sampling": resolve_sampling(optimizer_config.scheduled_sampling),
    }
    task = resolve("task", task_config.task, length=task_config.length)
    return Resolved(cell, task, models.build(cell, task, model_config), options)


def _read(kind: type[config.Settings], settings: dict, allow: tuple[str, ...]):
    """Settings as a file has them, whose texts name what may be named from there."""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    given = {name: settings[name] for name in fields.keys() & settings.keys()}
    read = kind(**given)
    for name in given:
        items = getattr(read, name)
        for item in items if isinstance(items, tuple) else (items,):
            free = fields[name].metadata["choices"] or name in same_run.NOT_COMPARED
            if isinstance(item, str) and not free:
                texts.check_read(item, allow)
    return read
