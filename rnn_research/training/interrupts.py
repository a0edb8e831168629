"""Ctrl-C and SIGTERM as a request to stop at the next good moment."""

import os
import signal
import sys
import threading

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """While entered, the first signal sets `asked`; the second ends the process.

    A thread reads the signals from a pipe that the kernel's handler fills, so the
    second one acts at once, also in the middle of a long computation or compilation.
    Outside the main thread, where Python cannot catch signals, nothing changes.
    """

    def __init__(self):
        self.asked = False
        self._pipe = None

    def __enter__(self):
        if threading.current_thread() is not threading.main_thread():
            return self
        self._pipe = os.pipe()
        os.set_blocking(self._pipe[1], False)
        self._old = {number: signal.signal(number, _ignore) for number in SIGNALS}
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
        os.close(self._pipe[1])  # the reader sees the end
        self._reader.join()
        os.close(self._pipe[0])

    def _read(self):
        while number := os.read(self._pipe[0], 1):
            if number[0] not in SIGNALS:
                continue
            name = signal.Signals(number[0]).name
            if self.asked:
                print(f"stopped at once by a second {name}", file=sys.stderr)
                sys.stderr.flush()
                os._exit(128 + number[0])
            self.asked = True
            print(
                f"{name}: finishing the running call, then saving; once more to stop "
                "at once",
                file=sys.stderr,
                flush=True,
            )


def _ignore(number, frame):
    """In place of the default action; the reader acts."""
