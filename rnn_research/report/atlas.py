"""The pages of the atlas: a table to hover, and the same as Markdown."""

import html
import pathlib
from typing import NamedTuple

from rnn_research import hardware
from rnn_research.markdown import table
from rnn_research.web import frame

HERE = pathlib.Path(__file__).parent
# From no memory to perfect: cividis, which all readers can order.
SHADES = "#00224e", "#35456c", "#666970", "#948e77", "#c8b866", "#fee838"


class Content(NamedTuple):
    """What the pages show.

    Attributes:
      title: of the pages.
      tasks: {name: what it asks, and how it is trained}, in order.
      families: {what it is: its cells}, in order.
      rows: of atlas.csv.
      said: a sentence for each family.
      left: cells of which nothing is done.
    """

    title: str
    tasks: dict[str, str]
    families: dict[str, list[str]]
    rows: list[dict]
    said: list[str]
    left: list[str]

    @property
    def places(self) -> dict[tuple, dict]:
        """Rows by cell and task."""
        return {(row["cell"], row["task"]): row for row in self.rows}

    @property
    def remainder(self) -> str:
        """A sentence on the cells that are left, or ''."""
        return f"Not run yet: {', '.join(self.left)}." if self.left else ""


def page(content: Content) -> str:
    """One HTML file that needs nothing else."""
    tasks, of_place = content.tasks, content.places
    head = "".join(f'<th scope="col">{html.escape(task)}</th>' for task in tasks)
    body = []
    for family, names in content.families.items():
        width = len(tasks) + 1
        told = html.escape(family)
        body.append(f'<tr class="family"><th colspan="{width}">{told}</th></tr>')
        for name in names:
            own = "".join(_shaded(of_place.get((name, task))) for task in tasks)
            body.append(f'<tr><th scope="row">{html.escape(name)}</th>{own}</tr>')
    sentences = "".join(f"<li>{html.escape(line)}.</li>" for line in content.said)
    remainder = f"<p>{html.escape(content.remainder)}</p>" if content.left else ""
    asked = "".join(
        f"<li><strong>{html.escape(name)}</strong>: {html.escape(told)}.</li>"
        for name, told in tasks.items()
    )
    table = (
        '<div class="scroll" tabindex="0"><table class="map"><thead><tr><th>cell</th>'
        f"{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )
    body = f"""
<header><h1>Which cell for what</h1><p>{html.escape(content.title)}</p></header>
<main>
<p>0: no better than a network without memory; 1: perfect. The median over seeds, at
the learning rate that is best on validation. Hover a number, or go to it by the tab
key, for its seeds, rate, width and seconds.</p>
{table}
{remainder}
<h2>What each family holds</h2>
<ul>{sentences}</ul>
<h2>What the tasks ask</h2>
<ul>{asked}</ul>
<p class="small">{html.escape(hardware.machine(["jax"]))}</p>
</main>
"""
    return frame.page("Which cell for what", body, styles=(HERE / "atlas.css",))


def _shaded(row: dict | None) -> str:
    """A cell of the table, with what it says when hovered."""
    if row is None:
        return "<td></td>"
    shade = min(len(SHADES) - 1, int(row["score"] * len(SHADES)))
    ink = "#ffffff" if shade < 3 else "#000000"
    part = "" if row["done"] == row["planned"] else "*"
    told = html.escape(
        f"{row['cell']} on {row['task']}: {row['score']:.2f}, from {row['least']:.2f} "
        f"to {row['greatest']:.2f} over {row['seeds']} seeds, learning rate "
        f"{row['learning_rate']:g}, {row['width']} units, {row['seconds']:.1f} s a "
        f"run, {row['done']} of {row['planned']} runs"
    )
    return (
        f'<td><span tabindex="0" title="{told}" aria-label="{told}" '
        f'style="background:{SHADES[shade]};color:{ink}">{row["score"]:.2f}{part}'
        "</span></td>"
    )


def markdown(content: Content) -> str:
    """The sentences, the table, the tasks and the machine."""
    of_place = content.places
    lines = [
        "# Which cell for what",
        "",
        f"{content.title}.",
        "All networks get the same updates. A score is 0 where a network is no better",
        "than one without memory, 1 where it is perfect.",
        "It is the median over seeds at the learning rate that is best on validation.",
        "Nothing is tuned for a cell.",
        "",
        "![Cells against tasks](atlas.png)",
        "",
        "## What each family holds",
        "",
        *(f"- {x}." for x in content.said),
        "",
        "![Scores against seconds](atlas_costs.png)",
        "",
        "## All scores",
        "",
    ]
    scores = []
    for name in dict.fromkeys(row["cell"] for row in content.rows):
        own = [of_place.get((name, task)) for task in content.tasks]
        scores.append([name, *(f"{each['score']:.2f}" if each else "" for each in own)])
    lines.append(table(["cell", *content.tasks], scores))
    lines += ["", *([content.remainder, ""] if content.left else [])]
    lines += ["## What the tasks ask", ""]
    lines += [*(f"- {name}: {told}." for name, told in content.tasks.items()), ""]
    lines += ["```bash", "python -m experiments.atlas", "```", ""]
    return "\n".join([*lines, hardware.machine(["jax"])]) + "\n"
