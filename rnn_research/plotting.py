"""Figures: each one function of a tidy table (a list of dicts), in one style."""

import functools
import math
import pathlib
import statistics
from collections.abc import Callable

# Okabe & Ito's colours, which colour-blind readers can tell apart.
COLORS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
    "#999999",
)
STYLE = {
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.linewidth": 0.7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "figure.dpi": 100,
    "savefig.dpi": 200,
}


def _styled(draw: Callable) -> Callable:
    @functools.wraps(draw)
    def styled(*args, **kwargs):
        import matplotlib  # half a second, and only figures need it

        with matplotlib.rc_context(STYLE):
            return draw(*args, **kwargs)

    return styled


def _figure(columns: int, width: float, height: float, rows: int = 1):
    """A figure and its axes, a list of rows if there are several; without a screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, axes if rows > 1 else axes[0]


def _save(figure, path: pathlib.Path):
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


@_styled
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
    figure, (axes,) = _figure(1, 5.2, 3.3)
    runs: dict[float, dict[int, list[dict]]] = {}
    for row in rows:
        by_seed = runs.setdefault(row["learning_rate"], {})
        by_seed.setdefault(row["seed"], []).append(row)
    if len(runs) == 1 and len(by_seed) == 1:
        _draw(axes, rows, "train_loss", color="#999999", label="training")
        marker = "o" if len(rows) < 30 else None
        look = {"color": COLORS[0], "marker": marker, "markersize": 3}
        _draw(axes, rows, "loss", label="validation", **look)
    else:
        for index, (rate, by_seed) in enumerate(runs.items()):
            _draw_seeds(axes, by_seed, rate, COLORS[index % len(COLORS)])
    axes.set_yscale("log")
    levels = (
        (baseline, "memoryless baseline", 1.0, "right"),
        (goal, "solved", 0.0, "left"),
    )
    for level, name, x, side in levels:
        axes.axhline(level, color="#444444", linewidth=0.8, linestyle=(0, (4, 3)))
        axes.annotate(
            f"{name} {level:.3g}",
            (x, level),
            xycoords=("axes fraction", "data"),
            xytext=(4 if side == "left" else -4, 3),
            textcoords="offset points",
            ha=side,
            fontsize=7.5,
            color="#444444",
        )
    axes.set_xlim(left=0)
    axes.set_xlabel("updates")
    axes.set_ylabel("loss")
    axes.set_title(title)
    axes.legend(loc="best")
    _save(figure, path)


def _draw(axes, rows: list[dict], name: str, **look):
    steps = [row["step"] for row in rows]
    losses = [math.nan if row[name] is None else row[name] for row in rows]
    axes.plot(steps, losses, **look)


def _draw_seeds(axes, by_seed: dict[int, list[dict]], rate: float, color: str):
    steps = sorted({row["step"] for rows in by_seed.values() for row in rows})
    median = Curve()
    for rows in by_seed.values():
        _draw(axes, rows, "loss", color=color, linewidth=0.6, alpha=0.5)
        for step in steps:  # a run that has stopped stays at its last loss
            so_far = [row["loss"] for row in rows if row["step"] <= step]
            if so_far:
                median.add(step, so_far[-1])
    seeds = f"{len(by_seed)} seed{'s' * (len(by_seed) > 1)}"
    label = f"learning rate {rate:g}, median of {seeds}"
    axes.plot(*median.line()[:2], color=color, label=label)


class Curve:
    """One line with a band: x -> the values over seeds."""

    def __init__(self):
        self.values: dict[float, list[float]] = {}

    def add(self, x: float, value: float):
        self.values.setdefault(x, []).append(value)

    def line(self):
        """x, and the median, least and greatest over seeds."""
        x = sorted(self.values)
        middle = [statistics.median(self.values[at]) for at in x]
        return (
            x,
            middle,
            [min(self.values[at]) for at in x],
            [max(self.values[at]) for at in x],
        )


def _draw_curve(axes, curve: Curve, color: str, label: str):
    x, middle, low, high = curve.line()
    axes.plot(x, middle, color=color, marker="o", markersize=3, label=label)
    axes.fill_between(x, low, high, color=color, alpha=0.18, linewidth=0)


FLOOR_DECADES = 24  # a figure shows so many decades below its top at most


@_styled
def gradient_decay(rows: list[dict], path: pathlib.Path):
    """How the gradient decays: by lag, and at the first step against length.

    Left: ||dL/dh_{T-k}|| / ||dL/dh_T|| against the lag k, at the greatest length.
    Right: ||dL/dh_1|| / ||dL/dh_T|| against the length T. One line for each `label`,
    the median over seeds with a band from least to greatest; within a seed the median
    over sequences. Norms are on logarithmic axes, cut `FLOOR_DECADES` decades below the
    top.

    Args:
      rows: with quantity 'dL/dh', label, seed, length, lag, relative_log10.
      path: the PNG to write.
    """
    rows = [row for row in rows if row["quantity"] == "dL/dh"]
    labels = list(dict.fromkeys(row["label"] for row in rows))
    lengths = sorted({row["length"] for row in rows})
    longest = lengths[-1]
    by_lag = {label: Curve() for label in labels}
    by_length = {label: Curve() for label in labels}
    for row in rows:
        if row["length"] == longest and row["lag"] < longest:
            by_lag[row["label"]].add(row["lag"], row["relative_log10"])
        if row["lag"] == row["length"] - 1:
            by_length[row["label"]].add(row["length"], row["relative_log10"])

    panels = 2 if len(lengths) > 1 else 1
    width = 3.4 * panels + 0.2
    columns = max(1, int(width / (0.5 + 0.07 * max(map(len, labels)))))
    legend_lines = -(-len(labels) // columns)
    figure, axes = _figure(panels, width, 2.8 + 0.18 * legend_lines)
    relative = r"$\|\partial L/\partial h_{%s}\|\;/\;\|\partial L/\partial h_T\|$"
    _norm_panel(axes[0], by_lag)
    axes[0].set_xlim(0, longest)
    axes[0].set_xlabel("lag $k$ (steps before the end)")
    axes[0].set_ylabel(relative % "T-k")
    axes[0].set_title(f"Gradient by lag, T = {longest}")
    if panels == 2:
        _norm_panel(axes[1], by_length, marker="o")
        axes[1].set_xscale("log")
        axes[1].set_xlabel("sequence length $T$")
        axes[1].set_ylabel(relative % "1")
        axes[1].set_title("Gradient at the first step")
    figure.legend(
        *axes[0].get_legend_handles_labels(),
        loc="outside upper left",
        ncols=columns,
        columnspacing=1.4,
        handlelength=1.6,
    )
    _save(figure, path)


STRIPS = 8  # moments of a training that are drawn


@_styled
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

    figure, axes = _figure(3, 9.6, 3.0)
    count = min(STRIPS, len(rows))
    chosen = [
        rows[round(i * (len(rows) - 1) / max(1, count - 1))] for i in range(count)
    ]
    palette = colormaps["viridis"]
    for index, row in enumerate(chosen):
        color = palette(0.9 * index / max(1, count - 1))
        found = row["diagnostics"]
        pairs = zip(found["gradient_lags"], found["gradient_log10"], strict=True)
        lags, logs = zip(*((k, v) for k, v in pairs if v is not None), strict=True)
        label = f"update {row['step']}"
        axes[0].plot(lags, logs, color=color, linewidth=1.2, label=label)
        axes[1].plot(row["step"], row["loss"], color=color, marker="o", zorder=3)
    axes[0].set_xlabel("lag $k$ (steps before the end)")
    axes[0].set_ylabel(r"$\|\partial L/\partial h_{T-k}\|$")
    axes[0].yaxis.set_major_formatter(lambda value, _: f"$10^{{{value:g}}}$")
    axes[0].yaxis.get_major_locator().set_params(integer=True)
    axes[0].set_title("Gradient by lag")
    axes[0].legend(fontsize=7)
    _draw(axes[1], rows, "loss", color="#999999", linewidth=1)
    axes[1].axhline(baseline, color="#444444", linewidth=0.8, linestyle=(0, (4, 3)))
    axes[1].set_yscale("log")
    axes[1].set_xlabel("updates")
    axes[1].set_ylabel("validation loss (dashed: memoryless)")
    axes[1].set_title("Loss")
    steps = [row["step"] for row in rows]
    horizons = [row["diagnostics"]["horizon"] for row in rows]
    longest = max(rows[-1]["diagnostics"]["gradient_lags"])
    inside = [longest if horizon is None else horizon for horizon in horizons]
    axes[2].plot(steps, inside, color=COLORS[0], marker="o", markersize=3)
    axes[2].axhline(longest, color="#444444", linewidth=0.8, linestyle=(0, (4, 3)))
    axes[2].set_ylim(bottom=0)
    axes[2].set_xlabel("updates")
    axes[2].set_ylabel("lag where 1 % is left (dashed: all)")
    axes[2].set_title("Memory horizon")
    _save(figure, path)


@_styled
def speed_ratios(rows: list[dict], path: pathlib.Path):
    """Times of other libraries over ours, a line a row; right of 1 ours is faster.

    Args:
      rows: with row (its name), library, tuned, ratio.
      path: the PNG to write.
    """
    names = list(dict.fromkeys(row["row"] for row in rows))
    libraries = list(dict.fromkeys(row["library"] for row in rows))
    figure, (axes,) = _figure(1, 6.4, 1.2 + 0.24 * len(names))
    for index, library in enumerate(libraries):
        color = COLORS[index % len(COLORS)]
        for tuned in (False, True):
            own = [r for r in rows if r["library"] == library and r["tuned"] is tuned]
            if own:
                axes.plot(
                    [row["ratio"] for row in own],
                    [names.index(row["row"]) for row in own],
                    linestyle="none",
                    marker="o",
                    markersize=5,
                    markeredgecolor=color,
                    markerfacecolor="white" if tuned else color,
                    label=f"{library}{', our settings' if tuned else ''}",
                )
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    ticks = [t for t in (0.25, 0.5, 1, 2, 4, 8, 16) if _within(t, axes.get_xlim())]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks], minor=False)
    axes.minorticks_off()
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("time of a gradient over ours (right of 1: ours is faster)")
    axes.set_title("Gradient through time; cell, T x B x H")
    figure.legend(loc="outside lower center", ncols=3, columnspacing=1.2)
    _save(figure, path)


@_styled
def speed_by_length(records: list[dict], path: pathlib.Path):
    """Time of a gradient against T, a panel for each cell, B and H of several T.

    Args:
      records: with cell, T, B, H, library, tuned, ms; the others as they come.
      path: the PNG to write.
    """
    groups: dict[tuple, list[dict]] = {}
    for record in records:
        if not record["tuned"]:
            key = record["cell"], record["B"], record["H"]
            groups.setdefault(key, []).append(record)
    groups = {key: own for key, own in groups.items() if len({r["T"] for r in own}) > 1}
    figure, axes = _figure(len(groups), 3.4 * len(groups) + 0.6, 3.4)
    libraries = list(dict.fromkeys(record["library"] for record in records))
    libraries.sort(key=lambda name: name != "ours")
    for panel, ((cell, batch, hidden), own) in zip(axes, groups.items(), strict=True):
        for index, library in enumerate(libraries):
            line = sorted((r["T"], r["ms"]) for r in own if r["library"] == library)
            color = COLORS[index % len(COLORS)]
            look = {"color": color, "marker": "o", "markersize": 3, "label": library}
            if line:
                panel.plot(*zip(*line, strict=True), **look)
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.set_xlabel("sequence length $T$")
        panel.set_title(f"{cell}, B = {batch}, H = {hidden}")
    axes[0].set_ylabel("ms a gradient")
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=4, columnspacing=1.2)
    _save(figure, path)


@_styled
def newton_speed(rows: list[dict], path: pathlib.Path):
    """Newton's method in time: iterations and time, over length, width and chaos.

    Above: iterations against T, H and the largest Lyapunov exponent; a cross where the
    method did not converge. Below: the time of a gradient, the loop's in black.

    Args:
      rows: with sweep, at, method, exponent, converged, iterations, ms, loop_ms.
      path: the PNG to write.
    """
    sweeps = {
        "length": "sequence length $T$",
        "width": "units $H$",
        "gain": "largest Lyapunov exponent (nats a step)",
    }
    shown = [sweep for sweep in sweeps if any(r["sweep"] == sweep for r in rows)]
    methods = list(dict.fromkeys(row["method"] for row in rows))
    figure, axes = _figure(len(shown), 3.0 * len(shown) + 0.6, 5.4, rows=2)
    for column, sweep in enumerate(shown):
        own = [row for row in rows if row["sweep"] == sweep]
        x_of = "exponent" if sweep == "gain" else "at"
        above, below = axes[0][column], axes[1][column]
        for index, method in enumerate(methods):
            line = sorted(
                (row for row in own if row["method"] == method), key=lambda r: r[x_of]
            )
            x = [row[x_of] for row in line]
            look = {"color": COLORS[index], "markersize": 4}
            above.plot(x, [r["iterations"] for r in line], **look, label=method)
            for converged, marker in ((True, "o"), (False, "x")):
                some = [row for row in line if row["converged"] is converged]
                above.plot(
                    [row[x_of] for row in some],
                    [row["iterations"] for row in some],
                    **look,
                    marker=marker,
                    linestyle="none",
                )
            below.plot(x, [r["ms"] for r in line], **look, marker="o")
        loop = sorted({(row[x_of], row["loop_ms"]) for row in own})
        look = {"color": "black", "linestyle": (0, (4, 2)), "linewidth": 1.2}
        below.plot(*zip(*loop, strict=True), **look, label="loop")
        for panel in (above, below):
            panel.set_yscale("log")
            panel.set_xlabel(sweeps[sweep])
            if sweep == "gain":
                panel.axvline(0, color="#999999", linewidth=0.8)
            else:
                panel.set_xscale("log")
                ticks = sorted({row["at"] for row in own})
                panel.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
                panel.set_xticks([], minor=True)
        above.set_title(
            {"length": "Length", "width": "Width", "gain": "Order and chaos"}[sweep]
        )
    axes[0][0].set_ylabel("iterations (x: not converged)")
    axes[1][0].set_ylabel("ms a gradient")
    entries = [panel.get_legend_handles_labels() for panel in (axes[0][0], axes[1][0])]
    handles, labels = (sum(lists, []) for lists in zip(*entries, strict=True))
    figure.legend(handles, labels, loc="outside upper left", ncols=2)
    _save(figure, path)


@_styled
def truncated_gradients(rows: list[dict], path: pathlib.Path):
    """How a truncated gradient differs from the gradient, against the window.

    Left: the cosine of the angle between them. Right: the ratio of their norms. A line
    for each `label`, the median over seeds with a band from least to greatest.

    Args:
      rows: with label, seed, window, cosine, norm_ratio.
      path: the PNG to write.
    """
    labels = list(dict.fromkeys(row["label"] for row in rows))
    figure, axes = _figure(2, 7.0, 2.8 + 0.18 * -(-len(labels) // 3))
    panels = (("cosine", "cosine with the gradient"), ("norm_ratio", "norm over its"))
    for panel, (quantity, name) in zip(axes, panels, strict=True):
        for index, label in enumerate(labels):
            curve = Curve()
            for row in rows:
                if row["label"] == label:
                    curve.add(row["window"], row[quantity])
            _draw_curve(panel, curve, COLORS[index % len(COLORS)], label)
        panel.axhline(1, color="#444444", linewidth=0.8, linestyle=(0, (4, 3)))
        panel.set_xscale("log")
        panel.set_xlabel("window (steps a gradient goes back)")
        panel.set_ylabel(name)
    axes[0].set_title("Direction")
    axes[1].set_title("Size")
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper left", ncols=3)
    _save(figure, path)


@_styled
def long_sequences(rows: list[dict], path: pathlib.Path):
    """Time a step and memory of a gradient, against the length.

    Args:
      rows: with cell, engine, T, us_per_step, memory_mb.
      path: the PNG to write.
    """
    cells = list(dict.fromkeys(row["cell"] for row in rows))
    engines = list(dict.fromkeys(row["engine"] for row in rows))
    figure, axes = _figure(2, 7.0, 3.4)
    panels = (
        ("us_per_step", "us a step"),
        ("memory_mb", "MB beyond inputs and results"),
    )
    for panel, (quantity, name) in zip(axes, panels, strict=True):
        for cell in cells:
            for engine in engines:
                line = [r for r in rows if (r["cell"], r["engine"]) == (cell, engine)]
                if line:
                    panel.plot(
                        [row["T"] for row in line],
                        [row[quantity] for row in line],
                        color=COLORS[engines.index(engine) % len(COLORS)],
                        linestyle=("-", (0, (4, 2)))[cells.index(cell) % 2],
                        marker="o",
                        markersize=3,
                        label=f"{cell}, {engine}",
                    )
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.set_xlabel("sequence length $T$")
        panel.set_ylabel(name)
    axes[0].set_title("Time of a gradient")
    axes[1].set_title("Memory of a gradient")
    kept = [row for row in rows if row["engine"].startswith("checkpointed")]
    if kept:
        lengths = [row["T"] for row in kept if row["cell"] == kept[0]["cell"]]
        top = max(row["memory_mb"] for row in kept if row["T"] == lengths[-1])
        roots = [top * (length / lengths[-1]) ** 0.5 for length in lengths]
        axes[1].plot(lengths, roots, color="#999999", linewidth=0.8)
        axes[1].annotate(
            r"$\sqrt{T}$",
            (lengths[0], roots[0]),
            xytext=(2, 3),
            textcoords="offset points",
            color="#777777",
        )
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper left", ncols=3)
    _save(figure, path)


@_styled
def lyapunov(rows: list[dict], path: pathlib.Path):
    """Order and chaos: the largest exponent against the gain, and spectra of cells.

    Args:
      rows: with label, seed, gain ('' for cells), index, exponent, error.
      path: the PNG to write.
    """
    sweep = [row for row in rows if row["gain"] != ""]
    others = [row for row in rows if row["gain"] == ""]
    labels = list(dict.fromkeys(row["label"] for row in others))
    figure, axes = _figure(2, 7.0, 3.0 + 0.18 * -(-len(labels) // 3))
    for panel in axes:
        panel.axhline(0, color="#444444", linewidth=0.8, linestyle=(0, (4, 3)))
    for seed in dict.fromkeys(row["seed"] for row in sweep):
        own = [row for row in sweep if row["seed"] == seed]
        axes[0].errorbar(
            [row["gain"] for row in own],
            [row["exponent"] for row in own],
            yerr=[2 * row["error"] for row in own],
            color="black",
            marker="o",
            markersize=3,
            linewidth=1,
            capsize=2,
        )
    axes[0].axvline(1, color="#999999", linewidth=0.8)
    axes[0].set_xlabel("gain $g$ of a random tanh network")
    axes[0].set_ylabel("largest exponent (nats a step)")
    axes[0].set_title("The edge of chaos")
    for index, label in enumerate(labels):
        curve = Curve()
        for row in others:
            if row["label"] == label:
                curve.add(row["index"], row["exponent"])
        _draw_curve(axes[1], curve, COLORS[index % len(COLORS)], label)
    axes[1].set_xlabel("index $i$")
    axes[1].xaxis.get_major_locator().set_params(integer=True)
    axes[1].set_ylabel("$\\lambda_i$ (nats a step)")
    axes[1].set_title("Leading exponents, driven")
    figure.legend(
        *axes[1].get_legend_handles_labels(), loc="outside upper left", ncols=3
    )
    _save(figure, path)


@_styled
def curse_of_memory(rows: list[dict], path: pathlib.Path):
    """Variances of the state and of its sensitivity against 1 - lambda.

    Args:
      rows: with distance, inputs, form, state, sensitivity and their closed forms.
      path: the PNG to write.
    """
    figure, axes = _figure(2, 7.0, 3.6)
    for panel, inputs in zip(axes, ("white", "constant"), strict=True):
        own = [row for row in rows if row["inputs"] == inputs]
        exact = [row for row in own if row["form"] == "plain"]
        for quantity, dashes in (("state", (0, (1, 1.5))), ("sensitivity", "-")):
            for index, form in enumerate(dict.fromkeys(row["form"] for row in own)):
                line = [row for row in own if row["form"] == form]
                name = {"state": "Var $h$", "sensitivity": "Var of sensitivity"}
                panel.plot(
                    [row["distance"] for row in line],
                    [row[quantity] for row in line],
                    color=COLORS[index],
                    linestyle=dashes,
                    marker="o",
                    markersize=4,
                    label=f"{name[quantity]}, {form}",
                )
            panel.plot(
                [row["distance"] for row in exact],
                [row[f"{quantity}_exact"] for row in exact],
                color="black",
                linewidth=0.8,
                label="closed form" if quantity == "state" else None,
            )
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.invert_xaxis()
        panel.set_xlabel("$1 - \\lambda$ (to the right: longer memory)")
        panel.set_title(f"{inputs.capitalize()} inputs")
    axes[0].set_ylabel("variance over sequences")
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2
    )
    _save(figure, path)


@_styled
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
    figure, axes = _figure(len(cells), 4.2 * len(cells) + 0.8, 6.2, rows=3)
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
        _level(top, baseline, "memoryless")
        top.set_yscale("log")
        middle.set_yscale("log")
        _level(bottom, 1, "")
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
    _save(figure, path)


def _level(axes, level: float, name: str):
    """A dashed line across, with its name at the right."""
    axes.axhline(level, color="#444444", linewidth=0.8, linestyle=(0, (4, 3)))
    axes.annotate(
        name,
        (1.0, level),
        xycoords=("axes fraction", "data"),
        xytext=(-4, 3),
        textcoords="offset points",
        ha="right",
        fontsize=7.5,
        color="#444444",
    )


def _draw_runs(axes, rows: list[dict], read: Callable, color: str, label: str):
    runs: dict[tuple, list[tuple]] = {}
    for row in rows:
        if read(row) is not None:
            own = runs.setdefault((row["seed"], row["learning_rate"]), [])
            own.append((row["step"], read(row)))
    for line in runs.values():
        axes.plot(*zip(*line, strict=True), color=color, linewidth=0.9, alpha=0.85)


@_styled
def remedies(rows: list[dict], path: pathlib.Path, *, baseline: float, title: str):
    """Where trainings with different remedies came to: a line a remedy, a dot a run.

    Args:
      rows: with cell, remedy, outcome, length, loss, updates, horizon,
        spectral_radius, largest_grad_norm; what was not measured is None; a horizon
        beyond all lags is infinite and drawn as an arrow at the length.
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
    figure, axes = _figure(len(columns), 2.1 * len(columns) + 1.2, height)
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
                if beyond and quantity != "horizon":
                    continue
                panel.plot(
                    row["length"] if beyond else value,
                    names.index(row["remedy"]) + offset,
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
    _save(figure, path)


def _within(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]


def _norm_panel(axes, curves: dict[str, Curve], marker: str | None = None):
    """Lines of log10 norms with their bands, cut some decades below the top."""
    lines = {label: curve.line() for label, curve in curves.items()}
    shown = [v for _, *three in lines.values() for one in three for v in one]
    shown = [value for value in shown if math.isfinite(value)]
    top = max(shown, default=0.0)
    bottom = max(min(shown, default=-1.0), top - FLOOR_DECADES)
    margin = max(0.06 * (top - bottom), 0.2)
    zero = bottom - 100 * margin  # where a norm of exactly zero is drawn: out of sight

    for index, (label, (x, *three)) in enumerate(lines.items()):
        color = COLORS[index % len(COLORS)]
        dashes = "-" if index < len(COLORS) else (0, (4, 2))
        middle, low, high = (
            [v if math.isfinite(v) else zero for v in one] for one in three
        )
        axes.plot(
            x,
            middle,
            color=color,
            linestyle=dashes,
            marker=marker,
            markersize=3,
            label=label,
        )
        axes.fill_between(x, low, high, color=color, alpha=0.18, linewidth=0)
    axes.set_ylim(bottom - margin, top + margin)
    axes.yaxis.set_major_formatter(lambda value, _: f"$10^{{{value:g}}}$")
    axes.yaxis.get_major_locator().set_params(integer=True)
