"""The progress of a training: a line at some evaluations, and a bar between them."""

import contextlib
import math
import statistics

from rnn_research import waiting
from rnn_research.training.record import scores_of

FIRST, MOST = 3, 40  # evaluations that have a line each, and about how many of all do

# What a line of a narrow terminal lacks first, since the bar or the record has it.
RATE, LEFT, METRIC, TRAINING, ALWAYS = range(5)


class Progress:
    """What a person sees: lines, below them a bar on a terminal or in a notebook.

    Lines are those of the first evaluations, then of about `MOST` of all, of the last
    and the best. The record has every evaluation.

    Args:
      total: updates.
      every: updates between evaluations.
      baseline: what a loss is compared with.
    """

    def __init__(
        self, total: int, every: int, baseline: float | None, *, quiet: bool = False
    ):
        self.total, self.baseline, self.quiet = total, baseline, quiet
        self._spacing = max(1.0, total / every / MOST)  # evaluations from line to line
        self._seen, self._best = 0, math.inf
        self._waits = None  # the line of the best evaluation, until it is printed
        self._open = contextlib.ExitStack()
        self._bar = None if quiet else self._open.enter_context(waiting.bar(total))

    def start_at(self, step: int):
        """Rates and remaining time count from here."""
        if self._bar:
            self._bar.start_at(step)

    def update(self, step: int, loss: float):
        """Between evaluations: move the bar."""
        if self._bar:
            text = f"{self._bar.rate:.1f} updates/s  loss {loss:.4g}"
            self._bar.update(step, f"{text} ({self._share(loss, 2)})")

    def report(self, rows: list[dict], last: bool = False):
        """At an evaluation: one line that stays, over several runs their medians."""
        if self.quiet:
            return
        line = fitting(self._parts(rows), waiting.width())
        before, self._seen = self._seen, self._seen + 1
        is_due = last or before < FIRST
        is_due |= before // self._spacing < self._seen // self._spacing
        known = [row["loss"] for row in rows if math.isfinite(row["loss"])]
        if (middle := statistics.median(known or [math.inf])) < self._best:
            self._best, self._waits = middle, None if is_due else line
        if last and self._waits:
            self.say(self._waits)
        if is_due:
            self.say(line)

    def _parts(self, rows: list[dict]) -> list[tuple[int, str]]:
        """What there is to say, each with how much it matters."""
        step = max(row["step"] for row in rows)
        parts = [(ALWAYS, f"update {step:>6}")]
        if len(rows) > 1:
            parts.append((ALWAYS, f"{len(rows)} runs"))
        made = [row for row in rows if row["train_loss"] is not None]
        if made:
            text = f"train loss {_middle(made, 'train_loss', digits=5)}"
            parts.append((TRAINING, text))
        parts.append((ALWAYS, f"validation loss {self._validation(rows)}"))
        parts += [
            (METRIC, f"{name} {_middle(rows, name, digits=3)}")
            for name in scores_of(rows[0])
            if name != "loss"
        ]
        if dropped := sum(row["dropped"] for row in rows):
            parts.append((ALWAYS, f"{dropped} updates dropped"))
        if rate := self._bar.rate:  # 0 until an update is made after resuming
            left = waiting.clock((self.total - step) / rate)
            parts += [(RATE, f"{rate:.1f} updates/s"), (LEFT, f"{left} left")]
        return parts

    def _validation(self, rows: list[dict]) -> str:
        text = _middle(rows, "loss", digits=5)
        if known := [row["loss"] for row in rows if math.isfinite(row["loss"])]:
            spread = f"{min(known):.5f} to {max(known):.5f}, " * (len(rows) > 1)
            text += f" ({spread}{self._share(statistics.median(known), 3)})"
        return text

    def say(self, line: str):
        """A line of its own."""
        if not self.quiet:
            waiting.say(line)

    def doing(self, text: str):
        """While entered, it is said that this is being done."""
        return doing(text, quiet=self.quiet)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._open.close()

    def _share(self, loss: float, digits: int) -> str:
        if not self.baseline:
            return "the baseline is 0" if self.baseline == 0 else "no baseline"
        return f"{loss / self.baseline:.{digits}f} x baseline"


def doing(text: str, *, quiet: bool):
    """While entered, it is said that this is being done, unless all is quiet."""
    return contextlib.nullcontext() if quiet else waiting.doing(text)


def fitting(parts: list[tuple[int, str]], width: int | None) -> str:
    """The parts in one line, without those that matter least if it is too wide."""
    parts = list(parts)
    line = "  ".join(text for _, text in parts)
    while width is not None and len(line) > width:
        least = min(parts, key=lambda part: part[0])
        if least[0] == ALWAYS:
            break
        parts.reverse()  # of several the last
        parts.remove(next(part for part in parts if part[0] == least[0]))
        parts.reverse()
        line = "  ".join(text for _, text in parts)
    return line


def _middle(rows: list[dict], name: str, digits: int) -> str:
    """The median of a metric over the runs in which it is finite."""
    known = [row[name] for row in rows if math.isfinite(row[name])]
    if not known:
        return "not finite"
    text = f"{statistics.median(known):.{digits}f}"
    if missing := len(rows) - len(known):
        text += f" (not finite in {missing} of {len(rows)} runs)"
    return text
