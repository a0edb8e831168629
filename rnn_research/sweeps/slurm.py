"""A sweep on a cluster: its jobs in arrays of SLURM, submitted and watched here.

submitit queues a job again when its time is up or another takes its place, and training
resumes bit for bit. The watch can end and begin at any time: which job is where stands
in the sweep's folder before it is submitted.
"""

import contextlib
import secrets
import shutil
import signal
import time

from rnn_research import endings, errors, waiting
from rnn_research.runs import run_folder
from rnn_research.sweeps import slurm_queue
from rnn_research.sweeps.folder import SweepFolder, last_lines
from rnn_research.sweeps.local import STUCK
from rnn_research.sweeps.plan import Job
from rnn_research.sweeps.settings import SweepConfig
from rnn_research.sweeps.shown import Shown
from rnn_research.sweeps.slurm_queue import Arrays
from rnn_research.sweeps.slurm_submission import logs, submit

POLL = 1.0  # seconds between looks at what has ended
LOOK = 5.0  # seconds between looks at how far the jobs are
ASK = 20.0  # seconds between questions to the scheduler
LARGEST = 10**6  # tasks at once, in place of no limit
LATE = 90.0  # seconds until a file of another machine is seen here for certain


def check_engine(folder: SweepFolder, run: str):
    """Raise where SLURM has jobs that another engine would begin, or misreads a path.

    Raises:
      errors.UsageError: one of both.
    """
    if run == "slurm" and "%" in str(folder.path.absolute()):
        raise errors.UsageError(
            f"--workdir={folder.path}: SLURM reads % in a path as a pattern; give "
            "another"
        )
    arrays = Arrays(folder)
    if run == "slurm" or arrays.are_empty() or shutil.which("squeue") is None:
        return
    where = arrays.tasks(slurm_queue.tasks() or [])
    if queued := _active(where):
        raise errors.UsageError(
            f"SLURM has {len(queued)} jobs of this sweep: --run=slurm watches them, "
            f"{_cancel(queued)} cancels them"
        )


def _active(where: dict[str, slurm_queue.Task]) -> dict[str, slurm_queue.Task]:
    return {name: task for name, task in where.items() if task.is_active}


def _cancel(where: dict[str, slurm_queue.Task]) -> str:
    """The command that cancels the arrays of the tasks."""
    return "scancel " + " ".join(dict.fromkeys(task.array for task in where.values()))


