"""The page of many runs: table, figure, and all runs to sort and to filter."""

import base64
import html
import math
import pathlib
import string

from rnn_research import files
from rnn_research.index import columns, formats, values
from rnn_research.index.table import Table
from rnn_research.web import frame, markup

HERE = pathlib.Path(__file__).parent
SHOWN = "seed", "outcome", "updates"


def render(
    rows: list[dict],
    table: Table,
    path: pathlib.Path,
    *,
    picture: pathlib.Path,
    x: str,
    written: list[str],
    reports: dict[str, pathlib.Path],
):
    """Write the page, whole or not at all; it needs nothing else.

    Args:
      picture: a PNG, which the page holds.
      x: what it is against.
      written: names of files beside the page.
      reports: {folder of runs: its page}.
    """
    tasks = dict.fromkeys(str(row.get("task")) for row in rows)
    done = sum(row["outcome"] != columns.UNFINISHED for row in rows)
    title = f"Results: {', '.join(map(formats.setting, tasks))}"
    fill = {
        "title": html.escape(title),
        "told": f"{len(rows)} runs, {done} finished.",
        "script": (HERE / "page.js").read_text(encoding="utf-8"),
        "value": html.escape(formats.capital(table.asked.short)),
        "caption": html.escape(table.caption),
        "table": _table(table),
        "notes": "".join(
            f'<p class="note">{html.escape(formats.capital(note))}.</p>'
            for note in table.notes
        ),
        "figure": base64.b64encode(picture.read_bytes()).decode(),
        "x": html.escape(x),
        "runs": _runs(rows, table, path.parent, reports),
        "files": "<ul>"
        + "".join(f'<li><a href="./{name}">{name}</a></li>' for name in written)
        + "</ul>",
    }
    body = string.Template((HERE / "page.html").read_text(encoding="utf-8"))
    text = frame.page(title, body.substitute(fill), styles=(HERE / "page.css",))
    files.write_atomically(path, text.encode("utf-8", errors="replace"))


def _table(table: Table) -> str:
    lines, heads = formats.both_heads(table)
    if table.pivot:
        heads = [f"{columns.name(table.pivot)} {head}" for head in heads]
    top = "".join(f'<th scope="col">{html.escape(head)}</th>' for head in lines + heads)
    body = "".join(
        "<tr>"
        + "".join(
            f'<th scope="row">{html.escape(formats.setting(own))}</th>' for own in line
        )
        + "".join(f"<td>{_value(own, table.runs)}</td>" for own in found)
        + "</tr>"
        for line, found in table.matrix()
    )
    return _scrolled(
        f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
    )


def _value(value, runs: int) -> str:
    middle, _, spread = formats.plain(value, runs).partition(" ")
    return f'{html.escape(middle)} <span class="spread">{html.escape(spread)}</span>'


def _scrolled(table: str) -> str:
    return f'<div class="scroll" tabindex="0">{table}</div>'


# ------------------------------------------------------------------------- all runs


def _runs(rows: list[dict], table: Table, folder: pathlib.Path, reports) -> str:
    told = [*table.lines, *([table.pivot] if table.pivot else ())]
    told += [name for name in columns.varying(rows, tuple(told)) if name not in told]
    names = [*told, *(name for name in SHOWN if name not in told)]
    value = table.asked.name
    if value not in (*values.DERIVED, *names):
        names.append(value)
    if "seconds" not in names:
        names.append("seconds")
    top = "".join(
        f'<th scope="col"><button type="button">{html.escape(columns.name(name))}'
        "</button></th>"
        for name in names
    )
    body = "".join(
        f"<tr>{''.join(_cell(name, row.get(name)) for name in names)}"
        f"<td>{_report(row, folder, reports)}</td>"
        f"<td><code>{html.escape(row['command'] or '')}</code>"
        "</td></tr>"
        for row in rows
    )
    return _scrolled(
        f'<table id="all"><thead><tr>{top}<th scope="col">report</th>'
        f'<th scope="col">command</th></tr></thead><tbody>{body}</tbody></table>'
    )


def _cell(name: str, value) -> str:
    """A value as it is shown, and as it is ordered by."""
    if isinstance(value, float) and not columns.is_setting(name):
        shown = formats.number(value)
        key = {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, repr(value))
        key = "" if math.isnan(value) else key
    else:
        shown = "" if value is None else formats.setting(value)
        key = shown
    kind = f' class="{html.escape(shown)}"' if name == "outcome" else ""
    return f'<td{kind} data-value="{html.escape(key)}">{html.escape(shown)}</td>'


def _report(row: dict, folder: pathlib.Path, reports) -> str:
    """A link to the report of the run's folder, or to the folder itself."""
    place = pathlib.Path(row["folder"])
    there, word = (reports.get(row["folder"], place), "report")
    if there is place:
        word = "folder"
    address = markup.address(markup.relative(there, folder))
    return f'<a href="{address}">{word}</a>'
