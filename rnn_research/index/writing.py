"""All that is written of many runs: tables, a figure, the runs themselves."""

import pathlib
from collections.abc import Callable, Sequence

from rnn_research import files, plotting, waiting
from rnn_research.diagnostics import table as csv
from rnn_research.index import columns, figure, formats, page
from rnn_research.index import reports as pages
from rnn_research.index.table import Table, table

PICTURES = "results.png", "results.pdf"
TABLES = "results.csv", "results.md", "results.tex"


def write(
    rows: list[dict],
    folder: str | pathlib.Path,
    *,
    value: str | None = None,
    pivot: str | None = None,
    lines: Sequence[str] | None = None,
    threshold: float | None = None,
    command: str = "",
    reports: bool = True,
    left_out: Callable[[str], None] = waiting.say,
) -> Table:
    """Write the table of the runs as CSV, Markdown, LaTeX and a page, and its figure.

    results.csv, .md, .tex, .html, .png, .pdf; runs.csv has every column of every run,
    those that are not finished too; reports/ a page for each folder of runs.

    Args:
      rows: of `read`.
      folder: is made if it is not there.
      value, pivot, lines, threshold: as `table.table` takes them.
      command: that makes them, for a comment.
      reports: whether a report of each folder is made, where it is not there already.
      left_out: is given a line for each folder that cannot be reported.

    Raises:
      errors.UsageError: there is no such column, or no run has the value.
      errors.RunError: a file cannot be written.
    """
    folder = pathlib.Path(folder)
    made = table(
        rows,
        value=value,
        pivot=pivot,
        lines=None if lines is None else tuple(lines),
        threshold=threshold,
    )
    folder.mkdir(parents=True, exist_ok=True)
    of_csv, of_markdown, of_latex = (folder / name for name in TABLES)
    formats.write_csv(made, of_csv)
    files.write_atomically(of_markdown, formats.markdown(made))
    files.write_atomically(of_latex, formats.latex(made, command))
    points, x = figure.points(made)
    for name in PICTURES:
        plotting.many_runs(
            points,
            folder / name,
            x=columns.name(x) if x else None,
            y=made.asked.short,
            is_share=made.asked.is_success,
        )
    names = columns.known(rows)
    shown = [{name: _shown(row[name]) for name in names if name in row} for row in rows]
    csv.write_csv(shown, folder / "runs.csv", columns=names)
    page.render(
        rows,
        made,
        folder / "results.html",
        picture=folder / PICTURES[0],
        x=columns.name(x) if x else "settings",
        written=[*TABLES, *PICTURES, "runs.csv"],
        reports=pages.write(rows, folder / "reports", left_out) if reports else {},
    )
    return made


def _shown(value):
    """Names of folders may be bytes that are no text."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else value
