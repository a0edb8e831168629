"""A section of the tour as a value: how its numbers are computed, and what is told.

`compute` measures, and returns numbers that JSON can hold. `tell` makes blocks of them,
and computes nothing: a page, a notebook and a test read the same blocks. Every number
in a sentence comes from the numbers.
"""

import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

# The claims of the story, in its order: what a reader should have seen happen.
CLAIMS = {
    1: "Without a loop every input is read alone; order carries meaning",
    2: "Language, speech, series and music need context",
    3: "The hidden state of one step is an input of the next",
    4: "h[t] = f(W_hh h[t-1] + W_xh x[t] + b_h)",
    5: "The same weights serve every step, so a rule holds at every place",
    6: "y[t] = W_hy h[t] + b_y, with a softmax for probabilities",
    7: "One output at the end, or one at every step",
    8: "Gradients vanish: early inputs lose their influence",
    9: "Gradients explode: training becomes unstable",
    10: "Gates are turnstiles: what to forget, to store and to show",
    11: "LSTM and GRU learn long dependencies where the plain network fails",
    12: "Translation: from one sequence to another",
    13: "Text: prose, verse and code are continued",
    14: "Sentiment: a review is judged",
    15: "Speech becomes text",
    16: "Stocks: hard to forecast, trends at best",
    17: "Weather: temperature is forecast",
    18: "Sensors: anomalies of machines are found",
    19: "A picture gets a caption",
    20: "Music: notes that build on each other",
    21: "Very long sequences stay hard, and steps in a row cost time",
    22: "Attention reads all positions at once, and focuses on what matters",
}


class Prose(NamedTuple):
    """Sentences in Markdown: paragraphs, `code`, **bold** and [links](address)."""

    text: str


class Code(NamedTuple):
    """A few lines of a program."""

    text: str
    language: str = "python"


class Command(NamedTuple):
    """What a reader types in a terminal to do this alone."""

    text: str


class Figure(NamedTuple):
    """A drawing that a printer shows as it is, and that a script may move.

    Attributes:
      name: unique in its section.
      svg: from `tour.svg`: complete without a script.
      caption: Markdown, as in Prose.
      data: {"label": what a step is, "start": the one shown first, "steps": [{"name":
        in a few words, "told": a sentence, "bars": [[name, share of 1], ...]}]}, of
        which "told" and "bars" may be missing. Parts of the SVG with `step=n` are
        marked while step n is shown, the others are pale.
      moves: "steps" (hover and arrow keys show one after the other), "slider" (a slider
        does), or None.
    """

    name: str
    svg: str
    caption: str
    data: Any = None
    moves: str | None = None


class Picture(NamedTuple):
    """A PNG image, of at most some 100 kB."""

    png: bytes
    alt: str
    caption: str


class Audio(NamedTuple):
    """A sound to play, WAV or Ogg, of at most some 300 kB."""

    content: bytes
    caption: str


class Table(NamedTuple):
    """Rows of texts; the first cell of a row names it."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""


class Note(NamedTuple):
    """What was measured otherwise than the story says, with its numbers."""

    text: str


class Seen(NamedTuple):
    """Whether a claim was seen to happen, for the table at the end of the page.

    Attributes:
      claim: a number of `CLAIMS`.
      holds: it was seen; False: the measurement says otherwise.
      text: one sentence with its number.
    """

    claim: int
    holds: bool
    text: str


Block = Prose | Code | Command | Figure | Picture | Audio | Table | Note | Seen


class Work(NamedTuple):
    """What a section's computation is given.

    Attributes:
      folder: its own, for trainings that resume.
      say: shows a line of progress.
      small: tiny sizes, for a test of the whole in seconds.
    """

    folder: pathlib.Path
    say: Callable[[str], None]
    small: bool = False


def nothing_missing() -> None:
    """The `needs` of a section that runs wherever the library does."""
    return None


class Section(NamedTuple):
    """A part of the story.

    Attributes:
      name: of its file, its anchor in the page and its folder.
      place: in the story; sections are told in this order.
      title: a short sentence or a few words.
      claims: numbers of `CLAIMS` that it shows.
      minutes: about, on 2 quiet CPU cores.
      compute: (Work) -> numbers, as JSON holds them.
      tell: (numbers) -> blocks; pure. At most 120 words before the first figure.
      needs: () -> None, or one line: what is missing, and the command that brings it.
    """

    name: str
    place: int
    title: str
    claims: tuple[int, ...]
    minutes: float
    compute: Callable[[Work], Mapping[str, Any]]
    tell: Callable[[Mapping[str, Any]], list[Block]]
    needs: Callable[[], str | None] = nothing_missing
