"""Figures of trainings: each a function of the rows of metrics.jsonl."""

import math
import pathlib
from collections.abc import Callable

from rnn_research.diagnostics.horizon import FORGOTTEN
from rnn_research.plotting.style import (
    COLORS,
    Curve,
    dashes,
    draw_level,
    draw_line,
    label_ends,
    new_figure,
    norm_panel,
    save,
    styled,
)


@styled
def learning_curve(
    rows: list[dict],
    path: pathlib.Path,
    *,
    baseline: float,
    goal: float,
    title: str,
):
    """Loss against updates, with the memoryless baseline and the goal.

    One run: its training and validation loss. Several: the validation loss of each,
    thin, and their median at each learning rate.

    Args:
      rows: the rows of metrics.jsonl.
      path: the PNG to write.
      goal: the loss that counts as solved.
    """
    figure, (axes,) = new_figure(1, 5.2, 3.3)
    runs: dict[float, dict[int, list[dict]]] = {}
    for row in rows:
        by_seed = runs.setdefault(row["learning_rate"], {})
        by_seed.setdefault(row["seed"], []).append(row)
    if len(runs) == 1 and len(by_seed) == 1:
        draw_line(axes, rows, "train_loss", color="#999999", label="training")
        marker = "o" if len(rows) < 30 else None
        look = {"color": COLORS[0], "marker": marker, "markersize": 3}
        draw_line(axes, rows, "loss", label="validation", **look)
    else:
        for index, (rate, by_seed) in enumerate(runs.items()):
            _draw_seeds(axes, by_seed, rate, COLORS[index % len(COLORS)])
    axes.set_yscale("log")
    draw_level(axes, baseline, f"memoryless baseline {baseline:.3g}")
    draw_level(axes, goal, f"solved {goal:.3g}", side="left")
    axes.set_xlim(left=0)
    axes.set_xlabel("updates")
    axes.set_ylabel("loss")
    axes.set_title(title)
    axes.legend(loc="best")
    save(figure, path)


def _draw_seeds(axes, by_seed: dict[int, list[dict]], rate: float, color: str):
    steps = sorted({row["step"] for rows in by_seed.values() for row in rows})
    median = Curve()
    for rows in by_seed.values():
        draw_line(axes, rows, "loss", color=color, linewidth=0.6, alpha=0.5)
        for step in steps:  # a run that has stopped stays at its last loss
            so_far = [row["loss"] for row in rows if row["step"] <= step]
            if so_far:
                median.add(step, so_far[-1])
    seeds = f"{len(by_seed)} seed{'s' * (len(by_seed) > 1)}"
    label = f"learning rate {rate:g}, median of {seeds}"
    axes.plot(*median.line()[:2], color=color, label=label)


STRIPS = 8  # moments of a training that are drawn


@styled
def gradients_during_training(rows: list[dict], path: pathlib.Path, *, baseline: float):
    """A film strip: the gradient by lag at moments of a training, and the loss.

    Left: ||dL/dh_{T-k}|| against the lag k, dark to light as training goes on. Right:
    the validation loss, with these moments marked, and the memory horizon.

    Args:
      rows: of metrics.jsonl, of one run, with 'diagnostics'.
      path: the PNG to write.
      baseline: the loss without memory.
    """
    from matplotlib import colormaps

    figure, axes = new_figure(3, 9.6, 3.0)
    count = min(STRIPS, len(rows))
    chosen = [
        rows[round(i * (len(rows) - 1) / max(1, count - 1))] for i in range(count)
    ]
    palette = colormaps["viridis"]
    for index, row in enumerate(chosen):
        color = palette(0.9 * index / max(1, count - 1))
        found = row["diagnostics"]
        logs = [math.nan if v is None else v for v in found["gradient_log10"]]
        lags = found["gradient_lags"]
        label = f"update {row['step']}"
        axes[0].plot(lags, logs, color=color, linewidth=1.2, label=label)
        axes[1].plot(row["step"], row["loss"], color=color, marker="o", zorder=3)
    axes[0].set_xlabel("lag $k$ (steps before the end)")
    axes[0].set_ylabel(r"$\|\partial L/\partial h_{T-k}\|$")
    axes[0].yaxis.set_major_formatter(lambda value, _: f"$10^{{{value:g}}}$")
    axes[0].yaxis.get_major_locator().set_params(integer=True)
    axes[0].set_title("Gradient by lag")
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=len(chosen), fontsize=7)
    draw_line(axes[1], rows, "loss", color="#999999", linewidth=1)
    draw_level(axes[1], baseline)
    axes[1].set_yscale("log")
    axes[1].set_xlabel("updates")
    axes[1].set_ylabel("validation loss (dashed: memoryless)")
    axes[1].set_title("Loss")
    steps = [row["step"] for row in rows]
    horizons = [row["diagnostics"].get("horizon", math.nan) for row in rows]
    longest = max(rows[-1]["diagnostics"]["gradient_lags"])
    inside = [longest if horizon is None else horizon for horizon in horizons]
    axes[2].plot(steps, inside, color=COLORS[0], marker="o", markersize=3)
    draw_level(axes[2], longest)
    axes[2].set_ylim(bottom=0)
    axes[2].set_xlabel("updates")
    axes[2].set_ylabel("lag where 1 % is left (dashed: all)")
    axes[2].set_title("Memory horizon")
    save(figure, path)


