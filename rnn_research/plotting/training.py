"""Figures of trainings: each a function of the rows of metrics.jsonl."""

import math

from rnn_research.diagnostics.horizon import FORGOTTEN
from rnn_research.plotting import colors
from rnn_research.plotting.colors import COLORS
from rnn_research.plotting.style import (
    Curve,
    Where,
    draw_level,
    draw_line,
    new_figure,
    norm_panel,
    scale_of_losses,
    styled,
)


@styled
def learning_curve(
    rows: list[dict],
    path: Where = None,
    *,
    references: dict[str, float],
    goal: float | None,
    title: str,
    metric: str = "loss",
):
    """A metric against updates, with what it is compared with and the goal.

    One run: its validation metric, of the loss also that of training, the mean of a
    tenth of the updates between two evaluations. Several: the validation metric of
    each, thin, and their median at each learning rate.

    Args:
      rows: the rows of metrics.jsonl.
      path: where to draw it, as `style.Where`.
      references: what else the metric is, by what reaches it.
      goal: the loss that counts as solved; None: there is none.
    """
    figure, (axes,) = new_figure(path, 1, 5.2, 3.3)
    runs: dict[float, dict[int, list[dict]]] = {}
    for row in rows:
        by_seed = runs.setdefault(row["learning_rate"], {})
        by_seed.setdefault(row["seed"], []).append(row)
    if len(runs) == 1 and len(by_seed) == 1:
        if metric == "loss":
            steps, losses = zip(*_train_losses(rows), strict=True)
            axes.plot(steps, losses, color="#bbbbbb", linewidth=1, label="training")
        marker = "o" if len(rows) < 30 else None
        look = {"color": COLORS[0], "marker": marker, "markersize": 3}
        draw_line(axes, rows, metric, label="validation", **look)
    else:
        for index, (rate, by_seed) in enumerate(runs.items()):
            _draw_seeds(axes, by_seed, metric, rate, COLORS[index % len(COLORS)])
    if metric == "loss":
        scale_of_losses(axes)
    alike: dict[str, list[str]] = {}  # that would be written over each other
    for name, level in references.items():
        alike.setdefault(f"{level:.3g}", []).append(name)
    for number, names in alike.items():
        draw_level(axes, references[names[0]], f"{', '.join(names)} {number}")
    if goal is not None:
        draw_level(axes, goal, f"solved {goal:.3g}", side="left")
    axes.set_xlim(left=0)
    axes.set_xlabel("updates")
    axes.set_ylabel(metric.replace("_", " "))
    axes.set_title(title)
    axes.legend(loc="best")
    return figure


def _train_losses(rows: list[dict]) -> list[tuple[float, float]]:
    """(step, loss) of all parts of a training; NaN if there is none."""
    found = [tuple(pair) for row in rows for pair in row["train_losses"]]
    return found or [(0, math.nan)]


def _draw_seeds(
    axes, by_seed: dict[int, list[dict]], metric: str, rate: float, color: str
):
    steps = sorted({row["step"] for rows in by_seed.values() for row in rows})
    median = Curve()
    for rows in by_seed.values():
        draw_line(axes, rows, metric, color=color, linewidth=0.6, alpha=0.5)
        losses = {row["step"]: row[metric] for row in rows}
        last = None
        for step in steps:  # a run that has stopped stays at its last loss
            last = losses.get(step, last)
            median.add(step, math.nan if last is None else last)
    seeds = f"{len(by_seed)} seed{'s' * (len(by_seed) > 1)}"
    label = f"learning rate {rate:g}, median of {seeds}"
    axes.plot(*median.line()[:2], color=color, label=label)


GRADIENT = r"$\|\partial L/\partial h_{T-k}\|$"
STRIPS = 8  # moments of a training that are drawn


