"""Figures of pictures with captions."""

import textwrap

import numpy as np

from rnn_research.plotting.colors import COLORS
from rnn_research.plotting.style import Where, new_figure, styled

COLUMNS, LETTERS = 6, 24  # pictures beside each other, letters in a line below
RIGHT, WRONG = COLORS[2], COLORS[1]


@styled
def captioned(rows: list[dict], path: Where = None, *, title: str):
    """Pictures with what is said of them: green if it is right, else above the truth.

    Args:
      rows: with 'picture' [H, W, C] of uint8, 'said' and 'truth'.
      path: where to draw it, as `style.Where`.
    """
    lines = -(-len(rows) // COLUMNS)
    figure, axes = new_figure(path, COLUMNS, 8.4, 0.5 + 1.6 * lines, rows=max(2, lines))
    for each in axes.flat:
        each.axis("off")
    for each, row in zip(axes.flat, rows, strict=False):
        _show(each, row["picture"])
        is_right = row["said"] == row["truth"]
        y, told = -0.06, [(row["said"] or "(nothing)", RIGHT if is_right else WRONG)]
        if not is_right:
            told.append((row["truth"], "black"))
        for text, color in told:
            text = textwrap.fill(text.lower(), LETTERS)
            look = {"ha": "center", "va": "top", "fontsize": 5.5, "color": color}
            each.text(0.5, y, text, transform=each.transAxes, **look)
            y -= 0.075 * (1 + text.count("\n")) + 0.03
    figure.suptitle(title, fontweight="bold")
    return figure


@styled
def looked_at(rows: list[dict], path: Where = None, *, title: str):
    """Under each word of a caption its picture, light where it was looked at.

    Args:
      rows: with 'picture' [H, W, C] of uint8, 'truth', 'word' and 'share' [h, w] of
        attention, in reading order; a row a word, a line a picture.
      path: where to draw it, as `style.Where`.
    """
    captions: dict[str, list[dict]] = {}
    for row in rows:
        captions.setdefault(row["truth"], []).append(row)
    columns = max(map(len, captions.values()))
    size = 1.05 * columns, 0.4 + 1.35 * len(captions)
    figure, axes = new_figure(path, columns, *size, rows=max(2, len(captions)))
    for each in axes.flat:
        each.axis("off")
    for line, (truth, words) in zip(axes, captions.items(), strict=False):
        for each, row in zip(line, words, strict=False):
            _show(each, row["picture"])
            share = row["share"] / max(row["share"].max(), 1e-9)
            height, width = row["picture"].shape[:2]
            each.imshow(
                np.ones_like(share),
                cmap="Reds",
                vmin=0,
                vmax=1,
                alpha=0.65 * share,
                extent=(-0.5, width - 0.5, height - 0.5, -0.5),
                interpolation="bilinear",
            )
            each.set_title(row["word"].lower(), fontsize=7, fontweight="normal")
        line[0].text(
            0,
            -0.08,
            truth.lower(),
            transform=line[0].transAxes,
            fontsize=6,
            va="top",
            color="#444444",
            in_layout=False,
        )
    figure.suptitle(title, fontweight="bold")
    return figure


def _show(axes, picture: np.ndarray):
    """Ink is black if there is one colour."""
    if picture.shape[-1] == 1:
        axes.imshow(255 - picture[..., 0], cmap="gray", vmin=0, vmax=255)
    else:
        axes.imshow(picture)
