"""The figures of the atlas: cells against tasks, and scores against time."""

import statistics

from rnn_research.plotting import colors
from rnn_research.plotting.style import Where, legend_columns, new_figure, styled

ROW = 0.15  # inches of a cell's row
DARK = 0.55  # scores below have white numbers


@styled
def atlas(places, families: dict[str, list[str]], path: Where = None, *, title: str):
    """A heat map: a row for each cell, below its family, a column for each task.

    Args:
      places: rows with cell, task and score, from 0 (no memory) to 1 (perfect).
      families: {what it is: its cells}, in order.
      path: where to draw it, as `style.Where`.
      title: of the figure.
    """
    import numpy as np

    rows = [row for name, own in families.items() for row in (name, *own)]
    tasks = list(dict.fromkeys(place["task"] for place in places))
    numbers = np.full((len(rows), len(tasks)), np.nan)
    height = 1.6 + ROW * len(rows)
    figure, (axes,) = new_figure(path, 1, 2.6 + 0.62 * len(tasks), height)
    for place in places:
        row, column = rows.index(place["cell"]), tasks.index(place["task"])
        numbers[row, column] = score = place["score"]
        ink = "white" if score < DARK else "black"
        centred = {"ha": "center", "va": "center"}
        axes.text(column, row, f"{score:.2f}", color=ink, fontsize=5.5, **centred)
    image = axes.imshow(numbers, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(tasks)), tasks, rotation=35, ha="right")
    of_cells = [row for row, name in enumerate(rows) if name not in families]
    axes.set_yticks(of_cells, [rows[row] for row in of_cells], fontsize=6.5)
    axes.grid(False)
    for name in families:
        axes.text(-0.45, rows.index(name) + 0.05, name, fontsize=6.5, va="center")
    figure.colorbar(image, ax=axes, label="0: no memory, 1: perfect", shrink=0.4)
    axes.set_title(title)
    return figure


@styled
def atlas_costs(places, families: dict[str, list[str]], path: Where = None, *, title):
    """Mean score of a cell over the tasks against the seconds of a run.

    Args:
      places: rows with cell, task, score and seconds.
      families: {what it is: its cells}; a colour for each.
      path: where to draw it, as `style.Where`.
      title: of the figure.
    """
    figure, (axes,) = new_figure(path, 1, 6.4, 4.6)
    looks = colors.in_turn(list(families))
    for name, own in families.items():
        points = [_point(cell, places) for cell in own]
        points = [point for point in points if point]
        if points:
            x, y, texts = zip(*points, strict=True)
            axes.scatter(x, y, s=18, color=looks[name]["color"], label=name)
            for point in zip(x, y, texts, strict=True):
                axes.annotate(
                    point[2], point[:2], (2, 2), textcoords="offset points", fontsize=5
                )
    axes.set_xscale("log")
    axes.margins(x=0.12)  # for the names
    axes.set_xlabel("seconds of a run, the median over tasks")
    axes.set_ylabel("score, the mean over tasks")
    axes.set_ylim(0, 1)
    axes.set_title(title)
    handles, labels = axes.get_legend_handles_labels()
    ncols = legend_columns(labels, 6.4)
    figure.legend(handles, labels, loc="outside lower center", ncols=ncols)
    return figure


def _point(cell: str, places) -> tuple[float, float, str] | None:
    own = [place for place in places if place["cell"] == cell]
    if not own:
        return None
    seconds = statistics.median(place["seconds"] for place in own)
    return seconds, statistics.mean(place["score"] for place in own), cell
