"""Several processes that train one model together.

Started with flags (`--coordinator=host:port --num_processes=2 --process_id=0`) or by
SLURM's `srun`. All compute, process 0 writes. Each keeps a connection to process 0, its
lifeline: the kernel closes it when either dies, and the others end within a second with
one line, where JAX alone would wait for minutes.
"""

import atexit
import contextlib
import hashlib
import json
import os
import secrets
import socket
import sys
import threading
import time

import numpy as np

from rnn_research import errors

START_SECONDS = 120  # for all processes to come
LAST_WORD_SECONDS = 1
KEEPALIVE = {
    "TCP_KEEPIDLE": 5,  # seconds
    "TCP_KEEPINTVL": 2,  # seconds
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 10_000,  # milliseconds
}
MESSAGE_BYTES, TOKEN_BYTES = 512, 16
DONE, FAILED = b"d", b"f"


class _Lifeline:
    """Connections between process 0 and each of the others."""

    def __init__(self, index: int, count: int, host: str):
        self.index, self.count = index, count
        self.lost = False  # another was killed
        self.leaving = False  # this one has said why it ends
        self._links: dict[int, socket.socket] = {}
        if index == 0:
            server = socket.create_server(("", 0))
            port, token = server.getsockname()[1], secrets.token_bytes(TOKEN_BYTES)
            _from_process_0(host or socket.gethostname(), port, token)
            server.settimeout(START_SECONDS)
            while len(self._links) < count - 1:
                link, _ = server.accept()
                link.settimeout(START_SECONDS)
                if _receive(link, TOKEN_BYTES) == token:  # else a stranger
                    self._links[int.from_bytes(_receive(link, 4), "big")] = link
            server.close()
        else:
            host, port, token = _from_process_0(host, 0, bytes(TOKEN_BYTES))
            link = socket.create_connection((host, port), timeout=START_SECONDS)
            link.sendall(token + index.to_bytes(4, "big"))
            self._links[0] = link
        for peer, link in self._links.items():
            link.settimeout(None)
            link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, number in KEEPALIVE.items():  # else a lost machine shows in hours
                if hasattr(socket, name):
                    option = getattr(socket, name)
                    link.setsockopt(socket.IPPROTO_TCP, option, number)
            watch = threading.Thread(target=self._watch, args=(peer, link), daemon=True)
            watch.start()

    def _watch(self, peer: int, link: socket.socket):
        try:
            said = link.recv(4)
        except OSError:
            said = b""
        if said == DONE:
            return
        if said == FAILED:  # it has said why; what ails it may come to us too
            time.sleep(LAST_WORD_SECONDS)
        if self.leaving:
            return
        self.lost = True
        named = len(said) == 4
        lost = int.from_bytes(said, "big") if named else peer
        if self.index == 0:  # tell the others whom
            self._say(lost.to_bytes(4, "big"))
        how = "has ended with an error" if said == FAILED else "has ended"
        print(
            f"stopped: process {lost} of {self.count} {how} (process {self.index} "
            "says); rerun the command in all of them to resume from the last "
            "checkpoint",
            file=sys.stderr,
            flush=True,
        )
        os._exit(1)

    def leave(self, word: bytes):
        self.leaving = True
        self._say(word)

    def _say(self, word: bytes):
        for link in self._links.values():
            with contextlib.suppress(OSError):
                link.sendall(word)


