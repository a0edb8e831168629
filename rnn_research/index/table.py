"""One table of many runs: a line for settings that differ, a column for the pivot."""

import statistics
from typing import Any, NamedTuple

from rnn_research import errors
from rnn_research.index import columns, query, values
from rnn_research.index.values import Asked, Value
from rnn_research.training.outcomes import ENDED, NO_BETTER

NO_GOAL = ENDED, NO_BETTER
SHOWN = 4  # names in a note


class Group(NamedTuple):
    """Runs that differ in their seeds alone, if the table tells all else apart."""

    settings: dict[str, Any]  # of the lines and the pivot
    value: Value


class Table(NamedTuple):
    """The table, in no format yet.

    Attributes:
      asked: the value in it.
      lines: names of the settings that tell lines apart.
      pivot: of the setting that is told by columns; None: there is one column.
      groups: in the order of lines, then columns.
      notes: what was left out, pooled or goes along, a line each.
    """

    asked: Asked
    lines: tuple[str, ...]
    pivot: str | None
    groups: list[Group]
    notes: list[str]

    @property
    def columns(self) -> list:
        """The values of the pivot, in order."""
        return _ordered({self._at(group) for group in self.groups})

    def _at(self, group: Group):
        return group.settings[self.pivot] if self.pivot else None

    def matrix(self) -> list[tuple[tuple, list[Value | None]]]:
        """Of each line its settings and its values by column."""
        found: dict[tuple, dict] = {}
        for group in self.groups:
            line = tuple(group.settings[name] for name in self.lines)
            found.setdefault(line, {})[self._at(group)] = group.value
        return [(line, list(map(own.get, self.columns))) for line, own in found.items()]

    @property
    def runs(self) -> int:
        """Of most groups."""
        return statistics.mode(group.value.runs for group in self.groups)

    @property
    def caption(self) -> str:
        of_all = all(group.value.runs == self.runs for group in self.groups)
        others = "" if of_all else ", unless another n is given"
        return f"{self.asked.caption}; n = {self.runs}{others}."


def table(
    rows: list[dict],
    *,
    value: str | None = None,
    pivot: str | None = None,
    lines: tuple[str, ...] | None = None,
    threshold: float | None = None,
) -> Table:
    """The table of the runs that have finished.

    Args:
      rows: of `index.read`.
      value: 'success', 'updates_to_solve', 'updates_to_threshold', or a column of
        numbers; None: the last with a threshold, success where the tasks say what
        solved is, else the test metric by which weights are chosen.
      pivot: the column whose values become columns; None: the length or another number,
        if one varies.
      lines: columns whose values become lines; None: all settings that vary.
      threshold: a validation loss.

    Raises:
      errors.UsageError: there is no such column, or no run has the value.
    """
    if not rows:
        raise errors.UsageError("there is no run to show")
    notes: list[str] = []
    done = [row for row in rows if row["outcome"] != columns.UNFINISHED]
    asked = _asked(value, threshold, done or rows)
    if len(done) < len(rows):
        notes.append(f"{_runs(len(rows) - len(done))} not finished and left out")
    shown = _having(done, asked, notes)
    pivot = query.column(pivot, shown, f"pivot={pivot}") if pivot else _pivot(shown)
    first = (pivot,) if pivot else ()
    if lines is None:
        lines = tuple(columns.varying(shown, first))
    else:
        lines = tuple(query.column(name, shown, f"rows={name}") for name in lines)
        lines = tuple(dict.fromkeys(name for name in lines if name != pivot))
    groups = _groups(shown, (*lines, *first), asked, notes)
    notes += _beside(shown, (*lines, *first))
    return Table(asked, lines, pivot, groups, notes)


