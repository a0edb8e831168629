"""What was submitted of a sweep, and what SLURM says of it by squeue and sacct."""

import os
import subprocess
from typing import NamedTuple

from rnn_research import files
from rnn_research.sweeps.folder import SweepFolder

ARRAYS = "slurm.json"  # what was submitted
SECONDS = 60  # for an answer
OVER = {
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "REVOKED",
    "TIMEOUT",
}


class Task(NamedTuple):
    """A task that the scheduler knows.

    Attributes:
      number: `12`, or `12_3` in an array.
      name: of its job or array.
    """

    number: str
    state: str
    name: str

    @property
    def array(self) -> str:
        """The number of its array, or its own."""
        return self.number.partition("_")[0]

    @property
    def is_active(self) -> bool:
        """Whether it runs or will run; also one that ends has not ended."""
        return self.state not in OVER


def tasks() -> list[Task] | None:
    """The user's tasks, those of the last minutes included; None: no answer."""
    said = _answer(
        "squeue",
        "--noheader",
        "--array",
        "--states=all",
        f"--user={os.getuid()}",
        "--format=%i|%T|%j",
    )
    if said is None:
        return None
    return [Task(*line.split("|", 2)) for line in said.splitlines() if "|" in line]


def past(number: str) -> str:
    """The state of a task that the queue has forgotten; UNKNOWN: nobody knows."""
    asked = "--noheader", "--allocations", "--parsable2", "--format=State"
    said = _answer("sacct", *asked, f"--jobs={number}") or ""
    return said.split("\n")[0].strip() or "UNKNOWN"


def _answer(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


class Arrays:
    """What was submitted, in slurm.json: the arrays, with their jobs in order.

    An array is written down before it is submitted, under a name of its own: so one of
    which the number was not written any more is found in the queue.
    """

    def __init__(self, folder: SweepFolder):
        self._path = folder.path / ARRAYS
        content = files.read_json(self._path) or {}
        self._all: list[dict] = content.get("arrays", [])

    def are_empty(self) -> bool:
        return not self._all

    def begin(self, name: str, jobs: list[str]):
        self._all.append({"name": name, "number": None, "jobs": jobs})
        self._write()

    def has(self, name: str, number: str):
        self._all[-1]["number"] = number
        assert self._all[-1]["name"] == name
        self._write()

    def drop(self, name: str):
        self._all = [own for own in self._all if own["name"] != name]
        self._write()

    def _write(self):
        files.write_json(self._path, {"arrays": self._all})

    def number(self, job: str) -> str:
        """Of the task that was last submitted for a job; empty: none was."""
        for own in reversed(self._all):
            if job in own["jobs"] and own["number"]:
                return _numbered(own, own["jobs"].index(job))
        return ""

    def tasks(self, found: list[Task]) -> dict[str, Task]:
        """{name of a job: its task}, of those that the scheduler knows."""
        numbers = {each.name: each.array for each in found}
        of_number = {each.number: each for each in found}
        known = {}
        for own in self._all:
            if own["number"] is None and own["name"] in numbers:
                own["number"] = numbers[own["name"]]
            for index, job in enumerate(own["jobs"]):
                known.pop(job, None)  # of an earlier array
                if each := of_number.get(_numbered(own, index)):
                    known[job] = each
        return known


def _numbered(array: dict, index: int) -> str:
    """The number of a task; one job alone is submitted without an array."""
    return f"{array['number']}_{index}" if len(array["jobs"]) > 1 else array["number"]
