"""Words as tokens."""

import collections
import functools
import re
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

WORD = re.compile(r"\w+(?:['\u2019]\w+)*|[^\w\s]")
UNKNOWN = "\ufffd"  # how a word that the vocabulary lacks is shown


def split(text: str) -> list[str]:
    """Words in lower case, and the marks between them: "It's fine." -> it's fine ."""
    return WORD.findall(text.lower())


@functools.lru_cache(maxsize=8)
def numbered(words: tuple[str, ...]) -> dict[str, int]:
    """{word: its token}, made once."""
    return {word: token for token, word in enumerate(words)}


class Words(NamedTuple):
    """The commonest words of the texts to train on; the last token is any other."""

    words: tuple[str, ...]

    @property
    def size(self) -> int:
        """The number of different tokens."""
        return len(self.words) + 1

    def encode(self, text: str) -> np.ndarray:
        """The tokens of the words of a text."""
        known = numbered(self.words)
        found = [known.get(word, len(known)) for word in split(text)]
        return np.array(found, np.min_scalar_type(len(known)))

    def decode(self, tokens) -> str:
        """The words, with spaces between; unknown ones as U+FFFD."""
        return " ".join(self.pieces(tokens))

    def pieces(self, tokens) -> list[str]:
        """The word of each token."""
        shown = (*self.words, UNKNOWN)
        return [shown[int(token)] for token in tokens]


def vocabulary(texts: Iterable[str], most: int, at_least: int = 2) -> Words:
    """The `most` commonest words that occur `at_least` so often, the commonest first.

    Of equally common ones the first in the alphabet.
    """
    counts = collections.Counter(word for text in texts for word in split(text))
    common = [word for word, count in counts.items() if count >= at_least]
    common.sort(key=lambda word: (-counts[word], word))
    return Words(tuple(common[:most]))
