"""A job in a process of its own."""

import json
import subprocess
import sys
import tempfile
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
            process.stdin.write(json.dumps(job._asdict()))
            process.stdin.close()
            for line in process.stdout:
                if line.startswith("{"):
                    yield json.loads(line)
            status = process.wait()
        finally:
            process.kill()
        errors.seek(0)
        lines = [line for line in errors.read().splitlines() if line.strip()]
    if status:
        reason = lines[-1] if lines else f"exit status {status}"
        print(f"{name} failed: {reason}", flush=True)
