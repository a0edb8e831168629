"""Figures of predicted failures."""

from rnn_research.plotting.colors import COLORS
from rnn_research.plotting.style import Where, new_figure, styled


@styled
def remaining_time(rows: list[dict], path: Where = None, *, unit: str, title: str):
    """What is predicted to remain of some runs, against what remains.

    A panel a run: the line of truth, what the network says with the band of 80 %, and
    the best reference, dashed.

    Args:
      rows: with 'run', 'step', 'left', 'middle', 'low', 'high' and 'reference'.
      path: where to draw it, as `style.Where`.
      unit: of the steps.
    """
    runs: dict[int, list[dict]] = {}
    for row in rows:
        runs.setdefault(row["run"], []).append(row)
    columns = min(3, len(runs))
    lines = -(-len(runs) // columns)
    figure, axes = new_figure(
        path, columns, 2.9 * columns, 0.6 + 2.2 * lines, rows=lines
    )
    panels = [panel for line in (axes if lines > 1 else [axes]) for panel in line]
    for panel, (number, own) in zip(panels, runs.items(), strict=False):
        steps = [row["step"] for row in own]

        def column(name, own=own):
            return [row[name] for row in own]

        panel.plot(steps, column("left"), color="black", label="what remains")
        panel.plot(steps, column("middle"), color=COLORS[0], label="predicted")
        low, high = column("low"), column("high")
        panel.fill_between(steps, low, high, color=COLORS[0], alpha=0.2, linewidth=0)
        panel.plot(
            steps,
            column("reference"),
            color=COLORS[1],
            linestyle="--",
            linewidth=0.9,
            label="best reference",
        )
        panel.set_ylim(bottom=0)
        panel.set_xlim(steps[0], steps[-1])
        panel.set_title(f"run {number + 1} of test")
        panel.set_xlabel(f"{unit} passed")
    for panel in panels[len(runs) :]:
        panel.axis("off")
    panels[0].set_ylabel(f"{unit} left")
    figure.suptitle(title, fontsize=9, fontweight="bold", x=0.01, ha="left")
    handles = panels[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=3)
    return figure
