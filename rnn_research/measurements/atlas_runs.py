"""The trainings of the atlas as a table, so that a later day goes on from a file."""

import math
import pathlib
from typing import NamedTuple

from rnn_research import errors, files, spelling
from rnn_research.diagnostics import table
from rnn_research.measurements import atlas
from rnn_research.resolve import resolve

KEY = "cell", "task", "protocol", "width", "seed", "learning_rate"
NUMBERS = "learning_rate", "validation", "score", "seconds", "all_seconds"


class Run(NamedTuple):
    """A training of the atlas that has ended.

    Attributes:
      protocol: what the task was and how long it was trained.
      validation: the loss, inf for a training that diverged.
      score: on test, from 0 to 1.
      seconds: of compute.
      all_seconds: with compilation and evaluation.
    """

    cell: str
    task: str
    protocol: str
    width: int
    seed: int
    learning_rate: float
    validation: float
    score: float
    seconds: float
    all_seconds: float

    @property
    def key(self) -> tuple:
        return tuple(getattr(self, name) for name in KEY)


def protocol(asked: str) -> str:
    """A task of the atlas and how it is trained, as text."""
    one = atlas.TASKS[asked]
    length = f", length {one.length}" if one.length else ""
    return f"{one.task}{length}, {one.num_steps} updates of {one.batch_size}"


def of_folder(cell: str, asked: str, width: int, folder: pathlib.Path) -> list[Run]:
    """The trainings in a folder of `experiments.train`."""
    summary = spelling.read(files.read_json(folder / "summary.json"))
    one = atlas.TASKS[asked]
    task = resolve("task", one.task, length=one.length)
    count = len(summary["runs"])
    seconds = [v for v in summary["seconds"].values() if isinstance(v, float)]
    return [
        Run(
            cell,
            asked,
            protocol(asked),
            width,
            end["seed"],
            end["learning_rate"],
            _loss(end),
            atlas.score_of(one, task, end),
            summary["seconds"]["run"] / count,
            sum(seconds) / count,
        )
        for end in summary["runs"]
    ]


def _loss(end: dict) -> float:
    loss = (end["validation"] or {}).get("loss", math.inf)
    return loss if math.isfinite(loss) else math.inf


def write(runs: list[Run], path: pathlib.Path):
    table.write_csv([run._asdict() for run in runs], path, columns=Run._fields)


def read(path: pathlib.Path) -> list[Run]:
    """The runs of `write`.

    Raises:
      errors.UsageError: there is no such table.
    """
    try:
        found = [_run(row) for row in table.read_csv(path)]
    except (OSError, KeyError, TypeError, ValueError):
        found = []
    if not found:
        raise errors.UsageError(
            f"{path} is no table of runs, as the atlas writes it (runs.csv)"
        )
    return found


def _run(row: dict) -> Run:
    numbers = {name: float(row[name]) for name in NUMBERS}
    return Run(**row | numbers | {"width": int(row["width"]), "seed": int(row["seed"])})
