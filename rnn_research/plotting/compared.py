"""Figures of several trainings: colour is the cell, a panel is a length."""

import math
import re

from rnn_research.diagnostics.horizon import FORGOTTEN
from rnn_research.plotting import colors
from rnn_research.plotting.style import (
    Curve,
    Where,
    draw_level,
    legend_columns,
    new_figure,
    norm_panel,
    scale_of_losses,
    styled,
)

MOST_PANELS = 3  # beside each other


@styled
def compared_losses(entries, path: Where = None):
    """The validation loss of several trainings, with bands over seeds.

    Args:
      entries: of `report.read`.
      path: where to draw it, as `style.Where`.
    """
    figure, panels, looks = _panels([each for each in entries if each.loss], path)
    for panel, own in panels:
        for entry in own:
            look = looks[entry.length, entry.name]
            columns = (list(column) for column in zip(*entry.loss, strict=True))
            middle, low, high = columns
            panel.plot(entry.steps, middle, **look)
            band = {"color": look["color"], "alpha": 0.18, "linewidth": 0}
            panel.fill_between(entry.steps, low, high, **band)
        for baseline in {entry.baseline for entry in own} - {None}:
            draw_level(panel, baseline, "no memory")
        scale_of_losses(panel)
        panel.set_xlim(left=0)
        panel.set_xlabel("updates")
    panels[0][0].set_ylabel("validation loss")
    _one_scale([panel for panel, _ in panels])
    return figure


@styled
def compared_gradients(entries, path: Where = None):
    """The gradient by lag of several trainings, at the last moment measured.

    Args:
      entries: of `report.read`, with moments.
      path: where to draw it, as `style.Where`.
    """
    figure, panels, looks = _panels(entries, path)
    for panel, own in panels:
        lines = {entry.name: Curve() for entry in own}
        for entry in own:
            last = entry.moments[-1]
            for lag, value in zip(last.lags, last.log10, strict=True):
                lines[entry.name].add(lag, value)
        norm_panel(panel, lines, {name: looks[own[0].length, name] for name in lines})
        lowest, top = panel.get_ylim()  # the level is on the panel, and whole decades
        panel.set_ylim(min(lowest, math.log10(FORGOTTEN) - 0.2), max(top, 0.1))
        draw_level(panel, math.log10(FORGOTTEN), f"{FORGOTTEN:.0%} left")
        panel.set_xlim(left=0)
        panel.set_xlabel("lag $k$ (steps before the end)")
    panels[0][0].set_ylabel(
        r"$\|\partial L/\partial h_{T-k}\|\;/\;\|\partial L/\partial h_T\|$"
    )
    _one_scale([panel for panel, _ in panels])
    return figure


def _panels(entries, path):
    """The figure, a panel of each length with its entries, and the look of each line.

    The lengths are in the order of numbers; the legend is below all panels.
    """
    lengths = sorted({entry.length for entry in entries})
    by_length = {T: [each for each in entries if each.length == T] for T in lengths}
    looks = {
        (T, name): look
        for T, own in by_length.items()
        for name, look in colors.looks({e.name: e.cell for e in own}).items()
    }
    legend: dict[str, dict] = {}
    for (T, name), look in looks.items():
        legend.setdefault(_without_length(name, T) if len(lengths) > 1 else name, look)
    columns = min(MOST_PANELS, len(lengths))
    rows = -(-len(lengths) // columns)
    width = 5.2 if columns == 1 else 3.0 * columns + 0.4
    beside = legend_columns(legend, width)
    height = (3.0 if rows == 1 else 2.5 * rows) + 0.2 * -(-len(legend) // beside)
    figure, grid = new_figure(path, columns, width, height, rows=rows)
    axes = [axes for line in (grid if rows > 1 else [grid]) for axes in line]
    for unused in axes[len(lengths) :]:
        unused.remove()
    panels = list(zip(axes, by_length.values(), strict=False))
    for (panel, _), T in zip(panels, lengths, strict=True):
        panel.set_title(f"T = {T}")
    handles = [axes[0].plot([], [], **look)[0] for look in legend.values()]
    if columns == rows == 1:  # also where it is an Axes of the user's
        axes[0].legend(
            handles, legend, loc="upper left", bbox_to_anchor=(0, -0.18), ncols=beside
        )
    else:
        figure.legend(handles, legend, loc="outside lower left", ncols=beside)
    return figure, panels, looks


def _without_length(name: str, length: int) -> str:
    """The name of a line in a panel whose title says the length."""
    return re.sub(rf",? *\blength {length}\b", "", name).strip(", ") or name


def _one_scale(panels):
    low = min(panel.get_ylim()[0] for panel in panels)
    high = max(panel.get_ylim()[1] for panel in panels)
    for panel in panels:
        panel.set_ylim(low, high)