@styled
def gradients_during_training(
    rows: list[dict], path: Where = None, *, baseline: float, title: str
):
    """A film strip: the gradient by lag at moments of a training, beside what it does.

    Left: ||dL/dh_{T-k}|| against the lag k, dark to light as training goes on. Right:
    the validation loss, with these moments marked, the memory horizon, and where they
    were measured the parts of the state beyond 0.99, the gates at their limits and the
    spectral radius.

    Args:
      rows: of metrics.jsonl, of one run, with 'diagnostics'.
      path: where to draw it, as `style.Where`.
      baseline: the loss without memory.
    """
    measured = rows[-1]["diagnostics"]
    further = {
        "beyond": _draw_beyond,
        "open": _draw_gates,
        "spectral_radius": _draw_radius,
    }
    further = [draw for name, draw in further.items() if name in measured]
    lines = 2 if further else 1
    columns = 1 + -(-(2 + len(further)) // lines)
    figure, grid = new_figure(
        path, columns, 2.4 * columns, 1.7 + 1.5 * lines, rows=lines
    )
    grid = grid if further else [grid]
    for panels in grid:
        panels[0].remove()
    strip = figure.add_subplot(grid[0][1].get_gridspec()[:, 0])
    free = [panel for panels in grid for panel in panels[1:]]
    used = free[: 2 + len(further)]
    for panel in free[len(used) :]:
        panel.remove()
    _draw_strip(figure, strip, used[0], rows)
    draw_line(used[0], rows, "loss", color="#999999", linewidth=1)
    draw_level(used[0], baseline, "no memory")
    scale_of_losses(used[0])
    used[0].set_title("Validation loss")
    for panel, draw in zip(used[1:], (_draw_horizon, *further), strict=True):
        draw(panel, rows)
    for panel in used:
        panel.set_xlabel("updates")
        panel.set_xlim(left=0)
    figure.suptitle(title, fontsize=9, fontweight="bold", x=0.01, ha="left")
    return figure


def _draw_measured(panel, rows: list[dict], read, index: int, **look):
    """read(diagnostics) of every row; a gap where it is None or no number."""
    found = [read(row["diagnostics"]) for row in rows]
    panel.plot(
        [row["step"] for row in rows],
        [math.nan if value is None else value for value in found],
        color=COLORS[index % len(COLORS)],
        marker="o" if len(rows) < 30 else None,
        markersize=2.5,
        linewidth=1.2,
        **look,
    )


def _draw_horizon(panel, rows):
    longest = max(max(row["diagnostics"]["gradient_lags"]) for row in rows)

    def read(found):
        lag = found["horizon"]
        return longest if lag == math.inf else lag

    _draw_measured(panel, rows, read, 0)
    draw_level(panel, longest, "all lags")
    panel.set_ylim(0, 1.12 * longest)
    panel.set_title(f"Lag where {FORGOTTEN:.0%} is left")


def _draw_beyond(panel, rows):
    for index, part in enumerate(rows[-1]["diagnostics"]["beyond"]):

        def read(found, part=part):
            return found.get("beyond", {}).get(part)

        _draw_measured(panel, rows, read, index, label=part)
    panel.set_ylim(-0.02, 1.02)
    panel.set_title("State beyond 0.99")
    panel.legend(loc="best", fontsize=7, handlelength=1.2)


def _draw_gates(panel, rows):
    for index, gate in enumerate(rows[-1]["diagnostics"]["open"]):
        for limit, line in (("open", "-"), ("closed", (0, (4, 2)))):

            def read(found, limit=limit, gate=gate):
                return found.get(limit, {}).get(gate)

            name = gate if limit == "open" else None
            _draw_measured(panel, rows, read, index, linestyle=line, label=name)
    panel.set_ylim(-0.02, 1.02)
    panel.set_title("Gates open (dashed: closed)")
    panel.legend(loc="best", fontsize=7, handlelength=1.2, ncols=2)


def _draw_radius(panel, rows):
    _draw_measured(panel, rows, lambda found: found.get("spectral_radius"), 0)
    draw_level(panel, 1, "1")
    panel.set_ylim(bottom=0)
    panel.set_title("Spectral radius")


def _draw_strip(figure, strip, loss, rows: list[dict]):
    """The gradient at some moments, coloured by the update, which dots on the loss are.

    Light yellow, the end of the scale, is left out: it is hardly seen on white.
    """
    from matplotlib import cm, colormaps, colors

    count = min(STRIPS, len(rows))
    chosen = [
        rows[round(i * (len(rows) - 1) / max(1, count - 1))] for i in range(count)
    ]
    shades = [colormaps["viridis"](0.9 * level / 255) for level in range(256)]
    norm = colors.Normalize(chosen[0]["step"], max(chosen[-1]["step"], 1))
    scale = cm.ScalarMappable(norm, colors.ListedColormap(shades))
    for row in chosen:
        color = scale.to_rgba(row["step"])
        found = row["diagnostics"]
        strip.plot(
            found["gradient_lags"], found["gradient_log10"], color=color, linewidth=1.2
        )
        draw_line(loss, [row], "loss", color=color, marker="o", zorder=3)
    figure.colorbar(scale, ax=strip, label="update", aspect=40, pad=0.02)
    strip.set_xlabel("lag $k$ (steps before the end)")
    strip.set_ylabel(GRADIENT)
    strip.yaxis.set_major_formatter(lambda value, _: f"$10^{{{value:g}}}$")
    strip.yaxis.get_major_locator().set_params(integer=True)
    strip.set_title("Gradient by lag")


@styled
def gradient_by_lag(found: dict, path: Where = None):
    """The gradient by lag at one moment of a training.

    Args:
      found: with 'gradient_lags' and 'gradient_log10', as the diagnostics of a row.
      path: where to draw it, as `style.Where`.
    """
    figure, (axes,) = new_figure(path, 1, 5.2, 3.3)
    curve = Curve()
    for lag, value in zip(found["gradient_lags"], found["gradient_log10"], strict=True):
        curve.add(lag, value)
    norm_panel(axes, {GRADIENT: curve}, colors.in_turn([GRADIENT]))
    axes.set_xlabel("lag $k$ (steps before the end)")
    axes.set_ylabel(GRADIENT)
    return figure
