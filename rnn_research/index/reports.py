"""The report of each folder of runs, a page each, made anew where runs changed."""

import hashlib
import os
import pathlib
from collections.abc import Callable

from rnn_research import errors, report, waiting
from rnn_research.index import columns, folders
from rnn_research.report import artefacts
from rnn_research.runs import run_folder

LONGEST = 100  # letters of a page's name; file systems allow 255


def write(
    rows: list[dict], folder: pathlib.Path, left_out: Callable[[str], None]
) -> dict[str, pathlib.Path]:
    """{folder of runs: its page} of all that have finished.

    Made from what was recorded; nothing is measured, so that it takes milliseconds.

    Args:
      folder: of the pages.
      left_out: is given a line for each folder that cannot be reported.
    """
    done = [row["folder"] for row in rows if row["outcome"] != columns.UNFINISHED]
    pages = {place: _name(place, folder) for place in done}
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    with waiting.bar(len(pages), "reports") as bar:
        for number, (place, name) in enumerate(pages.items()):
            bar.update(number)
            path = folder / name
            if not _is_new(path, pathlib.Path(place)):
                try:
                    report.render(report.read([place], measure=False), path)
                except (errors.UsageError, errors.RunError) as error:
                    left_out(str(error))
                    continue
            written[place] = path
    return written


def _name(place: str, folder: pathlib.Path) -> str:
    """A file's name, short, readable, its own, and the same if all is moved."""
    relative = os.fsencode(os.path.relpath(place, folder))
    told = run_folder.named(pathlib.Path(place).name)[:LONGEST]
    return f"{told}-{hashlib.sha256(relative).hexdigest()[:8]}.html"


def _is_new(page: pathlib.Path, place: pathlib.Path) -> bool:
    """Whether the page is newer than all that it is made from."""
    try:
        made = page.stat().st_mtime_ns
    except OSError:
        return False
    changed = [own[0] for own in folders.stamp(place) if own]
    declared = place / artefacts.FILE
    if declared.exists():
        changed.append(declared.stat().st_mtime_ns)
    return made > max(changed, default=made)
