"""Figures of times and memory: each a function of a tidy table."""

from rnn_research.plotting.colors import COLORS
from rnn_research.plotting.style import (
    Where,
    new_figure,
    styled,
    within,
)


@styled
def speed_ratios(rows: list[dict], path: Where = None):
    """Times of other libraries over ours, a line a row; right of 1 ours is faster.

    Args:
      rows: with row (its name), library, tuned, ratio.
      path: where to draw it, as `style.Where`.
    """
    names = list(dict.fromkeys(row["row"] for row in rows))
    libraries = list(dict.fromkeys(row["library"] for row in rows))
    figure, (axes,) = new_figure(path, 1, 6.4, 1.2 + 0.24 * len(names))
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
    ticks = [t for t in (0.25, 0.5, 1, 2, 4, 8, 16) if within(t, axes.get_xlim())]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks], minor=False)
    axes.minorticks_off()
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("time of a gradient over ours (right of 1: ours is faster)")
    axes.set_title("Gradient through time; cell, T x B x H")
    figure.legend(loc="outside lower center", ncols=3, columnspacing=1.2)
    return figure


@styled
def speed_by_length(records: list[dict], path: Where = None):
    """Time of a gradient against T, a panel for each cell, B and H of several T.

    Args:
      records: with cell, T, B, H, library, tuned, ms; the others as they come.
      path: where to draw it, as `style.Where`.
    """
    groups: dict[tuple, list[dict]] = {}
    for record in records:
        if not record["tuned"]:
            key = record["cell"], record["B"], record["H"]
            groups.setdefault(key, []).append(record)
    groups = {key: own for key, own in groups.items() if len({r["T"] for r in own}) > 1}
    figure, axes = new_figure(path, len(groups), 3.4 * len(groups) + 0.6, 3.4)
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
    return figure


@styled
def newton_speed(rows: list[dict], path: Where = None):
    """Newton's method in time: iterations and time, over length, width and chaos.

    Above: iterations against T, H and the largest Lyapunov exponent; a cross where the
    method did not converge. Below: the time of a gradient, the loop's in black.

    Args:
      rows: with sweep, at, method, exponent, converged, iterations, ms, loop_ms.
      path: where to draw it, as `style.Where`.
    """
    sweeps = {
        "length": "sequence length $T$",
        "width": "units $H$",
        "gain": "largest Lyapunov exponent (nats a step)",
    }
    points = {s: {r["at"] for r in rows if r["sweep"] == s} for s in sweeps}
    shown = [sweep for sweep in sweeps if len(points[sweep]) > 1]
    shown = shown or [sweep for sweep in sweeps if points[sweep]]
    methods = list(dict.fromkeys(row["method"] for row in rows))
    figure, axes = new_figure(path, len(shown), 3.0 * len(shown) + 0.6, 5.4, rows=2)
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
    return figure


@styled
def long_sequences(rows: list[dict], path: Where = None):
    """Time a step and memory of a gradient, against the length.

    Args:
      rows: with cell, engine, T, us_per_step, memory_mb.
      path: where to draw it, as `style.Where`.
    """
    cells = list(dict.fromkeys(row["cell"] for row in rows))
    engines = list(dict.fromkeys(row["engine"] for row in rows))
    figure, axes = new_figure(path, 2, 7.0, 3.4)
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
    return figure


@styled
def scaling(rows: list[dict], path: Where = None):
    """Speed-up against the number of devices, a panel for each way of dividing.

    Args:
      rows: with way, what, devices, link, speedup.
      path: where to draw it, as `style.Where`.
    """
    ways = list(dict.fromkeys(row["way"] for row in rows))
    links = list(dict.fromkeys(row["link"] for row in rows))
    figure, axes = new_figure(path, len(ways), 3.2 * len(ways) + 0.6, 3.6)
    for panel, way in zip(axes, ways, strict=True):
        own = [row for row in rows if row["way"] == way]
        whats = list(dict.fromkeys(row["what"] for row in own))
        counts = sorted({row["devices"] for row in own})
        panel.plot(counts, counts, color="#999999", linewidth=0.8, label="ideal")
        for index, what in enumerate(whats):
            for number, link in enumerate(links):
                line = [r for r in own if (r["what"], r["link"]) == (what, link)]
                panel.plot(
                    [row["devices"] for row in line],
                    [row["speedup"] for row in line],
                    color=COLORS[number % len(COLORS)],
                    linestyle=("-", (0, (4, 2)), (0, (1, 2)))[index % 3],
                    marker="o",
                    markersize=3,
                    label=link if index == 0 else None,
                )
        panel.set_xscale("log", base=2)
        panel.set_yscale("log", base=2)
        panel.set_xticks(counts, [str(count) for count in counts])
        panel.yaxis.set_major_formatter("{x:g}")
        panel.set_title(f"{way[0].upper()}{way[1:]}")
        dashes = "solid", "dashed", "dotted"
        said = [f"{dashes[i % 3]}: {what}" for i, what in enumerate(whats)]
        panel.set_xlabel("devices\n" + "\n".join(said))
    axes[0].set_ylabel("speed-up, computed")
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper left", ncols=4)
    return figure
