"""Rows that were measured, kept under the hash of what they depend on.

That is: the arrays, values and code of the user's that a measurement reaches, by what
its functions close over and by the globals they read (`identity`); the code of this
library; and the machine's kind.
"""

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


def path(measurement, folder: pathlib.Path) -> pathlib.Path:
    """Where the rows of a measurement are kept.

    Raises:
      errors.UsageError: something that it reaches has no identity.
    """
    reached = measurement.trace, measurement.rows
    drawn = jax.config.jax_enable_x64, jax.config.jax_default_prng_impl
    machine = jax.__version__, jax.default_backend(), *drawn
    code = sorted(identity.code(*reached).items())
    parts = (_library(), machine, identity.text(reached), code)
    digest = hashlib.sha256(repr(parts).encode()).hexdigest()
    return folder / FOLDER / f"{digest[:32]}.json"


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
