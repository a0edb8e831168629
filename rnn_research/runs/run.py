"""From settings to a trained run with its folder: what every training program does."""

import dataclasses
import hashlib
import json
import pathlib
import re
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import (config, diagnostics, errors, files, models, plotting, processes, runtime, tasks, values)
from rnn_research.diagnostics import table
from rnn_research.tasks.base import Task
from rnn_research.runs import checkpoints, same_run
from rnn_research.training import loop, results, updates
from rnn_research.runs.watch import sequences


@dataclasses.dataclass(frozen=True)
class TaskConfig(config.Settings):
    """Task:"""

    task: str = config.setting(
        "adding",
        f"{', '.join(tasks.__all__)}; with options, 'copy_memory(layout=janet)'; your "
        "own, 'my_tasks:mine'",
    )
    length: int = config.setting(200, "T, as the task defines it", low=1)


@dataclasses.dataclass(frozen=True)
class FolderConfig(config.Settings):
    """Folder:"""

    workdir: str | None = config.setting(
        None,
        "folder of the run; the same command resumes there; default: a folder in runs/ "
        "named after the settings",
    )


def resolve_task(text: str, length: int) -> Task:
    """The task that `--task` names."""
    return values.resolve(text, "task", (tasks,), returns=Task, length=length)


def run(
    experiment: str,
    model_config: models.ModelConfig,
    task_config: TaskConfig,
    train_config: loop.TrainConfig,
    folder_config: FolderConfig,
    run_config: runtime.RunConfig,
    together: runtime.ProcessConfig = runtime.ALONE,
) -> results.Result:
    """Train as the settings say, draw the figures, say how it ended.

    The folder of the run holds config.json, metrics.jsonl, summary.json, TensorBoard
    events, checkpoints/, plots/learning_curve.png and plots/gradients.png (the
    gradient by lag before and after training, where the model has a recurrence), and
    with --diagnose_every plots/gradients_during_training.png of the first run.
    """
    runtime.start(
        run_config,
        batch_size=train_config.batch_size,
        hidden_size=model_config.hidden_size,
        num_runs=len(train_config.all_runs()),
        num_devices=train_config.num_devices,
        together=together,
    )
    cell = models.resolve_cell(model_config.cell, model_config.hidden_size)
    engine = models.resolve_engine(model_config.engine)
    task = resolve_task(task_config.task, task_config.length)
    model = models.build(cell, task, model_config)
    settings = _as_dict(model_config, task_config, run_config)
    folder = pathlib.Path(
        folder_config.workdir
        or _default_folder(experiment, settings | train_config.resolved())
    )
    print(f"{cell} on {task}\nrun folder: {folder}", flush=True)
    result = loop.train(
        model,
        task,
        train_config,
        engine=engine,
        workdir=folder,
        settings=settings,
    )
    if processes.index() > 0:
        return result
    plots = folder / "plots"
    plotting.learning_curve(
        [row for run in result.runs for row in run.metrics],
        plots / "learning_curve.png",
        baseline=task.baseline,
        goal=result.summary["goal"],
        title=f"{task.name}, T = {task.length}, {cell}",
    )
    if result.summary["engines"]:
        try:
            _draw_gradients(model, task, result, plots / "gradients.png")
        except errors.UsageError as error:  # after hours of training no reason to end
            print(f"no {plots / 'gradients.png'}: {error}")
    watched = [row for row in result.metrics if "diagnostics" in row]
    if watched:
        plotting.gradients_during_training(
            watched,
            plots / "gradients_during_training.png",
            baseline=task.baseline,
            title=f"{cell}, {task.name}, T = {task.length}, seed {watched[0]['seed']}",
        )
    print(*results.ending(result.summary), f"figures: {plots}", sep="\n")
    return result


def _as_dict(*settings: config.Settings) -> dict:
    return {k: v for group in settings for k, v in dataclasses.asdict(group).items()}


NAMED = 80  # letters of a cell in a folder's name; file systems allow 255 in all


def _default_folder(experiment: str, settings: dict) -> pathlib.Path:
    """`runs/adding_problem/gru-h128-T200-seed0-1a2b3c`: one folder for one setting."""
    free = loop.CANNOT_CHANGE_THE_PAST | same_run.NOT_COMPARED | {"on_nan"}
    shaping = {name: value for name, value in settings.items() if name not in free}
    digest = hashlib.sha256(json.dumps(shaping, sort_keys=True).encode()).hexdigest()
    cell = re.sub(r"[^A-Za-z0-9._=]", "-", settings["cell"])[:NAMED].strip("-")
    name = (
        f"{cell}-h{settings['hidden_size']}-T{settings['length']}"
        f"-seed{_seeds_text(settings['seeds'])}-{digest[:6]}"
    )
    return pathlib.Path("runs") / experiment / name


