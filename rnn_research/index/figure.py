"""A table as points of a figure."""

from rnn_research.index import columns, formats, query
from rnn_research.index.table import Table

MOST_PANELS = 6


def points(table: Table) -> tuple[list[dict], str | None]:
    """The points of `plotting.many_runs`, and the setting that is x, None without one.

    x is the pivot, or else a setting of the lines, where it is a number that varies. A
    further setting with few values is told by panels, the others by lines.
    """
    names = [*([table.pivot] if table.pivot else ()), *table.lines]
    places = [group.settings for group in table.groups]
    numbers = [name for name in names if _is_axis([p[name] for p in places])]
    x = numbers[0] if numbers else None
    left = [name for name in names if name != x]
    varying = [name for name in left if len({p[name] for p in places}) > 1]
    others = [name for name in varying if name != "cell"]
    panel = next((name for name in others if _is_few([p[name] for p in places])), None)
    if len(varying) < 2:  # the lines tell it
        panel = None
    line = [name for name in varying if name != panel] or left[:1]
    return [
        {
            "panel": _told([panel] if panel else [], group.settings),
            "line": _told(line, group.settings) or table.asked.short,
            "cell": str(group.settings.get("cell", "")),
            "x": group.settings[x] if x else None,
            **_ends(group.value),
        }
        for group in table.groups
    ], x


def _ends(value) -> dict:
    middle, _, high = value.beyond
    return {
        "middle": value.middle,
        "low": value.low,
        "high": value.high,
        "beyond": middle,
        "high_beyond": high,
    }


def _is_axis(values: list) -> bool:
    return all(map(query.is_number, values)) and len(set(values)) > 1


def _is_few(values: list) -> bool:
    return 1 < len(set(values)) <= MOST_PANELS


def _told(names: list[str], settings: dict) -> str:
    """`gru, hidden size 16`; cells and tasks say what they are."""
    texts = [
        formats.setting(settings[name])
        if name in ("cell", "task")
        else f"{columns.name(name)} {formats.setting(settings[name])}"
        for name in names
    ]
    return ", ".join(texts)
