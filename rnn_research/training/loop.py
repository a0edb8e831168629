"""The training loop, read from top to bottom.

The batch of an update is a function of (seed, step), made on the device inside the
compiled call, each device its own share. A call runs many updates and stops by itself
at a loss or gradient that is not finite. Nothing depends on how the updates are cut
into calls, so a resumed run equals an uninterrupted one.
"""

import contextlib
import dataclasses
import pathlib
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import config, engines, models, runtime, values
from rnn_research.engines.base import Engine
from rnn_research.tasks.base import Task
from rnn_research.training import metrics, optimizers, run_folder, updates
from rnn_research.training.checkpoints import Checkpoints

Tree = Any
SECONDS_PER_CALL = 0.5


@dataclasses.dataclass(frozen=True)
class TrainConfig(config.Settings):
    """Training:"""

    num_steps: int = config.setting(10_000, "updates at most", low=1)
    stop_at: float | None = config.setting(
        None,
        "stop when the test loss is below this; default: the task's own value for "
        "solved; 0 never stops early",
        low=0.0,
    )
    batch_size: int = config.setting(50, "sequences in an update", low=1)
    learning_rate: float = config.setting(1e-3, "step size", above=0.0)
    optimizer: str = config.setting(
        "adam",
        f"{', '.join(optimizers.OPTIMIZERS)}; with options, 'rmsprop(decay=0.99)'",
    )
    schedule: str = config.setting(
        "constant",
        f"the learning rate over time: {', '.join(optimizers.SCHEDULES)}; with "
        "options, 'cosine(final=0.1)'",
    )
    warmup_steps: int = config.setting(
        0, "updates over which the learning rate rises from 0", low=0
    )
    grad_clip: float = config.setting(
        1.0, "longest gradient, by its global norm; 0 does not clip", low=0.0
    )
    weight_decay: float = config.setting(
        0.0, "decoupled decay of all but recurrent weights", low=0.0
    )
    recurrent_learning_rate: float = config.setting(
        1.0, "factor on the learning rate of recurrent weights", low=0.0
    )
    num_devices: int = config.setting(
        0,
        "devices the batch is divided over; 0 is all that divide it, on CPU one a core "
        "where it pays",
        low=0,
    )
    seed: int = config.setting(0, "of weights and data", low=0)
    eval_every: int = config.setting(100, "updates between evaluations", low=1)
    eval_size: int = config.setting(
        1000, "fresh sequences in an evaluation, rounded up to whole batches", low=1
    )
    checkpoint_every: int = config.setting(
        500, "updates between checkpoints, taken at the next evaluation", low=1
    )


# What may differ when a run is resumed, since it cannot change the updates made.
CANNOT_CHANGE_THE_PAST = frozenset({"num_steps", "stop_at", "checkpoint_every"})


class Result(NamedTuple):
    initial_params: Tree
    params: Tree
    metrics: list[dict]  # one row an evaluation
    summary: dict


