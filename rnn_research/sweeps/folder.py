"""The folder of a sweep: its jobs, their folders, their output, how they ended.

sweep.json          the jobs, each with its settings and the command that it runs
runs/NAME/          the folder of a job, as its program leaves it
jobs/NAME.txt       what its process wrote
jobs/NAME.json      how it ended; while it is not there, the job is not done
"""

import contextlib
import json
import os
import pathlib
import shlex
import time
from typing import NamedTuple

from rnn_research import errors, files
from rnn_research.runs import metrics, run_folder
from rnn_research.sweeps import plan
from rnn_research.training import outcomes

SWEEP = "sweep.json"
LAST_LINES = 5  # of the output, kept with how a job ended
TAIL = 8192  # bytes read from the end of a file


class End(NamedTuple):
    """How a job ended.

    Attributes:
      code: of the exit; less than 0, the signal that ended it.
      seconds: of the process, of the last try.
      last: the last lines of its output.
    """

    code: int
    seconds: float
    last: tuple[str, ...]
    diverged: bool = False

    @property
    def failed(self) -> bool:
        """A training that diverged is a result; its record says so."""
        return self.code != 0 and not self.diverged


class SweepFolder:
    """The folder, which one process holds at a time.

    Raises:
      errors.UsageError: it cannot be written to.
    """

    def __init__(self, path: pathlib.Path):
        self.path = path
        run_folder.check(path)
        run_folder.check_name(path)

    def run(self, job: plan.Job) -> pathlib.Path:
        return self.path / "runs" / job.name

    def output(self, job: plan.Job) -> pathlib.Path:
        return self.path / "jobs" / f"{job.name}.txt"

    def end_file(self, job: plan.Job) -> pathlib.Path:
        return self.path / "jobs" / f"{job.name}.json"

    def command(self, job: plan.Job) -> str:
        """The command of a job, for a shell in the folder where the sweep was begun."""
        return shlex.join(["python", "-m", *job.arguments(self.run(job))])

    def held(self) -> run_folder.LockedFolder:
        """The lock on the sweep; raises errors.UsageError where another holds it."""
        return run_folder.LockedFolder(self.path)

    def read(self) -> list[plan.Job]:
        """The jobs that the sweep has had."""
        content = files.read_json(self.path / SWEEP) or {"jobs": []}
        try:
            return [plan.from_json(_without_command(each)) for each in content["jobs"]]
        except (KeyError, TypeError, AttributeError):
            raise errors.RunError(
                f"{self.path / SWEEP} is damaged; remove it, and the runs in it are "
                "found again by their settings"
            ) from None

    def write(self, jobs: list[plan.Job]):
        (self.path / "jobs").mkdir(parents=True, exist_ok=True)
        (self.path / "runs").mkdir(exist_ok=True)
        content = [{**plan.as_json(job), "command": self.command(job)} for job in jobs]
        files.write_json(self.path / SWEEP, {"jobs": content})

    def end_of(self, job: plan.Job) -> End | None:
        """How a job ended; None: it has not, or nobody saw it."""
        with contextlib.suppress(errors.RunError, TypeError):
            content = files.read_json(self.end_file(job))
            if content is not None:
                return End(**{**content, "last": tuple(content["last"])})
        return None

    def ended(self) -> set[str]:
        """The names of all jobs that have; one look at the folder, not one for each."""
        ending = ".json"
        names = os.listdir(self.path / "jobs")
        return {name.removesuffix(ending) for name in names if name.endswith(ending)}

    def forget_end(self, job: plan.Job):
        """It is to be done again."""
        self.end_file(job).unlink(missing_ok=True)

    def has_ended(self, job: plan.Job, code: int, seconds: float) -> End:
        """Write down how a job ended."""
        end = End(
            code,
            round(seconds, 1),
            tuple(last_lines(self.output(job))),
            diverged=code == 1 and self._has_diverged(job),
        )
        files.write_json(self.end_file(job), end._asdict())
        return end

    def _has_diverged(self, job: plan.Job) -> bool:
        """Whether the record says so of all runs; else a training failed otherwise."""
        with contextlib.suppress(errors.RunError, KeyError, TypeError):
            summary = files.read_json(self.run(job) / run_folder.SUMMARY)
            ends = {run["outcome"] for run in summary["runs"]}
            return ends == {outcomes.DIVERGED}
        return False

    def step_of(self, job: plan.Job) -> int:
        """The update that a training has come to; 0: none, or it is no training."""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            lines = _tail(self.run(job) / metrics.FILE).splitlines()
            return int(json.loads(lines[-1])["step"]) if lines else 0
        return 0

    def is_free(self, job: plan.Job) -> bool:
        """Whether no process holds the folder of a job."""
        if not self.run(job).exists():
            return True
        try:
            run_folder.LockedFolder(self.run(job)).close()
        except errors.UsageError:
            return False
        return True

    def wait_until_free(self, job: plan.Job, seconds: float) -> bool:
        """Wait for a process of an earlier sweep, which may still be saving."""
        until = time.monotonic() + seconds
        while not self.is_free(job):
            if time.monotonic() > until:
                return False
            time.sleep(0.1)
        return True


def _without_command(content: dict) -> dict:
    return {name: value for name, value in content.items() if name != "command"}


def last_lines(path: pathlib.Path) -> list[str]:
    """Of what a process wrote; none where it wrote nothing."""
    try:
        text = _tail(path).decode(errors="replace")
    except OSError:
        return []
    lines = [errors.cut(line) for line in text.splitlines() if line.strip()]
    return lines[-LAST_LINES:]


def _tail(path: pathlib.Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL))
        return file.read()
