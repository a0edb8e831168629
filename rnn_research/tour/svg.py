"""Figures as inline SVG: complete on paper, in the colours of the page, light or dark.

The page's script marks a part with a `step` as the one of now. Nothing is hidden
without the script. Sizes are those of the drawing; the page scales it.
"""

import html
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rnn_research.plotting import colors

WIDTH, HEIGHT = 520, 280
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 14, 50  # margins of a chart
POSITIVE, NEGATIVE = colors.BLUE, colors.VERMILION
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class Curve(NamedTuple):
    """A line of a chart.

    Attributes:
      label: in the legend, "" for none; it names a cell, or its `color` is given.
      x, y: numbers; a y of None or NaN breaks the line.
      band: (low, high), each as y.
      color: '#rrggbb'; None: that of the cell the label names.
      points: a dot at each.
      dashes: as a stroke has them, such as "6 4".
      step: of the curve; see `base.Figure`.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    band: tuple[Sequence[float], Sequence[float]] | None = None
    color: str | None = None
    points: bool = False
    dashes: str = ""
    step: int | None = None


class Level(NamedTuple):
    """A dashed line across a chart, at y."""

    y: float
    label: str


class Scale(NamedTuple):
    """From numbers to places in the drawing."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high = (math.log10(v) if self.log else v for v in (self.low, self.high))
        own = math.log10(max(value, 1e-300)) if self.log else value
        share = (own - low) / ((high - low) or 1)
        return self.start + (self.end - self.start) * min(1.03, max(-0.03, share))


def color(value: str) -> str:
    """A colour as a variable of the page: '#0072B2' is var(--s-0072b2)."""
    return f"var(--s-{value.lstrip('#').lower()})"


def letter(content: str) -> str:
    """A letter as it is seen, also a space and the end of a line."""
    return {" ": "␣", "\n": "↵"}.get(content, content)


def drawing(parts: Iterable[str], say: str, width: float, height: float) -> str:
    """The parts as one SVG; `say` is for readers who do not see it."""
    size = f'viewBox="0 0 {width:g} {height:g}" style="--s-width:{width:g}"'
    label = f'role="img" aria-label="{html.escape(say)}"'
    return f"<svg {size} {label}>{''.join(parts)}</svg>"


def text(x, y, content, *, anchor="middle", kind="", step=None, turn=None) -> str:
    """Words at a place."""
    turned = f' transform="rotate({turn} {x:.1f} {y:.1f})"' if turn else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{_kind(kind, step)}'
        f"{turned}>{html.escape(str(content))}</text>"
    )


def rect(x, y, width, height, *, fill="", opacity=1.0, kind="", step=None, say=""):
    """A box; `fill` is a colour '#rrggbb', else that of its class."""
    look = f' style="fill:{color(fill)};fill-opacity:{opacity:.3g}"' if fill else ""
    title = f"<title>{html.escape(say)}</title>" * bool(say)
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
        f"{_kind(kind, step)}{look}>{title}</rect>"
    )


def line(x1, y1, x2, y2, *, kind="axis", step=None) -> str:
    """A straight line."""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
        f"{_kind(kind, step)}/>"
    )


def _kind(kind: str, step: int | None) -> str:
    return (f' class="{kind}"' if kind else "") + _step(step)


def _step(step: int | None) -> str:
    return "" if step is None else f' data-step="{step}"'


# ------------------------------------------------------------------------- lines


def lines(
    curves: Sequence[Curve],
    *,
    x: str,
    y: str,
    say: str,
    log_x: bool = False,
    log_y: bool = False,
    levels: Sequence[Level] = (),
    y_range: tuple[float, float] | None = None,
    height: float = HEIGHT,
) -> str:
    """A line chart.

    Args:
      x, y: what the axes show, with units.
      say: the chart in one sentence.
      y_range: (low, high); else what holds all curves.
    """
    legend, below = _legend(curves, height)
    found = y_range or _range(_values(curves, levels), log_y)
    sx = Scale(*_extent(curves), LEFT, WIDTH - RIGHT, log_x)
    sy = Scale(*found, height - BOTTOM, TOP, log_y)
    parts = _axes(sx, sy, x, y, height)
    for level in levels:
        at = sy(level.y)
        parts.append(line(LEFT, at, WIDTH - RIGHT, at, kind="level"))
        parts.append(text(WIDTH - RIGHT, at - 5, level.label, anchor="end", kind="t"))
    parts += [*(_curve(own, sx, sy) for own in curves), *legend]
    return drawing(parts, say, WIDTH, height + below)


