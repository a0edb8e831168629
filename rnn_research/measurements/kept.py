"""Rows that were measured, kept under the hash of what they depend on."""

import functools
import hashlib
import json
import math
import pathlib

import jax
import numpy as np

import rnn_research
from rnn_research import errors, files, identity

FOLDER = "measured"


def path(each, folder: pathlib.Path) -> pathlib.Path | None:
    """Where the rows are kept; None of what has no identity."""
    if each.given is None:
        return None
    written = pathlib.Path(each.rows.__code__.co_filename).read_bytes()
    machine = (jax.__version__, jax.default_backend(), jax.config.jax_enable_x64)
    try:
        parts = [_library(), repr(machine), each.label, *_described(each.given)]
    except errors.UsageError:
        return None
    content = "\n".join(parts).encode() + written
    return folder / FOLDER / f"{hashlib.sha256(content).hexdigest()[:32]}.json"


def _described(thing) -> list[str]:
    """Texts that tell a tree of values, texts, numbers and arrays from another."""
    if isinstance(thing, dict):
        thing = list(thing.items())
    if isinstance(thing, (list, tuple)):
        inner = [text for each in thing for text in _described(each)]
        return [f"{type(thing).__name__} {len(thing)}", *inner]
    if isinstance(thing, (jax.Array, np.ndarray)):
        numbers = np.asarray(thing)
        content = hashlib.sha256(np.ascontiguousarray(numbers)).hexdigest()
        return [f"{numbers.dtype}{numbers.shape} {content}"]
    if isinstance(thing, identity.LITERALS):
        return [repr(thing)]
    return [identity.text(thing), repr(sorted(identity.code(thing).items()))]


@functools.cache
def _library() -> str:
    """The hash of the library's code."""
    root = pathlib.Path(rnn_research.__file__).parent
    found = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()


def plain(row: dict) -> dict:
    """The row with Python's own numbers, as they are read back."""
    return {
        name: value.item() if isinstance(value, (np.generic, np.ndarray)) else value
        for name, value in row.items()
    }


def write(path: pathlib.Path, rows: list[dict]):
    """Keep the rows there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_atomically(path, _written(rows))


def _written(rows: list[dict]) -> str:
    """As JSON, where numbers that it has not are spelled {"number": "-inf"}."""

    def spelled(value):
        is_number = not isinstance(value, float) or math.isfinite(value)
        return value if is_number else {"number": str(value)}

    plain = [{name: spelled(value) for name, value in row.items()} for row in rows]
    return json.dumps({"rows": plain}, allow_nan=False)


def read(path: pathlib.Path) -> list[dict] | None:
    content = files.read_json(path)
    if content is None:
        return None
    if not isinstance(content.get("rows"), list):
        raise errors.RunError(f"{path} is damaged: it holds no rows; remove it")
    return [
        {
            name: float(value["number"]) if isinstance(value, dict) else value
            for name, value in row.items()
        }
        for row in content["rows"]
    ]
