"""Figures of what happens inside a network: each a function of tidy tables."""

import math

from rnn_research.plotting import colors
from rnn_research.plotting.colors import COLORS
from rnn_research.plotting.style import (
    FLOOR_DECADES,
    Curve,
    Where,
    new_figure,
    styled,
)

RANGE = ("smallest", "largest", "bound")


@styled
def jacobian_spectra(rows: list[dict], path: Where = None):
    """Singular values of Jacobian products by lag, a column for each label.

    Top: from the smallest to the largest and from the lower to the upper quartile, the
    middle one as a line, and the bound on the largest, dashed; cut `FLOOR_DECADES`
    below the largest. Below: how many directions share the gain, and the condition
    number, where it is finite. Medians over seeds.

    Args:
      rows: with label, quantity 'product', lag, size, log10_largest, log10_upper,
        log10_middle, log10_lower, log10_smallest, log10_bound, log10_condition,
        participation_ratio.
      path: where to draw it, as `style.Where`.
    """
    rows = [row for row in rows if row["quantity"] == "product"]
    labels = list(dict.fromkeys(row["label"] for row in rows))
    figure, axes = new_figure(path, len(labels), 2.1 * len(labels) + 0.9, 6.0, rows=3)
    names = [name for name in rows[0] if name.startswith(("log10_", "participation"))]
    lines: dict[tuple[str, str], Curve] = {}
    for row in rows:
        for name in names:
            curve = lines.setdefault((row["label"], name), Curve())
            curve.add(row["lag"], row[name])
    found = {name: [row[f"log10_{name}"] for row in rows] for name in RANGE}
    found = {name: list(filter(math.isfinite, logs)) for name, logs in found.items()}
    highest = max(found["largest"], default=0.0)
    lowest = min(found["smallest"], default=-1.0)
    top = min(max(found["bound"], default=highest), highest + FLOOR_DECADES / 3)
    bottom = max(lowest, highest - FLOOR_DECADES)
    look = {"color": "#444444", "linewidth": 1, "linestyle": (0, (4, 3))}

    for index, label in enumerate(labels):
        color = colors.color_of(label)

        def line(name, label=label):
            lags, middle, _, _ = lines[label, name].line()
            return lags, middle

        spectrum, participation, condition = (panels[index] for panels in axes)
        bands = (("smallest", "largest", 0.16), ("lower", "upper", 0.3))
        for low, high, alpha in bands:
            lags, below = line(f"log10_{low}")
            _, above = line(f"log10_{high}")
            spectrum.fill_between(
                lags,
                [max(value, bottom - 1) for value in below],
                [max(value, bottom - 1) for value in above],
                color=color,
                alpha=alpha,
                linewidth=0,
            )
        spectrum.plot(*line("log10_middle"), color=color)
        spectrum.plot(*line("log10_bound"), **look)
        participation.plot(*line("participation_ratio"), color=color)
        lags, numbers = line("log10_condition")
        condition.plot(lags, numbers, color=color)
        if math.inf in numbers:
            said = f"infinite from lag {lags[numbers.index(math.inf)]:g} on"
            condition.set_title(said, fontsize=7.5, fontweight="normal", y=0.85)
        spectrum.set_title(label, fontsize=9 if len(label) < 24 else 7)
        condition.set_xlabel("lag $k$")
        for panel in (spectrum, participation, condition):
            panel.set_xlim(0, max(row["lag"] for row in rows))
        for panel in (spectrum, condition):
            panel.yaxis.set_major_formatter(lambda value, _: f"$10^{{{value:g}}}$")
            panel.yaxis.get_major_locator().set_params(integer=True)
    texts = (
        r"$\sigma_i\;(\partial h_T/\partial h_{T-k})$",
        "participation ratio",
        "condition number",
    )
    for panels, text in zip(axes, texts, strict=True):
        panels[0].set_ylabel(text)
        _share_y(panels)
    axes[0][0].set_ylim(bottom, top + 0.04 * (top - bottom))
    axes[1][0].set_ylim(bottom=0)
    grey = {"color": "#444444"}
    handles = {
        "smallest to largest": axes[0][0].fill_between([], [], alpha=0.16, **grey),
        "quartiles": axes[0][0].fill_between([], [], alpha=0.46, **grey),
        "middle": axes[0][0].plot([], [], **grey)[0],
        "bound, product of the norms of steps": axes[0][0].plot([], [], **look)[0],
    }
    figure.legend(
        handles.values(),
        handles.keys(),
        loc="outside lower center",
        ncols=len(handles) if len(labels) > 2 else 2,
    )
    return figure


def _share_y(panels):
    """One scale for a row of panels, which all lines fit, with numbers at the left."""
    low = min(panel.get_ylim()[0] for panel in panels)
    high = max(panel.get_ylim()[1] for panel in panels)
    for panel in panels[1:]:
        panel.sharey(panels[0])
        panel.tick_params(labelleft=False)
    panels[0].set_ylim(low, high)


