"""What SLURM starts for a job of a sweep: its process, asked to save when time is up.

It is pickled with its code, so that a node begins with the job at once: this package,
and JAX with it, is imported here only to write down how the job ended.
"""

import dataclasses
import math
import os
import pathlib
import signal
import time

from rnn_research.sweeps.worker import start, was_ended

POLL = 0.1  # seconds
LINGER = 5.0  # seconds for the signal that queues a job again, after the first one


@dataclasses.dataclass
class Task:
    """One job; with several tasks each has one, and the first writes the end.

    Attributes:
      folder: of the sweep.
      job: as `plan.as_json` gives it.
      arguments: what follows `python -m`.
      output: path of what its process writes.
      end: path that is there once it has ended.
      patience: seconds in which it saves before it is queued again.
    """

    folder: str
    job: dict
    arguments: tuple[str, ...]
    output: str
    end: str
    patience: float

    _process = None
    _asked = False

    def __call__(self):
        import submitit

        if os.path.exists(self.end):
            return
        # Where the scheduler signals only this process, it passes the signal on.
        usual = signal.signal(signal.SIGTERM, lambda number, frame: self._ask())
        began, why = time.monotonic(), ""
        try:
            self._process = start(self.arguments, self.output)
            self._wait(math.inf)
            if not self._is_over(self._code()):
                time.sleep(LINGER)
        except submitit.core.utils.UncompletedJobError as error:
            why = str(error)
        finally:
            signal.signal(signal.SIGTERM, usual)
        if submitit.JobEnvironment().global_rank == 0:
            self._write_end(time.monotonic() - began, why)
        self._process.wait()

    def checkpoint(self):
        """The same call again, which resumes; None where the job has ended."""
        import submitit

        if self._process is not None:
            self._ask()
            self._wait(self.patience)
            if self._is_over(self._code()):
                return None
        return submitit.helpers.DelayedSubmission(dataclasses.replace(self))

    def _ask(self):
        """Ask the job to save and end, once: at a second signal it would not save."""
        if not self._asked and self._process is not None:
            self._asked = True
            os.kill(self._process.pid, signal.SIGTERM)

    def _wait(self, seconds: float):
        until = time.monotonic() + seconds
        while self._code() is None and time.monotonic() < until:
            time.sleep(POLL)

    def _code(self) -> int | None:
        """As `Popen.poll`, which must not be called inside itself by a handler."""
        waits = os.WEXITED | os.WNOHANG | os.WNOWAIT
        ended = os.waitid(os.P_PID, self._process.pid, waits)
        if ended is None:
            return None
        return ended.si_status * (1 if ended.si_code == os.CLD_EXITED else -1)

    def _is_over(self, code: int | None) -> bool:
        """Whether there is nothing to resume.

        One of several processes that was asked to end may fail in place of another.
        """
        if code is None or was_ended(code):
            return False
        return code == 0 or not self._asked

    def _write_end(self, seconds: float, why: str):
        """Write down how the job ended, unless it is to resume another time."""
        code = self._code()
        if not self._is_over(code):
            if not why:
                return
            with open(self.output, "a", encoding="utf-8") as file:
                file.write(f"{why}\n")
            code = -signal.SIGTERM
        from rnn_research.sweeps import folder, plan

        own = folder.SweepFolder(pathlib.Path(self.folder))
        own.has_ended(plan.from_json(self.job), code, seconds)