def train(
    model,
    task: Task,
    config: TrainConfig = TrainConfig(),
    *,
    engine: Engine = engines.auto(),
    workdir: str | pathlib.Path | None = None,
    settings: dict | None = None,
    quiet: bool = False,
) -> Result:
    """Train `model` (a cell, a layer or a model) on `task`.

    Args:
      config: the training settings.
      engine: how recurrences are evaluated.
      workdir: folder of the run: config.json, metrics.jsonl, summary.json, TensorBoard
        events, checkpoints. A run that is there already is resumed. None keeps nothing.
      settings: further settings for config.json.
      quiet: print nothing.

    Raises:
      values.UsageError: settings that do not fit, or not those of the run in `workdir`.
      values.RunError: the loss or its gradient is no longer finite.
    """
    model = models.as_model(model, task)
    programs = updates.build(model, task, config, engine)
    stop_at = task.solved_at if config.stop_at is None else config.stop_at
    folder = None if workdir is None else pathlib.Path(workdir)
    if folder:
        described = {
            "task": repr(task),
            "model": repr(model),
            "engine": repr(engine),
            **(settings or {}),
            **dataclasses.asdict(config),
        }
        free = CANNOT_CHANGE_THE_PAST
        if programs.schedule.uses_num_steps:
            free = free - {"num_steps"}
        run_folder.claim(folder, described, free)

    with contextlib.ExitStack() as closing:
        # Start, or resume from the last checkpoint.
        saved, step = saved_tree(programs), 0
        initial_params = jax.tree.map(jnp.copy, saved["state"].params)
        checkpoints = None
        if folder:
            checkpoints = closing.enter_context(Checkpoints(folder / "checkpoints"))
            step = checkpoints.latest() or 0
            saved = checkpoints.restore(step, saved) if step else saved
        state, compile_seconds, run_seconds = (
            saved["state"],
            *map(float, saved["seconds"]),
        )
        record = closing.enter_context(metrics.Record(folder, resume_at=step))
        progress = closing.enter_context(
            metrics.Progress(config.num_steps, step, task.baseline, quiet=quiet)
        )
        progress.say(programs.announcement)
        if step:
            progress.say(f"resumed at update {step} from {folder / 'checkpoints'}")

        solved = bool(record.rows) and record.rows[-1]["loss"] < stop_at
        if solved or step >= config.num_steps:
            progress.say("nothing left to do: raise --num_steps or lower --stop_at")
        else:
            begun = time.perf_counter()
            update, evaluate = programs.compile(state)
            compile_seconds += time.perf_counter() - begun

        last_saved, per_call = step, 1
        while step < config.num_steps and not solved:
            # Update up to the next evaluation, in calls of about half a second.
            begun_at, loss_sum = step, jnp.zeros(())
            next_evaluation = step - step % config.eval_every + config.eval_every
            target = min(next_evaluation, config.num_steps)
            while step < target:
                begun = time.perf_counter()
                done = update(state, step, min(step + per_call, target), loss_sum)
                state, loss_sum = done.state, done.loss_sum
                made, step = int(done.step) - step, int(done.step)
                spent = time.perf_counter() - begun
                run_seconds += spent
                if not done.finite:
                    _stop_diverged(done, folder, last_saved)
                per_call = max(1, int(SECONDS_PER_CALL * made / spent))
                progress.update(step, float(done.loss))

            # Evaluate on fresh data, record, save.
            begun = time.perf_counter()
            scores = {
                name: float(v) for name, v in evaluate(state.params, step).items()
            }
            run_seconds += time.perf_counter() - begun
            row = {
                "step": step,
                "train_loss": float(loss_sum) / (step - begun_at),
                "grad_norm": float(done.grad_norm),
                **scores,
            }
            record.write(row)
            progress.report(step, row, scores)
            solved = scores["loss"] < stop_at
            due = step - last_saved >= config.checkpoint_every
            if checkpoints and (due or solved or step == config.num_steps):
                seconds = np.array([compile_seconds, run_seconds], np.float32)
                checkpoints.save(step, {"state": state, "seconds": seconds})
                last_saved = step

    summary = {
        "task": repr(task),
        "cell": (settings or {}).get("cell", repr(model)),
        "model": repr(model),
        "engines": programs.engines,
        "length": task.length,
        "seed": config.seed,
        "steps": step,
        "solved": solved,
        "solved_below": stop_at,
        "baselines": task.baselines,
        "final": scores_of(record.rows[-1]),
        "steps_to_threshold": steps_to_thresholds(record.rows, task.thresholds),
        "seconds": {
            "compile": round(compile_seconds, 3),
            "run": round(run_seconds, 3),
        },
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(initial_params)),
        **runtime.describe(),
    }
    if folder:
        run_folder.write_json(folder / "summary.json", summary)
    return Result(initial_params, state.params, record.rows, summary)


def saved_tree(programs: updates.Programs) -> Tree:
    """What a checkpoint holds, as it is at the start."""
    saved = {"state": programs.init(), "seconds": np.zeros(2, np.float32)}
    return jax.tree.map(programs.place, saved)


def scores_of(row: dict) -> dict:
    """The task's metrics of a row."""
    return {
        name: value
        for name, value in row.items()
        if name not in ("step", "train_loss", "grad_norm")
    }


def steps_to_thresholds(rows: list[dict], thresholds) -> dict[str, int | None]:
    """The first evaluated step whose test loss is below each threshold."""
    return {
        f"{threshold:.4g}": next(
            (row["step"] for row in rows if row["loss"] < threshold), None
        )
        for threshold in thresholds
    }


def _stop_diverged(done: updates.Progressed, folder, last_saved: int):
    good = "no checkpoint is kept"
    if folder:
        good = (
            f"the last good checkpoint is {folder / 'checkpoints' / str(last_saved)}"
            if last_saved
            else "there is no checkpoint yet"
        )
    raise values.RunError(
        f"update {int(done.step) + 1} has loss {float(done.loss):.4g} and gradient "
        f"norm {float(done.grad_norm):.4g}; {good}; try a smaller --learning_rate or "
        "--grad_clip"
    )
