"""How many training updates per second, beside other libraries?

    python -m experiments.training_speed
    python -m experiments.training_speed --cells=gru --shapes=100x32x64 --rounds=1

An update is all of it: a fresh batch of the adding problem, forward, backward, clipping
and Adam. Ours is the program of several updates that a training calls; flax (linen) a
scan of updates in one compiled function; PyTorch a loop with its own layers and Adam.
All start from the same weights and the same batches, and the first updates of each are
held against float64 before it is timed. The libraries take turns, each in processes of
its own as it comes; medians over the rounds count, with the least and the most.

Making a batch is timed on its own too: drawn by a key, and gathered from arrays (the
digits, pixel by pixel, for ours alone).

Libraries that are not installed are left out: `pip install -r requirements-bench.txt`
brings them. Writes training_speed.csv and training_speed.md. Takes under ten minutes on
2 quiet CPU cores.
"""

import dataclasses
import pathlib
import tempfile

import jax

from rnn_research import config, errors, files
from rnn_research.benchmarks import (
    training_libraries,
    training_page,
    training_problem,
    training_worker,
    turns,
)
from rnn_research.benchmarks.training_problem import ENDLESS, OF_ARRAYS, Row
from rnn_research.diagnostics import table
from rnn_research.runs import run_folder


@dataclasses.dataclass(frozen=True)
class TrainingSpeedConfig(config.Settings):
    """Training speed:"""

    cells: tuple[str, ...] = config.setting(
        turns.CELLS, f"cells: {', '.join(turns.CELLS)}"
    )
    shapes: tuple[str, ...] = config.setting(
        ("200x50x128",), "T x B x H, one per row; the digits have a T of their own"
    )
    libraries: tuple[str, ...] = config.setting(
        tuple(training_libraries.LIBRARIES), "libraries to measure, if installed"
    )
    updates: int = config.setting(10, "updates per call", low=1)
    rounds: int = config.setting(5, "processes per library", low=1)
    seconds: float = config.setting(
        2.0, "seconds to measure each row for, at least", low=0.0
    )
    workdir: str = config.setting("runs/training_speed", "folder for the results")


def main(settings: TrainingSpeedConfig):
    names = tuple(training_libraries.LIBRARIES)
    chosen = turns.installed(settings.libraries, names)
    rows = rows_of(settings, chosen)
    jax.config.update("jax_platforms", "cpu")
    folder = pathlib.Path(settings.workdir)
    run_folder.check(folder)
    found, page = [], ""
    with tempfile.TemporaryDirectory() as data:
        prepare(rows, pathlib.Path(data))
        for each in measured(rows, chosen, data, settings):
            print(
                f"{Row(*each.row)}: {1000 / each.result['ms']:.1f} updates/s",
                flush=True,
            )
            found.append(each)
            records = training_page.records(found)
            path = folder / "training_speed.csv"
            table.write_csv(records, path, columns=tuple(records[0]))
            page = training_page.markdown(rows, records, settings.libraries)
            files.write_atomically(folder / "training_speed.md", page)
    if not found:
        raise errors.UsageError("nothing was measured; see the messages above")
    print(f"\n{page}\ntables: {folder}")


def rows_of(settings: TrainingSpeedConfig, chosen: list[str]) -> list[Row]:
    """The adding problem for all libraries, the digits for ours."""
    asked = turns.parse_rows(settings.cells, settings.shapes)
    adding = [Row(ENDLESS, *each) for each in asked]
    for row in adding:
        training_problem.task_of(row)  # or its length is refused
    if "ours" not in chosen:
        return adding
    images = [row._replace(task=OF_ARRAYS, length=1) for row in adding]
    steps = training_problem.task_of(images[0]).length
    return adding + list(dict.fromkeys(row._replace(length=steps) for row in images))


def prepare(rows: list[Row], folder: pathlib.Path):
    """Write what the libraries are given: in float32, as they train."""
    with jax.enable_x64(False):
        for row in rows:
            begun = training_problem.begun(row)
            training_problem.save(training_problem.solved(begun), folder)


def measured(rows: list[Row], chosen: list[str], data: str, settings):
    """What each process found, as `turns.take_turns` gives it."""

    def job(side, together):
        able = training_libraries.TASKS[side.library]
        own = [row for row in together if row.task in able]
        return training_worker.Job(
            side.library, own, data, settings.updates, settings.seconds
        )

    def check(side, row, result):
        del side, row
        if "wrong" in result:
            raise errors.RunError(result["wrong"])

    return turns.take_turns(
        training_worker.__name__,
        [turns.Side(name) for name in chosen],
        rows,
        rounds=settings.rounds,
        job=job,
        check=check,
    )


SETTINGS = (TrainingSpeedConfig(),)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
