"""Experiments: one question each, run with `python -m experiments.NAME`."""

import os
import signal
import sys

if sys.argv[0] == "-m":  # a program begins: what holds before its imports, of seconds
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback; config.run does more
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:  # closed, so the next file would be in its place
            os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
            setattr(sys, name, os.fdopen(descriptor, "w" if descriptor else "r"))
    sys.stdout.reconfigure(line_buffering=True)  # a line that is said is not lost
    if sys.stderr.isatty():
        print("starting ...", end="\r", file=sys.stderr, flush=True)  # until config.run
    os.environ["MPLBACKEND"] = "agg"  # figures are files here, whatever it says
