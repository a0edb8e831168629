"""The progress of a training: log lines, and a bar on a terminal."""

import math
import statistics
import sys
import time

from rnn_research.training.record import scores_of


class Progress:
    """What a person sees: a bar on a terminal, plain lines elsewhere, or nothing."""

    def __init__(self, total: int, baseline: float | None, *, quiet: bool = False):
        self.total, self.baseline, self.quiet = total, baseline, quiet
        self._begin, self._start = time.perf_counter(), 0
        self._bar = None
        if sys.stderr.isatty() and not quiet:
            from rich import progress

            self._bar = progress.Progress(
                progress.TextColumn("{task.fields[text]}"),
                progress.BarColumn(bar_width=24),
                progress.TextColumn("{task.completed}/{task.total}"),
                progress.TimeRemainingColumn(),
                transient=True,
            )
            self._task = self._bar.add_task("", total=total, text="…")
            self._bar.start()

    def start_at(self, step: int):
        """Rates and remaining time count from here."""
        self._begin, self._start = time.perf_counter(), step

    def update(self, step: int, loss: float):
        """Between evaluations: move the bar."""
        if self._bar:
            text = f"{self._rate(step):5.1f} updates/s  loss {loss:.4g}"
            text += f" ({self._share(loss, 2)})"
            self._bar.update(self._task, completed=step, text=text)

    def report(self, rows: list[dict]):
        """At an evaluation: one line that stays, over several runs their medians."""
        if self.quiet:
            return
        step = max(row["step"] for row in rows)
        left = (self.total - step) / max(self._rate(step), 1e-9)
        parts = [f"update {step:>6}"]
        if len(rows) > 1:
            parts.append(f"{len(rows)} runs")
        made = [row for row in rows if row["train_loss"] is not None]
        if made:
            parts.append(f"train loss {_middle(made, 'train_loss', digits=5)}")
        parts.append(f"validation loss {_middle(rows, 'loss', digits=5)}")
        if known := [row["loss"] for row in rows if math.isfinite(row["loss"])]:
            spread = f"{min(known):.5f} to {max(known):.5f}, " * (len(rows) > 1)
            parts[-1] += f" ({spread}{self._share(statistics.median(known), 3)})"
        parts += [
            f"{name} {_middle(rows, name, digits=3)}"
            for name in scores_of(rows[0])
            if name != "loss"
        ]
        if dropped := sum(row["dropped"] for row in rows):
            parts.append(f"{dropped} updates dropped")
        parts.append(f"{self._rate(step):.1f} updates/s")
        self.say("  ".join((*parts, f"{_clock(left)} left")))

    def say(self, line: str):
        """A line of its own."""
        if self.quiet:
            return
        if self._bar:
            self._bar.console.print(line, highlight=False, soft_wrap=True)
        else:
            print(line, flush=True)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self._bar:
            self._bar.stop()

    def _share(self, loss: float, digits: int) -> str:
        if not self.baseline:
            return "the baseline is 0" if self.baseline == 0 else "no baseline"
        return f"{loss / self.baseline:.{digits}f} x baseline"

    def _rate(self, step: int) -> float:
        return (step - self._start) / (time.perf_counter() - self._begin)


def _middle(rows: list[dict], name: str, digits: int) -> str:
    """The median of a metric over the runs in which it is finite."""
    known = [row[name] for row in rows if math.isfinite(row[name])]
    if not known:
        return "not finite"
    text = f"{statistics.median(known):.{digits}f}"
    if missing := len(rows) - len(known):
        text += f" (not finite in {missing} of {len(rows)} runs)"
    return text


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
