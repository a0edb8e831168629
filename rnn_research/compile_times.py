"""How long compilations took, kept beside the compiled programs.

A program is known by its text without its numbers: at another length, width or seed it
takes about as long. One whose text is known with its numbers is read from the disk.
"""

import contextlib
import hashlib
import json
import pathlib
import re

import jax

from rnn_research import errors, files

FILE = "seconds.json"
MOST = 2000  # programs, the newest


def expected(text: str) -> float | None:
    """Seconds that the compilation of a program may take; None: nobody knows."""
    known = _read()
    exact, alike = _names(text)
    return known.get(exact, known.get(alike))


def note(text: str, seconds: float):
    """A program with this text took so long; later it is read from the disk."""
    path = _path()
    if path is None:
        return
    exact, alike = _names(text)
    with files.alone(path.parent), contextlib.suppress(errors.RunError):  # only a hint
        known = _read()
        if exact in known:
            return
        known.pop(alike, None)  # the newest last
        known |= {alike: round(seconds, 1), exact: 0.0}
        newest = dict(list(known.items())[-MOST:])
        files.write_atomically(path, json.dumps(newest))


def _names(text: str) -> tuple[str, str]:
    alike = re.sub(r"\d+", "#", text)
    return tuple(hashlib.sha256(t.encode()).hexdigest()[:16] for t in (text, alike))


def _path() -> pathlib.Path | None:
    folder = jax.config.jax_compilation_cache_dir
    is_on = folder and jax.config.jax_enable_compilation_cache
    return pathlib.Path(folder) / FILE if is_on else None


def _read() -> dict[str, float]:
    path = _path()
    with contextlib.suppress(errors.RunError):  # a hint that is damaged is none
        known = (files.read_json(path) if path else None) or {}
        return {name: s for name, s in known.items() if isinstance(s, (int, float))}
    return {}
