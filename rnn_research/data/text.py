"""Texts with three splits, and their characters as tokens."""

from typing import NamedTuple

import numpy as np

from rnn_research import errors
from rnn_research.data import users_files
from rnn_research.data.arrays import in_order
from rnn_research.data.provenance import Provenance

UNKNOWN = "\ufffd"  # how a character that the vocabulary lacks is shown


class Text(NamedTuple):
    """A text, split in the order it is read in."""

    train: str
    validation: str
    test: str
    provenance: Provenance


class Vocabulary(NamedTuple):
    """The characters of the text to train on, in the order of their code points.

    The token of each is its place; the last token stands for every other character.
    """

    characters: tuple[str, ...]

    @property
    def size(self) -> int:
        """The number of different tokens."""
        return len(self.characters) + 1

    def encode(self, text: str) -> np.ndarray:
        """The tokens [len(text)] of the smallest kind that holds them."""
        codes, known = _codes(text), _codes("".join(self.characters))
        at = np.minimum(np.searchsorted(known, codes), len(known) - 1)
        tokens = np.where(known[at] == codes, at, len(known))
        return tokens.astype(np.min_scalar_type(len(known)))

    def decode(self, tokens) -> str:
        """The text; unknown characters as U+FFFD."""
        shown = (*self.characters, UNKNOWN)
        return "".join(shown[int(token)] for token in tokens)


def vocabulary(train: str) -> Vocabulary:
    """The vocabulary of a text, the one to train on."""
    return Vocabulary(tuple(map(chr, np.unique(_codes(train)).tolist())))


def _codes(text: str) -> np.ndarray:
    """The code points, uint32 [len(text)]."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def from_file(path: str) -> Text:
    """A UTF-8 text file of the user's: the last tenths are validation and test.

    Raises:
      errors.UsageError: it cannot be read, is no text or holds next to nothing.
    """
    text, content = users_files.text_of(path)
    if "\0" in text:
        raise errors.UsageError(
            f"{path} is not a text: it holds null bytes; save it as UTF-8"
        )
    if not text.strip():
        raise errors.UsageError(
            f"{path} is empty; give a text of some thousand letters"
        )
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    try:
        splits = in_order(text)
    except errors.UsageError:
        raise errors.UsageError(
            f"{path} has {len(text)} characters; give a text of some thousand letters"
        ) from None
    return Text(**splits, provenance=users_files.record(path, content))
