"""A sweep on this machine: a process a job, as many at once as there are places.

A place is a GPU of its own, or as many cores. A process that crashes costs its job and
no other. One that a signal ends, as when memory is short or somebody kills it, resumes
where it was saved, as long as it comes further or for the third time does not.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from typing import NamedTuple

from rnn_research import endings, errors, hardware, waiting
from rnn_research.sweeps import worker
from rnn_research.sweeps.folder import SweepFolder
from rnn_research.sweeps.plan import Job
from rnn_research.sweeps.shown import Shown

POLL = 0.1  # seconds
LOOK = 1.0  # seconds between looks at how far a job is
STUCK = 3  # tries of a job that a signal ends before it comes further
FREE_WAIT = 60.0  # seconds for a process of an earlier sweep to save
SMALLEST_DISK = 2**24  # bytes that must be free


class Place(NamedTuple):
    """Where a job runs.

    Attributes:
      cores: numbers of the cores; none: all.
      gpu: the GPU that it sees, as CUDA_VISIBLE_DEVICES names it; None: the platform's.
    """

    cores: tuple[int, ...] = ()
    gpu: str | None = None

    def environment(self) -> dict[str, str]:
        own = {} if self.gpu is None else {"CUDA_VISIBLE_DEVICES": self.gpu}
        return {**os.environ, **own}


def places(at_once: int | None) -> list[Place]:
    """A place for each GPU; where there is none, for each core.

    Args:
      at_once: how many; None is one each. More than there are share what there is.
    """
    seen = gpus()
    if seen:
        return [Place(gpu=seen[i % len(seen)]) for i in range(at_once or len(seen))]
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    count = at_once or hardware.cores()
    share = len(cores) // count
    if share == 0:
        return [Place()] * count
    return [
        Place(cores=tuple(cores[i * share : (i + 1) * share])) for i in range(count)
    ]


def gpus() -> list[str]:
    """The GPUs that may be used, without starting JAX on them."""
    platforms = os.environ.get("JAX_PLATFORMS", "")
    if platforms and not {"cuda", "gpu"} & set(platforms.split(",")):
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [each for each in visible.split(",") if each.strip()]
    if shutil.which("nvidia-smi") is None:
        return []
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        listed = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20
        )
        found = [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]
        return list(map(str, range(len(found))))
    return []


class _Running:
    """A job at its place."""

    def __init__(self, job: Job, folder: SweepFolder, place: Place, tries: int):
        self.job, self.place, self.tries = job, place, tries
        self.step = folder.step_of(job)
        self.begun = time.monotonic()
        self.process = worker.start(
            job.arguments(folder.run(job)),
            folder.output(job),
            place.cores,
            place.environment(),
        )

    def signal(self, number: int):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)


class Local:
    """Runs jobs, and says how each ends."""

    def __init__(self, folder: SweepFolder, places: list[Place]):
        self.folder, self._free = folder, list(places)
        self._running: list[_Running] = []

    def run(self, jobs: list[Job]):
        """All of them, in order.

        Raises:
          errors.Interrupted: by a signal; what runs has saved.
          errors.RunError: the disk is full.
        """
        self._waiting = list(jobs)
        stop = endings.Interrupts(then="letting the runs save")
        with stop, Shown(self.folder, jobs) as self._shown:
            try:
                while self._waiting or self._running:
                    if stop.asked:
                        raise errors.Interrupted(endings.WORDS[stop.asked], stop.asked)
                    self._begin()
                    self._look()
                    time.sleep(POLL)
            finally:
                self._stop()

    def _begin(self):
        while self._free and self._waiting:
            self._check_disk()
            job = self._waiting.pop(0)
            if not self.folder.wait_until_free(job, FREE_WAIT):
                self._end(job, 1, 0.0, "its folder is in use by another process")
                continue
            self._start(job, self._free.pop(0), 1)

    def _start(self, job: Job, place: Place, tries: int):
        self._shown.begun(job)
        self._running.append(_Running(job, self.folder, place, tries))

    def _look(self):
        """Take leave of what has ended, and show how far the rest is."""
        for running in list(self._running):
            code = running.process.poll()
            if code is None:
                continue
            self._running.remove(running)
            seconds = time.monotonic() - running.begun
            further = self.folder.step_of(running.job) > running.step
            tries = 1 if further else running.tries + 1
            if worker.was_ended(code) and tries <= STUCK:
                how = signal.Signals(-code if code < 0 else code - 128).name
                waiting.say(f"again: {running.job.label}, which {how} ended")
                self._shown.paused(running.job)
                self._start(running.job, running.place, tries)
                continue
            self._free.append(running.place)
            self._end(running.job, code, seconds)
        self._shown.look(LOOK)

    def _end(self, job: Job, code: int, seconds: float, why: str = ""):
        self._shown.ended(job, self.folder.has_ended(job, code, seconds), why)

    def _check_disk(self):
        """Raise errors.RunError where nothing more can be written."""
        free = shutil.disk_usage(self.folder.path).free
        if free < SMALLEST_DISK:
            raise errors.RunError(
                f"{self.folder.path} has {free / 2**20:.1f} MB left on its disk; make "
                "room, and the same command goes on"
            )

    def _stop(self):
        """Let what runs save; a second signal to this process ends all at once."""
        for running in self._running:
            running.signal(signal.SIGTERM)
        with waiting.doing(f"letting {len(self._running)} runs save"):
            for running in self._running:
                running.process.wait()
        self._running = []
