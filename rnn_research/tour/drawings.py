"""What the applications' figures are made of, as inline SVG: words, looks, notes."""

import math
from collections.abc import Sequence

from rnn_research.plotting import colors
from rnn_research.tour import svg

LETTER = 9.4  # width of a letter on a phone, about
ROW = 30  # height of a line of words
PARTS = colors.VERMILION, colors.GREEN, colors.BLUE, colors.PURPLE


def words(lines: Sequence[Sequence[tuple[str, float]]], *, say: str) -> str:
    """Sentences, each word on a colour: of -1 in one, of 1 in another.

    The words at place n of all lines are marked while step n is shown.
    """
    parts, top = [], 8.0
    for sentence in lines:
        x = 4.0
        for step, (word, value) in enumerate(sentence):
            wide = LETTER * len(word) + 12
            if x + wide > svg.WIDTH:
                x, top = 4.0, top + ROW
            fill = svg.POSITIVE if value >= 0 else svg.NEGATIVE
            look = {"fill": fill, "opacity": 0.7 * min(1.0, abs(value)), "step": step}
            parts.append(svg.rect(x, top, wide - 3, ROW - 5, **look))
            parts.append(svg.text(x + wide / 2 - 1.5, top + 17, word, step=step))
            x += wide
        top += ROW + 12
    return svg.drawing(parts, say, svg.WIDTH, top)


def looks(
    read: Sequence[str], written: Sequence[str], shares: Sequence[Sequence[float]], say
) -> str:
    """What was looked at of the words `read` as each of `written` was written.

    Args:
      shares: [written][read]; each line sums to 1.
    """
    space = LETTER * max(map(len, written)) + 18
    top = 0.75 * LETTER * max(map(len, read)) + 20
    wide, high = min(44.0, (svg.WIDTH - space - 40) / len(read)), 26.0
    parts = []
    for place, word in enumerate(read):
        x = space + (place + 0.5) * wide
        parts.append(svg.text(x, top - 8, word, anchor="start", turn=-50))
    for step, (word, own) in enumerate(zip(written, shares, strict=True)):
        y = top + step * high
        parts.append(svg.text(space - 8, y + 17, word, anchor="end", step=step))
        for place, share in enumerate(own):
            x, told = space + place * wide, f"{read[place]}: {share:.2f}"
            look = {"fill": svg.POSITIVE, "opacity": share, "step": step, "say": told}
            parts.append(svg.rect(x + 0.5, y + 0.5, wide - 1, high - 1, **look))
    return svg.drawing(parts, say, svg.WIDTH, top + high * len(written) + 6)


def notes(sounding: Sequence[Sequence[float]], given: float, say: str) -> str:
    """A piano roll of (start, stop, pitch, part), time in quarter notes.

    Args:
      given: where what was given ends.
    """
    low = min(pitch for *_, pitch, _ in sounding) - 2
    high = max(pitch for *_, pitch, _ in sounding) + 2
    end = max(stop for _, stop, *_ in sounding)
    height, top = 5.0 * (high - low), 24.0
    scale = svg.Scale(0, end, 8, svg.WIDTH - 8)
    parts = []
    for start, stop, pitch, part in sounding:
        y, long = top + 5.0 * (high - pitch), scale(stop) - scale(start) - 0.6
        shade = PARTS[int(part) % len(PARTS)]
        parts.append(svg.rect(scale(start), y, max(1.0, long), 5.0, fill=shade))
    at = scale(given)
    parts.append(svg.line(at, 6, at, top + height, kind="level"))
    parts.append(svg.text(at - 6, 16, "given", anchor="end", kind="t"))
    parts.append(svg.text(at + 6, 16, "the network goes on", anchor="start", kind="t"))
    return svg.drawing(parts, say, svg.WIDTH, top + height + 6)


def pictures(frames: Sequence[dict], say: str, *, side: float = 74.0) -> str:
    """Pictures in lines, each with words below, and where it was looked at.

    Args:
      frames: with 'png' (in base64), 'told' and 'shares' [lines][columns]; a step each.
    """
    across = max(1, int(svg.WIDTH // (side + 12)))
    parts, high = [], side + 34
    for step, frame in enumerate(frames):
        x = (step % across) * (side + 12) + 4
        y = (step // across) * high + 4
        address = f"data:image/png;base64,{frame['png']}"
        parts.append(
            f'<image x="{x:.1f}" y="{y:.1f}" width="{side:g}" height="{side:g}" '
            f'href="{address}" data-step="{step}"/>'
        )
        parts += _looked_at(frame["shares"], x, y, side, step)
        parts.append(svg.text(x + side / 2, y + side + 16, frame["told"], step=step))
    height = high * math.ceil(len(frames) / across) + 4
    return svg.drawing(parts, say, svg.WIDTH, height)


def _looked_at(shares, x: float, y: float, side: float, step: int) -> list[str]:
    most, each = max(map(max, shares)), side / len(shares)
    return [
        svg.rect(
            x + column * each,
            y + line * each,
            each,
            each,
            fill=svg.NEGATIVE,
            opacity=0.6 * share / most,
            step=step,
        )
        for line, own in enumerate(shares)
        for column, share in enumerate(own)
        if share > 0.1 * most
    ]
