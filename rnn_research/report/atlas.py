"""The pages of the atlas: a table to hover, and the same as Markdown."""

import html
import pathlib

from rnn_research import hardware
from rnn_research.markdown import table
from rnn_research.web import frame

HERE = pathlib.Path(__file__).parent
# From no memory to perfect: cividis, which all readers can order.
SHADES = "#00224e", "#35456c", "#666970", "#948e77", "#c8b866", "#fee838"


def page(rows: list[dict], families: dict[str, list[str]], said, left, title) -> str:
    """One HTML file that needs nothing else.

    Args:
      rows: of atlas.csv.
      families: {what it is: its cells}, in order.
      said: a sentence for each family.
      left: cells of which nothing is done.
      title: of the page.
    """
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    of_place = {(row["cell"], row["task"]): row for row in rows}
    head = "".join(f'<th scope="col">{html.escape(task)}</th>' for task in tasks)
    body = []
    for family, names in families.items():
        width = len(tasks) + 1
        told = html.escape(family)
        body.append(f'<tr class="family"><th colspan="{width}">{told}</th></tr>')
        for name in names:
            own = "".join(_shaded(of_place.get((name, task))) for task in tasks)
            body.append(f'<tr><th scope="row">{html.escape(name)}</th>{own}</tr>')
    sentences = "".join(f"<li>{html.escape(line)}.</li>" for line in said)
    table = (
        '<div class="scroll" tabindex="0"><table class="map"><thead><tr><th>cell</th>'
        f"{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )
    body = f"""
<header><h1>Which cell for what</h1><p>{html.escape(title)}</p></header>
<main>
<p>0: no better than a network without memory; 1: perfect. The median over seeds, at
the learning rate that is best on validation. Hover a number, or go to it by the tab
key, for its seeds, rate, width and seconds.</p>
{table}
<p>{html.escape(_left(left))}</p>
<h2>What each family holds</h2>
<ul>{sentences}</ul>
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


def _left(cells: list[str]) -> str:
    """A sentence on cells of which nothing is done, or ''."""
    return f"Not run yet: {', '.join(cells)}." if cells else ""


def markdown(rows: list[dict], said, left, title: str) -> str:
    """The sentences, the table and the machine; the arguments are those of `page`."""
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    of_place = {(row["cell"], row["task"]): row for row in rows}
    lines = [
        "# Which cell for what",
        "",
        f"{title}.",
        "All networks get the same updates. A score is 0 where a network is no better",
        "than one without memory, 1 where it is perfect.",
        "It is the median over seeds at the learning rate that is best on validation.",
        "Nothing is tuned for a cell.",
        "",
        "![Cells against tasks](atlas.png)",
        "",
        "## What each family holds",
        "",
        *(f"- {x}." for x in said),
        "",
        "![Scores against seconds](atlas_costs.png)",
        "",
        "## All scores",
        "",
    ]
    scores = []
    for name in dict.fromkeys(row["cell"] for row in rows):
        own = [of_place.get((name, task)) for task in tasks]
        scores.append([name, *(f"{each['score']:.2f}" if each else "" for each in own)])
    lines.append(table(["cell", *tasks], scores))
    lines += ["", *([_left(left), ""] if left else [])]
    lines += ["```bash", "python -m experiments.atlas", "```", ""]
    return "\n".join([*lines, hardware.machine(["jax"])]) + "\n"
