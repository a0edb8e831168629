"""Series: numbers measured over time, of an installed package or a CSV file.

    seattle_weather    daily, 2012 to 2015; needs the package vega_datasets
    stocks             ln price of five, monthly, 2000 to 2010; of the same package
    my_file.csv        any file with a line of column names

Cells that are empty, and times that are left out, are NaN: not there. Of an irregular
series no time is left out.
"""

import csv
import dataclasses
import datetime
import io
import math
import pathlib
import re

import numpy as np

from rnn_research import errors
from rnn_research.data.named_series import NAMED, SEATTLE_WEATHER, STOCKS
from rnn_research.data.packages import member
from rnn_research.data.provenance import Provenance, digest

__all__ = ["NAMED", "SEATTLE_WEATHER", "STOCKS", "Series", "parsed", "read"]
EMPTY = frozenset(("", "na", "nan", "n/a", "null", "none", "?"))
COMPACT = re.compile(r"([12]\d{3})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])?")
MOST_FILLED = 10  # times as many steps as rows: beyond, the step is not the data's


@dataclasses.dataclass(frozen=True, eq=False)
class Series:
    """Variables at regular times, or at others.

    Attributes:
      names: of the variables.
      values: [L, V] float64, NaN where nothing is known.
      times: [L], datetime64[s], or numbers where the times are none; increasing.
      provenance: where it comes from; None of arrays.
      season: the steps of its season, if it is known to have one.
      irregular: its steps are not of equal time.
    """

    names: tuple[str, ...]
    values: np.ndarray
    times: np.ndarray
    provenance: Provenance | None = None
    season: int = 1
    irregular: bool = False

    def __repr__(self) -> str:
        return f"Series({len(self.values)} x {', '.join(self.names)})"

    @property
    def is_dated(self) -> bool:
        return np.issubdtype(self.times.dtype, np.datetime64)

    def altered(self, values: np.ndarray) -> "Series":
        """The same times with other values."""
        return dataclasses.replace(self, values=np.asarray(values, float))

    def since(self, train: int) -> np.ndarray:
        """The time since the step before, [L], in units of its median in `train` steps.

        1 at the first.
        """
        apart = np.diff(self.times).astype(float)
        usual = np.median(apart[: train - 1]) if train > 1 else 1.0
        return np.concatenate([[1.0], apart / usual])

    def phases(self) -> np.ndarray:
        """Sine and cosine of the time of the year, [L, 2].

        With steps of less than a day those of the time of the day too, [L, 4]; [L, 0]
        without dates.
        """
        if not self.is_dated:
            return np.zeros((len(self.times), 0))
        year = self.times.astype("datetime64[Y]")
        length = (year + np.timedelta64(1, "Y")).astype("datetime64[s]") - year.astype(
            "datetime64[s]"
        )
        found = [(self.times - year.astype("datetime64[s]")) / length]
        day = np.timedelta64(1, "D")
        if (np.diff(self.times) < day).any():
            found += [(self.times - self.times.astype("datetime64[D]")) / day]
        turns = 2 * np.pi * np.stack(found, axis=1)
        return np.concatenate([np.sin(turns), np.cos(turns)], axis=1)


def read(
    source: str,
    *,
    variables: tuple[str, ...] | None = None,
    time: str | None = None,
    irregular: bool = False,
) -> Series:
    """The series of that name, or of a CSV file.

    Args:
      source: 'seattle_weather', 'stocks', or the path of a CSV file.
      variables: columns to read; default: all but `time`, and of the weather temp_max,
        temp_min, precipitation and wind.
      time: the column of times: dates (2012-01-31, 2012/01/31, 20120131, with 12:30
        behind, or months, 2012-01) or numbers. Steps that are left out become NaN.
        Without it rows are a step each.
      irregular: rows are a step each, at whatever times; needs `time`.

    Raises:
      errors.UsageError: there is no such file, column, number or regular step, times do
        not increase, or the package is not installed.
    """
    if source in NAMED:
        if irregular:
            raise errors.UsageError(
                f"the times of {source} are regular; irregular is of a file"
            )
        own = NAMED[source]
        about = {"licence": own.licence, "source": own.source}
        content, provenance = member("vega_datasets", own.path, **about)
        columns = {"variables": variables or own.variables, "time": time or "date"}
        found = parsed(own.made(content), source, **columns)
        return dataclasses.replace(found, provenance=provenance, season=own.season)
    path = pathlib.Path(source)
    try:
        content = path.read_bytes()
    except OSError as error:
        known = errors.nearest(source, NAMED)
        raise errors.UsageError(
            f"cannot read the series {source}: {error.strerror}; give "
            f"{' or '.join(NAMED)}, or the path of a CSV file{known}"
        ) from None
    own = {"variables": variables, "time": time, "irregular": irregular}
    found = parsed(content, path.name, **own)
    record = Provenance(path.name, "", path.name, digest(content), "", "a file")
    return dataclasses.replace(found, provenance=record)


