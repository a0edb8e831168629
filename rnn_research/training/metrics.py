"""The record of a run: `metrics.jsonl`, TensorBoard events, log lines, progress bar."""

import json
import pathlib
import sys
import time

from rnn_research import values
from rnn_research.training import run_folder


class Record:
    """The rows of a run, kept in `metrics.jsonl` and as TensorBoard events.

    Attributes:
      rows: one dict an evaluation, each with its 'step'.
    """

    def __init__(self, folder: pathlib.Path | None, *, resume_at: int):
        """Open to append, without the rows after `resume_at`; None keeps rows only."""
        self.rows, self._file, self._events = [], None, None
        if folder is None:
            return
        from tensorboardX import SummaryWriter

        path = folder / "metrics.jsonl"
        self.rows = [row for row in read(path) if row["step"] <= resume_at]
        lines = "".join(json.dumps(row) + "\n" for row in self.rows)
        run_folder.write_atomically(path, lines)
        self._file = path.open("a")
        # Events after the step of the checkpoint are hidden from TensorBoard.
        purge = resume_at + 1 if resume_at else None
        self._events = SummaryWriter(str(folder), purge_step=purge)

    def write(self, row: dict):
        self.rows.append(row)
        if self._file:
            self._file.write(json.dumps(row) + "\n")
            self._file.flush()
            for name, value in row.items():
                self._events.add_scalar(name, value, row["step"])

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self._file:
            self._file.close()
            self._events.close()


def read(path: pathlib.Path) -> list[dict]:
    """The rows of a metrics file; [] where there is none; a torn last line is left."""
    rows = []
    if path.exists():
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines, 1):
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                if number < len(lines):
                    raise values.RunError(f"{path}, line {number}: not JSON") from None
    return rows


class Progress:
    """What a person sees: a bar on a terminal, plain lines elsewhere, or nothing."""

    def __init__(self, total: int, start: int, baseline: float, *, quiet: bool = False):
        self.total, self.baseline, self.quiet = total, baseline, quiet
        self._begin, self._start = time.perf_counter(), start
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
            self._task = self._bar.add_task("", total=total, completed=start, text="…")
            self._bar.start()

    def update(self, step: int, loss: float):
        """Between evaluations: move the bar."""
        if self._bar:
            text = f"{self._rate(step):5.1f} updates/s  loss {loss:.4g}"
            text += f" ({loss / self.baseline:.2f} x baseline)"
            self._bar.update(self._task, completed=step, text=text)

    def report(self, step: int, row: dict, metrics: dict):
        """At an evaluation: one line that stays."""
        if self.quiet:
            return
        share = metrics["loss"] / self.baseline
        left = (self.total - step) / max(self._rate(step), 1e-9)
        others = "".join(
            f"  {name} {value:.3f}" for name, value in metrics.items() if name != "loss"
        )
        line = (
            f"update {step:>6}  train loss {row['train_loss']:.5f}  "
            f"test loss {metrics['loss']:.5f} ({share:.3f} x baseline){others}  "
            f"{self._rate(step):.1f} updates/s  {_clock(left)} left"
        )
        self.say(line)

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

    def _rate(self, step: int) -> float:
        return (step - self._start) / (time.perf_counter() - self._begin)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
