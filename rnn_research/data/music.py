"""Music as notes and as piano rolls."""

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from rnn_research import errors
from rnn_research.data.provenance import Provenance, digest

LOWEST, KEYS = 21, 88  # of a piano, by the numbers of MIDI: 60 is the middle C
GRID = 4  # frames in a quarter note
OPENING = 6  # quarter notes by which two versions of a piece are known
SHARES = {"test": 0.2, "validation": 0.1}  # the rest is train


class Note(NamedTuple):
    """From `start` to `stop`, in quarter notes from the beginning of the piece."""

    start: float
    stop: float
    pitch: int  # the number of MIDI
    part: int = 0  # soprano 0, alto 1, ...


class Piece(NamedTuple):
    name: str
    notes: tuple[Note, ...]


class Music(NamedTuple):
    """Pieces.

    Attributes:
      splits: {'train' | 'validation' | 'test': pieces}.
      provenance: where they come from.
    """

    splits: dict[str, tuple[Piece, ...]]
    provenance: Provenance


def roll(notes: Iterable[Note]) -> np.ndarray:
    """Which keys sound at the beginning of each sixteenth, [frames, 88] of bool.

    A key that is struck again sounds on, as in the piano rolls of Boulanger-Lewandowski
    et al. 2012 (arXiv:1206.6392). What a piano lacks is left out.
    """
    spans = [(*frames_of(note), note.pitch - LOWEST) for note in notes]
    found = np.zeros((max((stop for _, stop, _ in spans), default=0), KEYS), bool)
    for start, stop, key in spans:
        if 0 <= key < KEYS:
            found[start:stop, key] = True
    return found


def frames_of(note: Note) -> tuple[int, int]:
    """The first frame in which it sounds, and the first in which it does no more."""
    return _frame(note.start), _frame(note.stop)


def _frame(time: float) -> int:
    """The first frame that does not begin before."""
    return math.ceil(GRID * time - 1e-6)


def notes(frames: np.ndarray) -> tuple[Note, ...]:
    """The notes of a piano roll [frames, 88], each as long as its key sounds."""
    edges = np.diff(np.pad(frames.astype(np.int8), ((1, 1), (0, 0))), axis=0)
    found = []
    for key in range(frames.shape[1]):
        starts, stops = (np.flatnonzero(edges[:, key] == sign) for sign in (1, -1))
        for start, stop in zip(starts / GRID, stops / GRID, strict=True):
            found.append(Note(float(start), float(stop), LOWEST + key))
    return tuple(sorted(found))


def split(pieces: Mapping[Piece, str], what: str) -> dict[str, tuple[Piece, ...]]:
    """About 70, 10 and 20 % of all pieces, by the hash of the work that each is of.

    Pieces that begin alike, in another key perhaps, are of one work.

    Args:
      pieces: each with the work that it is of.
      what: the name in messages.

    Raises:
      errors.UsageError: there are fewer than three works.
    """
    works = _joined(pieces)
    ranked = sorted(set(works.values()), key=digest)
    if len(ranked) < 3:
        raise errors.UsageError(
            f"{what}: train, validation and test need three different pieces at least; "
            f"there are {len(ranked)}"
        )
    split_of, first = {}, 0
    for name, share in SHARES.items():
        count = max(1, round(share * len(ranked)))
        split_of |= dict.fromkeys(ranked[first : first + count], name)
        first += count
    return {
        name: tuple(
            piece for piece in pieces if split_of.get(works[piece], "train") == name
        )
        for name in ("train", "validation", "test")
    }


def _joined(pieces: Mapping[Piece, str]) -> dict[Piece, str]:
    """{piece: work}, where works of which pieces begin alike are one."""
    works, known = dict(pieces), {}
    for piece in pieces:
        other = known.setdefault(_opening(piece), piece)
        one, same = works[piece], works[other]
        if one != same:
            works = {own: same if of == one else of for own, of in works.items()}
    return works


def _opening(piece: Piece) -> tuple:
    """The first notes, counted from the first one of all."""
    first = min(piece.notes)
    return tuple(
        sorted(
            (note.start - first.start, note.pitch - first.pitch)
            for note in piece.notes
            if note.start - first.start < OPENING
        )
    )
