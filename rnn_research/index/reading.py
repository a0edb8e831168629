"""The rows of all runs below folders, by an index that is never the truth."""

import contextlib
import pathlib
import time
from collections.abc import Callable

from rnn_research import errors
from rnn_research.index import folders, of_folder, query, resuming, store

SETTLED = 2.0  # seconds; a file changed since may change again at the same time of day


def read(
    given,
    *,
    where: tuple[str, ...] = (),
    left_out: Callable[[str], None] | None = None,
) -> list[dict]:
    """A row a run, finished or not, of all folders of runs at or below those given.

    Columns: the settings by their names, of lists of seeds and learning rates the run's
    own; and

      folder             as seen from here
      outcome            how the run ended, or 'not finished'
      updates, progress  made so far; their share of all
      kept_step, dropped, parameters, goal, monitor   as in summary.json
      test_*, validation_*   the metrics of the weights that were kept; of a run that is
                         not finished the last of validation
      best_validation_loss   the lowest of all evaluations
      seconds            of compute, the run's share of its folder's
      compile_seconds, updates_per_second   of the folder, all runs side by side
      device, cpu, python, jax, code   where it was; code tells versions of your files
      command            that resumes it; None: it was begun from Python

    Below a given folder lies `index.sqlite`, from which folders are read whose files
    have not changed; where it cannot be written the folders are read each time.

    Args:
      given: folders, each of runs or the folder of a run.
      where: conditions that a row meets, as `query.conditions` reads them.
      left_out: is given a line for each folder that cannot be read, None raises it.

    Raises:
      errors.UsageError: a folder is not there, or a condition cannot be read.
      errors.RunError: a folder is damaged.
    """
    conditions = query.conditions(where)
    say = _raise if left_out is None else left_out
    found: dict[pathlib.Path, list[dict]] = {}
    for folder in map(pathlib.Path, given):
        if not folder.is_dir():
            why = "is no folder" if folder.exists() else "there is no such folder"
            raise errors.UsageError(f"{folder}: {why}; give folders of runs")
        for place, rows in _below(folder, say).items():
            found.setdefault(place.resolve(), [_placed(row, place) for row in rows])
    rows = [row for rows in found.values() for row in rows]
    return query.meeting(rows, conditions)


def _raise(line: str):
    raise errors.RunError(line)


def _placed(row: dict, folder: pathlib.Path) -> dict:
    """The row, with what depends on where the folder is."""
    row = {"folder": str(folder), **row}
    return row | {"command": resuming.command(row.pop("flags"), folder)}


def _below(folder: pathlib.Path, say) -> dict[pathlib.Path, list[dict]]:
    """The rows of each folder of a run; the index is brought up to date."""
    is_run = folders.is_run(folder)  # an index of one run is of no use
    before = {} if is_run else store.read(folder / store.FILE)
    now = {}
    for place in folders.below(folder, say):
        own, stamp = folder / place, folders.stamp(folder / place)
        held = before.get(place.as_posix())
        if not held or held.stamp != stamp:
            try:
                held = store.Held(stamp, of_folder.rows(own))
            except (errors.UsageError, errors.RunError) as error:
                say(str(error))
                continue
        now[place.as_posix()] = held
    if not is_run and now != before:
        kept = {name: own for name, own in now.items() if _is_settled(own.stamp)}
        with contextlib.suppress(OSError):  # a folder that is only read
            store.write(folder / store.FILE, kept)
    return {folder / name: own.rows for name, own in now.items()}


def _is_settled(stamp: list) -> bool:
    """Whether a later change of the files would change the stamp."""
    newest = max((own[0] for own in stamp if own), default=0)
    return time.time_ns() - newest > SETTLED * 1e9
