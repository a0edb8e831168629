"""The loop of a recurrent network, folded and unrolled, drawn with real numbers."""

from collections.abc import Sequence
from typing import NamedTuple

from rnn_research.tour import svg

SIDE, HIGH, GAP = 92, 74, 40  # of a box, and between boxes
TOP, LEFT, HEIGHT = 62, 20, 216


class Step(NamedTuple):
    """One step: what was read, some of the state, what was given out."""

    x: str
    h: Sequence[float]
    y: str


def drawing(steps: Sequence[Step]) -> str:
    """The folded loop, an equals sign, and a box for each step."""
    first = LEFT + SIDE + 92
    width = first + len(steps) * (SIDE + GAP) + 30
    parts = [_folded(), svg.text(first - 46, TOP + HIGH / 2 + 7, "=", kind="equals")]
    for place, step in enumerate(steps):
        parts.append(_box(first + place * (SIDE + GAP), place + 1, step))
    parts.append(svg.text(width - 22, TOP + HIGH / 2 + 5, "…"))
    say = "A network whose state is an input of its next step, unrolled in time"
    return svg.drawing([_heads(), *parts], say, width, HEIGHT)


def _heads() -> str:
    return (
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path class="head" d="M0 0L8 4L0 8Z"/></marker>'
        "</defs>"
    )


def _arrow(path: str) -> str:
    return f'<path class="arrow" d="{path}" marker-end="url(#head)"/>'


def _folded() -> str:
    middle, side = LEFT + SIDE / 2, LEFT + SIDE
    loop = f"M{side} {TOP + 52}c46 0 46 -34 4 -34"
    return "".join(
        [
            svg.rect(LEFT, TOP, SIDE, HIGH, kind="box"),
            svg.text(middle, TOP + HIGH / 2 + 5, "h"),
            _arrow(loop),
            svg.text(side + 26, TOP + 72, "W_hh", anchor="middle", kind="t"),
            _ends(middle, "x", "y"),
        ]
    )


def _ends(middle: float, x: str, y: str) -> str:
    bottom = TOP + HIGH
    return "".join(
        [
            _arrow(f"M{middle} {bottom + 36}V{bottom + 3}"),
            svg.text(middle, bottom + 56, x, kind="letter"),
            svg.text(middle + 8, bottom + 24, "W_xh", anchor="start", kind="t"),
            _arrow(f"M{middle} {TOP}V{TOP - 26}"),
            svg.text(middle, TOP - 34, y, kind="letter"),
            svg.text(middle + 8, TOP - 9, "W_hy", anchor="start", kind="t"),
        ]
    )


def _box(left: float, time: int, step: Step) -> str:
    middle = left + SIDE / 2
    values = [
        svg.text(middle + 22, TOP + 22 + 20 * row, f"{value:+.2f}", anchor="end")
        for row, value in enumerate(step.h)
    ]
    return "".join(
        [
            _arrow(f"M{left - GAP} {TOP + HIGH / 2}H{left - 3}"),
            svg.rect(left, TOP, SIDE, HIGH, kind="box"),
            *values,
            _ends(middle, step.x, step.y),
            svg.text(middle, HEIGHT - 6, f"t = {time}", kind="t"),
        ]
    )
