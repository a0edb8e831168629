"""The driver of measurements: all are checked, then each is measured once and kept.

    rows = measure.rows(measurements, folder)
    measure.write(folder, {"spectra": rows}, "spectra.png", plotting.spectra)

The rows of a measurement are kept in the folder as soon as it is finished, under the
hash of what they depend on, so that a sweep that is killed resumes when the same
command is given again, and a changed cell, setting or weight is measured anew.
"""

import hashlib
import json
import math
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

import rnn_research
from rnn_research import errors, files, identity
from rnn_research.diagnostics import table

FOLDER = "measured"
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
    library = _library()
    paths = [_path(each, folder, library) for each in measurements]
    kept = [path and _read(path) for path in paths]
    progress = Progress(len(kept), sum(own is None for own in kept))
    for each, path, own in zip(measurements, paths, kept, strict=True):
        if own is None:
            progress.show(each.label)
            own = [_plain(row) for row in each.rows()]
            progress.done += 1
            if path:
                path.parent.mkdir(parents=True, exist_ok=True)
                files.write_atomically(path, _written(own))
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


def _path(each: Measurement, folder: pathlib.Path, library: str) -> pathlib.Path | None:
    """Where the rows are kept; None of what has no identity."""
    if each.given is None:
        return None
    written = pathlib.Path(each.rows.__code__.co_filename).read_bytes()
    machine = (jax.__version__, jax.default_backend(), jax.config.jax_enable_x64)
    try:
        parts = [library, repr(machine), each.label, *_described(each.given)]
    except errors.UsageError:
        return None
    content = "\n".join(parts).encode() + written
    return folder / FOLDER / f"{hashlib.sha256(content).hexdigest()[:32]}.json"


def _described(thing) -> list[str]:
    """Texts that tell a tree of values, texts, numbers and arrays from another."""
    if isinstance(thing, dict):
        thing = list(thing.items())
    if isinstance(thing, (list, tuple)):
        inner = [text for each in thing for text in _described(each)]
        return [f"{type(thing).__name__} {len(thing)}", *inner]
    if isinstance(thing, (jax.Array, np.ndarray)):
        numbers = np.asarray(thing)
        content = hashlib.sha256(np.ascontiguousarray(numbers)).hexdigest()
        return [f"{numbers.dtype}{numbers.shape} {content}"]
    if isinstance(thing, identity.LITERALS):
        return [repr(thing)]
    return [identity.text(thing), repr(sorted(identity.code(thing).items()))]


def _library() -> str:
    """The hash of the library's code."""
    root = pathlib.Path(rnn_research.__file__).parent
    found = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()


def _plain(row: dict) -> dict:
    """The row with Python's own numbers, as they are read back."""
    return {
        name: value.item() if isinstance(value, (np.generic, np.ndarray)) else value
        for name, value in row.items()
    }


def _written(rows: list[dict]) -> str:
    """As JSON, where numbers that it has not are spelled {"number": "-inf"}."""

    def spelled(value):
        is_number = not isinstance(value, float) or math.isfinite(value)
        return value if is_number else {"number": str(value)}

    plain = [{name: spelled(value) for name, value in row.items()} for row in rows]
    return json.dumps({"rows": plain}, allow_nan=False)


def _read(path: pathlib.Path) -> list[dict] | None:
    content = files.read_json(path)
    if content is None:
        return None
    if not isinstance(content.get("rows"), list):
        raise errors.RunError(f"{path} is damaged: it holds no rows; remove it")
    return [
        {
            name: float(value["number"]) if isinstance(value, dict) else value
            for name, value in row.items()
        }
        for row in content["rows"]
    ]
