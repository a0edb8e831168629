"""The state of each run: what is due, which continue, how each has ended."""

import math

import numpy as np

from rnn_research.tasks.base import Task
from rnn_research.training.state import GIVE_UP, PARTS, State, goes_on

DIVERGED, SOLVED, NOT_SOLVED, GOES_ON = "diverged", "solved", "not solved", ""
INTERRUPTED = "interrupted"  # of a training without a folder
ENDED, NO_BETTER = "ended", "no better"  # where nothing says what solved is; --patience


class Outcomes:
    """The rules by which runs are evaluated and end.

    `now` is what `numbers` gives, `last` the newest row of each run or None.

    Attributes:
      stop: a run stops at a validation loss below it.
      goal: a run that ends below it has solved the task; None: there is no such.
    """

    def __init__(self, config, task: Task):
        self._config, self._pairs = config, config.all_runs()
        self._places = {pair: index for index, pair in enumerate(self._pairs)}
        chosen = task.solved_at if config.stop_at is None else config.stop_at
        self.stop = chosen or -math.inf  # a loss, as -ln p may be, is below 0 too
        self.goal = chosen or task.solved_at

    def index(self, row: dict) -> int:
        """The place among the runs of the one that a row is of."""
        return self._places[row["seed"], row["learning_rate"]]

    def due(self, now: State, last: list[dict | None]) -> np.ndarray:
        """[R] whether a run has come to an evaluation that it has not had.

        One that is watched has its first before the first update.
        """
        config = self._config
        never = -1 if config.diagnose_every else 0
        evaluated = np.array([row["step"] if row else never for row in last])
        there = (now.step % config.eval_every == 0) | (now.step >= config.num_steps)
        return there & (now.step > evaluated) & goes_on(config, now)

    def rows(self, now: State, due: np.ndarray, scores: dict) -> list[dict]:
        """What is recorded of an evaluation, for each run that was due."""
        return [self._row(now, index, scores) for index in np.flatnonzero(due)]

    def _row(self, now: State, index: int, scores: dict) -> dict:
        seed, rate = self._pairs[index]
        made = int(now.made[index].sum())
        total = float(now.loss_sum[index].sum())
        return {
            "seed": seed,
            "learning_rate": rate,
            "step": int(now.step[index]),
            "train_loss": total / made if made else None,
            "train_losses": self._train_losses(now, index),
            "grad_norm": float(now.grad_norm[index]),
            "largest_grad_norm": float(now.largest_grad_norm[index]),
            "dropped": int(now.dropped[index]),
            **{name: float(each[index]) for name, each in scores.items()},
        }

    def _train_losses(self, now: State, index: int) -> list[list]:
        """[step, mean loss] of each part since the evaluation before with updates."""
        every, step = self._config.eval_every, int(now.step[index])
        before = (step - 1) // every * every
        return [
            [min(step, before + -(-every * (part + 1) // PARTS)), float(total / made)]
            for part, (total, made) in enumerate(
                zip(now.loss_sum[index], now.made[index], strict=True)
            )
            if made
        ]

    def is_diagnosed(self, now: State, row: dict, last: dict | None) -> bool:
        """Whether the run of a new row is measured there, `last` being the one before.

        At the start, at the first evaluation at or after each multiple of
        diagnose_every, and where the run ends.
        """
        every = self._config.diagnose_every
        seen = last["step"] // every if last else -1
        index = self.index(row)
        ends = self._outcome(now, index, row) != GOES_ON
        return row["step"] // every > seen or ends

    def outcomes(self, now: State, last: list[dict | None]) -> list[str]:
        """How each run has ended, or that it continues."""
        return [self._outcome(now, index, row) for index, row in enumerate(last)]

    def _outcome(self, now: State, index: int, row: dict | None) -> str:
        if not goes_on(self._config, now)[index]:
            return DIVERGED
        loss = row["loss"] if row else math.inf
        if row and row["step"] and loss < self.stop:
            return SOLVED
        patience = self._config.patience
        is_late = bool(patience) and now.best.since[index] >= patience
        if now.step[index] < self._config.num_steps and not is_late:
            return GOES_ON
        if self.goal is None:
            return NO_BETTER if is_late else ENDED
        return SOLVED if loss < self.goal else NOT_SOLVED

    def limits(self, now: State, active: np.ndarray, per_call: int):
        """[R] the step up to which each run is updated in the next call.

        None goes beyond the next evaluation of the active run that is furthest behind.
        """
        every = self._config.eval_every
        behind = now.step[active].min()
        border = min(behind - behind % every + every, self._config.num_steps)
        limit = np.minimum(now.step + per_call, border)
        return np.where(active, np.maximum(now.step, limit), now.step)

    # ------------------------------------------------------------------ messages

    def newly_diverged(self, before: State, now: State) -> list[str]:
        """One line for each of several runs that diverged since `before`."""
        if len(self._pairs) == 1:
            return []
        went_on, going_on = (goes_on(self._config, each) for each in (before, now))
        return [
            f"{self._name(index)} has diverged: {self._why_diverged(now, index)}"
            for index in np.flatnonzero(went_on & ~going_on)
        ]

    def all_diverged(self, now: State) -> str:
        """Why no run can continue, and what to do."""
        indices = range(len(self._pairs))
        whys = [self._why_diverged(now, index) for index in indices]
        if len(whys) > 1:
            whys = [f"{self._name(index)}: {whys[index]}" for index in indices]
        skip = "" if self._config.skips_nan else ", or --on_nan=skip"
        return f"{'; '.join(whys)}; try a smaller --learning_rate or --grad_clip{skip}"

    def _name(self, index: int) -> str:
        seed, rate = self._pairs[index]
        return f"seed {seed}, learning rate {rate:g}"

    def _why_diverged(self, now: State, index: int) -> str:
        step = int(now.step[index])
        if self._config.skips_nan:
            return f"none of the {GIVE_UP} updates up to {step} was finite"
        loss, norm = float(now.loss[index]), float(now.grad_norm[index])
        text = f"update {step + 1} has loss {loss:.4g} and gradient norm {norm:.4g}"
        if math.isfinite(loss) and math.isfinite(norm):
            text += " and gives weights or an optimizer's state that are not finite"
        return text