@styled
def saturation(shares: list[dict], scales: list[dict], path: Where = None):
    """Gates and states at their limits over time; time scales. A column for each label.

    Top: the share of each gate that is open, closed (dashed), and of the state beyond
    0.99 (dotted), the median over seeds. Bottom: how the time scales are spread, over
    all seeds, with the length of the sequences as a line.

    Args:
      shares: with label, length, part, limit 'closed', 'open' or 'beyond', step, share.
      scales: with label, time_scale.
      path: where to draw it, as `style.Where`.
    """
    labels = list(dict.fromkeys(row["label"] for row in shares))
    figure, axes = new_figure(path, len(labels), 2.4 * len(labels) + 0.9, 5.2, rows=2)
    looks = {"open": "-", "closed": (0, (4, 2)), "beyond": (0, (1, 1.3))}
    for index, label in enumerate(labels):
        own = [row for row in shares if row["label"] == label]
        panel = axes[0][index]
        for number, part in enumerate(dict.fromkeys(row["part"] for row in own)):
            color = COLORS[number % len(COLORS)]
            limits = dict.fromkeys(row["limit"] for row in own if row["part"] == part)
            for limit in limits:
                curve = Curve()
                for row in own:
                    if (row["part"], row["limit"]) == (part, limit):
                        curve.add(row["step"], row["share"])
                panel.plot(*curve.line()[:2], color=color, linestyle=looks[limit])
            panel.plot([], [], color=color, label=part)
        panel.set_ylim(-0.02, 1.02)
        panel.set_xlabel("step")
        panel.set_title(label, fontsize=9 if len(label) < 28 else 7)
        panel.legend(loc="best", fontsize=7, handlelength=1.2, ncols=2)
    _share_y(axes[0])
    axes[0][0].set_ylabel("share at its limit")
    _draw_scales(axes[1], labels, shares, scales)
    grey = {"color": "#444444"}
    texts = {"open": "open", "closed": "closed", "beyond": "state beyond 0.99"}
    handles = [
        axes[0][0].plot([], [], linestyle=look, **grey)[0] for look in looks.values()
    ]
    figure.legend(handles, texts.values(), loc="outside lower center", ncols=3)
    return figure


BINS = 24  # of the histograms of time scales
SHORTEST = 0.1  # steps; of what is shorter next to nothing is left after one


def _draw_scales(axes, labels, shares: list[dict], scales: list[dict]):
    """Histograms over one logarithmic axis; what is below or beyond it is said."""
    finite = [row["time_scale"] for row in scales]
    finite = [scale for scale in finite if SHORTEST < scale < math.inf]
    low, high = math.log10(min(finite, default=1.0)), math.log10(max(finite, default=1))
    width = max(high - low, 0.1) / BINS
    edges = [10 ** (low + width * number) for number in range(BINS + 1)]
    for panel, label in zip(axes, labels, strict=True):
        own = [row["time_scale"] for row in scales if row["label"] == label]
        length = next(row["length"] for row in shares if row["label"] == label)
        counts = [0] * BINS
        for scale in own:
            if SHORTEST < scale < math.inf:
                position = int((math.log10(scale) - low) / width)
                counts[min(max(position, 0), BINS - 1)] += 1
        heights = [count / max(len(own), 1) for count in counts]
        look = {"fill": True, "color": colors.color_of(label), "alpha": 0.7}
        panel.stairs(heights, edges, **look)
        panel.axvline(length, color="#444444", linewidth=0.8, linestyle=(0, (4, 3)))
        lasting = sum(math.isinf(scale) for scale in own)
        short = sum(scale <= SHORTEST for scale in own)
        notes = (lasting, "do not decay"), (short, f"below {SHORTEST}")
        panel.annotate(
            "\n".join(f"{n / len(own):.0%} {what}" for n, what in notes if n),
            (0.97, 0.97),
            xycoords="axes fraction",
            ha="right",
            va="top",
            fontsize=7.5,
            color="#444444",
            bbox={"color": "white", "pad": 1},
        )
        panel.set_xscale("log")
        panel.set_xlabel("time scale in steps (dashed: T)")
    _share_y(axes)
    axes[0].set_ylim(0, 1.15 * axes[0].get_ylim()[1])  # room for what is said
    axes[0].set_ylabel("share of directions")


@styled
def curvature(rows: list[dict], path: Where = None):
    """The Hessian's largest eigenvalues, and where their directions lie.

    Left: their moduli, a dot for each seed and index, hollow where negative. Right: the
    squared share of the eigenvector of the largest in the recurrent weights, a dot for
    each seed and a bar to their median.

    Args:
      rows: with label, seed, index, eigenvalue, recurrent_share.
      path: where to draw it, as `style.Where`.
    """
    labels = list(dict.fromkeys(row["label"] for row in rows))
    figure, axes = new_figure(path, 2, 7.4, 1.3 + 0.34 * len(labels))
    count = max(row["index"] for row in rows)
    shares = [Curve() for _ in labels]
    for row in rows:
        place = labels.index(row["label"])
        color = colors.color_of(row["label"])
        offset = 0.5 * ((row["index"] - 1) / max(1, count - 1) - 0.5)
        axes[0].plot(
            abs(row["eigenvalue"]),
            place + offset,
            marker="o",
            markersize=4,
            markeredgecolor=color,
            markerfacecolor=color if row["eigenvalue"] > 0 else "white",
        )
        if row["index"] == 1:
            shares[place].add(0, row["recurrent_share"])
            axes[1].plot(
                row["recurrent_share"], place, marker="o", markersize=4, color="black"
            )
    for place, curve in enumerate(shares):
        (middle,) = curve.line()[1]
        color = colors.color_of(labels[place])
        axes[1].barh(place, middle, height=0.6, color=color, alpha=0.5)
    axes[0].set_xscale("log")
    axes[0].set_xlabel(f"largest eigenvalues, from above 1 to {count}")
    axes[0].set_title("Curvature (hollow: negative)")
    axes[1].set_xlim(0, 1.02)
    axes[1].set_xlabel("share of the first's direction")
    axes[1].set_title("In the recurrent weights")
    for panel in axes:
        panel.set_yticks(range(len(labels)), labels if panel is axes[0] else [])
        panel.set_ylim(len(labels) - 0.5, -0.5)
    return figure
