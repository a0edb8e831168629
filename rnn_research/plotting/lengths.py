"""Figures of runs at other lengths than those of their training."""

import math

from rnn_research.plotting import colors
from rnn_research.plotting.style import (
    Curve,
    Where,
    draw_curve,
    new_figure,
    styled,
)


@styled
def by_length(
    rows: list[dict],
    path: Where = None,
    *,
    metric: str,
    label: str,
    title: str,
    trained,
):
    """A metric against the length; the lengths of training are shaded, chance dashed.

    Args:
      rows: of `measurements.lengths.rows`; the median over runs is drawn, in a band
        from the least to the greatest.
      path: where to draw it, as `style.Where`.
      label: of the runs, a cell.
      trained: the shortest and the longest length of training.
    """
    own = [row for row in rows if row["metric"] == metric]
    figure, (axes,) = new_figure(path, 1, 5.6, 3.4)
    curve = Curve()
    for row in own:
        curve.add(row["length"], row["value"])
    draw_curve(axes, curve, label, colors.looks([label])[label])
    known = {row["length"]: row["reference"] for row in own}
    known = dict(sorted((x, y) for x, y in known.items() if y is not None))
    if known:
        dashed = {"color": "#444444", "linewidth": 0.8, "linestyle": (0, (4, 3))}
        axes.plot([*known], [*known.values()], **dashed, label="chance")
    shade = {"color": "#000000", "alpha": 0.08, "linewidth": 0}
    low, high = trained
    if low == high:  # a width on a logarithmic axis
        low, high = low / 1.03, high * 1.03
    axes.axvspan(low, high, **shade, label="lengths of training")
    axes.set_xscale("log")
    shown = [max(row["length"] for row in own)]
    for length in sorted({row["length"] for row in own}, reverse=True):
        if length * 1.3 < shown[-1]:  # else their numbers overlap
            shown.append(length)
    axes.set_xticks(shown, map(str, shown))
    axes.minorticks_off()
    axes.set_xlabel("length")
    axes.set_ylabel(metric.replace("_", " "))
    values = [row["value"] for row in own]
    is_share = metric != "loss" and not metric.endswith("_loss")
    if is_share and all(math.isfinite(y) and 0 <= y <= 1 for y in values):
        axes.set_ylim(-0.03, 1.03)
    axes.set_title(title)
    figure.legend(loc="outside lower center", ncols=3)
    return figure
