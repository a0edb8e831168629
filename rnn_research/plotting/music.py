"""Figures of music."""

import numpy as np

from rnn_research.data.music import GRID, LOWEST
from rnn_research.plotting.colors import COLORS
from rnn_research.plotting.style import Where, new_figure, styled

MARGIN = 3  # keys below all that sound, and twice as many above for a text


@styled
def piano_roll(frames: np.ndarray, path: Where = None, *, given: int):
    """What sounds, key by key over time, and where the network took over.

    Args:
      frames: [T, 88] of bool, a sixteenth each.
      path: where to draw it, as `style.Where`.
      given: how many of them the network was given.
    """
    figure, (axes,) = new_figure(path, 1, 7.4, 3.2)
    for first, stop, color in (
        (0, given, COLORS[7]),
        (given, len(frames), COLORS[0]),
    ):
        times, keys = np.nonzero(frames[first:stop])
        left = (first + times) / GRID
        axes.barh(keys + LOWEST, 1 / GRID, left=left, height=0.9, color=color)
    sounding = np.flatnonzero(frames.any(0)) + LOWEST
    low, high = (sounding[0], sounding[-1]) if len(sounding) else (60, 60)
    axes.set_ylim(low - MARGIN, high + 2 * MARGIN)
    axes.set_xlim(0, len(frames) / GRID)
    c = [key for key in range(0, 128, 12) if low - MARGIN <= key <= high + 2 * MARGIN]
    axes.set_yticks(c, [f"C{key // 12 - 1}" for key in c])
    axes.set_xlabel("quarter notes")
    axes.axvline(given / GRID, color=COLORS[1], linewidth=1.2)
    axes.annotate(
        "from here on by the network",
        (given / GRID, 1),
        xycoords=("data", "axes fraction"),
        xytext=(4, -4),
        textcoords="offset points",
        va="top",
        fontsize=7.5,
        color=COLORS[1],
    )
    axes.set_title("What was given (grey), what the network added (blue)", loc="left")
    return figure
