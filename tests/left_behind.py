"""What a program left in a run's folder for people."""

import pathlib

from rnn_research.report import artefacts

RECORDS = {"artefacts.json", "config.json", "lock", "metrics.jsonl", "summary.json"}


def made_for_people(folder: pathlib.Path) -> set[str]:
    """The names of all that is declared, which is all that there is."""
    declared, notes = artefacts.read(folder)
    assert not notes
    top = {path.name for path in folder.iterdir() if path.is_file()} - RECORDS
    there = {name for name in top if not name.startswith("events.")}
    there |= {f"plots/{path.name}" for path in (folder / "plots").iterdir()}
    assert there == {one.name for one in declared}
    assert all(one.caption.endswith(".") for one in declared)
    return there
