"""What a table says of the runs of a group: success, updates, any metric."""

import math
import statistics
from typing import NamedTuple

from rnn_research.index import columns
from rnn_research.training import results
from rnn_research.training.outcomes import DIVERGED, SOLVED

SUCCESS, TO_SOLVE, TO_THRESHOLD = "success", "updates_to_solve", "updates_to_threshold"
DERIVED = SUCCESS, TO_SOLVE, TO_THRESHOLD


class Value(NamedTuple):
    """A value over the runs of a group.

    Attributes:
      runs: that it is of.
      middle: the median; of success the share.
      low, high: the least and the greatest; of success the 95 % interval of Wilson.
      solved: runs that solved the task, of success alone.
      beyond: which of middle, low and high are lower bounds: updates that were not
        enough.
    """

    runs: int
    middle: float
    low: float
    high: float
    solved: int | None = None
    beyond: tuple[bool, bool, bool] = (False, False, False)


class Asked(NamedTuple):
    """The value that is asked for: one of `DERIVED`, or a column of numbers."""

    name: str
    threshold: float | None = None

    @property
    def is_success(self) -> bool:
        return self.name == SUCCESS

    @property
    def is_updates(self) -> bool:
        return self.name in (TO_SOLVE, TO_THRESHOLD)

    @property
    def short(self) -> str:
        """A name for the axis of a figure."""
        if self.name == TO_THRESHOLD:
            return f"updates to loss {self.threshold:g}"
        name = self.name.removeprefix(columns.TEST).replace("_", " ")
        return f"test {name}" if self.name.startswith(columns.TEST) else name

    @property
    def caption(self) -> str:
        """What a number is, in a sentence without its end."""
        spread = "median over runs, from least to greatest"
        return {
            SUCCESS: "Share of runs that solved the task, with Wilson's 95 % interval",
            TO_SOLVE: f"Updates until the task was solved, {spread}; > marks updates "
            "that were not enough",
            TO_THRESHOLD: f"Updates until the validation loss was below "
            f"{self.threshold}, {spread}; > marks updates that were not enough",
        }.get(self.name, f"{self.short[0].upper()}{self.short[1:]}, {spread}")


def has(row: dict, asked: Asked) -> bool:
    """Whether a run has the value."""
    if asked.name in (SUCCESS, TO_SOLVE):
        return row.get("goal") is not None
    if asked.name == TO_THRESHOLD:
        return bool(row["lows"]) or row["outcome"] == DIVERGED
    value = row.get(asked.name)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and not math.isnan(_worst(asked.name, value))


def of(rows: list[dict], asked: Asked) -> Value:
    """The value of runs that all have it."""
    if asked.is_success:
        solved = sum(row["outcome"] == SOLVED for row in rows)
        low, high = results.wilson(solved, len(rows))
        return Value(len(rows), solved / len(rows), low, high, solved)
    if asked.is_updates:
        return _updates([_time(row, asked) for row in rows])
    numbers = [_worst(asked.name, row[asked.name]) for row in rows]
    return Value(len(rows), *_spread(numbers))


def _worst(name: str, value: float) -> float:
    """A loss that is no number counts as one above all."""
    return math.inf if name.endswith("loss") and math.isnan(value) else value


def _spread(numbers) -> tuple[float, float, float]:
    return statistics.median(numbers), min(numbers), max(numbers)


def _time(row: dict, asked: Asked) -> tuple[int, bool]:
    """(updates, whether it had come there by then)."""
    if asked.name == TO_SOLVE:
        return row["updates"], row["outcome"] == SOLVED
    for step, loss in row["lows"]:
        if loss < asked.threshold:
            return step, True
    return row["updates"], False


def _updates(times: list[tuple[int, bool]]) -> Value:
    """Over times of which some are only bounds.

    A run that did not come there would have needed more than its updates. Median, least
    and greatest are known where it does not matter how many more.
    """
    least = _spread([time for time, _ in times])
    most = _spread([time if came else math.inf for time, came in times])
    beyond = tuple(a != b for a, b in zip(least, most, strict=True))
    return Value(len(times), *least, beyond=beyond)
