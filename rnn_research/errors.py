"""The errors of the library, checks of arguments, and values in messages."""

import difflib
import math
import pathlib
import signal
import traceback

import numpy as np

from rnn_research import users


class UsageError(ValueError):
    """Something the user gave cannot be used; the message says what to do."""


class RunError(RuntimeError):
    """A run that was set up rightly could not go on; the message says why."""


class Diverged(RunError):
    """No run of a training has a finite loss and gradient any more."""


class Interrupted(KeyboardInterrupt):
    """A run was asked to stop by a signal; if it has a folder, it has saved there.

    Attributes:
      number: of the signal.
      result: of a training without a folder, what there is; else None.
    """

    def __init__(self, message: str, number: int = signal.SIGINT, result=None):
        super().__init__(message)
        self.number, self.result = number, result


def nearest(word: str, candidates, *, prefix: str = "") -> str:
    """`; did you mean gru?` for the candidate most like `word`, or nothing."""
    close = most_like(word, candidates, count=1, cutoff=0.5)
    return f"; did you mean {prefix}{close[0]}?" if close else ""


def most_like(word: str, candidates, count: int, cutoff: float) -> list[str]:
    names = [name for name in candidates if isinstance(name, str)]
    return difflib.get_close_matches(str(word)[:100], names, count, cutoff)


# ------------------------------------------------------------------- for messages


def shown(value, limit: int = 80) -> str:
    """The value for a message: its repr, cut to one readable line."""
    try:
        return cut(repr(value), limit)
    except Exception:
        return f"a {type(value).__name__}"


def cut(text: str, limit: int = 300) -> str:
    """The text in one line of `limit` letters, without its middle if it is longer."""
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else " " for letter in text)
    if len(text) <= limit:
        return text
    tail = limit // 3
    return f"{text[: limit - tail - 5]} ... {text[-tail:]}"


def one_line(error: BaseException) -> str:
    """`TypeError: the first line of the message (my_cells.py, line 12)`."""
    try:
        message = (str(error).strip() or "no message").splitlines()[0]
    except Exception:
        message = "no message"
    place = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if users.is_own(frame.filename):
            place = f" ({pathlib.Path(frame.filename).name}, line {frame.lineno})"
    if isinstance(error, SyntaxError):
        place = f" ({pathlib.Path(str(error.filename)).name}, line {error.lineno})"
        message = str(error.msg)
    return f"{type(error).__name__}: {cut(message, 200)}{place}"


# ------------------------------------------------------------------ what is checked

LARGEST = 2**31 - 1  # of an index of 32 bits
DEEPEST = 1000  # of what is written out one after the other in a program


def check_size(*, least: int = 1, most: int = LARGEST, **sizes):
    """Raise unless each named size is a whole number from `least` to `most`."""
    for name, size in sizes.items():
        is_whole = isinstance(size, (int, np.integer)) and not isinstance(size, bool)
        if not is_whole or size < least:
            raise UsageError(
                f"{name} must be a whole number of at least {least}, not {shown(size)}"
            )
        if size > most:
            raise UsageError(f"{name} must be at most {most}, not {shown(size)}")


def check_flags(**flags):
    """Raise unless each named option is True or False."""
    for name, flag in flags.items():
        if not isinstance(flag, bool):
            raise UsageError(f"{name} must be True or False, not {shown(flag)}")


def check_option(name: str, value, choices):
    """Raise unless `value` is one of `choices`."""
    if value not in choices:
        raise UsageError(
            f"{name} must be one of {', '.join(map(repr, choices))}, not "
            f"{shown(value)}"
            f"{nearest(str(value), map(str, choices))}"
        )


def check_between(name: str, value, low: float, high: float):
    """Raise unless low <= value <= high; the value is finite also where `high` is not.

    A `low` that is excluded is given as the next number above it (`math.nextafter`).
    """
    numbers = int, float, np.integer, np.floating
    if isinstance(value, bool) or not isinstance(value, numbers):
        raise UsageError(f"{name} must be a number, not {shown(value)}")
    if not (low <= value <= high and -math.inf < value < math.inf):
        limits = f"in [{low}, {high}]" if high < math.inf else f"at least {low}, finite"
        raise UsageError(f"{name} must be {limits}, not {shown(value)}")
