"""Figures of sweeps of cells and remedies: each a function of tidy rows."""

import math
from collections.abc import Callable

from rnn_research.plotting import colors
from rnn_research.plotting.style import (
    Curve,
    Where,
    draw_curve,
    draw_level,
    legend_columns,
    new_figure,
    norm_panel,
    scale_of_losses,
    styled,
)


@styled
def training_course(rows: list[dict], path: Where = None, *, baseline: float, title):
    """Loss, longest gradient and spectral radius against updates; a column for a cell.

    A colour for each remedy, a thin line for each run.

    Args:
      rows: of metrics.jsonl, with cell and remedy.
      path: where to draw it, as `style.Where`.
      baseline: the loss without memory.
    """
    cells = list(dict.fromkeys(row["cell"] for row in rows))
    labels = list(dict.fromkeys(row["remedy"] for row in rows))
    looks = colors.in_turn(labels)
    figure, axes = new_figure(path, len(cells), 4.2 * len(cells) + 0.8, 6.2, rows=3)
    quantities = {
        "validation loss": lambda row: row["loss"],
        "longest gradient": lambda row: row["largest_grad_norm"] or None,  # 0: none yet
        "spectral radius": lambda row: row.get("diagnostics", {}).get(
            "spectral_radius"
        ),
    }
    for column, cell in enumerate(cells):
        for panels, (name, read) in zip(axes, quantities.items(), strict=True):
            panel = panels[column]
            for label in labels:
                own = [r for r in rows if (r["cell"], r["remedy"]) == (cell, label)]
                _draw_runs(panel, own, read, looks[label])
            if column == 0:
                panel.set_ylabel(name)
        top, middle, bottom = (panels[column] for panels in axes)
        top.set_title(cell)
        draw_level(top, baseline, "memoryless")
        scale_of_losses(top)
        middle.set_yscale("log")
        draw_level(bottom, 1, "1")
        bottom.set_xlabel("updates")
        for panel in (top, middle, bottom):
            panel.set_xlim(left=0)
    figure.suptitle(title, fontsize=9, fontweight="bold", x=0.02, ha="left")
    handles = [axes[0][0].plot([], [], **looks[label])[0] for label in labels]
    figure.legend(
        handles, labels, loc="outside lower center", ncols=min(5, len(labels))
    )
    return figure


def _draw_runs(axes, rows: list[dict], read: Callable, look: dict):
    runs: dict[tuple, list[tuple]] = {}
    for row in rows:
        if read(row) is not None:
            own = runs.setdefault((row["seed"], row["learning_rate"]), [])
            own.append((row["step"], read(row)))
    for line in runs.values():
        axes.plot(*zip(*line, strict=True), **look, linewidth=0.9, alpha=0.85)


@styled
def remedies(rows: list[dict], path: Where = None, *, baseline: float, title: str):
    """Where trainings with different remedies came to: a line a remedy, a dot a run.

    Args:
      rows: with cell, remedy, outcome, length, loss, updates, horizon,
        spectral_radius, largest_grad_norm; what was not measured is None; a horizon
        beyond all lags is infinite and drawn as an arrow at the length, a gradient that
        is not finite as one at the edge.
      path: where to draw it, as `style.Where`.
      baseline: the loss without memory.
    """
    cells = list(dict.fromkeys(row["cell"] for row in rows))
    names = list(dict.fromkeys(row["remedy"] for row in rows))
    columns = {
        "loss": "test loss",
        "updates": "updates made",
        "horizon": "lag where 1 % is left",
        "spectral_radius": "spectral radius",
        "largest_grad_norm": "longest gradient",
    }
    height = 1.5 + 0.17 * len(names) * (1 + len(cells))
    figure, axes = new_figure(path, len(columns), 1.55 * len(columns) + 1.2, height)
    spread, marks = 0.6 / max(1, len(cells)), _marks(cells)
    for panel, (quantity, label) in zip(axes, columns.items(), strict=True):
        for index, cell in enumerate(cells):
            offset = (index - (len(cells) - 1) / 2) * spread
            color = colors.color_of(cell)
            for row in rows:
                value = row[quantity]
                if row["cell"] != cell or value is None or math.isnan(value):
                    continue
                beyond = math.isinf(value)
                at_edge = beyond and quantity != "horizon"
                x = row["length"] if beyond else value
                panel.plot(
                    1.0 if at_edge else x,
                    names.index(row["remedy"]) + offset,
                    transform=panel.get_yaxis_transform()
                    if at_edge
                    else panel.transData,
                    marker=">" if beyond else marks[cell],
                    markersize=5,
                    markeredgecolor=color,
                    markerfacecolor=color if row["outcome"] == "solved" else "white",
                    clip_on=False,
                )
        if quantity in ("loss", "largest_grad_norm"):
            panel.set_xscale("log")
            panel.xaxis.set_minor_formatter("")
        else:
            panel.set_xlim(left=0)
        panel.set_xlabel(label)
        panel.set_yticks(range(len(names)), names if panel is axes[0] else [])
        panel.set_ylim(len(names) - 0.5, -0.5)
    axes[0].axvline(baseline, color="#444444", linewidth=0.8, linestyle=(0, (4, 3)))
    axes[3].axvline(1, color="#444444", linewidth=0.8, linestyle=(0, (4, 3)))
    axes[0].set_title(f"{title} (dashed: memoryless)")
    looks = {"linestyle": "none", "markersize": 5}
    entries = {
        cell: axes[0].plot(
            [], [], color=colors.color_of(cell), marker=marks[cell], **looks
        )[0]
        for cell in cells
    }
    hollow = {"color": "#444444", "markerfacecolor": "white"}
    entries["hollow: not solved"] = axes[0].plot([], [], marker="o", **looks, **hollow)[
        0
    ]
    figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=4)
    return figure