def _asked(value: str | None, threshold: float | None, rows: list[dict]) -> Asked:
    if value is None:
        has_goal = any(row.get("goal") is not None for row in rows)
        of_task = values.SUCCESS if has_goal else rows[0].get("monitor") or "loss"
        value = of_task if threshold is None else values.TO_THRESHOLD
    if (value == values.TO_THRESHOLD) != (threshold is not None):
        raise errors.UsageError(
            f"a threshold goes with value={values.TO_THRESHOLD}, and that with a "
            "threshold; give both, or the threshold alone"
        )
    if value in values.DERIVED:
        return Asked(value, threshold)
    known = [*columns.known(rows), *values.DERIVED]
    if columns.found(value, known) is None:
        near = errors.nearest(value, [*values.DERIVED, *known])
        raise errors.UsageError(
            f"value={errors.cut(value, 80)}: no run has such a value{near}"
        )
    return Asked(columns.found(value, known))


def _having(rows: list[dict], asked: Asked, notes: list[str]) -> list[dict]:
    """The runs that have the value; of the others a note."""
    found = [row for row in rows if values.has(row, asked)]
    if not found:
        raise errors.UsageError(
            f"no finished run has the value {asked.name}; those there are have "
            f"{_listed(_numbers(rows)) or 'none'}"
        )
    if others := [row for row in rows if not values.has(row, asked)]:
        tasks = _listed(dict.fromkeys(str(row.get("task")) for row in others))
        why = f"without {asked.short}"
        if asked.name in (values.SUCCESS, values.TO_SOLVE):
            why = "of which nothing says what solved is"
        notes.append(f"{_runs(len(others))} left out, {why} ({tasks})")
    return found


def _numbers(rows: list[dict]) -> list[str]:
    """The metrics that rows have, then their other numbers that are no settings."""
    names = [name for name in columns.known(rows) if not columns.is_setting(name)]
    names = [n for n in names if any(query.is_number(row.get(n)) for row in rows)]
    return sorted(names, key=lambda name: not name.startswith(columns.TEST))


def _runs(count: int) -> str:
    return f"{count} run is" if count == 1 else f"{count} runs are"


def _listed(names) -> str:
    names = list(names)
    more = f" and {len(names) - SHOWN} more" * (len(names) > SHOWN)
    return ", ".join(errors.cut(name, 60) for name in names[:SHOWN]) + more


def _pivot(rows: list[dict]) -> str | None:
    """The length, or else the first number that varies."""
    varying = [
        name
        for name in columns.varying(rows)
        if all(query.is_number(row.get(name)) for row in rows)
    ]
    return "length" if "length" in varying else next(iter(varying), None)


def _groups(rows, names, asked: Asked, notes: list[str]) -> list[Group]:
    """The runs by these columns; one that is in two folders counts once."""
    found: dict[tuple, dict[tuple, dict]] = {}
    for row in rows:
        own = found.setdefault(tuple(map(row.get, names)), {})
        own.setdefault((row["digest"], row["seed"], row["learning_rate"]), row)
    twice = len(rows) - sum(map(len, found.values()))
    if twice:
        notes.append(
            f"{_runs(twice)} in two folders, with the same settings and seed, and "
            "counted once"
        )
    return [
        Group(
            dict(zip(names, place, strict=True)),
            values.of(list(found[place].values()), asked),
        )
        for place in sorted(found, key=lambda place: [*map(_order, place)])
    ]


def _beside(rows: list[dict], names: tuple[str, ...]) -> list[str]:
    """What else varies: within a group, or along with its settings."""
    pooled = columns.varying(rows, names)
    along = [
        name
        for name in columns.known(rows)
        if columns.is_setting(name)
        and name not in columns.WHERE | {*names, *pooled}
        and len({row.get(name) for row in rows}) > 1
    ]
    notes = []
    if pooled:
        notes.append(f"values are pooled over {_listed(map(columns.name, pooled))}")
    if along:
        notes.append(f"along with these vary: {_listed(map(columns.name, along))}")
    return notes


def _ordered(given) -> list:
    return sorted(given, key=_order)


def _order(value) -> tuple:
    """Numbers first, then texts, then what is not given."""
    if query.is_number(value):
        return 0, value, ""
    return (2, 0, "") if value is None else (1, 0, str(value))