def _known(value) -> bool:
    return value is not None and math.isfinite(value)


def _values(curves, levels) -> list[float]:
    found = [v for own in curves for v in own.y if _known(v)]
    found += [v for own in curves for side in own.band or () for v in side if _known(v)]
    return found + [level.y for level in levels]


def _extent(curves) -> tuple[float, float]:
    every = [v for own in curves for v in own.x] or [0.0, 1.0]
    return min(every), max(every)


def _range(values: list[float], log: bool) -> tuple[float, float]:
    values = [v for v in values if v > 0] if log else values
    low, high = (min(values), max(values)) if values else (0.1, 1.0)
    if log:
        low, high = 10 ** math.floor(math.log10(low)), 10 ** math.ceil(math.log10(high))
        return low, high if high > low else 10 * low
    space = 0.06 * ((high - low) or abs(high) or 1.0)
    return (low if low == 0 else low - space), high + space


def ticks(low: float, high: float, most: int, log: bool = False) -> list[float]:
    """Round numbers from low to high, at most about that many."""
    if log:
        first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high))
        every = max(1, math.ceil((last - first + 1) / most))
        found = [10.0**power for power in range(first, last + 1, every)]
        if len(found) > 2:
            return found
        ones = (m * 10.0**p for p in range(first - 1, last + 1) for m in (1, 2, 5))
        return [each for each in ones if low * 0.999 <= each <= high * 1.001]
    raw = (high - low) / max(1, most) or 1.0
    power = 10 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]


def number(value: float) -> str:
    """A number of an axis: 0.5, 200, 10⁻⁷."""
    if value and (abs(value) < 1e-3 or abs(value) >= 1e4):
        return power(math.log10(abs(value)))
    return f"{value:.4g}"


def power(exponent: float) -> str:
    """A power of ten, 10⁻⁷, by the nearest whole exponent."""
    return f"10{str(round(exponent)).translate(SUPERSCRIPTS)}"


def _axes(sx: Scale, sy: Scale, x: str, y: str, height: float) -> list[str]:
    bottom, parts = sy.start, []
    for value in ticks(sy.low, sy.high, 5, sy.log):
        at = sy(value)
        parts.append(line(LEFT, at, WIDTH - RIGHT, at, kind="grid"))
        parts.append(text(LEFT - 7, at + 4, number(value), anchor="end", kind="t"))
    for value in ticks(sx.low, sx.high, 6, sx.log):
        parts.append(text(sx(value), bottom + 19, number(value), kind="t"))
        parts.append(line(sx(value), bottom, sx(value), bottom + 4))
    parts.append(line(LEFT, bottom, WIDTH - RIGHT, bottom))
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, height - 10, x))
    parts.append(text(15, (sy.start + sy.end) / 2, y, turn=-90))
    return parts


def _curve(own: Curve, sx: Scale, sy: Scale) -> str:
    shade = color(own.color or colors.color_of(own.label))
    parts = []
    if own.band is not None:
        low, high = (
            [_at(sx, sy, *p) for p in zip(own.x, side, strict=True)]
            for side in own.band
        )
        path = "L".join(high + low[::-1])
        parts.append(f'<path class="band" style="fill:{shade}" d="M{path}Z"/>')
    pen, path = "M", ""
    for x, y in zip(own.x, own.y, strict=True):
        path += pen + _at(sx, sy, x, y) if _known(y) else ""
        pen = "L" if _known(y) else "M"
    dashes = f";stroke-dasharray:{own.dashes}" if own.dashes else ""
    parts.append(f'<path class="curve" style="stroke:{shade}{dashes}" d="{path}"/>')
    if own.points:
        parts += [
            f'<circle cx="{sx(x):.1f}" cy="{sy(y):.1f}" r="3.5" style="fill:{shade}"/>'
            for x, y in zip(own.x, own.y, strict=True)
            if _known(y)
        ]
    return f"<g{_step(own.step)}>{''.join(parts)}</g>"


