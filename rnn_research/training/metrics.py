"""The record of a run: `metrics.jsonl`, TensorBoard events, log lines, progress bar."""

import contextlib
import hashlib
import json
import os
import pathlib
import socket
import statistics
import sys
import time

from rnn_research import processes, values
from rnn_research.training import checkpoints

FILE = "metrics.jsonl"


class Record:
    """The rows of the runs, kept in `metrics.jsonl` and as TensorBoard events.

    Attributes:
      rows: one dict an evaluation of a run, each with its 'seed', 'learning_rate' and
        'step'.
      last: the newest row of each run, None where there is none.
    """

    def __init__(
        self,
        folder: pathlib.Path | None,
        pairs: tuple[tuple[int, float], ...],
        *,
        mark: dict | None,
    ):
        """Open to append after `mark`, without the rows that follow it.

        Args:
          folder: None keeps rows only, as do all processes but the one that writes.
          pairs: (seed, learning rate) of each run.
          mark: where the checkpoint stood that training goes on from.
        """
        kept = _marked(folder / FILE, mark) if mark else b""
        self.rows = [json.loads(line) for line in kept.splitlines()]
        self.last = [(self.of(pair) or [None])[-1] for pair in pairs]
        self._pairs, self._file, self._events = pairs, None, {}
        self._digest, self._bytes = hashlib.sha256(kept), len(kept)
        if folder is None or processes.index() > 0:
            return
        self._path = folder / FILE
        self._file = self._path.open("ab")
        self._file.truncate(len(kept))
        for pair, row in zip(pairs, self.last, strict=True):
            name = f"seed{pair[0]}-rate{pair[1]:g}" if len(pairs) > 1 else ""
            self._events[pair] = Events(folder / name, after=row["step"] if row else 0)

    def of(self, pair: tuple[int, float]) -> list[dict]:
        """The rows of a run."""
        return [row for row in self.rows if key(row) == pair]

    def write(self, rows: list[dict]):
        lines = b"".join((json.dumps(row) + "\n").encode() for row in rows)
        self._digest.update(lines)
        self._bytes += len(lines)
        self.rows += rows
        for row in rows:
            self.last[self._pairs.index(key(row))] = row
        if self._file is None:
            return
        with self._failing():
            self._file.write(lines)
            self._file.flush()
            for row in rows:
                self._events[key(row)].write(row)

    def mark(self) -> dict:
        """Where the file stands; all of it is on disk when this returns."""
        if self._file:
            with self._failing():
                os.fsync(self._file.fileno())
        return {"bytes": self._bytes, "sha256": self._digest.hexdigest()}

    @contextlib.contextmanager
    def _failing(self):
        try:
            yield
        except OSError as error:
            raise values.RunError(
                f"the record in {self._path.parent} cannot be written: "
                f"{error.strerror}; mend that and give the same command to go on from "
                "the last checkpoint"
            ) from error

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for opened in (self._file, *self._events.values()):
            try:
                if opened:
                    opened.close()
            except OSError:  # of a full disk; it was said when it was met
                pass


class Events:
    """Rows as TensorBoard events, on disk when `write` returns.

    TensorBoardX's own writer keeps events in a queue for minutes, and on a full disk
    its thread dies and the queue blocks.
    """

    def __init__(self, folder: pathlib.Path, after: int):
        """Open a new file; of older ones TensorBoard hides what is after `after`."""
        from tensorboardX.proto import event_pb2
        from tensorboardX.record_writer import RecordWriter

        folder.mkdir(exist_ok=True)
        name = f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}"
        self._event = event_pb2.Event
        self._file = RecordWriter(str(folder / name))
        self._put(file_version="brain.Event:2")
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        self._put(step=after + 1, session_log=start)

    def write(self, row: dict):
        from tensorboardX import summary

        for name, value in _scalars(row):
            if name not in ("seed", "learning_rate"):
                scalar = summary.scalar(name, value)
                self._put(step=row["step"], summary=scalar)
        self._file.flush()

    def _put(self, **fields):
        event = self._event(wall_time=time.time(), **fields)
        self._file.write(event.SerializeToString())

    def close(self):
        self._file.close()


def _scalars(row: dict, prefix: str = ""):
    """(name, number) of all numbers in a row, `diagnostics/horizon` of what nests.

    Of a list each number has its place in the name: `diagnostics/gradient_log10/
    lag_00100` where the row says at which lags, else that in the list. What is None,
    not finite, is left out.
    """
    lags = row.get("gradient_lags")
    for name, value in row.items():
        if isinstance(value, dict):
            yield from _scalars(value, f"{prefix}{name}/")
        elif isinstance(value, list) and value is not lags:
            by_lag = lags is not None and len(value) == len(lags)
            places = [f"lag_{lag:05d}" for lag in lags] if by_lag else range(len(value))
            nested = {str(place): own for place, own in zip(places, value, strict=True)}
            yield from _scalars(nested, f"{prefix}{name}/")
        elif isinstance(value, (int, float)):
            yield prefix + name, value


def key(row: dict) -> tuple[int, float]:
    """The run that a row is of."""
    return row["seed"], row["learning_rate"]


def check(folder: pathlib.Path, mark: dict):
    """Raise Damaged unless metrics.jsonl still starts with what it held at `mark`."""
    _marked(folder / FILE, mark)


def _marked(path: pathlib.Path, mark: dict) -> bytes:
    try:
        kept = path.read_bytes()[: mark["bytes"]]
    except OSError as error:
        raise checkpoints.Damaged(f"{path} cannot be read: {error.strerror}") from error
    if hashlib.sha256(kept).hexdigest() != mark["sha256"]:
        raise checkpoints.Damaged(
            f"{path} no longer holds the {mark['bytes']} bytes written until then"
        )
    return kept


# What a row holds besides the task's own metrics.
COLUMNS = (
    "seed",
    "learning_rate",
    "step",
    "train_loss",
    "grad_norm",
    "largest_grad_norm",
    "dropped",
    "diagnostics",
)


def scores_of(row: dict) -> dict:
    """The task's metrics of a row."""
    return {name: value for name, value in row.items() if name not in COLUMNS}


class Progress:
    """What a person sees: a bar on a terminal, plain lines elsewhere, or nothing."""

    def __init__(self, total: int, baseline: float, *, quiet: bool = False):
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
            text += f" ({loss / self.baseline:.2f} x baseline)"
            self._bar.update(self._task, completed=step, text=text)

    def report(self, rows: list[dict]):
        """At an evaluation: one line that stays, over several runs their medians."""
        if self.quiet:
            return
        step = max(row["step"] for row in rows)
        loss = statistics.median(row["loss"] for row in rows)
        left = (self.total - step) / max(self._rate(step), 1e-9)
        parts = [f"update {step:>6}"]
        if len(rows) > 1:
            low, high = min(r["loss"] for r in rows), max(r["loss"] for r in rows)
            parts.append(f"{len(rows)} runs")
            spread = f"({low:.5f} to {high:.5f}, {loss / self.baseline:.3f} x baseline)"
        else:
            spread = f"({loss / self.baseline:.3f} x baseline)"
        train = [r["train_loss"] for r in rows if r["train_loss"] is not None]
        if train:
            parts.append(f"train loss {statistics.median(train):.5f}")
        parts.append(f"validation loss {loss:.5f} {spread}")
        parts += [
            f"{name} {statistics.median(row[name] for row in rows):.3f}"
            for name in rows[0]
            if name not in (*COLUMNS, "loss")
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

    def _rate(self, step: int) -> float:
        return (step - self._start) / (time.perf_counter() - self._begin)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
