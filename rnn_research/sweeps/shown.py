"""What is shown and said of the jobs of a sweep, wherever they run."""

import contextlib
import signal
import time

from rnn_research import waiting
from rnn_research.sweeps import plan
from rnn_research.sweeps.folder import End, SweepFolder
from rnn_research.sweeps.plan import Job

MOST_BARS = 10  # of single jobs, below one another


class Shown:
    """A bar of all jobs and one of each that runs; a line for each that ends.

    Attributes:
      left: the jobs that have not ended, by name.
      failed: how many have.
    """

    def __init__(self, folder: SweepFolder, jobs: list[Job]):
        self.folder, self.failed = folder, 0
        self.left = {job.name: job for job in jobs}
        self._count, self._looked = len(jobs), 0.0
        self._sizes = {job.name: plan.work(job) for job in jobs}
        self._whole = sum(self._sizes.values())
        self._running: dict[str, _OwnBar] = {}
        self._context = contextlib.ExitStack()

    def __enter__(self):
        self._bar = self._context.enter_context(waiting.bar(self._count))
        return self

    def __exit__(self, *error):
        for own in self._running.values():
            own.close()
        self._context.close()

    def begun(self, job: Job):
        """A job runs, for the first time or once more."""
        if not waiting.shows():
            waiting.say(f"begun: {job.label}")
        self._running[job.name] = _OwnBar(job)

    def paused(self, job: Job):
        """It does not run now, and has not ended."""
        if own := self._running.pop(job.name, None):
            own.close()

    def ended(self, job: Job, end: End, why: str = ""):
        """Say how a job ended, and where it failed its last lines."""
        self.paused(job)
        del self.left[job.name]
        number = self._count - len(self.left)
        waiting.say(f"{number}/{self._count}  {job.label}: {said(end, why)}")
        if end.failed:
            self.failed += 1
            for line in end.last:
                waiting.say(f"    {line}")
            waiting.say(f"    all of it: {self.folder.output(job)}")

    def given_up(self, job: Job, why: str):
        """It is not looked at any more, and can be done another time."""
        self.paused(job)
        del self.left[job.name]
        waiting.say(f"{job.label}: {why}")

    def look(self, every: float, text: str = ""):
        """Show how far all are, at most once in so many seconds."""
        if time.monotonic() - self._looked < every:
            return
        self._looked = time.monotonic()
        under_way, bars = 0.0, 0
        for name, own in self._running.items():
            bars += own.look(self.folder, bars < MOST_BARS)
            under_way += own.share * self._sizes[name]
        share = 1 - (sum(map(self._sizes.get, self.left)) - under_way) / self._whole
        failed = f"{self.failed} failed" if self.failed else ""
        done = self._count - len(self.left)
        text = ", ".join(filter(None, (text, failed)))
        self._bar.update(done, text, part=max(0.0, share * self._count - done))


class _OwnBar:
    """How far one job is.

    Attributes:
      share: of it that is done.
    """

    def __init__(self, job: Job):
        self._job, self._steps, self.share = job, plan.steps(job), 0.0
        self._context, self._bar = contextlib.ExitStack(), None

    def look(self, folder: SweepFolder, may_show: bool) -> bool:
        """Whether there is a bar."""
        step = min(folder.step_of(self._job), self._steps)
        self.share = step / self._steps
        if self._bar is None and may_show:
            made = waiting.bar(self._steps, self._job.label)
            self._bar = self._context.enter_context(made)
            self._bar.start_at(step)
        if self._bar is not None:
            self._bar.update(step)
        return self._bar is not None

    def close(self):
        self._context.close()


def said(end: End, why: str = "") -> str:
    """How a job ended, in a few words."""
    if why:
        return f"failed, {why}"
    took = f"{waiting.clock(end.seconds)}"
    if end.diverged:
        return f"diverged, {took}"
    if end.code == 0:
        return f"done, {took}"
    how = f"exit code {end.code}"
    if end.code < 0:
        how = signal.Signals(-end.code).name
    return f"failed after {took}, {how}"
