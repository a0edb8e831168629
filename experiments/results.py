"""What did many runs come to? One table, one figure.

    python -m experiments.results runs/
    python -m experiments.results runs/ --where='cell=gru|lstm,length>=50'
    python -m experiments.results runs/ --pivot=length --value=loss
    python -m experiments.results runs/ --value=updates_to_solve --rows=cell,hidden_size
    python -m experiments.results runs/ --threshold=0.1

Reads all runs below the folders, finished or not. A line of the table is what differs
between runs, a column a value of the pivot, and a number is over seeds:

    success               share that solved the task, with Wilson's 95 % interval
    updates_to_solve      median, least, greatest; >1000 where 1000 did not do
    updates_to_threshold  the same, until the validation loss was below --threshold
    loss, accuracy, ...   a metric of test; validation_loss, ... that of validation
    seconds, parameters   or any other column of numbers

Conditions of --where have =, !=, <, <=, >, >= and a column; all must be met. `cell=gru`
is met by gru with any options, `cell=gru()` by gru without, `cell=gru|lstm` by both.

Writes results.html, a page with the report of each run one click away; results.csv,
.md, .tex (booktabs), .png and .pdf; and runs.csv with every column of every run. In
each folder lies index.sqlite, by which the next call reads only what has changed; it
can be removed at any time.
"""

import dataclasses
import pathlib
import shlex
import sys

from rnn_research import config, errors, index, waiting
from rnn_research.index import folders, for_wandb
from rnn_research.runs import run_folder


@dataclasses.dataclass(frozen=True)
class ResultsConfig(config.Settings):
    """Results:"""

    runs: tuple[str, ...] | None = config.setting(
        None, "folders of runs, or above them", positional=True
    )
    where: tuple[str, ...] | None = config.setting(
        None, "conditions that a run meets, such as cell=gru,length>=50"
    )
    value: str | None = config.setting(
        None, "what is shown; default: success, or the metric of the tasks"
    )
    pivot: str | None = config.setting(
        None,
        "the column whose values become columns; default: the length, or another "
        "number that varies",
    )
    rows: tuple[str, ...] | None = config.setting(
        None, "columns whose values become lines; default: all settings that vary"
    )
    threshold: float | None = config.setting(
        None, "a validation loss, for updates_to_threshold"
    )
    reports: bool = config.setting(
        True, "make a report of each folder of runs, to which the page links"
    )
    wandb: bool = config.setting(
        False, "write the runs for Weights & Biases too, offline, into wandb/"
    )
    workdir: str | None = config.setting(
        None, "folder of what is written; default: results, beside the runs"
    )


def main(settings: ResultsConfig):
    if settings.runs is None:
        raise errors.UsageError("which runs? python -m experiments.results runs/")
    folder = pathlib.Path(settings.workdir or _beside(settings.runs[0]))
    run_folder.check(folder)
    if settings.wandb:
        for_wandb.package()  # says so before the work if it is not there
    with waiting.doing("reading runs"):
        rows = index.read(
            [path for path in settings.runs if not pathlib.Path(path).is_file()],
            where=settings.where or (),
            left_out=_left_out,
        )
    if not rows:
        met = " that meets the conditions" if settings.where else ""
        raise errors.UsageError(f"{', '.join(settings.runs)}: there is no run{met}")
    with waiting.doing("drawing"):
        table = index.write(
            rows,
            folder,
            value=settings.value,
            pivot=settings.pivot,
            lines=settings.rows,
            threshold=settings.threshold,
            reports=settings.reports,
            left_out=_left_out,
            command=shlex.join(["python -m experiments.results", *sys.argv[1:]]),
        )
    print(f"{index.terminal(table, waiting.width())}\n\n{len(rows)} runs: {folder}")
    print(f"page: {folder / 'results.html'}")
    if settings.wandb:
        for_wandb.write(rows, folder)
        print(f"wandb sync {shlex.quote(str(folder / 'wandb'))}/offline-run-*")


def _left_out(line: str):
    waiting.say(f"left out: {line}")


def _beside(given: str) -> pathlib.Path:
    """Below a folder of runs; of the folder of a run itself, next to it."""
    path = pathlib.Path(given)
    return (path.parent if folders.is_run(path) else path) / "results"


SETTINGS = (ResultsConfig(),)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
