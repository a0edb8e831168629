"""One library's updates: `python -m rnn_research.benchmarks.training_worker`.

Reads a job as JSON from standard input, writes a line of JSON for each row.
"""

import json
import pathlib
from typing import NamedTuple

import jax

from rnn_research import errors, runtime
from rnn_research.benchmarks import training_libraries, training_problem
from rnn_research.benchmarks.process import read_job
from rnn_research.benchmarks.training_libraries import Training
from rnn_research.benchmarks.training_problem import Problem
from rnn_research.benchmarks.worker import timed

BATCHES = 100  # made in a call


class Job(NamedTuple):
    """What one process measures.

    Attributes:
      library: a name of training_libraries.LIBRARIES.
      rows: a `training_problem.Row` each.
      folder: where the problem of each is.
      updates: in a call.
      seconds: to measure for, at least, after the first call.
    """

    library: str
    rows: list
    folder: str
    updates: int
    seconds: float


def main():
    job = Job(**read_job())
    rows = [training_problem.Row(*row) for row in job.rows]
    if job.library == "ours":
        runtime.start(
            runtime.RunConfig(platform="cpu", compilation_cache="off"),
            batch_size=rows[0].batch_size,
            hidden_size=rows[0].hidden_size,
        )
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_enable_x64", False)
    for row in rows:
        problem = training_problem.load(row, pathlib.Path(job.folder))
        training = training_libraries.LIBRARIES[job.library](problem)
        print(json.dumps({"row": row} | measured(job, problem, training)), flush=True)


def measured(job: Job, problem: Problem, training: Training) -> dict:
    """ms of an update and of making its batch; or `wrong`, and nothing is timed."""
    try:
        state = checked(job.library, problem, training)
    except errors.RunError as error:
        return {"wrong": str(error)}

    def several():
        nonlocal state
        state, _ = training.update(state, job.updates)

    found = timed(several, seconds=job.seconds)
    batch_ms = None
    if training.make_batches:
        making = timed(lambda: training.make_batches(BATCHES), seconds=job.seconds / 4)
        batch_ms = making["ms"] / BATCHES
    return {
        "ms": found["ms"] / job.updates,
        "batch_ms": batch_ms,
        "peak_mb": found["peak_mb"],
    }


def checked(name: str, problem: Problem, training: Training):
    """The state behind the updates that are checked.

    Raises:
      errors.RunError: they are not those in float64.
    """
    state, losses = training.start, []
    start = training.recurrent(state)
    for _ in range(training_problem.CHECKED):
        state, loss = training.update(state, 1)
        losses.append(loss)
    moved = training_problem.distance(training.recurrent(state), start)
    training_problem.check(name, problem, losses, moved)
    return state


if __name__ == "__main__":
    main()
