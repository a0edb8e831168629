"""From settings to a trained run with its folder: what every training program does."""

import dataclasses
import hashlib
import json
import pathlib
from typing import Any, NamedTuple

import jax

from rnn_research import config, diagnostics, models, plotting, runtime, tasks, values
from rnn_research.diagnostics import table
from rnn_research.tasks.base import Task
from rnn_research.training import checkpoints, loop, run_folder, updates


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
    value = values.resolve(text, "task", (tasks,), length=length)
    if not isinstance(value, Task):
        raise values.UsageError(f"task {text}: returns {value!r}, not a task")
    return value


def run(
    experiment: str,
    model_config: models.ModelConfig,
    task_config: TaskConfig,
    train_config: loop.TrainConfig,
    folder_config: FolderConfig,
    run_config: runtime.RunConfig,
) -> loop.Result:
    """Train as the settings say, draw the figures, say how it ended.

    The folder of the run holds config.json, metrics.jsonl, summary.json, TensorBoard
    events, checkpoints/, plots/learning_curve.png and plots/gradients.png (the
    gradient by lag before and after training).
    """
    runtime.start(
        run_config,
        batch_size=train_config.batch_size,
        hidden_size=model_config.hidden_size,
        num_devices=train_config.num_devices,
    )
    cell = models.resolve_cell(model_config.cell, model_config.hidden_size)
    engine = models.resolve_engine(model_config.engine)
    task = resolve_task(task_config.task, task_config.length)
    model = models.build(cell, task, model_config)
    settings = _as_dict(model_config, task_config, run_config)
    folder = pathlib.Path(
        folder_config.workdir
        or _default_folder(experiment, settings | _as_dict(train_config))
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
    plots = folder / "plots"
    plotting.learning_curve(
        result.metrics,
        plots / "learning_curve.png",
        baseline=task.baseline,
        solved_at=result.summary["solved_below"],
        title=f"{task.name}, T = {task.length}, {cell}",
    )
    _draw_gradients(model, task, result, train_config.seed, plots / "gradients.png")
    _say_ending(result, task, folder)
    return result


def _as_dict(*settings: config.Settings) -> dict:
    return {k: v for group in settings for k, v in dataclasses.asdict(group).items()}


def _default_folder(experiment: str, settings: dict) -> pathlib.Path:
    """`runs/adding_problem/gru-h128-T200-seed0-1a2b3c`: one folder for one setting."""
    free = loop.CANNOT_CHANGE_THE_PAST | run_folder.NOT_COMPARED
    shaping = {name: value for name, value in settings.items() if name not in free}
    digest = hashlib.sha256(json.dumps(shaping, sort_keys=True).encode()).hexdigest()
    cell = "".join(c if c.isalnum() or c in "._=" else "-" for c in settings["cell"])
    name = (
        f"{cell.strip('-')}-h{settings['hidden_size']}-T{settings['length']}"
        f"-seed{settings['seed']}-{digest[:6]}"
    )
    return pathlib.Path("runs") / experiment / name


def _draw_gradients(model, task, result: loop.Result, seed: int, path: pathlib.Path):
    measure = jax.jit(
        lambda params: diagnostics.model_log_norms(
            model, params, task, jax.random.key(seed), batch_size=16
        )
    )
    pair = {"before training": result.initial_params, "after training": result.params}
    rows = []
    for label, params in pair.items():
        rows += table.gradient_rows(
            measure(params), label=label, seed=seed, length=task.length
        )
    plotting.gradient_decay(rows, path)


def _say_ending(result: loop.Result, task: Task, folder: pathlib.Path):
    summary = result.summary
    loss, seconds = summary["final"]["loss"], summary["seconds"]
    goal = summary["solved_below"]
    if goal == 0:
        outcome = f"done: test loss {loss:.5f}"
    elif summary["solved"]:
        outcome = f"solved: test loss {loss:.5f} < {goal:.5f}"
    else:
        outcome = f"not solved: test loss {loss:.5f} >= {goal:.5f}"
    print(
        f"{outcome} after {summary['steps']} updates (memoryless baseline "
        f"{task.baseline:.5f}); "
        f"{seconds['run']:.1f} s of compute after {seconds['compile']:.1f} s of "
        f"compilation\nfigures: {folder / 'plots'}"
    )


class Loaded(NamedTuple):
    """A run read back from its folder."""

    settings: dict
    model: models.Model
    task: Task
    initial_params: Any
    params: Any
    step: int


def load(folder: str | pathlib.Path) -> Loaded:
    """The model, the task and the newest weights of a training run.

    Raises:
      values.UsageError: the folder holds no run, or one without a checkpoint.
    """
    folder = pathlib.Path(folder)
    settings = run_folder.read_json(folder / "config.json")
    if settings is None:
        raise values.UsageError(f"{folder} holds no run: there is no config.json in it")

    def read(kind):
        names = {field.name for field in dataclasses.fields(kind)} & settings.keys()
        return kind(**{name: settings[name] for name in names})

    model_config, train_config = read(models.ModelConfig), read(loop.TrainConfig)
    if "cell" not in settings:
        raise values.UsageError(
            f"{folder} was not trained by a command; load it yourself"
        )
    task = resolve_task(settings["task"], settings["length"])
    cell = models.resolve_cell(model_config.cell, model_config.hidden_size)
    model = models.build(cell, task, model_config)
    engine = models.resolve_engine(model_config.engine)
    train_config = dataclasses.replace(train_config, num_devices=1)
    programs = updates.build(model, task, train_config, engine)
    like = loop.saved_tree(programs)
    with checkpoints.Checkpoints(folder / "checkpoints") as saved:
        step = saved.latest()
        if step is None:
            raise values.UsageError(f"{folder} has no checkpoint yet")
        params = saved.restore(step, like)["state"].params
    return Loaded(settings, model, task, like["state"].params, params, step)
