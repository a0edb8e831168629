"""Several processes that train one model together.

Started with flags (`--coordinator=host:port --num_processes=2 --process_id=0`) or by
SLURM's `srun`. All compute, process 0 writes. Each keeps a connection to process 0, its
lifeline: the kernel closes it when either dies, and the others end within a second with
one line, where JAX alone would wait for minutes.
"""

import atexit
import hashlib
import json
import os
import socket
import sys
import threading
import time

import numpy as np

from rnn_research import values

START_SECONDS = 120  # for all processes to come
LAST_WORD_SECONDS = 5
HOST_BYTES = 256
DONE = b"d"


class _Lifeline:
    """Connections between process 0 and each of the others."""

    def __init__(self, index: int, count: int, host: str):
        self.index, self.count = index, count
        self._links: dict[int, socket.socket] = {}
        self._leaving = False
        if index == 0:
            server = socket.create_server(("", 0))
            server.settimeout(START_SECONDS)
            _from_process_0((host or socket.gethostname(), server.getsockname()[1]))
            while len(self._links) < count - 1:
                link, _ = server.accept()
                self._links[int.from_bytes(link.recv(4), "big")] = link
            server.close()
        else:
            address = _from_process_0((host, 0))
            link = socket.create_connection(address, timeout=START_SECONDS)
            link.sendall(index.to_bytes(4, "big"))
            self._links[0] = link
        for peer, link in self._links.items():
            link.settimeout(None)
            link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            watch = threading.Thread(target=self._watch, args=(peer, link), daemon=True)
            watch.start()

    def _watch(self, peer: int, link: socket.socket):
        try:
            said = link.recv(4)
        except OSError:
            said = b""
        if said == DONE or self._leaving:
            return
        lost = int.from_bytes(said, "big") if said else peer
        if self.index == 0:  # tell the others whom
            for other in self._links.values():
                try:
                    other.sendall(lost.to_bytes(4, "big"))
                except OSError:
                    pass
        print(
            f"stopped: process {lost} of {self.count} has ended (process {self.index} "
            "says); start them all again with the same command to go on from the last "
            "checkpoint",
            file=sys.stderr,
            flush=True,
        )
        os._exit(1)

    def leave(self):
        self._leaving = True
        for link in self._links.values():
            try:
                link.sendall(DONE)
            except OSError:
                pass


_place: tuple[int, int, str] | None = None  # index, count, host of process 0
_lifeline: _Lifeline | None = None


def join(coordinator: str | None, num_processes: int, process_id: int | None):
    """Become one of the processes that the flags, or SLURM's `srun`, speak of.

    Args:
      coordinator: host:port of process 0, the same everywhere.
      num_processes: 0 is what srun says, 1 without it.
      process_id: 0 to num_processes - 1, another one for each.

    Raises:
      values.UsageError: a flag is missing. Where the others do not come, the program
        ends with one line.
    """
    global _place
    if _place:
        return
    slurm_tasks = int(os.environ.get("SLURM_STEP_NUM_TASKS", 1))
    number = num_processes or slurm_tasks
    if number == 1 and not coordinator and process_id is None:
        return
    if slurm_tasks > 1 and number == slurm_tasks and process_id is None:
        process_id = int(os.environ["SLURM_PROCID"])
    elif not coordinator or not num_processes or process_id is None:
        raise values.UsageError(
            "several processes need all of --coordinator=host:port, --num_processes "
            "and --process_id, or SLURM's srun"
        )
    elif process_id >= number:
        raise values.UsageError(
            f"--process_id={process_id}: must be less than --num_processes={number}"
        )
    host, _, port = (coordinator or "").rpartition(":")
    if coordinator and not (host and port.isdigit()):
        raise values.UsageError(f"--coordinator={coordinator}: expected host:port")

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
        sys.stdout = open(os.devnull, "w")  # one speaks for all


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
    _lifeline.leave()


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


def check_same(settings: dict):
    """Raise unless all processes were started with the same settings.

    Raises:
      values.UsageError: they differ.
    """
    if not _lifeline:
        return
    text = json.dumps(settings, sort_keys=True, default=str).encode()
    digest = np.frombuffer(hashlib.sha256(text).digest()[:4], np.int32)
    digests = _all(digest)[:, 0]
    others = np.flatnonzero(digests != digests[0])
    if others.size:
        raise values.UsageError(
            f"process {others[0]} was started with other settings than process 0; for "
            "runs of their own, give --num_processes=1"
        )


def _from_process_0(address: tuple[str, int]) -> tuple[str, int]:
    """Process 0's address, known to all."""
    from jax.experimental import multihost_utils

    host, port = address
    numbers = np.frombuffer(host.encode().ljust(HOST_BYTES), np.uint8)
    sent = np.concatenate([numbers, np.array([port >> 8, port & 255], np.uint8)])
    got = np.asarray(multihost_utils.broadcast_one_to_all(sent)).astype(np.uint8)
    high, low = (int(byte) for byte in got[HOST_BYTES:])
    return got[:HOST_BYTES].tobytes().decode().strip(), (high << 8) + low


def wait_for_last_word():
    """Let the lifeline speak first: a dead peer also shows as a failed collective."""
    if _lifeline:
        time.sleep(LAST_WORD_SECONDS)


def end(code: int):
    """End the program; with others, at once, for they are not to be waited for.

    At a code other than 0 the others end too.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    if _lifeline and code == 0:
        _lifeline.leave()
    if _place:
        os._exit(code)
    sys.exit(code)
