"""The figure of a reproduced claim: what was measured beside what was published."""

import textwrap

from rnn_research.plotting import colors
from rnn_research.plotting.style import (
    Where,
    draw_level,
    legend_columns,
    new_figure,
    styled,
)

LETTERS = 13  # of a title, an inch
BAND = {"linestyle": "-", "linewidth": 5, "alpha": 0.25}


@styled
def reproduction(panels, lines, path: Where = None, *, title: str):
    """Panels of lines; a colour for each label, a broad band for what was published.

    Args:
      panels: `reproductions.Panel`s, side by side.
      lines: `reproductions.Line`s; of several of one label each seed is a line.
      path: where to draw it, as `style.Where`.
      title: of the figure.
    """
    width = max(5.0, 2.8 * len(panels) + 0.6)
    title = textwrap.fill(title, int(width * LETTERS))
    figure, axes = new_figure(path, len(panels), width, 3.1)
    labels = list(dict.fromkeys(line.label for line in lines))
    looks = colors.in_turn(labels)
    for panel, own in zip(panels, axes, strict=True):
        own.set_title(panel.title)
        own.set_xlabel(panel.x)
        own.set_ylabel(panel.y)
        for line in lines:
            if line.panel == panel.title:
                _draw(own, line, looks[line.label])
        if panel.log_x:
            own.set_xscale("log")
        if panel.log_y:
            own.set_yscale("log")
        else:
            _from_zero_where_flat(own)
        if panel.level:
            draw_level(own, *panel.level)
    measured = {line.label for line in lines if not line.published}
    shown = {
        name: look if name in measured else look | BAND for name, look in looks.items()
    }
    handles = [axes[0].plot([], [], **shown[label])[0] for label in labels]
    if any(line.published for line in lines):
        handles += axes[0].plot([], [], color="#444444", **BAND)
        labels.append("published or predicted")
    figure.suptitle(title, fontsize=9, fontweight="bold", x=0.02, ha="left")
    ncols = legend_columns(labels, width)
    figure.legend(handles, labels, loc="outside lower center", ncols=ncols)
    return figure


def _from_zero_where_flat(axes):
    """Lines that hardly differ look so: else their rounding would fill the panel."""
    low, high = axes.dataLim.intervaly
    if 0 < low and high - low < 0.1 * high:
        axes.set_ylim(0, 1.1 * high)


def _draw(axes, line, look: dict):
    if line.published:
        axes.plot(line.x, line.y, **look | BAND, zorder=1)
        return
    marker = {"marker": "o", "markersize": 3} if len(line.x) < 15 else {}
    axes.plot(line.x, line.y, **{"linewidth": 1.1, "alpha": 0.9, **look, **marker})