def _at(sx: Scale, sy: Scale, x: float, y: float) -> str:
    return f"{sx(x):.1f},{sy(y):.1f}"


def _legend(curves, top: float) -> tuple[list[str], float]:
    """The legend below a chart, two a row if they are short, and its height."""
    labels = {own.label: own for own in reversed(curves) if own.label}
    across = 2 if max(map(len, labels), default=0) < 19 else 1
    parts = []
    for place, (label, own) in enumerate(reversed(labels.items())):
        x = LEFT + place % across * (WIDTH - LEFT) / 2
        y = top + 14 + 20 * (place // across)
        shade = color(own.color or colors.color_of(label))
        dashes = f";stroke-dasharray:{own.dashes}" if own.dashes else ""
        parts.append(
            f'<path class="curve" style="stroke:{shade}{dashes}" '
            f'd="M{x},{y - 4}h24"/>{text(x + 31, y, label, anchor="start")}'
        )
    return parts, 20 * math.ceil(len(labels) / across) + 4 * bool(labels)


# ------------------------------------------------------------------------- bars


def bars(
    names: Sequence[str],
    values: Sequence[float],
    *,
    say: str,
    shown: Sequence[str] | None = None,
    shades: Sequence[str] | None = None,
    steps: bool = False,
    space: float = 170,
) -> str:
    """Horizontal bars from zero, each with its name and its number.

    Args:
      shown: what stands at each bar; else its number.
      shades: '#rrggbb' of each; else those of the cells that the names begin with.
      space: for the names.
    """
    largest = max((v for v in values if _known(v)), default=1.0) or 1.0
    shades = shades or [colors.color_of(name) for name in names]
    row, width, parts = 26, WIDTH - space - 80, []
    for place, name in enumerate(names):
        value, shade = values[place], shades[place]
        y, step = place * row + 6, place if steps else None
        long = width * value / largest if _known(value) else 0
        told = shown[place] if shown else f"{value:.3g}"
        parts += [
            text(space - 8, y + 14, name, anchor="end", step=step),
            rect(space, y, max(1, long), row - 7, fill=shade, step=step),
            text(space + long + 7, y + 14, told, anchor="start", kind="t", step=step),
        ]
    return drawing(parts, say, WIDTH, row * len(names) + 8)


# ------------------------------------------------------------------------- heat maps


def heat(
    values: Sequence[Sequence[float]],
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    say: str,
    largest: float | None = None,
    steps: bool = True,
    shade: str = POSITIVE,
    below: Sequence[str] = (),
    space: float = 40,
    box: tuple[float, float] = (18, 16),
) -> str:
    """A heat map [rows][columns]: positive in one colour, negative in another.

    Args:
      columns: what stands above each, such as letters.
      below: what stands below each; largest: the number of full colour.
      space: for the names of the rows.
      box: width and height of one.
    """
    most = largest or max((abs(v) for own in values for v in own), default=1.0) or 1.0
    (wide, high), parts, top = box, [], 22
    for place, name in enumerate(columns):
        x, step = space + (place + 0.5) * wide, place if steps else None
        parts.append(text(x, top - 7, name, kind="letter", step=step))
        for index, own in enumerate(values):
            value = own[place]
            parts.append(
                rect(
                    x - wide / 2 + 0.5,
                    top + index * high + 0.5,
                    wide - 1,
                    high - 1,
                    fill=shade if value >= 0 else NEGATIVE,
                    opacity=min(1.0, abs(value) / most),
                    step=step,
                    say=f"{rows[index]}: {value:.3g}",
                )
            )
        if below:
            y = top + len(values) * high + 16
            parts.append(text(x, y, below[place], kind="letter", step=step))
    for index, name in enumerate(rows):
        y = top + (index + 0.5) * high + 4
        parts.append(text(space - 6, y, name, anchor="end", kind="t"))
    height = top + len(values) * high + (26 if below else 6)
    return drawing(parts, say, space + wide * len(columns) + 4, height)
