"""Figures of gradients and of chaos: each a function of a tidy table."""

import math

from rnn_research.plotting import colors
from rnn_research.plotting.colors import COLORS
from rnn_research.plotting.style import (
    Curve,
    Where,
    draw_curve,
    draw_level,
    legend_columns,
    new_figure,
    norm_panel,
    styled,
)

MOST_EVEN_LAGS = 1000  # on a longer axis of even lags the first hundred vanish


@styled
def gradient_decay(rows: list[dict], path: Where = None):
    """How the gradient decays: by lag, and at the first step against length.

    Left: ||dL/dh_{T-k}|| / ||dL/dh_T|| against the lag k, at the greatest length.
    Right: ||dL/dh_1|| / ||dL/dh_T|| against the length T. One line for each `label`,
    the median over seeds with a band from least to greatest; within a seed the median
    over sequences. Norms are on logarithmic axes, cut `FLOOR_DECADES` decades below the
    top.

    Args:
      rows: with quantity 'dL/dh', label, seed, length, lag, relative_log10.
      path: where to draw it, as `style.Where`.
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
    columns, look = legend_columns(labels, width), colors.looks(labels)
    legend_lines = -(-len(labels) // columns)
    figure, axes = new_figure(path, panels, width, 2.8 + 0.18 * legend_lines)
    relative = r"$\|\partial L/\partial h_{%s}\|\;/\;\|\partial L/\partial h_T\|$"
    norm_panel(axes[0], by_lag, look)
    if longest > MOST_EVEN_LAGS:
        axes[0].set_xscale("log")
    axes[0].set_xlim(int(longest > MOST_EVEN_LAGS), longest)
    axes[0].set_xlabel("lag $k$ (steps before the end)")
    axes[0].set_ylabel(relative % "T-k")
    axes[0].set_title(f"Gradient by lag, T = {longest}")
    if panels == 2:
        norm_panel(axes[1], by_length, look, marker="o")
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
    return figure


@styled
def truncated_gradients(rows: list[dict], path: Where = None):
    """How a truncated gradient differs from the gradient, against the window.

    Left: the cosine of the angle between them. Right: the ratio of their norms. A line
    for each `label`, the median over seeds with a band from least to greatest.

    Args:
      rows: with label, seed, window, cosine, norm_ratio.
      path: where to draw it, as `style.Where`.
    """
    labels = list(dict.fromkeys(row["label"] for row in rows))
    columns, looks = legend_columns(labels, 7.0), colors.looks(labels)
    height = 2.8 + 0.18 * -(-len(labels) // columns)
    figure, axes = new_figure(path, 2, 7.0, height)
    panels = (
        ("cosine", "cosine with the full gradient"),
        ("norm_ratio", "norm / norm of the full gradient"),
    )
    for panel, (quantity, name) in zip(axes, panels, strict=True):
        for label in labels:
            curve = Curve()
            for row in rows:
                if row["label"] == label:
                    curve.add(row["window"], row[quantity])
            draw_curve(panel, curve, label, looks[label])
        draw_level(panel, 1)
        panel.set_xscale("log")
        panel.set_xlabel("window (steps a gradient goes back)")
        panel.set_ylabel(name)
    axes[0].set_title("Direction")
    axes[1].set_title("Size")
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper left", ncols=columns)
    return figure


@styled
def curse_of_memory(rows: list[dict], path: Where = None):
    """Variances of the state and of its sensitivity against 1 - lambda.

    Grey: what grows with slope -3 (white inputs) and -4 (constant ones).

    Args:
      rows: with distance, inputs, form, state, sensitivity and their closed forms.
      path: where to draw it, as `style.Where`.
    """
    figure, axes = new_figure(path, 2, 7.0, 3.6)
    slopes = {"white": -3, "constant": -4}
    for panel, inputs in zip(axes, slopes, strict=True):
        own = [row for row in rows if row["inputs"] == inputs]
        exact = [row for row in own if row["form"] == "plain"]
        for quantity, look in (("state", (0, (1, 1.5))), ("sensitivity", "-")):
            for index, form in enumerate(dict.fromkeys(row["form"] for row in own)):
                line = [row for row in own if row["form"] == form]
                name = {"state": "Var $h$", "sensitivity": "Var of sensitivity"}
                panel.plot(
                    [row["distance"] for row in line],
                    [row[quantity] for row in line],
                    color=COLORS[index],
                    linestyle=look,
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
        if len(exact) > 1:
            _draw_slope(panel, exact, slopes[inputs])
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.invert_xaxis()
        panel.set_xlabel("$1 - \\lambda$ (to the right: longer memory)")
        panel.set_title(f"{inputs.capitalize()} inputs")
    axes[0].set_ylabel("variance over sequences")
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2
    )
    return figure


def _draw_slope(axes, exact: list[dict], slope: int):
    """A straight line above the sensitivity, with its slope."""
    first, last = exact[0], exact[-1]
    start = 5 * first["sensitivity_exact"]
    end = start * (last["distance"] / first["distance"]) ** slope
    distances = (first["distance"], last["distance"])
    axes.plot(distances, (start, end), color="#999999", linewidth=1)
    axes.annotate(
        f"slope $-{abs(slope)}$",
        [math.sqrt(one * other) for one, other in (distances, (start, end))],
        xytext=(-5, 5),
        textcoords="offset points",
        ha="right",
        fontsize=7.5,
        color="#444444",
    )


@styled
def lyapunov(rows: list[dict], path: Where = None):
    """Order and chaos: the largest exponent against the gain, and spectra of cells.

    Args:
      rows: with kind 'gain' or 'network', label, seed, gain, index, exponent, error;
        other kinds are not drawn. Bars are two standard errors, a line is a seed.
      path: where to draw it, as `style.Where`.
    """
    sweep = [row for row in rows if row["kind"] == "gain"]
    others = [row for row in rows if row["kind"] == "network"]
    labels = list(dict.fromkeys(row["label"] for row in others))
    columns, looks = legend_columns(labels, 3.4), colors.looks(labels)
    figure, axes = new_figure(path, 2, 7.0, 3.0 + 0.18 * -(-len(labels) // columns))
    bars = {"marker": "o", "markersize": 3, "linewidth": 1, "capsize": 2}
    for panel in axes:
        draw_level(panel, 0)
    for seed in dict.fromkeys(row["seed"] for row in sweep):
        own = [row for row in sweep if row["seed"] == seed]
        axes[0].errorbar(
            [row["gain"] for row in own],
            [row["exponent"] for row in own],
            yerr=[2 * row["error"] for row in own],
            color="black",
            **bars,
        )
    axes[0].axvline(1, color="#999999", linewidth=0.8)
    axes[0].set_xlabel("gain $g$ of a random tanh network")
    axes[0].set_ylabel("largest exponent (nats a step)")
    axes[0].set_title("The edge of chaos")
    for label in labels:
        own = [row for row in others if row["label"] == label]
        seeds = dict.fromkeys((row["seed"], row["trained_seed"]) for row in own)
        for number, seed in enumerate(seeds):
            line = [row for row in own if (row["seed"], row["trained_seed"]) == seed]
            axes[1].errorbar(
                [row["index"] for row in line],
                [row["exponent"] for row in line],
                yerr=[2 * row["error"] for row in line],
                **looks[label],
                label=None if number else label,
                **bars,
            )
    axes[1].set_xlabel("index $i$")
    axes[1].xaxis.get_major_locator().set_params(integer=True)
    axes[1].set_ylabel("$\\lambda_i$ (nats a step)")
    axes[1].set_title("Leading exponents, driven")
    figure.legend(
        *axes[1].get_legend_handles_labels(), loc="outside upper right", ncols=columns
    )
    return figure
