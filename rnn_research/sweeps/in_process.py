"""The jobs of a sweep one after the other in this process, for a debugger."""

import importlib
import time

from rnn_research import config, errors, waiting
from rnn_research.sweeps import programs
from rnn_research.sweeps.folder import SweepFolder
from rnn_research.sweeps.plan import Job


def run(jobs: list[Job], folder: SweepFolder):
    """All of them; the first that fails ends it, with its traceback."""
    for job in jobs:
        waiting.say(f"{job.label}")
        module, *argv = job.arguments(folder.run(job))
        program = importlib.import_module(module)
        begun, code = time.monotonic(), 0
        try:
            config.run(program.main, *programs.settings(job.experiment), argv=argv)
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        end = folder.has_ended(job, code, time.monotonic() - begun)
        if end.failed:
            raise errors.RunError(f"{job.label} failed; its message is above")
