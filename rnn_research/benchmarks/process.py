"""A job in a process of its own, which ends with the one that gave it."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator


def in_a_process(module: str, job, name: str) -> Iterator[dict]:
    """The lines of JSON that `python -m module` writes for the job, as they come.

    Says so, under the name, if it fails; what it wrote before that counts.
    """
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=pipe,
            stdout=pipe,
            stderr=errors,
            text=True,
        ) as process,
    ):
        try:
            with contextlib.suppress(BrokenPipeError):  # it has failed; that is told
                process.stdin.write(json.dumps(job._asdict()) + "\n")
                process.stdin.flush()
            for line in process.stdout:
                if line.startswith("{"):
                    yield json.loads(line)
            status = process.wait()
        finally:
            process.kill()
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        errors.seek(0)
        lines = [line for line in errors.read().splitlines() if line.strip()]
    if status:
        reason = lines[-1] if lines else f"exit status {status}"
        print(f"{name} failed: {reason}", flush=True)


def read_job() -> dict:
    """The job, in the worker; from here on it ends when its parent does.

    The parent holds the pipe open as long as it lives, however it dies.
    """
    read = b""
    while not read.endswith(b"\n") and (more := os.read(0, 1)):
        read += more
    threading.Thread(target=_end_with_parent, daemon=True).start()
    return json.loads(read)


def _end_with_parent():
    os.read(0, 1)
    os._exit(1)
