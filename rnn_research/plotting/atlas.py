"""The figures of the atlas: cells against tasks, and scores against time."""

import itertools
import statistics

from rnn_research.plotting import colors
from rnn_research.plotting.style import Where, legend_columns, new_figure, styled

ROW = 0.15  # inches of a cell's row
DARK = 0.55  # scores below have white numbers
POINT = 4  # pixels from the middle of a point to its edge
# Where a name stands, seen from its point: how far, and to the right and upwards.
DISTANCES = 4, 10, 18, 26  # in points; a line leads to all but the nearest
ROUND = (1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1)


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

    Cells that have a score of each task.

    Args:
      places: rows with cell, task, score and seconds.
      families: {what it is: its cells}; a colour for each.
      path: where to draw it, as `style.Where`.
      title: of the figure.
    """
    figure, (axes,) = new_figure(path, 1, 6.4, 6.4)
    looks, named = colors.in_turn(list(families)), []
    for name, own in families.items():
        points = [point for cell in own if (point := _point(cell, places))]
        if points:
            color = looks[name]["color"]
            x, y, _ = zip(*points, strict=True)
            axes.scatter(x, y, s=14, color=color, label=name)
            named += [(*point, color) for point in points]
    axes.set_xscale("log")
    axes.margins(x=0.12)  # for the names
    axes.set_xlabel("seconds of a run, the median over tasks")
    axes.set_ylabel("score, the mean over tasks")
    axes.set_ylim(None, 1)
    axes.set_title(title)
    handles, labels = axes.get_legend_handles_labels()
    ncols = legend_columns(labels, 6.4)
    figure.legend(handles, labels, loc="outside lower center", ncols=ncols)
    _name(axes, named)
    return figure


def _name(axes, points: list[tuple]):
    """Write (x, y, name, color) of points where nothing is yet, near the point."""
    from matplotlib.transforms import Bbox, offset_copy

    axes.figure.canvas.draw()  # from now on each point is where it stays
    taken = []
    for x, y, *_ in points:
        at = axes.transData.transform((x, y))
        taken.append(Bbox([at - POINT, at + POINT]))
    for x, y, name, color in points:
        for distance, (right, up) in itertools.product(DISTANCES, ROUND):
            by = distance * right, distance * up
            text = axes.text(
                x,
                y,
                name,
                transform=offset_copy(axes.transData, axes.figure, *by, "points"),
                ha={-1: "right", 0: "center", 1: "left"}[right],
                va={-1: "top", 0: "center", 1: "bottom"}[up],
                fontsize=5,
                color=color,
            )
            text.set_in_layout(False)
            box = text.get_window_extent()
            if any(box.overlaps(other) for other in taken):
                text.remove()
                continue
            taken.append(box)
            if distance > DISTANCES[0]:
                line = {"arrowstyle": "-", "lw": 0.3, "color": color}
                axes.annotate(
                    "", (x, y), by, textcoords="offset points", arrowprops=line
                )
            break


def _point(cell: str, places) -> tuple[float, float, str] | None:
    own = [place for place in places if place["cell"] == cell]
    if len(own) < len({place["task"] for place in places}):
        return None  # a mean over others of the tasks says nothing
    seconds = statistics.median(place["seconds"] for place in own)
    return seconds, statistics.mean(place["score"] for place in own), cell
