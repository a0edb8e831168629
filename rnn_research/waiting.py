"""What a program is doing: bars and one line, on a terminal or in a notebook.

    with waiting.bar(20, "gru, lstm") as bar:
        with waiting.doing("compiling"): ...
        bar.update(1)

On a terminal they are at the bottom, with the time, and gone at the end; in a notebook
they are below the cell. Elsewhere nothing is shown. Lines that stay are for `say`.
"""

import contextlib
import os
import shutil
import sys
import textwrap
import time
from collections.abc import Iterator

from rnn_research import notebook

SHORT = 0.3  # seconds; what is over sooner is not shown
PER_SECOND = 4  # how often a terminal is drawn
WIDTH = 12  # letters of a bar
GONE = "\r\x1b[K\x1b[?25h"  # an empty line, and a cursor that is seen


class Bar:
    """How much of something is done, with the time that is left.

    Attributes:
      text: what is said beside it.
    """

    def __init__(self, total: int, text: str):
        self.total, self.text = total, text
        self.start_at(0)

    def start_at(self, done: int):
        """What was done earlier says nothing about the time that is left."""
        self.done, self.part = done, 0.0
        self._first = done
        self._begun = self._last = time.monotonic()

    def update(self, done: int, text: str | None = None, part: float = 0.0):
        """So much is done, and a part of what comes next."""
        self.done, self.part = done, part
        self._last = time.monotonic()
        self.text = self.text if text is None else text
        _board.changed()

    @property
    def rate(self) -> float:
        """Done per second, up to the last update."""
        return (self.done + self.part - self._first) / max(
            self._last - self._begun, 1e-9
        )

    @property
    def left(self) -> float | None:
        """Seconds that are left; None: nothing is known."""
        if self.done + self.part <= self._first:
            return None
        since = time.monotonic() - self._last
        rest = self.total - self.done - self.part
        return max(0.0, rest / self.rate - since)

    def line(self) -> str:
        filled = round(WIDTH * (self.done + self.part) / max(1, self.total))
        bar = "━" * filled + "╌" * (WIDTH - filled)
        left = "" if self.left is None else f"{clock(self.left)} left"
        parts = bar, f"{self.done}/{self.total}", left, self.text
        return "  ".join(filter(None, parts))


class _Doing:
    """One thing that is being done, and the seconds that it may take, if known."""

    def __init__(self, text: str):
        self.text, self.about = text, None
        self.begun = time.monotonic()

    def line(self) -> str:
        seconds = time.monotonic() - self.begun
        if seconds < SHORT:
            return ""
        known = self.about is not None and self.about >= 1
        about = f" (about {self.about:.0f} s)" if known else ""
        return f"{self.text}{about} …" + f" {seconds:.0f} s" * (seconds >= 1)


class _Board:
    """All bars, the outermost first, and the last thing that is being done."""

    def __init__(self):
        self.bars: list[Bar] = []
        self.doing: list[_Doing] = []
        self.shown = None  # where it is drawn

    def lines(self) -> list[str]:
        every = [bar.line() for bar in self.bars]
        return [*every, *filter(None, (own.line() for own in self.doing[-1:]))]

    @contextlib.contextmanager
    def holding(self, kind: list, item):
        kind.append(item)
        if self.shown is None:
            self.shown = _shown(self)
        self.changed()
        try:
            yield item
        finally:
            kind.remove(item)
            if self.bars or self.doing:
                self.changed()
            else:
                self.close()

    def changed(self):
        if self.shown is not None:
            self.shown.changed()

    def close(self):
        if self.shown is not None:
            self.shown.close()
        self.shown = None


class _Terminal:
    """At the bottom of a terminal, drawn some times a second, by a thread of rich's."""

    def __init__(self, board: _Board):
        from rich import console, live

        self._board = board
        self._console = console.Console(stderr=True)
        self._live = live.Live(
            get_renderable=self._drawn,
            console=self._console,
            refresh_per_second=PER_SECOND,
            transient=True,
            redirect_stdout=_prints_to_a_terminal(),
        )
        self._live.start()

    def _drawn(self):
        from rich import text

        lines = "\n".join(self._board.lines())
        return text.Text(lines, no_wrap=True, overflow="ellipsis", end="")

    def changed(self):
        """It is drawn soon."""

    def close(self):
        self._live.stop()

    def say(self, line: str):
        """Above what moves, as long as it is: a path can be copied."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)


class _Notebook:
    """Below the cell of a notebook, in the place of what was there before."""

    def __init__(self, board: _Board):
        self._board = board
        self._place = notebook.Place()

    def changed(self):
        self._place.show("\n".join(self._board.lines()))

    def close(self):
        self._place.show("")

    say = None  # a notebook has its own place for what is printed


class _Nowhere:
    say = None

    def changed(self):
        pass

    close = changed


_board = _Board()


def _shown(board: _Board):
    if notebook.kernel():
        return _Notebook(board)
    return _Terminal(board) if is_terminal() else _Nowhere()


def is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def width() -> int | None:
    """Columns of the terminal that lines are printed to; None: of a file, of no end."""
    return shutil.get_terminal_size().columns if _prints_to_a_terminal() else None


def _prints_to_a_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


@contextlib.contextmanager
def bar(total: int, text: str = "") -> Iterator[Bar]:
    """A bar up to `total`, while entered."""
    with _board.holding(_board.bars, Bar(total, text)) as made:
        yield made


@contextlib.contextmanager
def doing(text: str):
    """Say what is being done, while entered."""
    with _board.holding(_board.doing, _Doing(text)):
        yield


def expect(seconds: float | None):
    """What is being done takes about so long; None: nobody knows."""
    if _board.doing:
        _board.doing[-1].about = seconds
        _board.changed()


def say(line: str):
    """Print a line that stays."""
    if _prints_to_a_terminal() and isinstance(_board.shown, _Terminal):
        _board.shown.say(line)
    else:
        print(line, flush=True)


def show(text: str):
    """Print a list or a help page; a reader who has seen enough, as `head`, may go."""
    try:
        print(text, flush=True)
    except BrokenPipeError:  # what is left would be written again at the end
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)


def leave():
    """Give the terminal back: the process ends in the midst of something."""
    if isinstance(_board.shown, _Terminal):
        with contextlib.suppress(OSError, ValueError):
            sys.__stderr__.write(GONE)
            sys.__stderr__.flush()


def folded(line: str) -> str:
    """The line in as many as the terminal needs, broken between words."""
    columns = width()
    if columns is None or len(line) <= columns:
        return line
    whole = {"break_long_words": False, "break_on_hyphens": False}
    return textwrap.fill(line, max(20, columns), subsequent_indent="  ", **whole)


def begin():
    """Take back the line that a program starts with."""
    if is_terminal():
        sys.stderr.write("\x1b[K")
        sys.stderr.flush()


def shows() -> bool:
    """Whether bars are shown to anybody; else a line may say what is done."""
    return bool(notebook.kernel()) or is_terminal()


def table(columns: tuple[str, ...], rows: list[tuple]) -> str:
    """Lines of aligned columns, numbers of four digits at the right of theirs."""
    texts = [[_text(value) for value in row] for row in rows]
    widths = [max(map(len, each)) for each in zip(columns, *texts, strict=True)]
    numbers = [
        all(isinstance(value, (int, float)) for value in each)
        for each in zip(*rows, strict=True)
    ]
    return "\n".join(
        "  ".join(
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, numbers, strict=True)
        ).rstrip()
        for line in (columns, *texts)
    )


def _text(value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def clock(seconds: float) -> str:
    """0:07, 12:30, 1:02:03."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