def _receive(link: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count and (more := link.recv(count - len(received))):
        received += more
    return received


_place: tuple[int, int, str] | None = None  # index, count, host of process 0
_lifeline: _Lifeline | None = None


def join(coordinator: str | None, num_processes: int, process_id: int | None):
    """Become one of the processes that the flags, or SLURM's `srun`, speak of.

    Args:
      coordinator: host:port of process 0, the same everywhere.
      num_processes: 0 is what srun says, 1 without it.
      process_id: 0 to num_processes - 1, another one for each.

    Raises:
      errors.UsageError: a flag is missing. Where the others do not come, the program
        ends with one line.
    """
    global _place
    if _place:
        return
    slurm_tasks = step_tasks()
    number = num_processes or slurm_tasks
    if number == 1 and not coordinator and process_id is None:
        return
    if slurm_tasks > 1 and number == slurm_tasks and process_id is None:
        process_id = _slurm("SLURM_PROCID", None)
    elif not coordinator or not num_processes or process_id is None:
        raise errors.UsageError(
            "several processes need all of --coordinator=host:port, --num_processes "
            "and --process_id, or SLURM's srun"
        )
    elif process_id >= number:
        raise errors.UsageError(
            f"--process_id={process_id}: must be less than --num_processes={number}"
        )
    host, _, port = (coordinator or "").rpartition(":")
    if coordinator and not (host and port.isdigit()):
        raise errors.UsageError(f"--coordinator={coordinator}: expected host:port")

    import jax

    # JAX's own answer to SIGTERM would stand in the way of the training loop's.
    jax.config.update("jax_enable_preemption_service", False)
    # It would end the program itself, with a C++ stack trace; so we are the first.
    give_up = threading.Timer(START_SECONDS, _give_up, (process_id, number))
    give_up.daemon = True
    give_up.start()
    jax.distributed.initialize(
        coordinator, number, process_id, initialization_timeout=2 * START_SECONDS
    )
    give_up.cancel()
    _place = process_id, number, host
    if process_id:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # one speaks for all


def step_tasks() -> int:
    """How many tasks srun has started of the step that this process is in, or 1.

    A shell on a node has other variables of SLURM, some of the whole job: those of the
    step are set in its tasks alone.

    Raises:
      errors.UsageError: the variable is no number.
    """
    return _slurm("SLURM_STEP_NUM_TASKS", 1)


def _slurm(name: str, default: int | None) -> int:
    """A number that srun has set, the default where it is not there."""
    text = os.environ.get(name, "")
    if text.isdecimal():
        return int(text)
    if text or default is None:
        raise errors.UsageError(
            f"{name}={text} is not a number, as srun sets it; start with srun, or give "
            "--num_processes=1"
        )
    return default


def _give_up(process_id: int, number: int):
    print(
        f"stopped: process {process_id} of {number} has waited {START_SECONDS} s for "
        "the others; start them all with the same --coordinator and --num_processes",
        file=sys.stderr,
        flush=True,
    )
    os._exit(1)


def tie():
    """Connect the lifelines, once JAX has its devices."""
    global _lifeline
    if _place and not _lifeline:
        _lifeline = _Lifeline(*_place)
        atexit.register(_at_exit)


def _at_exit():
    if getattr(sys, "last_value", None) is not None:  # a traceback was printed
        os._exit(1)
    _lifeline.leave(DONE)


def index() -> int:
    """0 in the process that writes, also where it is alone."""
    return _place[0] if _place else 0


def count() -> int:
    """How many processes work together."""
    return _place[1] if _place else 1


def highest(*numbers: int) -> tuple[int, ...]:
    """Each number's maximum over the processes; waits for all of them."""
    if not _lifeline:
        return numbers
    return tuple(int(column.max()) for column in _all(np.array(numbers)).T)


def _all(row: np.ndarray) -> np.ndarray:
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.process_allgather(row))


def check_same(what, message: str):
    """Raise unless all processes have the same of something.

    Args:
      what: anything that JSON can hold.
      message: what is said of the first process that differs from process 0.

    Raises:
      errors.UsageError: they differ.
    """
    if not _lifeline:
        return
    text = json.dumps(what, sort_keys=True, default=str).encode()
    digest = np.frombuffer(hashlib.sha256(text).digest()[:4], np.int32)
    digests = _all(digest)[:, 0]
    others = np.flatnonzero(digests != digests[0])
    if others.size:
        raise errors.UsageError(f"process {others[0]} {message}")


def _from_process_0(host: str, port: int, token: bytes) -> tuple[str, int, bytes]:
    """What process 0 gives here, in all."""
    from jax.experimental import multihost_utils

    text = json.dumps([host, port, token.hex()]).encode().ljust(MESSAGE_BYTES)
    sent = np.frombuffer(text, np.uint8)
    got = np.asarray(multihost_utils.broadcast_one_to_all(sent)).astype(np.uint8)
    host, port, token = json.loads(got.tobytes())
    return host, port, bytes.fromhex(token)


def leave(*, failed: bool):
    """Tell the others that this process ends; if it has failed, they end too."""
    if not _lifeline:
        return
    if failed and _lifeline.lost:  # of which this is a consequence
        time.sleep(2 * LAST_WORD_SECONDS)
    _lifeline.leave(FAILED if failed else DONE)


def wait_for_last_word():
    """Let the lifeline speak first: a dead peer also shows as a failed collective."""
    if _lifeline:
        time.sleep(2 * LAST_WORD_SECONDS)
