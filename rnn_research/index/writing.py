"""All that is written of many runs: tables, a figure, the runs themselves."""

import pathlib
from collections.abc import Sequence

from rnn_research import files, plotting
from rnn_research.diagnostics import table as csv
from rnn_research.index import columns, figure, formats
from rnn_research.index.table import Table, table
from rnn_research.report import records

PICTURES = "results.png", "results.pdf"


def write(
    rows: list[dict],
    folder: str | pathlib.Path,
    *,
    value: str | None = None,
    pivot: str | None = None,
    lines: Sequence[str] | None = None,
    threshold: float | None = None,
    command: str = "",
) -> Table:
    """Write the table of the runs as CSV, Markdown and LaTeX, its figure, and runs.csv.

    results.csv, .md, .tex, .png, .pdf; runs.csv has every column of every run, those
    that are not finished too.

    Args:
      rows: of `read`.
      folder: is made if it is not there.
      value, pivot, lines, threshold: as `table.table` takes them.
      command: that makes them, for a comment.

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
    formats.write_csv(made, folder / "results.csv")
    files.write_atomically(folder / "results.md", formats.markdown(made))
    files.write_atomically(folder / "results.tex", formats.latex(made, command))
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
    return made


def _shown(value):
    """Names of folders may be bytes that are no text."""
    return records.plain(value) if isinstance(value, str) else value