def parsed(
    content: bytes,
    label: str,
    *,
    variables: tuple[str, ...] | None = None,
    time: str | None = None,
    irregular: bool = False,
) -> Series:
    """A CSV text as a series; see `read`.

    Args:
      label: what the text is called in messages.
    """
    names, rows = _table(content, label)
    if irregular and time is None:
        raise errors.UsageError(
            f"{label}: --irregular is of the times of rows; name their column: --time"
        )
    if time is not None:
        if time not in names:
            raise _no_column(label, time, names)
        rows = [row for row in rows if any(row)]
    variables = variables or tuple(name for name in names if name != time)
    for name in variables:
        if not name:
            raise errors.UsageError(
                f"{label}: column {names.index(name) + 1} has no name; if it counts "
                "the rows, name it and give --time; else choose others by --variables"
            )
        if name not in names:
            raise _no_column(label, name, names)
    if repeated := {name for name in variables if variables.count(name) > 1}:
        raise errors.UsageError(f"{label}: column {min(repeated)!r} is asked for twice")
    if not variables:
        raise errors.UsageError(f"{label}: there is no column beside {time!r}")
    columns = [_numbers(rows, names.index(name), name, label) for name in variables]
    values = np.stack(columns, axis=1)
    if time is None:
        return Series(variables, values, np.arange(len(values), dtype=float))
    times = _times([row[names.index(time)] for row in rows], time, label)
    if irregular:
        return Series(variables, values, times, irregular=True)
    times, places = _regular(times, f"{label}: {time}")
    whole = np.full((len(times), len(variables)), np.nan)
    whole[places] = values
    return Series(variables, whole, times)


def _table(content: bytes, label: str) -> tuple[list[str], list[list[str]]]:
    try:
        text = io.StringIO(content.decode("utf-8-sig"), newline=None)
        lines = list(csv.reader(text))
    except (UnicodeDecodeError, csv.Error) as error:
        raise errors.UsageError(
            f"{label} is no CSV text in UTF-8: {errors.one_line(error)}"
        ) from None
    while lines and not any(lines[-1]):
        lines.pop()
    first = next((at for at, row in enumerate(lines) if any(row)), len(lines))
    if len(lines) < first + 2:
        raise errors.UsageError(
            f"{label} has no rows; it needs a line of column names, then rows"
        )
    names, lines = [name.strip() for name in lines[first]], lines[first + 1 :]
    if len(names) == 1 and (mark := re.search("[;\t|]", names[0])):
        raise errors.UsageError(
            f"{label} has {mark[0]!r} between its columns, and a comma is needed; "
            "save it with commas, and numbers with a point: 1.5"
        )
    if all(_is_number(name) for name in names):
        raise errors.UsageError(
            f"{label} begins with numbers; its first line must hold the column names"
        )
    # An empty line is a missing value where there is one column, else no row.
    lines = [row or [""] for row in lines if row or len(names) == 1]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise errors.UsageError(f"{label}: two columns are called {twice!r}")
    for number, row in enumerate(lines, start=1):
        if len(row) != len(names):
            raise errors.UsageError(
                f"{label}: row {number} has {len(row)} cells where there are "
                f"{len(names)} columns"
            )
    return names, lines


