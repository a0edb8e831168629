"""The training loop, read from top to bottom.

One loop trains all runs, a run being a seed and a learning rate. A call makes many
updates; nothing depends on how the updates are cut into calls, or the runs set beside
each other, so a resumed run equals an uninterrupted one.
"""

import contextlib
import signal
import time

import jax
import numpy as np
import optax

from rnn_research import (
    endings,
    engines,
    errors,
    layers,
    models,
    notebook,
    processes,
)
from rnn_research.cells.base import Cell
from rnn_research.engines.base import Engine
from rnn_research.tasks.base import Task
from rnn_research.training import (
    evaluation,
    keeping,
    optimizers,
    penalties,
    results,
    scheduled_sampling,
    trainer,
)
from rnn_research.training.outcomes import DIVERGED, GOES_ON, INTERRUPTED, Outcomes
from rnn_research.training.progress import Progress, doing
from rnn_research.training.record import scores_of
from rnn_research.training.settings import TrainConfig
from rnn_research.training.state import numbers, of_each_run
from rnn_research.training.while_learning import WhileLearning

SECONDS_PER_CALL = 0.5


def train(
    model: Cell | layers.Layer | models.Model,
    task: Task,
    config: TrainConfig = TrainConfig(),
    *,
    engine: Engine = engines.auto(),
    optimizer: optimizers.Optimizer | optax.GradientTransformation = optimizers.adam(),
    schedule: optimizers.Schedule = optimizers.constant(),
    penalties: tuple[penalties.Penalty, ...] = (),
    sampling: scheduled_sampling.Sampling | None = None,
    keeper: keeping.InMemory | None = None,
    quiet: bool = False,
) -> results.Result:
    """Train `model` (a cell, a layer or a model) on `task`, once for each run.

    Args:
      config: the settings that are numbers.
      engine: how recurrences are evaluated.
      optimizer: a value of `training.optimizers`, or any optax transformation, which
        is taken whole: with its own learning rate, in place of those of the config.
      schedule: of the learning rate.
      penalties: terms added to the loss.
      sampling: how often the network reads tokens of its own, see
        `training.scheduled_sampling`; None: never.
      keeper: what keeps it; `runs.train` keeps it in a folder, to be resumed there.
      quiet: print nothing.

    Raises:
      errors.UsageError: settings that do not fit.
      errors.Diverged: no run has a finite loss and gradient any more.
      errors.RunError: the folder cannot be written to.
      errors.Interrupted: Ctrl-C or SIGTERM; saved, if there is a folder. Without one
        its `result` holds what there is, with the outcome 'interrupted' and no scores
        of test. In a notebook and at a prompt Ctrl-C returns that result instead.
    """
    with contextlib.ExitStack() as closing:
        with doing("reading data and checking that all fits", quiet=quiet):
            made = trainer.build(
                models.as_model(model, task),
                task,
                config,
                engine=engine,
                optimizer=optimizer,
                schedule=schedule,
                penalties=penalties,
                sampling=sampling,
            )
            closing.callback(made.supply.close)
            made.check()
        training = _Training(made, keeper or keeping.InMemory(), quiet, closing)
        try:
            return training.run()
        except errors.Interrupted as stopped:
            is_asked_here = (
                notebook.is_interactive() and stopped.number == signal.SIGINT
            )
            if stopped.result is None or not is_asked_here:
                raise
            training.progress.say(f"{stopped}; the result is what there is")
            return stopped.result


