"""The folder of a run: its settings, and files that are written whole or not at all."""

import json
import os
import pathlib
import tempfile

from rnn_research import runtime, values

# Written to config.json but never compared: a run may go on on another machine.
NOT_COMPARED = frozenset({"machine", "platform", "num_devices"})


def claim(folder: pathlib.Path, settings: dict, free: frozenset[str]):
    """Write config.json, or refuse a folder that holds another run.

    Args:
      settings: every resolved value of the run.
      free: names that may differ from those saved.

    Raises:
      values.UsageError: the folder cannot be written, or its settings differ.
    """
    make(folder)
    path = folder / "config.json"
    settings = json.loads(json.dumps({**settings, "machine": runtime.describe()}))
    saved = read_json(path) or settings
    for name in sorted((saved.keys() | settings.keys()) - free - NOT_COMPARED):
        if saved.get(name) != settings.get(name):
            raise values.UsageError(
                f"{folder} holds a run with {name}={saved.get(name)!r}, not "
                f"{settings.get(name)!r}; give another --workdir, or the saved "
                "settings to resume"
            )
    write_json(path, settings)


def make(folder: pathlib.Path):
    """Make the folder and see that it can be written to.

    Raises:
      values.UsageError: it cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise values.UsageError(f"--workdir={folder}: {error.strerror}") from error


def read_json(path: pathlib.Path) -> dict | None:
    """The content of a JSON file, None where there is none."""
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise values.RunError(f"{path} is damaged: {error}") from None


def write_json(path: pathlib.Path, content: dict):
    """Write a JSON file, all of it or nothing."""
    write_atomically(path, json.dumps(content, indent=2) + "\n")


def write_atomically(path: pathlib.Path, text: str):
    """Write all of `text` or nothing."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text)
    os.replace(partial, path)