class Slurm:
    """Submits jobs, watches them, and says how each ends."""

    def __init__(self, folder: SweepFolder, settings: SweepConfig):
        self.folder, self.settings = folder, settings
        self._arrays = Arrays(folder)
        self._since: dict[str, float] = {}  # when a job was not in the queue any more
        self._tries: dict[str, int] = {}
        self._steps: dict[str, int] = {}  # where each was when it was submitted
        self._running: set[str] = set()
        self._held: list[Job] = []  # until the cluster takes more of them
        self._where: dict[str, slurm_queue.Task] = {}  # of the jobs, as last heard

    def run(self, jobs: list[Job]):
        """All of them, those included that are in the queue from an earlier time.

        Raises:
          errors.Interrupted: by a signal; the jobs stay where they are.
          errors.RunError: sbatch refuses them, or squeue does not answer.
        """
        self._stop = stop = endings.Interrupts(then="leaving the jobs to SLURM")
        with stop, Shown(self.folder, jobs) as self._shown:
            if not self._ask() and not self._arrays.are_empty():
                raise errors.RunError(
                    "squeue gives no answer, and jobs of this sweep may be in SLURM; "
                    "try again when it does"
                )
            there = _active(self._where).keys() & self._shown.left.keys()
            if there:
                waiting.say(f"{len(there)} jobs are in SLURM already")
            try:
                self._submit([job for job in jobs if job.name not in there])
                while self._shown.left and not stop.asked:
                    self._look()
                    time.sleep(POLL)
            except errors.RunError:
                if not stop.asked:  # Ctrl-C has reached sbatch too
                    raise
            if stop.asked:
                self._say_how_to_go_on()
                raise errors.Interrupted(endings.WORDS[stop.asked], stop.asked)

    def _say_how_to_go_on(self):
        self._ask()
        if queued := _active(self._where):
            waiting.say(
                f"{len(queued)} jobs stay in SLURM; the same command watches them "
                f"again, {_cancel(queued)} cancels them"
            )

    def _ask(self) -> bool:
        """Ask the scheduler which task each job is, if it answers."""
        self._asked = time.monotonic()
        found = slurm_queue.tasks()
        if found is not None:
            self._where = self._arrays.tasks(found)
        return found is not None

    # ------------------------------------------------------------------ submission

    def _submit(self, jobs: list[Job]):
        """Submit them in arrays below the limit; what is refused waits for the others.

        Raises:
          errors.RunError: it is refused, and no other was in the queue.
        """
        limit = self.settings.array_limit
        starts = range(0, len(jobs), limit)
        at_once = max(1, (self.settings.at_once or LARGEST) // max(1, len(starts)))
        for start in starts:
            chunk = jobs[start : start + limit]
            for job in chunk:
                self._steps[job.name] = self.folder.step_of(job)
                self._since.pop(job.name, None)
            try:
                number = self._submit_array(chunk, at_once)
            except errors.RunError as error:
                before = _active(self._where)  # may have ended since it was refused
                self._ask()
                if self._stop.asked or not (before or _active(self._where)):
                    raise
                if not self._held:
                    count = len(jobs) - start
                    waiting.say(f"{error}; {count} jobs wait until others end")
                self._held, self._refused = jobs[start:], time.monotonic()
                break
            waiting.say(f"submitted: {len(chunk)} jobs as {number}")
            self._held = []
        self._asked = 0.0 if jobs else self._asked  # they are in the queue now

    def _submit_array(self, jobs: list[Job], at_once: int) -> str:
        stem = run_folder.named(self.folder.path.absolute().name) or "sweep"
        name = f"{stem}-{secrets.token_hex(3)}"
        self._arrays.begin(name, [job.name for job in jobs])
        try:
            number = submit(jobs, self.folder, self.settings, name, at_once)
        except errors.RunError:
            if not self._stop.asked:  # else sbatch may have done it
                self._arrays.drop(name)
            raise
        self._arrays.has(name, number)
        made = slurm_queue.Task(number, "PENDING", name)
        self._where |= {job.name: made for job in jobs}
        return number

    # ----------------------------------------------------------------------- watch

    def _look(self):
        """Take leave of what has ended, submit what was lost, show how far all is."""
        for name in self.folder.ended() & self._shown.left.keys():
            job = self._shown.left[name]
            if end := self.folder.end_of(job):
                self._shown.ended(job, end)
        if self._held and time.monotonic() - self._refused > ASK:
            self._submit(self._held)
        if time.monotonic() - self._asked > ASK and self._ask():
            self._take_care()
        queued = len(self._shown.left) - len(self._running & self._shown.left.keys())
        self._shown.look(LOOK, f"{queued} queued" if queued else "")

    def _take_care(self):
        """Of what the queue says: what runs now, and what is there no longer."""
        lost = []
        there = self._shown.left.keys() - {job.name for job in self._held}
        for name in [name for name in self._shown.left if name in there]:
            job = self._shown.left[name]
            own = self._where.get(name)
            runs = own is not None and own.state == "RUNNING"
            if runs and name not in self._running:
                self._shown.begun(job)
                self._running.add(name)
            elif not runs and name in self._running:
                self._shown.paused(job)
                self._running.discard(name)
            if own is not None and own.is_active:
                self._since.pop(name, None)
            elif time.monotonic() - self._since.setdefault(name, self._asked) > LATE:
                lost.append(job)
        self._submit([job for job in lost if self._is_to_go_on(job)])

    def _is_to_go_on(self, job: Job) -> bool:
        """Whether to submit a job again that is gone and has not said how it ended."""
        own = self._where.get(job.name)
        state = own.state if own else slurm_queue.past(self._arrays.number(job.name))
        if state.startswith("CANCELLED"):
            why = "cancelled; the same command submits it again"
            self._shown.given_up(job, why)
            return False
        further = self.folder.step_of(job) > self._steps.get(job.name, 0)
        self._tries[job.name] = 1 if further else self._tries.get(job.name, 1) + 1
        self._keep_log(job)
        why = f"SLURM ended it ({state})"
        if self._tries[job.name] > STUCK:
            end = self.folder.has_ended(job, -signal.SIGKILL, 0.0)
            self._shown.ended(job, end, f"{why} {STUCK} times before it came further")
            return False
        waiting.say(f"again: {job.label}; {why}")
        return True

    def _keep_log(self, job: Job):
        """What the scheduler and the shell wrote, below what the job itself wrote."""
        number = self._arrays.number(job.name)
        log = logs(self.folder) / f"{number}_0_log.out"
        with (
            contextlib.suppress(OSError),
            self.folder.output(job).open("a", encoding="utf-8") as file,
        ):
            file.writelines(f"{line}\n" for line in last_lines(log))
