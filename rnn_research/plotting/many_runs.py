"""A value of many runs against a setting: colour is the cell."""

import math

from rnn_research.plotting import colors
from rnn_research.plotting.style import Where, legend_columns, new_figure, styled

MOST_PANELS = 3  # beside each other
DECADES = 30  # greatest over least, from which the value has a logarithmic axis
OCTAVES = 8  # that of the setting
MOST_TICKS = 8


@styled
def many_runs(
    points: list[dict],
    path: Where = None,
    *,
    x: str | None,
    y: str,
    is_share: bool = False,
):
    """A line for settings that differ, with the spread over runs as bars.

    A value that is infinite is a hollow triangle at the upper edge; so is, at its
    place, one that is only a lower bound.

    Args:
      points: with panel, line, cell, x, middle, low, high, and beyond and high_beyond,
        whether middle and high are lower bounds; x is a number.
      path: where to draw it, as `style.Where`.
      x: what x is; None: nothing, and each line is a row of its own.
      y: what the value is.
      is_share: whether it is from 0 to 1.
    """
    names = list(dict.fromkeys(point["panel"] for point in points))
    lines = list(dict.fromkeys(point["line"] for point in points))
    looks = _looks(points)
    columns = min(MOST_PANELS, len(names)) if x is not None else 1
    rows = -(-len(names) // columns)
    width = 5.2 if columns == 1 else 3.0 * columns + 0.4
    beside = legend_columns(lines, width)
    if x is None:
        height = rows * (1.0 + 0.24 * len(lines))
    else:
        height = (3.0 if rows == 1 else 2.5 * rows) + 0.2 * -(-len(lines) // beside)
    figure, grid = new_figure(path, columns, width, height, rows=rows)
    every = [axes for line in (grid if rows > 1 else [grid]) for axes in line]
    for unused in every[len(names) :]:
        unused.remove()
    panels = dict(zip(names, every, strict=False))
    for name, panel in panels.items():
        own = [point for point in points if point["panel"] == name]
        panel.set_title(name)
        if x is None:
            _rows(panel, own, looks, lines)
        else:
            _lines(panel, own, looks)
    _scales(list(panels.values()), points, x, y, is_share)
    if x is not None and len(lines) > 1:
        _legend(figure, every, looks, beside)
    return figure


def _looks(points) -> dict[str, dict]:
    """Colours by cell; of lines of one cell alone in turn."""
    cells = {point["line"]: point["cell"] for point in points}
    names = {colors.cell_of(cell) for cell in cells.values()}
    return colors.looks(cells) if len(names) > 1 else colors.in_turn(cells)


def _lines(panel, points, looks):
    """Lines beside each other, so that bars do not hide each other."""
    names = [name for name in looks if any(p["line"] == name for p in points)]
    every = [point["x"] for point in points]
    for place, name in enumerate(names):
        shift = (place - (len(names) - 1) / 2) * min(0.012, 0.12 / len(names))
        own = sorted((p for p in points if p["line"] == name), key=lambda p: p["x"])
        at = [_shifted(point["x"], shift, every) for point in own]
        bars = [[_bar(p, end) for p in own] for end in ("low", "high")]
        middle = [_finite(point["middle"]) for point in own]
        look = looks[name]
        panel.plot(at, middle, **look)
        panel.errorbar(
            at,
            middle,
            bars,
            fmt="none",
            ecolor=look["color"],
            elinewidth=0.9,
            capsize=2,
        )
        for point, x in zip(own, at, strict=True):
            _marks(panel, point, (x, point["middle"]), look["color"], "^")


def _rows(panel, points, looks, lines):
    """Each line a row, the value to the right."""
    for point in points:
        row, color = lines.index(point["line"]), looks[point["line"]]["color"]
        bars = [[_bar(point, end)] for end in ("low", "high")]
        middle = _finite(point["middle"])
        panel.errorbar([middle], [row], xerr=bars, fmt="none", ecolor=color, capsize=2)
        _marks(panel, point, (point["middle"], row), color, ">")
    panel.set_yticks(range(len(lines)), lines)
    panel.set_ylim(len(lines) - 0.5, -0.5)


def _shifted(x: float, shift: float, every: list[float]) -> float:
    if _is_log(every, OCTAVES):
        return x * (max(every) / min(every)) ** shift
    return x + (max(every) - min(every)) * shift


def _bar(point, end: str) -> float:
    """How long the bar is from the middle to an end; one that is infinite has none."""
    length = abs(point[end] - point["middle"])
    return length if math.isfinite(length) else 0.0


def _finite(value: float) -> float:
    return value if math.isfinite(value) else math.nan


def _marks(panel, point, place: tuple[float, float], color: str, arrow: str):
    """The value: a dot, or an arrow where more is meant than can be drawn."""
    look = {"color": color, "linestyle": "none", "markersize": 4, "zorder": 3}
    hollow = {"markerfacecolor": "white", "clip_on": False, "markersize": 5}
    if not math.isfinite(point["middle"]):
        is_up = arrow == "^"
        at = (place[0], 1.0) if is_up else (1.0, place[1])
        axes = panel.get_xaxis_transform() if is_up else panel.get_yaxis_transform()
        panel.plot(*at, marker=arrow, transform=axes, **look | hollow)
        return
    if point["beyond"]:
        panel.plot(*place, marker=arrow, **look | hollow)
        return
    panel.plot(*place, marker="o", **look)
    if point["high_beyond"]:
        high = (place[0], point["high"]) if arrow == "^" else (point["high"], place[1])
        panel.plot(*high, marker=arrow, **look | hollow | {"markersize": 4})


def _is_log(numbers: list[float], ratio: float) -> bool:
    """Whether numbers are so far apart that their logarithms are."""
    known = [number for number in numbers if math.isfinite(number)]
    return min(known, default=0) > 0 and max(known) >= ratio * min(known)


def _scales(panels, points, x: str | None, y: str, is_share: bool):
    """The same axes in all panels."""
    values = [p[end] for p in points for end in ("middle", "low", "high")]
    is_log = not is_share and _is_log(values, DECADES)
    for panel in panels:
        if x is not None:
            _scale_of_setting(panel, sorted({point["x"] for point in points}), x)
        value = panel.yaxis if x is not None else panel.xaxis
        if is_log:
            (panel.set_yscale if x is not None else panel.set_xscale)("log")
        if x is None:
            value.set_label_text(y)
    limits = "ylim" if x is not None else "xlim"
    low, high = _limits(panels, limits)
    if is_share:
        low, high = -0.03, 1.03
    elif not is_log and min(filter(math.isfinite, values), default=-1) >= 0:
        low = 0.0
    for panel in panels:
        getattr(panel, f"set_{limits}")(low, high)
    if x is not None:
        panels[0].set_ylabel(y)
        for panel in panels:
            panel.set_xlim(*_limits(panels, "xlim"))


def _limits(panels, name: str) -> tuple[float, float]:
    """What all panels show."""
    every = [getattr(panel, f"get_{name}")() for panel in panels]
    return min(low for low, _ in every), max(high for _, high in every)


def _scale_of_setting(panel, there: list[float], x: str):
    if _is_log(there, OCTAVES):
        panel.set_xscale("log")
    if len(there) <= MOST_TICKS:
        panel.set_xticks(there, [f"{at:g}" for at in there])
        panel.minorticks_off()
    panel.set_xlabel(x)


def _legend(figure, panels, looks, columns: int):
    dot = {"marker": "o", "markersize": 4}
    handles = [panels[0].plot([], [], **own, **dot)[0] for own in looks.values()]
    given = {"ncols": columns, "handlelength": 3.2}
    if len(panels) == 1:  # also where it is an Axes of the user's
        place = {"loc": "upper left", "bbox_to_anchor": (0, -0.18)}
        panels[0].legend(handles, looks, **place, **given)
    else:
        figure.legend(handles, looks, loc="outside lower left", **given)
