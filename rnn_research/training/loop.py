"""The training loop, read from top to bottom.

One loop trains all runs, a run being a seed and a learning rate. A call makes many
updates; nothing depends on how the updates are cut into calls, or the runs set beside
each other, so a resumed run equals an uninterrupted one.
"""

import contextlib
import dataclasses
import pathlib
import time

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import config, endings, engines, errors, models, processes, runtime
from rnn_research.engines.base import Engine
from rnn_research.runs import metrics, run_folder, same_run
from rnn_research.runs.checkpoints import Checkpoints
from rnn_research.runs.watch import Watch
from rnn_research.tasks.base import Task
from rnn_research.training import optimizers, penalties, results, updates
from rnn_research.training.progress import Progress
from rnn_research.training.standing import (
    DIVERGED,
    GOES_ON,
    Standing,
    finite_or_none,
    numbers,
)

SECONDS_PER_CALL = 0.5


@dataclasses.dataclass(frozen=True)
class TrainConfig(config.Seeds):
    """Training:"""

    num_steps: int = config.setting(10_000, "updates at most", low=1)
    stop_at: float | None = config.setting(
        None,
        "stop a run when its validation loss is below this; default: the task's own "
        "value for solved; 0 never stops early",
        low=0.0,
    )
    batch_size: int = config.setting(50, "sequences in an update", low=1)
    learning_rate: float = config.setting(1e-3, "step size", above=0.0)
    learning_rates: tuple[float, ...] | None = config.setting(
        None, "several, each with every seed, in place of --learning_rate", above=0.0
    )
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
        1.0,
        "longest gradient: one with a greater global norm is scaled to it; 0 does not "
        "clip",
        low=0.0,
    )
    clip_value: float = config.setting(
        0.0,
        "largest number in a gradient: each is cut to [-v, v] by itself, before "
        "--grad_clip; 0 does not clip",
        low=0.0,
    )
    penalties: tuple[str, ...] | None = config.setting(
        None,
        f"terms added to the loss: {', '.join(penalties.__all__)}; with options, "
        "'omega(weight=2),orthogonality(weight=0.1)'; your own, 'my_terms:mine'",
    )
    penalty_steps: int = config.setting(
        0, "updates in which the penalties count; 0 is all", low=0
    )
    on_nan: str = config.setting(
        "stop",
        "at a loss or gradient that is not finite: stop the run, or skip the update, "
        "count it and go on",
        choices=("stop", "skip"),
    )
    weight_decay: float = config.setting(
        0.0, "decoupled decay of all but recurrent weights", low=0.0
    )
    recurrent_learning_rate: float = config.setting(
        1.0, "factor on the learning rate of recurrent weights", low=0.0
    )
    num_devices: int = config.setting(
        0,
        "devices of a process that the work is divided over; 0 is all that divide it, "
        "on CPU one a core where it pays",
        low=0,
        high=1024,
    )
    eval_every: int = config.setting(100, "updates between evaluations", low=1)
    eval_size: int = config.setting(
        1000, "fresh sequences in an evaluation, rounded up to whole batches", low=1
    )
    diagnose_every: int = config.setting(
        0,
        "updates between measurements of the gradient by lag, saturation and spectral "
        "radius, taken at the start, at evaluations and at the end; 0 is never",
        low=0,
    )
    checkpoint_every: int = config.setting(
        500, "updates between checkpoints, taken at the next evaluation", low=1
    )

    def all_learning_rates(self) -> tuple[float, ...]:
        return self.learning_rates or (self.learning_rate,)

    def all_runs(self) -> tuple[tuple[int, float], ...]:
        """(seed, learning rate) of every run."""
        return tuple(
            (seed, rate)
            for rate in self.all_learning_rates()
            for seed in self.all_seeds()
        )

    @property
    def skips_nan(self) -> bool:
        return self.on_nan == "skip"

    def resolved(self) -> dict:
        """The settings, with seeds and learning rates as lists however given."""
        said = dataclasses.asdict(self)
        for name in ("seed", "num_seeds", "learning_rate"):
            del said[name]
        return said | {
            "seeds": list(self.all_seeds()),
            "learning_rates": list(self.all_learning_rates()),
        }


# What may differ when a run is resumed, since it cannot change the updates made.
CANNOT_CHANGE_THE_PAST = frozenset({"num_steps", "stop_at", "checkpoint_every"})


