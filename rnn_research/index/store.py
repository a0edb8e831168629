"""The index on disk: an SQLite file that is made anew whenever something is amiss.

    sqlite3 runs/index.sqlite "select columns ->> 'cell' from runs"

It is only read and replaced, whole: two programs at once disturb each other in nothing,
on a network's file system neither.
"""

import contextlib
import json
import math
import os
import pathlib
import sqlite3
import uuid
from typing import NamedTuple

from rnn_research import files

FILE = "index.sqlite"
VERSION = 1  # of the columns of a row; another is read from the folders again
SCHEMA = """
create table folders (path text primary key, stamp text not null);
create table runs (
  folder text not null references folders, columns text not null,
  not_finite text not null
);
"""


class Held(NamedTuple):
    """What the index has of a folder.

    Attributes:
      stamp: of its files when they were read, see `folders.stamp`.
      rows: of its runs.
    """

    stamp: list
    rows: list[dict]


def read(path: pathlib.Path) -> dict[str, Held]:
    """Each folder of an index; nothing where it is damaged or of another version."""
    if not path.is_file():
        return {}
    try:
        address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        with contextlib.closing(sqlite3.connect(address, uri=True)) as base:
            if base.execute("pragma user_version").fetchone() != (VERSION,):
                return {}
            return _held(base)
    except (sqlite3.Error, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _held(base: sqlite3.Connection) -> dict[str, Held]:
    rows: dict[str, list[dict]] = {}
    for folder, *columns in base.execute("select * from runs"):
        rows.setdefault(folder, []).append(_row(*columns))
    return {
        path: Held(json.loads(stamp), rows.get(path, []))
        for path, stamp in base.execute("select path, stamp from folders")
    }


def _row(columns: str, not_finite: str) -> dict:
    odd = {name: float(word) for name, word in json.loads(not_finite).items()}
    return json.loads(columns) | odd


def write(path: pathlib.Path, held: dict[str, Held]):
    """Replace the index; raises OSError where it cannot be written."""
    kept = {place: own for place, own in held.items() if _is_text(place)}
    folders = [(place, json.dumps(own.stamp)) for place, own in kept.items()]
    rows = [(place, *_texts(row)) for place, own in kept.items() for row in own.rows]
    with contextlib.closing(sqlite3.connect(":memory:")) as base:
        base.executescript(f"pragma user_version = {VERSION};{SCHEMA}")
        base.executemany("insert into folders values (?, ?)", folders)
        base.executemany("insert into runs values (?, ?, ?)", rows)
        base.commit()
        content = base.serialize()
    _replace(path, content)


def _is_text(place: str) -> bool:
    """Whether the name of a folder is more than bytes; others are read each time."""
    try:
        place.encode()
    except UnicodeEncodeError:
        return False
    return True


def _replace(path: pathlib.Path, content: bytes):
    """As `files.write_atomically`, by several programs at once as well."""
    partial = path.with_name(f".{path.name}-{uuid.uuid4().hex}{files.PARTIAL}")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise


def _texts(row: dict) -> tuple[str, str]:
    """The columns as JSON, and those that JSON has not, spelled out."""
    odd = {
        name: str(value)
        for name, value in row.items()
        if isinstance(value, float) and not math.isfinite(value)
    }
    finite = {name: value for name, value in row.items() if name not in odd}
    return json.dumps(finite, allow_nan=False), json.dumps(odd)