def _marks(cells: list[str]) -> dict[str, str]:
    """Of each cell a mark, another for those that have one colour."""
    every = [colors.color_of(cell) for cell in cells]
    before = [every[:index].count(color) for index, color in enumerate(every)]
    return {cell: "osD^"[at % 4] for cell, at in zip(cells, before, strict=True)}


@styled
def remedy_gradients(rows: list[dict], path: Where = None, *, title: str):
    """The gradient by lag where trainings came to: a panel a cell, a line a remedy.

    ||dL/dh_{T-k}|| / ||dL/dh_T||, the median over runs with a band from least to
    greatest.

    Args:
      rows: with cell, remedy, lag, relative_log10.
      path: where to draw it, as `style.Where`.
    """
    cells = list(dict.fromkeys(row["cell"] for row in rows))
    names = list(dict.fromkeys(row["remedy"] for row in rows))
    columns = 5
    height = 3.0 + 0.18 * -(-len(names) // columns)
    figure, axes = new_figure(path, len(cells), 4.2 * len(cells) + 0.8, height)
    for panel, cell in zip(axes, cells, strict=True):
        curves = {name: Curve() for name in names}
        for row in rows:
            if row["cell"] == cell:
                curves[row["remedy"]].add(row["lag"], row["relative_log10"])
        norm_panel(panel, curves, colors.in_turn(names))
        panel.set_xlim(left=0)
        panel.set_xlabel("lag $k$ (steps before the end)")
        panel.set_title(f"{cell}, {title}")
    axes[0].set_ylabel(
        r"$\|\partial L/\partial h_{T-k}\|\;/\;\|\partial L/\partial h_T\|$"
    )
    figure.legend(
        *axes[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=min(columns, len(names)),
    )
    return figure


@styled
def attention_beside(rows: list[dict], path: Where = None):
    """How well, how fast and with how much memory, against the length.

    A line of panels a task: the loss over that of the best baseline (below 1 is
    better), the seconds of an update, the memory of a gradient. The median over seeds
    with a band from least to greatest.

    Args:
      rows: of `runs.side_by_side.rows`, with label, task, length, loss, reference (of
        the loss), seconds, updates and gradient_mb.
      path: where to draw it, as `style.Where`.
    """
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    labels = list(dict.fromkeys(row["label"] for row in rows))
    looks = colors.looks(labels)
    figure, axes = new_figure(path, 3, 9.0, 0.6 + 2.5 * len(tasks), rows=len(tasks))
    panels = axes if len(tasks) > 1 else [axes]
    quantities = {
        "test loss / best baseline": lambda row: row["loss"] / row["reference"],
        "ms an update": lambda row: 1e3 * row["seconds"] / max(1, row["updates"]),
        "MB of a gradient": lambda row: row["gradient_mb"],
    }
    for task, line in zip(tasks, panels, strict=True):
        for panel, (name, read) in zip(line, quantities.items(), strict=True):
            for label in labels:
                curve = Curve()
                for row in rows:
                    if (row["task"], row["label"]) == (task, label):
                        curve.add(row["length"], read(row))
                draw_curve(panel, curve, label, looks[label])
            lengths = sorted({row["length"] for row in rows if row["task"] == task})
            panel.set_xscale("log")
            panel.set_xticks(lengths, map(str, lengths))
            panel.minorticks_off()
            panel.set_yscale("log")
            panel.set_xlabel("steps T")
            panel.set_ylabel(name)
        draw_level(line[0], 1)
        low, high = line[0].get_ylim()
        if low > 0.1:  # less than a decade needs no powers of ten
            line[0].set_yscale("linear")
            line[0].set_ylim(0, high)
        line[0].set_title(task.replace("_", " "))
    handles = panels[0][0].get_legend_handles_labels()
    beside = legend_columns(labels, 9.0)
    figure.legend(*handles, loc="outside upper left", ncols=beside)
    return figure


@styled
def memory_span(rows: list[dict], path: Where = None):
    """How long each network remembers, from the least to the greatest seed.

    Args:
      rows: with cell, span, least, greatest, tried and reach.
      path: where to draw it, as `style.Where`.
    """
    figure, (axes,) = new_figure(path, 1, 5.2, 1.0 + 0.36 * len(rows))
    for place, row in enumerate(rows):
        color = colors.color_of(row["cell"])
        axes.barh(place, row["span"], height=0.6, color=color, alpha=0.6)
        axes.plot([row["least"], row["greatest"]], [place] * 2, color=color)
        look = {"color": "#444444", "linestyle": "none", "markersize": 6}
        axes.plot(row["tried"], place, marker="|", **look | {"markersize": 14})
        axes.plot(min(row["reach"], row["tried"]), place, marker="D", **look | SMALL)
    names = {"|": "longest T tried", "D": "1 % of the gradient left before training"}
    for marker, name in names.items():
        axes.plot([], [], marker=marker, **look | SMALL, label=name)
    axes.set_yticks(range(len(rows)), [row["cell"] for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.set_xlabel("longest T that is learned: median of seeds, least to greatest")
    figure.legend(loc="outside upper left", ncols=2, fontsize=7.5)
    return figure


SMALL = {"markersize": 4}