def _seeds_text(seeds: list[int]) -> str:
    """`0`, `s0-4` for a range, `s1+2+5`, for a folder's name."""
    first, last = seeds[0], seeds[-1]
    if len(seeds) == 1:
        return str(first)
    if seeds == list(range(first, last + 1)):
        return f"s{first}-{last}"
    return "s" + ("+".join(map(str, seeds)) if len(seeds) < 9 else f"{len(seeds)}")


def _draw_gradients(model, task, result: results.Result, path: pathlib.Path):
    count = sequences(task.length)

    @jax.jit
    def measure(params, seed):
        key = jax.random.key(seed)
        norms = diagnostics.model_log_norms(model, params, task, key, count)
        batch = task.sample(key, count)
        setups = diagnostics.recurrences(model, params, batch.inputs, batch.mask)
        return norms, setups[-1].inputs.mask

    rates = list(dict.fromkeys(run.learning_rate for run in result.runs))
    first = [run for run in result.runs if run.learning_rate == rates[0]]
    weights = [("before training", run.seed, run.initial_params) for run in first]
    for run in result.runs:
        rate = f", rate {run.learning_rate:g}" if len(rates) > 1 else ""
        weights.append((f"after training{rate}", run.seed, run.params))
    rows = []
    for label, seed, params in weights:
        labels = {"label": label, "seed": seed, "length": task.length}
        rows += table.gradient_rows(*measure(params, seed), **labels)
    plotting.gradient_decay(rows, path)


def trust():
    """The setting of every program that reads folders of runs."""
    return config.setting(
        None,
        "files of yours that the settings of a run may name, such as my_cells; they "
        "are imported, no others are",
    )


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


def load(
    folder: str | pathlib.Path,
    *,
    seed: int | None = None,
    learning_rate: float | None = None,
    allow: tuple[str, ...] = (),
) -> Loaded:
    """The model, the task and the newest weights of a training run.

    Args:
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
    settings = files.read_json(folder / "config.json")
    if settings is None:
        raise errors.UsageError(f"{folder} holds no run: there is no config.json in it")
    if not {"cell", "task"} <= settings.keys():
        raise errors.UsageError(
            f"{folder} was not trained by a command; load it yourself"
        )
    try:
        model_config = _read(models.ModelConfig, settings, allow)
        task_config = _read(TaskConfig, settings, allow)
        train_config = _read(loop.TrainConfig, settings, allow)
        precision = _read(runtime.RunConfig, settings, allow).precision
    except errors.UsageError as error:
        raise errors.UsageError(f"{folder}/config.json: {error}") from None
    if precision != str(jnp.zeros(()).dtype):
        raise errors.UsageError(f"{folder} was trained with --precision={precision}")
    train_config = dataclasses.replace(train_config, num_devices=1)
    settings = settings | _as_dict(model_config, task_config)
    task = resolve_task(task_config.task, task_config.length)
    cell = models.resolve_cell(model_config.cell, model_config.hidden_size)
    model = models.build(cell, task, model_config)
    engine = models.resolve_engine(model_config.engine)
    programs = updates.build(model, task, train_config, engine)
    described = same_run.describe(model, task, engine, programs.parts)
    now = settings | {name: described[name] for name in same_run.FOLLOWS}
    initial = programs.init()
    before = loop.to_host(initial.params)
    store = checkpoints.Checkpoints(folder / "checkpoints")
    free = loop.CANNOT_CHANGE_THE_PAST | same_run.NOT_COMPARED | {"on_nan"}

    def accept(notes):
        advice = "undo the change to measure this run"
        same_run.compare(settings, now, frozenset(), folder, advice)
        advice = f"put back the {folder / 'config.json'} that belongs to them"
        saved = notes.get("settings")
        same_run.compare(saved, settings, free, store.folder, advice)

    restored = store.newest(initial, accept, say=print)
    if restored is None:
        raise errors.UsageError(f"{folder} has no checkpoint yet")
    after = loop.to_host(restored.tree.params)
    loaded = []
    for index, (seed, rate) in enumerate(train_config.all_runs()):
        pair = (loop.of_run(tree, index) for tree in (before, after))
        step = int(restored.tree.step[index])
        loaded.append(Loaded(settings, model, task, seed, rate, *pair, step))
    return loaded


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
                values.check_read(item, allow)
    return read
