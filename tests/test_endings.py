"""How programs end: signals, pipes that nobody reads, parents that die."""

import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest

from rnn_research import config, endings, errors

ROOT = pathlib.Path(__file__).parent.parent


@dataclasses.dataclass(frozen=True)
class Nothing(config.Settings):
    """Nothing:"""


def ended(main, capsys) -> tuple[int, str]:
    """Exit code and stderr of a program that is `main`."""
    with pytest.raises(SystemExit) as stop:
        config.run(lambda settings: main(), Nothing(), argv=[])
    return stop.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "word"),
    [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")],
)
def test_a_signal_is_one_line_and_its_own_status(number, word, capsys):
    before = [signal.getsignal(each) for each in endings.SIGNALS]

    def hit(then=lambda: None):
        os.kill(os.getpid(), number)
        then()

    assert ended(hit, capsys) == (128 + number, f"stopped: {word}\n")

    def turned_into_something_else():
        try:
            hit()
        except KeyboardInterrupt:
            raise RuntimeError("INTERNAL") from None

    expected = (128 + number, f"stopped: {word}\n")
    assert ended(turned_into_something_else, capsys) == expected

    class Destroyed:
        def __del__(self):
            hit()

    def swallowed():  # Python drops what a destructor raises, with a traceback
        Destroyed()
        raise errors.RunError("something else")

    assert ended(swallowed, capsys) == (1, "stopped: something else\n")
    assert before == [signal.getsignal(each) for each in endings.SIGNALS]


def test_a_training_that_saved_ends_by_the_signal_that_asked(capsys):
    def main():
        raise errors.Interrupted("interrupted at update 4", signal.SIGTERM)

    assert ended(main, capsys) == (143, "stopped: interrupted at update 4\n")


def test_a_signal_that_comes_twice_at_once_is_one(monkeypatch, capsys):
    """As where a scheduler signals a process and its parent, which passes it on."""
    died = threading.Event()
    monkeypatch.setattr(endings, "die", lambda number: died.set())
    monkeypatch.setattr(endings, "ECHO", 0.3)
    with endings.Interrupts() as interrupts:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGTERM)
        assert not died.wait(0.2)
        said = capsys.readouterr().err
        assert said.count("finishing the running call") == 1
        assert interrupts.asked == signal.SIGTERM
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGTERM)
        assert died.wait(5)
    assert "stopped at once by a second SIGTERM" in capsys.readouterr().err


def test_a_pipe_that_nobody_reads_is_one_line(capsys):
    def main():
        raise BrokenPipeError(32, "Broken pipe")

    code, error = ended(main, capsys)
    assert code == 141 and error == "stopped: nobody reads the output any more\n"


@pytest.mark.parametrize(
    "variables",
    [
        {"SLURM_STEP_NUM_TASKS": "2"},
        {"SLURM_STEP_NUM_TASKS": "two"},
        {"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "x"},
    ],
)
def test_variables_of_slurm_half_set(variables, monkeypatch):
    from rnn_research import processes

    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    with pytest.raises(errors.UsageError, match="give --num_processes=1"):
        processes.join(None, 0, None)


# ---------------------------------------------------------------- as real programs


def python(code: str, **options) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        **options,
    )


PROGRAM = """
import dataclasses, threading, time
from rnn_research import config, errors

@dataclasses.dataclass(frozen=True)
class Nothing(config.Settings):
    "Nothing:"

def main(settings):
    print("begun", flush=True)
    {body}

config.run(main, Nothing())
"""
# Python's handlers run between two bytecodes, so not in the middle of this.
DEAF = "import hashlib; hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)"
# A thread that the interpreter would wait for, as those of a failed save.
LINGERING = (
    "threading.Thread(target=time.sleep, args=(1000,)).start(); "
    'raise errors.RunError("full")'
)


@pytest.mark.slow
def test_it_ends_for_certain():
    deaf = python(PROGRAM.format(body=DEAF))
    lingering = python(PROGRAM.format(body=LINGERING))
    assert deaf.stdout.readline() == "begun\n"
    deaf.send_signal(signal.SIGTERM)
    _, errors = deaf.communicate(timeout=60)
    assert (deaf.returncode, errors) == (-signal.SIGTERM, "stopped: terminated\n")
    _, errors = lingering.communicate(timeout=60)
    assert (lingering.returncode, errors) == (1, "stopped: full\n")


@pytest.mark.slow
def test_a_shells_loop_stops():
    """Which it does only if the program died of the signal itself."""
    body = "import os, signal; os.killpg(0, signal.SIGINT); time.sleep(20)"
    loop = 'for i in 1 2 3; do echo begun; "$0" -c "$1"; done; echo after'
    # A shell in the background ignores SIGINT, and what it starts does so as well.
    listen = "signal.signal(signal.SIGINT, signal.SIG_DFL)"
    start = f"import os, signal, sys; {listen}; os.execvp('bash', sys.argv[1:])"
    shell = subprocess.run(
        [
            *(sys.executable, "-c", start),
            *("bash", "-c", loop, sys.executable, PROGRAM.format(body=body)),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        start_new_session=True,
        timeout=60,
    )
    assert shell.stdout.count("begun") == 2 and "after" not in shell.stdout
    assert shell.stderr == "stopped: interrupted\n"


@pytest.mark.slow
def test_streams_that_are_closed(tmp_path):
    """And a screen for figures that does not exist."""
    flags = "--distances=0.5 --sequences=4"
    command = f'"$0" -m experiments.curse_of_memory {flags} --workdir="$1" <&- >&- 2>&-'
    shell = subprocess.run(
        ["bash", "-c", command, sys.executable, str(tmp_path)],
        env={**os.environ, "MPLBACKEND": "nonsense"},
        capture_output=True,
        cwd=ROOT,
        timeout=120,
    )
    assert (shell.returncode, shell.stderr) == (0, b"")
    assert (tmp_path / "curse_of_memory.png").stat().st_size > 1000


WORKER = """
import os, sys
from rnn_research.benchmarks import process

if __name__ == "__main__":
    print('{"pid": %d}' % os.getpid(), flush=True)
    assert process.read_job() == {"name": "a"}
    import time
    time.sleep(1000)
"""
PARENT = """
from typing import NamedTuple
from rnn_research.benchmarks.process import in_a_process

class Job(NamedTuple):
    name: str

for line in in_a_process("waiting_worker", Job("a"), "worker"):
    print(line["pid"], flush=True)
"""


@pytest.mark.slow
def test_a_worker_does_not_outlive_its_parent(tmp_path):
    (tmp_path / "waiting_worker.py").write_text(WORKER)
    path = os.pathsep.join((str(tmp_path), str(ROOT)))
    parent = python(PARENT, env={**os.environ, "PYTHONPATH": path})
    worker = int(parent.stdout.readline())
    time.sleep(0.5)
    os.kill(worker, 0)  # it is there
    parent.kill()
    parent.communicate()
    for _ in range(100):
        time.sleep(0.05)
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        state = pathlib.Path(f"/proc/{worker}/stat")
        if state.exists() and state.read_text().split(")")[1].split()[0] == "Z":
            return
    os.kill(worker, signal.SIGKILL)
    raise AssertionError("the worker goes on")
