"""A table as points of a figure."""

from rnn_research import errors
from rnn_research.index import columns, formats, query
from rnn_research.index.table import Table

MOST_PANELS = 6
LONGEST = 40  # letters of a name


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
    panels = _names([_told([panel] if panel else [], place) for place in places])
    lines = _names([_told(line, place) or table.asked.short for place in places])
    return [
        {
            "panel": own_panel,
            "line": own_line,
            "cell": formats.setting(group.settings.get("cell", "")),
            "x": group.settings[x] if x else None,
            **_ends(group.value),
        }
        for group, own_panel, own_line in zip(table.groups, panels, lines, strict=True)
    ], x


def _names(texts: list[str]) -> list[str]:
    """The texts, cut to what a figure has room for, and still different."""
    short: dict[str, str] = {}
    for text in texts:
        name = errors.cut(text, LONGEST)
        if text not in short and name in short.values():
            name = f"{errors.cut(text, LONGEST - 5)} ({len(short) + 1})"
        short.setdefault(text, name)
    return [short[text] for text in texts]


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
