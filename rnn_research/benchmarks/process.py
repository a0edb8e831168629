"""A job in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Iterator


def in_a_process(module: str, job, name: str) -> Iterator[dict]:
    """The lines of JSON that `python -m module` writes for the job.

    Says so, under the name, if it fails; what it wrote before that counts.
    """
    done = subprocess.run(
        [sys.executable, "-m", module],
        input=json.dumps(job._asdict()),
        capture_output=True,
        text=True,
    )
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            yield json.loads(line)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        reason = lines[-1] if lines else f"exit status {done.returncode}"
        print(f"{name} failed: {reason}", flush=True)
