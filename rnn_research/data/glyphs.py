"""Pictures with captions: the letters and signs of a font and their Unicode names."""

import collections
import functools
import io
import itertools
import re
import unicodedata
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from rnn_research import errors
from rnn_research.data import packages, users_files
from rnn_research.data.provenance import Provenance
from rnn_research.data.sentences import split_of
from rnn_research.data.words import UNKNOWN, numbered

SIDE = 32  # pixels of a picture, in height and width
SIZE, BASELINE = 24, 24  # pixels of the font, and from the top to the line it stands on
FACES = tuple(
    f"DejaVu{family}"
    for family in (
        *("Sans", "Sans-Bold", "Sans-Oblique", "Sans-BoldOblique"),
        *("Serif", "Serif-Bold", "Serif-Italic", "Serif-BoldItalic"),
    )
)
PIECE = re.compile(r" ?[A-Za-z]+| ?[0-9]| ?.")


class Captioned(NamedTuple):
    """Pictures in three splits, with a caption each.

    The same caption may stand for several pictures, and of glyphs is in one split only.
    """

    splits: dict[str, tuple[np.ndarray, tuple[str, ...]]]  # [N, H, W, C] of uint8
    provenance: tuple[Provenance, ...]
    further: tuple[tuple[str, ...], ...] = ()  # captions of each picture of train

    @property
    def shape(self) -> tuple[int, int, int]:
        """H, W, C of a picture."""
        return self.splits["train"][0].shape[1:]


@functools.cache
def glyphs() -> Captioned:
    """The characters of DejaVu Sans and Serif, each in up to eight faces.

    6,520 characters have a name and something to see. About a tenth each is validation
    and test, by the hash of the name, so no face of a character of test is in train.
    """
    found = [
        packages.member(
            "matplotlib",
            f"matplotlib/mpl-data/fonts/ttf/{face}.ttf",
            licence="DejaVu fonts: Bitstream Vera's, free; names: Unicode",
            source="DejaVu fonts; names of Python's unicodedata "
            f"{unicodedata.unidata_version}",
        )
        for face in FACES
    ]
    return _captioned(
        dict(zip(FACES, (each for each, _ in found), strict=True)),
        tuple(record for _, record in found),
    )


def from_file(path: str) -> Captioned:
    """The named characters of a font of the user's, such as a .ttf or .otf file.

    Raises:
      errors.UsageError: it cannot be read, is no font, or has too few of them.
    """
    content = users_files.content_of(path)
    return _captioned({str(path): content}, (users_files.record(path, content),))


def pieces(caption: str) -> list[str]:
    """Words, digits and marks, which put together are ' ' + caption.

    ' BRAILLE PATTERN DOTS-12' -> ' BRAILLE', ' PATTERN', ' DOTS', '-', '1', '2'
    """
    return PIECE.findall(f" {caption}")


class Pieces(NamedTuple):
    """Words of captions as tokens; behind them unknown, the end and the beginning."""

    words: tuple[str, ...]

    @property
    def unknown(self) -> int:
        """The token of any other word."""
        return len(self.words)

    @property
    def end(self) -> int:
        return len(self.words) + 1

    @property
    def begin(self) -> int:
        """What stands before the first word; it is never written."""
        return len(self.words) + 2

    @property
    def size(self) -> int:
        """The number of tokens that can be written."""
        return len(self.words) + 2

    def encode(self, caption: str) -> list[int]:
        """The tokens of the words of a caption, without the end."""
        known = numbered(self.words)
        return [known.get(word, self.unknown) for word in pieces(caption)]

    def pieces(self, tokens) -> list[str]:
        """The words up to the end, an unknown one as U+FFFD."""
        shown = (*self.words, f" {UNKNOWN}")
        told = itertools.takewhile(lambda token: token != self.end, map(int, tokens))
        return [shown[token] for token in told]

    def decode(self, tokens) -> str:
        """The caption up to the end."""
        return "".join(self.pieces(tokens)).strip()


def vocabulary(captions: Iterable[str], at_least: int) -> Pieces:
    """The words that are in so many different captions, the commonest first.

    Of equally common ones the first in the alphabet.
    """
    counts = collections.Counter(w for each in set(captions) for w in pieces(each))
    common = [word for word, count in counts.items() if count >= at_least]
    return Pieces(tuple(sorted(common, key=lambda word: (-counts[word], word))))


def _captioned(fonts: dict[str, bytes], records) -> Captioned:
    rows: dict[str, list] = {"train": [], "validation": [], "test": []}
    for name, content in fonts.items():
        for caption, picture in _drawn(name, content):
            rows[split_of(caption)].append((picture, caption))
    splits = {}
    for split, own in rows.items():
        if not own:
            count = sum(map(len, rows.values()))
            raise errors.UsageError(
                f"{', '.join(fonts)}: of {count} characters that have a name {split} "
                "gets none; give a larger font"
            )
        pictures, captions = zip(*own, strict=True)
        splits[split] = np.stack(pictures)[..., None], captions
    return Captioned(splits, records)


def _drawn(name: str, content: bytes) -> list[tuple[str, np.ndarray]]:
    """(name, picture [H, W] of uint8) of the characters of a font, ink is 255."""
    from matplotlib import ft2font
    from PIL import ImageFont

    try:
        codes = ft2font.FT2Font(io.BytesIO(content)).get_charmap()
        basic = ImageFont.Layout.BASIC  # the same on every machine
        faces = {
            size: ImageFont.truetype(io.BytesIO(content), size, layout_engine=basic)
            for size in range(SIZE // 4, SIZE + 1)
        }
    except (OSError, RuntimeError) as error:
        raise errors.UsageError(
            f"{errors.cut(name, 120)} is no font that FreeType reads: "
            f"{errors.one_line(error)}"
        ) from None
    rows = []
    for letter in map(chr, sorted(codes)):
        caption = unicodedata.name(letter, "")
        if caption and (picture := _picture(faces, letter)).any():
            rows.append((caption, picture))
    return rows


def _picture(faces: dict[int, Any], letter: str) -> np.ndarray:
    """On a common line, in the middle; smaller where it does not fit."""
    from PIL import Image, ImageDraw

    picture = Image.new("L", (SIDE, SIDE))
    for size in range(SIZE, min(faces) - 1, -1):
        left, top, right, bottom = faces[size].getbbox(letter, anchor="ls")
        if right - left <= SIDE and top >= -BASELINE and bottom <= SIDE - BASELINE:
            break
    at = (SIDE - (left + right)) // 2, BASELINE
    ImageDraw.Draw(picture).text(at, letter, 255, faces[size], anchor="ls")
    return np.asarray(picture)