class _Training:
    """Where a training stands: the state of its runs and what was seen of them."""

    def __init__(self, made: trainer.Trainer, keeper, quiet: bool, closing):
        self.made, self.task, self.config = made, made.task, made.config
        self.outcomes = Outcomes(made.config, made.task)
        self.diagnosis = None
        if made.config.diagnose_every and made.engines:
            self.diagnosis = WhileLearning(made.model, made.task)
            self.diagnosis.check()
        then = "saving" if keeper.saves else "stopping"
        self.interrupts = closing.enter_context(endings.Interrupts(then=then))
        config = made.config
        progress = Progress(
            config.num_steps, config.eval_every, made.task.baseline, quiet=quiet
        )
        self.keeper = keeper
        closing.callback(keeper.close)
        keeper.claim(made, progress.say)
        self.progress = closing.enter_context(progress)

    def run(self) -> results.Result:
        """All of it, to the end."""
        self.start()
        while True:
            self.evaluate_what_is_due()
            if self.has_diverged:
                break
            self.save_or_stop()
            if not self.active.any():
                break
            self.update()
        return self.sum_up()

    def start(self):
        """Begin anew, or where the keeper has it."""
        self.progress.say(self.made.announcement)
        state = self.made.init()
        self.initial_params = of_each_run(state.params)
        self.state = self.keeper.restore(state)
        with self._timed("compile"), self.progress.doing("compiling"):
            self.evaluate = self.made.compile_evaluate(
                self.state, evaluation.VALIDATION
            )
        self.compiled_update = None  # when there is an update to make
        self.now = numbers(self.state)
        self.saved_at, self.per_call = self.now.step, 1

    def evaluate_what_is_due(self):
        """The runs that have come so far are evaluated, and recorded."""
        now, last, rows = self.now, self.keeper.rows.last, []
        self.due = due = self.outcomes.due(now, last)
        if due.any():
            with self._timed("run"), self.progress.doing("evaluating"):
                scores = self.evaluate(self.state.params, now.step, due)
                if self.made.tracks_best:
                    self.state = self.made.kept_best(self.state, scores, due)
                    self.now = now = numbers(self.state)
            rows = self.outcomes.rows(now, due, scores)
            self._diagnose(rows, last)
            self.keeper.check()
            self.keeper.write(rows)
        self.ends = self.outcomes.outcomes(now, self.keeper.rows.last)
        self.active = np.array([end == GOES_ON for end in self.ends])
        if rows and now.step.any():
            self.progress.report(rows, last=not self.active.any())

    def _diagnose(self, rows: list[dict], last: list[dict | None]):
        if not self.diagnosis:
            return
        with self._timed("run"), self.progress.doing("measuring gradients"):
            params = None
            for row in rows:
                own = self.outcomes.index(row)
                if self.outcomes.is_diagnosed(self.now, row, last[own]):
                    params = params or of_each_run(self.state.params)
                    row["diagnostics"] = self.diagnosis.measure(
                        params[own], row["seed"], row["step"]
                    )

    @property
    def has_diverged(self) -> bool:
        """Whether no run can go on."""
        return set(self.ends) == {DIVERGED}

    def save_or_stop(self):
        """Save where it is time to, and stop where there is reason to."""
        active = self.active.any()
        stopping = active and processes.highest(self.interrupts.asked)[0]
        added = (self.now.step - self.saved_at).max()
        long_ago = self.due.any() and added >= self.config.checkpoint_every
        if self.keeper.saves and added and (stopping or not active or long_ago):
            with self.progress.doing("saving"):
                self.keeper.save(self.state, int(self.now.step.sum()))  # always grows
            self.saved_at = self.now.step
        if stopping:
            last_good = self.keeper.last_good()
            resume = "; rerun the same command to resume" * self.keeper.can_resume
            raise errors.Interrupted(
                f"interrupted at update {int(self.now.step.max())}; "
                f"{last_good}{resume}",
                stopping,
                result=None if self.keeper.saves else self._so_far(),
            )

    def update(self):
        """Updates in one call, of about half a second."""
        if self.compiled_update is None:
            self.keeper.begins()
            with self._timed("compile"), self.progress.doing("compiling"):
                self.compiled_update = self.made.compile_update(self.state)
            self.progress.start_at(self._furthest())
        before, seconds = self.now, self.keeper.seconds
        spent = seconds["run"]
        with self._timed("run"):
            limits = self.outcomes.limits(before, self.active, self.per_call)
            self.state = self.compiled_update(self.state, limits)
            self.now = numbers(self.state)
        spent = seconds["run"] - spent
        made = int((self.now.step - before.step).max())
        per_call = max(1, int(SECONDS_PER_CALL * made / spent))
        (self.per_call,) = processes.highest(per_call)
        for line in self.outcomes.newly_diverged(before, self.now):
            self.progress.say(line)
        loss = float(np.median(self.now.loss[self.active]))
        self.progress.update(self._furthest(), loss)

    def _furthest(self) -> int:
        """Updates of the run that has come furthest, of those that go on."""
        return int(self.now.step[self.active].max())

    def sum_up(self) -> results.Result:
        """The result, with scores on data that nothing was chosen by."""
        with self.progress.doing("evaluating on test"):
            test = self.made.compile_evaluate(self.state, evaluation.TEST)
            every = np.ones(len(self.ends), bool)
            tests = test(self.state.kept, self.now.step, every)
        tests = [
            {name: float(each[index]) for name, each in tests.items()}
            for index in range(len(self.ends))
        ]
        runs = self._runs(tests)
        summary = self.keeper.finish(self._summary(runs))
        stopping = processes.highest(self.interrupts.asked)[0]
        if stopping:
            raise errors.Interrupted(
                f"interrupted after the last update; {self.keeper.last_good()}",
                stopping,
            )
        if self.has_diverged:
            why = self.outcomes.all_diverged(self.now)
            raise errors.Diverged(f"{why}; {self.keeper.last_good()}")
        return results.Result(tuple(runs), summary, self.keeper.folder)

    def _so_far(self) -> results.Result:
        """The result of a training that is stopped: the test split is not looked at."""
        self.ends = [INTERRUPTED if end == GOES_ON else end for end in self.ends]
        runs = self._runs([None] * len(self.ends))
        return results.Result(tuple(runs), self._summary(runs))

    def _runs(self, tests: list[dict | None]) -> list[results.Run]:
        """Every run with its summary."""
        kept = of_each_run(self.state.kept)
        return [self._run(index, kept[index], own) for index, own in enumerate(tests)]

    def _run(self, index: int, params, tests: dict | None) -> results.Run:
        """One run with its summary; None: it has no scores of test."""
        made, now = self.made, self.now
        seed, rate = pair = self.config.all_runs()[index]
        rows = self.keeper.rows.of(pair)
        step = int((now.best.step if made.keeps_best else now.step)[index])
        kept = [row for row in rows if row["step"] == step]
        if tests is not None:
            where = self.keeper.last_good()
            tests |= evaluation.asked(self.task, made.model, params, where)
        summary = {
            "seed": seed,
            "learning_rate": rate,
            "outcome": self.ends[index],
            "steps": int(now.step[index]),
            "kept_step": step,
            "dropped": int(now.dropped[index]),
            "largest_grad_norm": float(now.largest_grad_norm[index]),
            "validation": scores_of(kept[-1]) if kept else None,
            "test": tests,
            "steps_to_threshold": results.steps_to_thresholds(
                rows, self.task.thresholds
            ),
        }
        first = self.initial_params[index]
        return results.Run(seed, rate, first, params, rows, summary)

    def _summary(self, runs: list[results.Run]) -> dict:
        """The summary of all runs."""
        made, task = self.made, self.task
        seconds = self.keeper.seconds.items()
        return {
            "task": repr(task),
            "cell": repr(made.model),
            "model": repr(made.model),
            "engines": list(made.engines),
            "length": task.length,
            "parameters": sum(leaf.size for leaf in jax.tree.leaves(runs[0].params)),
            "baseline": task.baseline,
            "references": task.references,
            "limit": task.limit,
            "limits": task.limits,
            "goal": self.outcomes.goal,
            "monitor": task.monitor,
            **results.summarise([run.summary for run in runs]),
            "seconds": {name: round(value, 3) for name, value in seconds},
        }

    @contextlib.contextmanager
    def _timed(self, name: str):
        begun = time.perf_counter()
        yield
        self.keeper.seconds[name] += time.perf_counter() - begun
