"""The driver of measurements: all are checked, then each is measured once and kept.

    def main(settings, machine):
        driver.run(settings, machine, plan, tables=("sizes",), draw=draw)

`plan(settings)` gives the measurements. The driver prepares the machine and the folder,
measures in full precision, says how long the rest may take, and writes the tables and
the figure. The rows of a measurement are kept in the folder as soon as it is finished,
under the hash of what they depend on (`kept`), so that a sweep that is killed resumes
when the same command is given again.
"""

import collections
import contextlib
import math
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from rnn_research import errors, runtime, waiting
from rnn_research.diagnostics import table
from rnn_research.measurements import kept
from rnn_research.runs import run_folder

SHOWN_AFTER = 2.0  # seconds

Rows = list[dict]


class Measurement(NamedTuple):
    """What is measured of one network.

    Attributes:
      label: whose it is. Several measurements may share it.
      trace: () -> arrays; everything that is computed, for jax.eval_shape.
      rows: () -> the rows of the table, dicts of texts and numbers. What it and `trace`
        close over tells whether rows that were kept are still valid.
      headline: (all rows of its label) -> lines for a person.
      table: its name; None: the first of the program.
    """

    label: str
    trace: Callable[[], Any]
    rows: Callable[[], Rows]
    headline: Callable[[Rows], str] | None = None
    table: str | None = None


def run(
    settings,
    machine: runtime.RunConfig,
    plan: Callable[[Any], list[Measurement]],
    *,
    tables: tuple[str, ...],
    draw: Callable | None = None,
    derived: dict[str, Callable[[Rows], Rows]] | None = None,
):
    """Measure what the settings ask for; write tables and figure, and say where.

    Args:
      settings: those of the program, with `workdir`.
      plan: (settings) -> the measurements.
      tables: names of the tables, each a CSV; the first names the figure too.
      draw: called with the rows of every table, then the path of the figure.
      derived: further tables by name, (rows of the first) -> rows.

    Raises:
      errors.UsageError: the folder cannot be written to, or a measurement has no
        meaning; then none is made.
    """
    runtime.start(machine, batch_size=1, hidden_size=1)  # on one device
    folder = pathlib.Path(settings.workdir)
    run_folder.check(folder)
    with jax.default_matmul_precision("highest"):
        with waiting.doing("reading cells, runs and data"):
            measurements = plan(settings)
        found = rows(measurements, folder)
    filled: dict[str, Rows] = {name: [] for name in tables}
    for each, own in zip(measurements, found, strict=True):
        filled[each.table or tables[0]].extend(own)
    further = {name: of(filled[tables[0]]) for name, of in (derived or {}).items()}
    for name, own in (filled | further).items():
        if own:
            path = folder / f"{name}.csv"
            columns = dict.fromkeys(column for row in own for column in row)
            table.write_csv(own, path, columns=tuple(columns))
            print(f"table:  {path} ({len(own)} rows)")
    if draw:
        figure = folder / f"{tables[0]}.png"
        with waiting.doing("drawing"):
            draw(*filled.values(), figure)
        print(f"figure: {figure}")


def rows(measurements: list[Measurement], folder: pathlib.Path) -> list[Rows]:
    """The rows of each measurement, those kept in the folder not measured again."""
    if not waiting.shows():
        print(f"checking {len(measurements)} measurements", file=sys.stderr, flush=True)
    with waiting.doing(f"checking {len(measurements)} measurements"):
        check(measurements)
    paths = _paths(measurements, folder)
    before = [path and kept.read(path) for path in paths]
    left = collections.Counter(each.label for each in measurements)
    of_label: dict[str, Rows] = {}
    found = []
    with Progress(len(before), sum(own is None for own in before)) as progress:
        for each, path, own in zip(measurements, paths, before, strict=True):
            if own is None:
                with progress.measuring(each.label):
                    own = [kept.plain(row) for row in each.rows()]
                if path:
                    kept.write(path, own)
            found.append(own)
            of_label.setdefault(each.label, []).extend(own)
            left[each.label] -= 1
            if each.headline and of_label[each.label] and not left[each.label]:
                for line in each.headline(of_label[each.label]).splitlines():
                    waiting.say(waiting.folded(line))
    progress.close()
    return found


def check(measurements: list[Measurement]) -> list[Measurement]:
    """The measurements, each traced, not computed.

    Raises:
      errors.UsageError: one that has no meaning, with its label.
    """
    for each in measurements:
        try:
            jax.eval_shape(each.trace)
        except errors.UsageError as error:
            raise errors.UsageError(f"{each.label}: {error}") from None
    return measurements


def _paths(measurements: list[Measurement], folder) -> list[pathlib.Path | None]:
    """Where the rows of each are kept; None where they are not, which is told."""
    paths, reasons = [], []
    for each in measurements:
        try:
            paths.append(kept.path(each, folder))
        except errors.UsageError as error:
            paths.append(None)
            reasons.append(f"{each.label}: {error}")
    if reasons:
        count = f"{len(reasons)} of {len(measurements)}"
        print(f"{count} are measured anew each time; {reasons[0]}", file=sys.stderr)
    return paths


class Progress:
    """What is measured, how long the rest may take, and at the end what it cost.

    A bar on a terminal and in a notebook, else a line on standard error for each.
    """

    def __init__(self, count: int, todo: int):
        if todo < count:
            print(f"{count - todo} of {count} are kept", file=sys.stderr, flush=True)
        self.todo, self.done = todo, 0
        self.start = time.monotonic()
        self.seconds: dict[str, list[float]] = {}
        self._open = contextlib.ExitStack()

    def __enter__(self):
        self._bar = self._open.enter_context(waiting.bar(self.todo))
        return self

    def __exit__(self, *error):
        self._open.close()

    @contextlib.contextmanager
    def measuring(self, label: str):
        """Say that this is measured, and note how long that takes."""
        begun = time.monotonic()
        self._bar.update(self.done, label)
        if not waiting.shows():
            print(self._line(label), file=sys.stderr, flush=True)
        yield
        self.done += 1
        self._bar.update(self.done)
        self.seconds.setdefault(label, []).append(time.monotonic() - begun)

    def _line(self, what: str) -> str:
        seconds = time.monotonic() - self.start
        line = f"{what} ({self.done + 1} of {self.todo}"
        if self.done and seconds > SHOWN_AFTER:
            rest = seconds / self.done * (self.todo - self.done)
            line += f", about {math.ceil(rest)} s left"
        return f"{line})"

    def close(self):
        """A table of what it cost, where anybody had to wait."""
        if len(self.seconds) < 2 or time.monotonic() - self.start < SHOWN_AFTER:
            return
        rows = [(own, len(each), sum(each)) for own, each in self.seconds.items()]
        rows.append(("all", self.done, sum(row[2] for row in rows)))
        table = waiting.table(("measured", "times", "seconds"), rows)
        print(table, file=sys.stderr, flush=True)