def train(
    model,
    task: Task,
    config: TrainConfig = TrainConfig(),
    *,
    engine: Engine = engines.auto(),
    workdir: str | pathlib.Path | None = None,
    settings: dict | None = None,
    quiet: bool = False,
) -> results.Result:
    """Train `model` (a cell, a layer or a model) on `task`, once for each run.

    Args:
      config: the training settings.
      engine: how recurrences are evaluated.
      workdir: folder of the training: config.json, metrics.jsonl, summary.json,
        TensorBoard events, checkpoints. A training that is there already is resumed.
        None keeps nothing.
      settings: further settings for config.json.
      quiet: print nothing.

    Raises:
      errors.UsageError: settings that do not fit, or not those of the folder.
      errors.Diverged: no run has a finite loss and gradient any more.
      errors.RunError: the folder cannot be written to.
      errors.Interrupted: Ctrl-C or SIGTERM; saved, if in a folder.
    """
    folder = None if workdir is None else pathlib.Path(workdir)
    if folder and processes.index() == 0:
        run_folder.check_name(folder)
        run_folder.check(folder)
    model = models.as_model(model, task)
    programs = updates.build(model, task, config, engine)
    pairs = config.all_runs()
    standing = Standing(config, task)
    watch = Watch(model, task) if config.diagnose_every and programs.engines else None
    values_used = {"task": repr(task), "model": repr(model), "engine": repr(engine)}
    if folder:
        values_used = same_run.describe(model, task, engine, programs.parts)
    described = same_run.plain({**values_used, **(settings or {}), **config.resolved()})
    programs.check()
    if watch:
        watch.check()
    machine = runtime.describe(programs.mesh)
    processes.check_same(
        described,
        "was started with other settings than process 0; for runs of their own, give "
        "--num_processes=1",
    )
    seconds = {"compile": 0.0, "run": 0.0}

    with contextlib.ExitStack() as closing:
        interrupts = closing.enter_context(endings.Interrupts())
        hold = closing.enter_context(run_folder.Hold(folder))
        hold.claim(described, machine, lambda saved: _may_differ(programs, saved))
        progress = closing.enter_context(
            Progress(config.num_steps, task.baseline, quiet=quiet)
        )
        progress.say(programs.announcement)

        # Start anew, or from the last checkpoint.
        state = programs.init()
        initial_params = to_host(state.params)
        checkpoints = Checkpoints(folder and folder / "checkpoints")

        def accept(notes):
            saved = notes.get("settings")
            free = _may_differ(programs, saved or {}) | same_run.NOT_COMPARED
            same_run.compare(
                saved, described, free, checkpoints.folder, same_run.TO_RESUME
            )
            metrics.marked(folder, notes["metrics"])

        restored = checkpoints.resume(state, accept, say=progress.say)
        if restored:
            state, seconds = restored.tree, restored.notes["seconds"]
            progress.say(f"resumed from {checkpoints.path(restored.step)}")
            if others := runtime.differences(restored.notes["machine"], machine):
                progress.say(f"equal to rounding only: {'; '.join(others)}")
        record = closing.enter_context(
            metrics.Record(folder, pairs, mark=restored and restored.notes["metrics"])
        )

        def save():
            hold.check()
            notes = {
                "settings": described,
                "machine": machine,
                "metrics": record.mark(),
                "seconds": seconds,
            }
            checkpoints.save(int(now.step.sum()), state, notes)  # it grows, of any run

        with _timed(seconds, "compile"):
            evaluate = programs.compile_evaluate(state)
        update = None  # compiled when there is an update to make
        now = numbers(state)
        saved_at, per_call = now.step, 1
        while True:
            # Evaluate the runs that have come so far, on fresh data.
            due = standing.due(now, record.last)
            if due.any():
                with _timed(seconds, "run"):
                    scores = evaluate(state.params, now.step, due, updates.VALIDATION)
                    scores = jax.device_get(scores)
                rows = standing.rows(now, due, scores)
                if watch:
                    with _timed(seconds, "run"):
                        last, params = record.last, to_host(state.params)
                        for row in rows:
                            own = standing.index(row)
                            if standing.is_watched(now, row, last[own]):
                                row["diagnostics"] = watch.measure(
                                    of_run(params, own), row["seed"], row["step"]
                                )
                hold.check()
                record.write(rows)
                if now.step.any():
                    progress.report(rows)
            outcomes = standing.outcomes(now, record.last)
            active = np.array([outcome == GOES_ON for outcome in outcomes])
            if set(outcomes) == {DIVERGED}:
                break

            # Save where it is time to, and stop where there is reason to.
            stopping = active.any() and processes.highest(interrupts.asked)[0]
            long_ago = (now.step - saved_at).max() >= config.checkpoint_every
            enough = stopping or not active.any() or (due.any() and long_ago)
            if folder and enough and (now.step > saved_at).any():
                save()
                saved_at = now.step
            if stopping:
                going_on = (
                    "; rerun the same command to resume" if checkpoints.steps() else ""
                )
                raise errors.Interrupted(
                    f"interrupted at update {int(now.step.max())}; "
                    f"{checkpoints.last_good()}{going_on}",
                    stopping,
                )
            if not active.any():
                break

            # Update, in calls of about half a second.
            if update is None:
                hold.remove(run_folder.SUMMARY)  # it was of a shorter run
                with _timed(seconds, "compile"):
                    update = programs.compile_update(state)
                progress.start_at(int(now.step.max()))
            before, spent = now, seconds["run"]
            with _timed(seconds, "run"):
                state = update(state, standing.limits(now, active, per_call))
                now = numbers(state)
            spent = seconds["run"] - spent
            made = int((now.step - before.step).max())
            per_call = max(1, int(SECONDS_PER_CALL * made / spent))
            (per_call,) = processes.highest(per_call)
            for line in standing.newly_diverged(before, now):
                progress.say(line)
            progress.update(int(now.step.max()), float(np.median(now.loss[active])))

        # Sum up, with scores on data that nothing was chosen by.
        tests = jax.device_get(
            evaluate(state.params, now.step, np.ones(len(pairs), bool), updates.TEST)
        )
        params = to_host(state.params)
        runs = []
        for index, (seed, rate) in enumerate(pairs):
            first, final = of_run(initial_params, index), of_run(params, index)
            rows = record.of((seed, rate))
            summary = {
                "seed": seed,
                "learning_rate": rate,
                "outcome": outcomes[index],
                "steps": int(now.step[index]),
                "dropped": int(now.dropped[index]),
                "largest_grad_norm": finite_or_none(now.largest_grad_norm[index]),
                "validation": metrics.scores_of(rows[-1]) if rows else None,
                "test": {
                    name: finite_or_none(each[index]) for name, each in tests.items()
                },
                "steps_to_threshold": results.steps_to_thresholds(
                    rows, task.thresholds
                ),
            }
            runs.append(results.Run(seed, rate, first, final, rows, summary))
        summary = {
            "task": repr(task),
            "cell": described.get("cell", repr(model)),
            "model": repr(model),
            "engines": programs.engines,
            "length": task.length,
            "parameters": sum(leaf.size for leaf in jax.tree.leaves(runs[0].params)),
            "baseline": task.baseline,
            "references": task.references,
            "goal": standing.goal,
            **results.summarise([run.summary for run in runs]),
            "seconds": {name: round(value, 3) for name, value in seconds.items()},
            "settings": same_run.digest(described),
            "metrics": record.mark(),
            **machine,
        }
        hold.write(run_folder.SUMMARY, summary)
        if stopping := processes.highest(interrupts.asked)[0]:
            raise errors.Interrupted(
                f"interrupted after the last update; {checkpoints.last_good()}",
                stopping,
            )
        if set(outcomes) == {DIVERGED}:
            raise errors.Diverged(
                f"{standing.all_diverged(now)}; {checkpoints.last_good()}"
            )
    return results.Result(tuple(runs), summary)


def to_host(tree):
    """The tree on the default device of this process."""
    return jax.tree.map(jnp.asarray, jax.device_get(tree))


def of_run(tree, index: int):
    """One run's share of a tree with leaves [R, ...]."""
    return jax.tree.map(lambda leaf: leaf[index], tree)


@contextlib.contextmanager
def _timed(seconds: dict[str, float], name: str):
    begun = time.perf_counter()
    yield
    seconds[name] += time.perf_counter() - begun


def _may_differ(programs: updates.Programs, saved: dict) -> frozenset[str]:
    """The settings that may differ from those `saved` with the training."""
    free = CANNOT_CHANGE_THE_PAST
    if programs.schedule.uses_num_steps:
        free = free - {"num_steps"}
    if saved.get("on_nan") == "stop":  # then no update has been dropped
        free = free | {"on_nan"}
    return free
