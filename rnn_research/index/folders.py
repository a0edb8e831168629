"""The folders of runs below given ones."""

import os
import pathlib
from collections.abc import Callable, Iterator

from rnn_research import errors
from rnn_research.runs import metrics, run_folder

CONFIG = "config.json"
FILES = CONFIG, run_folder.SUMMARY, metrics.FILE
BESIDE = frozenset({"lock", run_folder.SUMMARY, metrics.FILE})
DEEPEST = 100  # levels below a given folder


def is_run(folder: pathlib.Path) -> bool:
    """Whether a training has begun in the folder itself."""
    try:
        return _holds_run(os.listdir(folder))
    except OSError:
        return False


def _holds_run(names) -> bool:
    return CONFIG in names and not BESIDE.isdisjoint(names)


def below(
    folder: pathlib.Path, left_out: Callable[[str], None]
) -> Iterator[pathlib.PurePath]:
    """Each folder of a run at or below `folder`, relative to it, in order of names.

    What is inside the folder of a run is its own. Hidden folders and links to folders
    are not entered: a run that is linked from elsewhere would count twice.

    Args:
      left_out: is given a line for each folder that cannot be looked into.
    """
    waiting = [(pathlib.PurePath("."), 0)]
    while waiting:
        place, depth = waiting.pop()
        try:
            with os.scandir(folder / place) as found:
                entries = {entry.name: entry for entry in found}
        except OSError as error:
            left_out(f"{folder / place} cannot be read: {error.strerror}")
            continue
        if _holds_run(entries):
            yield place
            continue
        inside = [
            name
            for name, entry in entries.items()
            if not name.startswith(".") and entry.is_dir(follow_symlinks=False)
        ]
        if inside and depth == DEEPEST:
            left_out(f"{errors.cut(str(folder / place))} is too deep to be looked into")
            continue
        waiting += [(place / name, depth + 1) for name in sorted(inside, reverse=True)]


def stamp(folder: pathlib.Path) -> list:
    """[time of the last change in ns, size] of each of the files, None where it is not.

    As long as that is the same, the files are not read again.
    """
    return [_stamp_of(folder / name) for name in FILES]


def _stamp_of(path: pathlib.Path) -> list[int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return [found.st_mtime_ns, found.st_size]