@styled
def training_course(rows: list[dict], path: pathlib.Path, *, baseline: float, title):
    """Loss, longest gradient and spectral radius against updates; a column for a cell.

    A colour for each remedy, a thin line for each run.

    Args:
      rows: of metrics.jsonl, with cell and remedy.
      path: the PNG to write.
      baseline: the loss without memory.
    """
    cells = list(dict.fromkeys(row["cell"] for row in rows))
    labels = list(dict.fromkeys(row["remedy"] for row in rows))
    figure, axes = new_figure(len(cells), 4.2 * len(cells) + 0.8, 6.2, rows=3)
    quantities = {
        "validation loss": lambda row: row["loss"],
        "longest gradient": lambda row: row["largest_grad_norm"],
        "spectral radius": lambda row: row.get("diagnostics", {}).get(
            "spectral_radius"
        ),
    }
    for column, cell in enumerate(cells):
        for panels, (name, read) in zip(axes, quantities.items(), strict=True):
            panel = panels[column]
            for index, label in enumerate(labels):
                own = [r for r in rows if (r["cell"], r["remedy"]) == (cell, label)]
                _draw_runs(panel, own, read, COLORS[index % len(COLORS)], label)
            if column == 0:
                panel.set_ylabel(name)
        top, middle, bottom = (panels[column] for panels in axes)
        top.set_title(cell)
        draw_level(top, baseline, "memoryless")
        top.set_yscale("log")
        middle.set_yscale("log")
        draw_level(bottom, 1)
        bottom.set_xlabel("updates")
        for panel in (top, middle, bottom):
            panel.set_xlim(left=0)
    figure.suptitle(title, fontsize=9, fontweight="bold", x=0.02, ha="left")
    handles = [
        axes[0][0].plot([], [], color=COLORS[index % len(COLORS)])[0]
        for index in range(len(labels))
    ]
    figure.legend(
        handles, labels, loc="outside lower center", ncols=min(5, len(labels))
    )
    save(figure, path)


def _draw_runs(axes, rows: list[dict], read: Callable, color: str, label: str):
    runs: dict[tuple, list[tuple]] = {}
    for row in rows:
        if read(row) is not None:
            own = runs.setdefault((row["seed"], row["learning_rate"]), [])
            own.append((row["step"], read(row)))
    for line in runs.values():
        axes.plot(*zip(*line, strict=True), color=color, linewidth=0.9, alpha=0.85)


@styled
def remedies(rows: list[dict], path: pathlib.Path, *, baseline: float, title: str):
    """Where trainings with different remedies came to: a line a remedy, a dot a run.

    Args:
      rows: with cell, remedy, outcome, length, loss, updates, horizon,
        spectral_radius, largest_grad_norm; what was not measured is None; a horizon
        beyond all lags is infinite and drawn as an arrow at the length, a gradient that
        is not finite as one at the edge.
      path: the PNG to write.
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
    figure, axes = new_figure(len(columns), 2.1 * len(columns) + 1.2, height)
    spread = 0.6 / max(1, len(cells))
    for panel, (quantity, label) in zip(axes, columns.items(), strict=True):
        for index, cell in enumerate(cells):
            offset = (index - (len(cells) - 1) / 2) * spread
            color = COLORS[index % len(COLORS)]
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
                    marker=">" if beyond else "o",
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
    looks = {"linestyle": "none", "marker": "o", "markersize": 5}
    entries = {
        cell: axes[0].plot([], [], color=COLORS[index % len(COLORS)], **looks)[0]
        for index, cell in enumerate(cells)
    }
    hollow = {"color": "#444444", "markerfacecolor": "white"}
    entries["hollow: not solved"] = axes[0].plot([], [], **looks, **hollow)[0]
    figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=4)
    save(figure, path)


@styled
def compared_losses(entries, path: pathlib.Path):
    """The validation loss of several trainings, with bands over seeds.

    Args:
      entries: of `report.read`.
      path: the PNG or SVG to write.
    """
    figure, (axes,) = new_figure(1, 5.2, 3.3)
    ends = []
    for index, entry in enumerate(entries):
        if not entry.loss:
            continue
        color = COLORS[index % len(COLORS)]
        middle, low, high = (list(column) for column in zip(*entry.loss, strict=True))
        axes.plot(entry.steps, middle, color=color, linestyle=dashes(index))
        axes.fill_between(entry.steps, low, high, color=color, alpha=0.18, linewidth=0)
        ends.append((entry.steps[-1], middle[-1], entry.name, color))
    for baseline in {entry.baseline for entry in entries}:
        draw_level(axes, baseline, "no memory")
    axes.set_yscale("log")
    axes.set_xlim(left=0)
    axes.set_xlabel("updates")
    axes.set_ylabel("validation loss")
    label_ends(figure, axes, ends)
    save(figure, path)


@styled
def compared_gradients(entries, path: pathlib.Path):
    """The gradient by lag of several trainings, at the last moment measured.

    Args:
      entries: of `report.read`, with moments.
      path: the PNG or SVG to write.
    """
    figure, (axes,) = new_figure(1, 5.2, 3.3)
    lines = {}
    for entry in entries:
        last = entry.moments[-1]
        lines[entry.name] = Curve()
        for lag, value in zip(last.lags, last.log10, strict=True):
            lines[entry.name].add(lag, -math.inf if value is None else value)
    norm_panel(axes, lines)
    draw_level(axes, math.log10(FORGOTTEN), f"{FORGOTTEN:.0%} left")
    axes.set_xlim(left=0)
    axes.set_xlabel("lag $k$ (steps before the end)")
    axes.set_ylabel(
        r"$\|\partial L/\partial h_{T-k}\|\;/\;\|\partial L/\partial h_T\|$"
    )
    ends = []
    for index, (name, curve) in enumerate(lines.items()):
        x, middle, _, _ = curve.line()
        ends.append((x[-1], middle[-1], name, COLORS[index % len(COLORS)]))
    label_ends(figure, axes, ends)
    save(figure, path)
