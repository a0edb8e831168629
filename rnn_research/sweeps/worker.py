"""The process of a job: `python -m rnn_research.sweeps.worker PARENT CORES NAME ...`.

It runs the program as `python -m NAME ...` would, on the given cores alone (0,1; or
all), and is asked to stop, which saves, when its parent dies however that may be.
"""

import contextlib
import ctypes
import os
import runpy
import signal
import sys

PR_SET_PDEATHSIG = 1  # Linux: prctl(2)


def main():
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