def _no_column(label: str, name: str, names: list[str]) -> errors.UsageError:
    near = errors.nearest(name, names)
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    return errors.UsageError(f"{label} has no column {name!r}{near} (columns: {shown})")


def _numbers(rows, column: int, name: str, label: str) -> np.ndarray:
    found = np.full(len(rows), np.nan)
    for index, row in enumerate(rows):
        cell = row[column].strip()
        if cell.lower() in EMPTY:
            continue
        found[index] = float(cell) if _is_number(cell) else math.inf
        if not math.isfinite(found[index]):
            raise errors.UsageError(
                f"{label}: column {name!r} holds {errors.shown(cell)} in row "
                f"{index + 1}, which is no number; choose columns with --variables"
            )
    return found


def _is_number(cell: str) -> bool:
    """Python's own numbers may have '_' between digits; those of files do not."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _times(cells: list[str], name: str, label: str) -> np.ndarray:
    """Numbers [L], or dates as datetime64[s]; increasing."""
    found: list = []
    cells = [cell.strip() for cell in cells]
    if all(map(COMPACT.fullmatch, cells)):  # 20120131, which is no number of steps
        cells = [COMPACT.sub(r"\1-\2-\3", cell).rstrip("-") for cell in cells]
    for number, cell in enumerate(cells, start=1):
        try:
            found.append(_time(cell))
        except ValueError:
            raise errors.UsageError(
                f"{label}: {name} is {errors.shown(cell)} in row {number}, which is no "
                "date (2012-01-31, 2012-01-31 12:30, 2012-01) and no number"
            ) from None
    if len({type(each) for each in found}) > 1:
        raise errors.UsageError(f"{label}: {name} mixes dates and numbers")
    times = np.array(found)
    steps = np.diff(times)
    for wrong, word in (
        (steps == 0 * steps, "repeats"),
        (steps < 0 * steps, "is before"),
    ):
        if wrong.any():
            at = int(np.argmax(wrong))
            raise errors.UsageError(
                f"{label}: {name} {cells[at + 1]} in row {at + 2} {word} the one "
                "above; sort the rows by time, one a time"
            )
    return times


def _time(cell: str) -> float | np.datetime64:
    if not _is_number(cell):
        text = cell.replace("/", "-")
        month = re.fullmatch(r"\d{4}-\d\d", text)
        when = datetime.datetime.fromisoformat(text + "-01" * bool(month))
        if when.tzinfo is not None:
            when = when.astimezone(datetime.UTC).replace(tzinfo=None)
        return np.datetime64(when, "s")
    if not math.isfinite(float(cell)):
        raise ValueError(cell)
    return float(cell)


def _regular(times: np.ndarray, label: str) -> tuple[np.ndarray, np.ndarray]:
    """All times at the shortest step, or month by month, and the places of the given.

    Raises:
      errors.UsageError: the times do not lie on such steps.
    """
    if len(times) < 2:
        return times, np.arange(len(times))
    dated = np.issubdtype(times.dtype, np.datetime64)
    step = np.diff(times).min()
    places = (times - times[0]) / step
    whole = np.rint(places).astype(int)
    if np.allclose(places, whole, atol=1e-6, rtol=0):
        _check_filled(whole, len(times), label)
        return times[0] + np.arange(whole[-1] + 1) * step, whole
    months = times.astype("datetime64[M]") if dated else times
    within = times - months.astype("datetime64[s]") if dated else times
    if not dated or (within != within[0]).any():
        raise errors.UsageError(
            f"{label}: the times are not at equal steps: the shortest is {step}, and "
            "others are no multiple of it; give --irregular, or resample the file"
        )
    whole = (months - months[0]).astype(int)
    step = np.diff(whole).min()
    if (whole % step).any():
        step = 1
    _check_filled(whole // step, len(times), label)
    every = months[0] + np.arange(0, whole[-1] + 1, step)
    return every.astype("datetime64[s]") + within[0], whole // step


def _check_filled(places: np.ndarray, count: int, label: str):
    if places[-1] + 1 > MOST_FILLED * count:
        raise errors.UsageError(
            f"{label}: {places[-1] + 1} steps would hold only {count} rows; the "
            "shortest step is an exception: give --irregular, or resample the file"
        )
