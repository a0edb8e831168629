"""The driver of measurements: all are checked, then each is measured once and kept.

    rows = driver.rows(measurements, folder)
    driver.write(folder, {"spectra": rows}, "spectra.png", plotting.spectra)

The rows of a measurement are kept in the folder as soon as it is finished, under the
hash of what they depend on, so that a sweep that is killed resumes when the same
command is given again, and a changed cell, setting or weight is measured anew.
"""

import math
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from rnn_research import errors
from rnn_research.diagnostics import table
from rnn_research.measurements import kept

SHOWN_AFTER = 2.0  # seconds


class Measurement(NamedTuple):
    """What is to be measured of a subject.

    Attributes:
      label: whose it is.
      trace: () -> arrays; everything that is computed, for jax.eval_shape.
      rows: () -> the rows of the table, dicts of texts and numbers.
      given: all that the rows depend on: a tree of values (cells, models, tasks),
        texts, numbers and arrays. None: the rows are not kept.
      headline: rows -> one line for a person.
    """

    label: str
    trace: Callable[[], Any]
    rows: Callable[[], list[dict]]
    given: Any = None
    headline: Callable[[list[dict]], str] | None = None


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


def rows(measurements: list[Measurement], folder: pathlib.Path) -> list[list[dict]]:
    """The rows of each measurement, those kept in the folder not measured again."""
    print(f"checking {len(measurements)} measurements", file=sys.stderr, flush=True)
    check(measurements)
    found = []
    paths = [kept.path(each, folder) for each in measurements]
    before = [path and kept.read(path) for path in paths]
    progress = Progress(len(before), sum(own is None for own in before))
    for each, path, own in zip(measurements, paths, before, strict=True):
        if own is None:
            progress.show(each.label)
            own = [kept.plain(row) for row in each.rows()]
            progress.done += 1
            if path:
                kept.write(path, own)
        if each.headline and own:
            print(each.headline(own), flush=True)
        found.append(own)
    return found


def write(folder: pathlib.Path, tables: dict, figure: str, draw, columns=None):
    """Write tables and figure and say where they are.

    Args:
      tables: {name without .csv: rows}; one without rows is left out.
      draw: called with the rows of every table, then the path of the figure.
      columns: of all tables; None: those of each table's first row.
    """
    for name, own in tables.items():
        if own:
            path = folder / f"{name}.csv"
            table.write_csv(own, path, columns=columns or tuple(own[0]))
            print(f"table:  {path}")
    draw(*tables.values(), folder / figure)
    print(f"figure: {folder / figure}")


class Progress:
    """Says on standard error what is measured, and how long the rest may take."""

    def __init__(self, count: int, todo: int):
        if todo < count:
            print(f"{count - todo} of {count} are kept", file=sys.stderr, flush=True)
        self.todo, self.done = todo, 0
        self.start = time.monotonic()

    def show(self, what: str):
        seconds = time.monotonic() - self.start
        line = f"{what} ({self.done + 1} of {self.todo}"
        if self.done and seconds > SHOWN_AFTER:
            rest = seconds / self.done * (self.todo - self.done)
            line += f", about {math.ceil(rest)} s left"
        print(f"{line})", file=sys.stderr, flush=True)
