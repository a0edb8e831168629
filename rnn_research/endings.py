"""How a program ends: with one line, reliably, by the signal that stopped it."""

import contextlib
import ctypes
import os
import select
import signal
import sys
import threading
import time
from typing import NoReturn

from rnn_research import errors, notebook, processes, waiting

SIGNALS = (signal.SIGINT, signal.SIGTERM)
WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
PATIENCE = 2.0  # seconds in which a program clears up; compilations take longer
ECHO = 1.0  # seconds in which a second SIGTERM is the first one once more


class Interrupts:
    """While entered, the first SIGINT or SIGTERM asks to stop; a second one ends all.

    A thread reads the signals from a pipe that the kernel's handler fills, so it acts
    also in the middle of a long computation or compilation. Outside the main thread,
    where Python cannot catch signals, nothing changes.

    A scheduler may signal a whole tree of processes, of which one passes the signal on:
    so a SIGTERM right after the first does not keep what somebody saves from the disk.

    At a prompt and in a notebook a second SIGINT is errors.Interrupted in the main
    thread: what is there is not lost.

    Args:
      patience: None, where somebody looks at `asked` and saves. Else the main thread
        gets errors.Interrupted, and after so many seconds the process ends anyway.
      then: what is done after the running call, for messages.

    Attributes:
      asked: the first signal, 0 before it.
      raised: the signal of which the main thread got errors.Interrupted, 0 before it.
    """

    def __init__(self, patience: float | None = None, then: str = "saving"):
        self.asked = 0
        self.raised = 0
        self._handled = 0
        self._patience, self._then, self._pipe = patience, then, None

    def __enter__(self):
        if threading.current_thread() is not threading.main_thread():
            return self
        self._pipe = os.pipe()
        os.set_blocking(self._pipe[1], False)
        self._old_hook, sys.unraisablehook = sys.unraisablehook, self._unraisable
        self._old = {number: signal.signal(number, self._handle) for number in SIGNALS}
        self._old_fd = signal.set_wakeup_fd(self._pipe[1], warn_on_full_buffer=False)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *error):
        if self._pipe is None:
            return
        signal.set_wakeup_fd(self._old_fd)
        for number, handler in self._old.items():
            signal.signal(number, handler)
        sys.unraisablehook = self._old_hook
        os.close(self._pipe[1])  # the reader sees the end
        self._reader.join()
        os.close(self._pipe[0])

    def _handle(self, number, frame):
        self._handled += 1
        if _is_left(number) and self._patience is None and self._handled > 1:
            raise errors.Interrupted(f"{WORDS[number]} twice", number)
        if self._patience is not None and not self.raised:
            self.raised = number
            raise errors.Interrupted(WORDS[number], number)

    def _unraisable(self, args):
        """What is raised in a destructor, Python drops with a traceback; be silent."""
        if not issubclass(args.exc_type, errors.Interrupted):
            self._old_hook(args)

    def _read(self):
        while number := self._next():
            name = signal.Signals(number).name
            if self.asked and (_is_left(number) or self._is_echo(number)):
                continue
            if self.asked:
                say(f"stopped at once by a second {name}")
                die(number)
            self.asked, self._since = number, time.monotonic()
            if self._patience is None:
                say(
                    f"{name}: finishing the running call, then {self._then}; once "
                    "more to stop at once"
                )
            elif not select.select([self._pipe[0]], [], [], self._patience)[0]:
                say(f"stopped: {WORDS[number]}")
                die(number)

    def _is_echo(self, number: int) -> bool:
        soon = time.monotonic() - self._since < ECHO
        return soon and number == signal.SIGTERM and self._patience is None

    def _next(self) -> int:
        """The next of the signals, 0 at the end."""
        while byte := os.read(self._pipe[0], 1):
            if byte[0] in SIGNALS:
                return byte[0]
        return 0


def _is_left(number: int) -> bool:
    """Whether it stops a computation and not the prompt that it was typed at."""
    return number == signal.SIGINT and notebook.is_interactive()


def say(line: str):
    """A line on stderr, if anybody reads it."""
    with contextlib.suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)


def end(code: int, line: str, *, for_certain: bool) -> NoReturn:
    """End the program, of several processes without waiting for the others.

    Args:
      code: of the exit; 128 + a signal ends it by that signal. At a code other than 0
        the other processes end too.
      line: for stderr; '' says nothing.
      for_certain: end the process, whatever threads there are; else by SystemExit.
    """
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
    with contextlib.suppress(OSError, ValueError):
        print(end="", flush=True)
    waiting.leave()
    processes.leave(failed=code != 0)
    if line:
        say(line)
    if not (for_certain or processes.count() > 1):
        sys.exit(code)
    if code > 128:
        die(code - 128)
    os._exit(code)


def die(number: int) -> NoReturn:
    """End by the signal itself: after an exit code alone a shell's loop goes on."""
    waiting.leave()
    with contextlib.suppress(OSError, AttributeError):
        default = ctypes.CDLL(None).signal  # Python's own works in the main thread only
        default.argtypes, default.restype = (ctypes.c_int, ctypes.c_void_p), None
        default(number, None)
        os.kill(os.getpid(), number)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (number,))
    os._exit(128 + number)
