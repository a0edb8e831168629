"""The process of a job: `python -m rnn_research.sweeps.worker PARENT CORES NAME ...`.

It runs the program as `python -m NAME ...` would, on the given cores alone (0,1; or
all), and is asked to stop, which saves, when its parent dies however that may be.

`start` and what it needs know Python alone: who starts a job on a node of a cluster has
nothing else.
"""

import contextlib
import ctypes
import os
import runpy
import signal
import subprocess
import sys

PR_SET_PDEATHSIG = 1  # Linux: prctl(2)
SCHEDULERS = signal.SIGUSR1, signal.SIGUSR2  # for the parent, and sent to its children


def start(arguments, output, cores=(), environment=None) -> subprocess.Popen:
    """The process of a job; it stops when this one dies.

    Args:
      arguments: what follows `python -m`.
      output: path of the file that what it writes is added to.
      cores: numbers of the cores; none: all.
    """
    where = ",".join(map(str, cores)) or "all"
    command = [sys.executable, "-m", "rnn_research.sweeps.worker", str(os.getpid())]
    with open(output, "ab") as file:
        return subprocess.Popen(
            [*command, where, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # Ctrl-C at the terminal is for the sweep
        )


def was_ended(code: int) -> bool:
    """Whether a signal ended it, so that it can resume."""
    return code < 0 or code - 128 in (signal.SIGINT, signal.SIGTERM)


def main():
    for number in SCHEDULERS:
        signal.signal(number, signal.SIG_IGN)
    parent, cores, program, *arguments = sys.argv[1:]
    with contextlib.suppress(OSError, AttributeError):  # where the system has no such
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != int(parent):  # it died before
            os._exit(128 + signal.SIGTERM)
    if cores != "all" and hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, map(int, cores.split(",")))
    sys.argv = [program, *arguments]
    runpy.run_module(program, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
