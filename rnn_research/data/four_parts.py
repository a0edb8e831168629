"""Music in four parts as tokens: what each part does at each sixteenth."""

from collections.abc import Iterable

import numpy as np

from rnn_research import errors
from rnn_research.data import music
from rnn_research.data.music import GRID, KEYS, LOWEST, Note, Piece

PARTS = 4  # soprano, alto, tenor, bass
REST, STRUCK, HELD = (
    0,
    1,
    1 + KEYS,
)  # what a part does; from STRUCK, HELD on: with a key
KINDS = HELD + KEYS


def encoded(piece: Piece) -> np.ndarray:
    """What each part does at the beginning of each sixteenth, [frames, 4].

    Raises:
      errors.UsageError: it is of more parts, a part has two notes at once, or a note is
        none of a piano's.
    """
    frames = len(music.roll(piece.notes))
    found = np.full((frames, PARTS), REST)
    for note in sorted(piece.notes):
        first, stop = music.frames_of(note)
        key = note.pitch - LOWEST
        fits = note.part < PARTS and 0 <= key < KEYS
        if not fits or (found[first:stop, note.part] != REST).any():
            raise errors.UsageError(
                f"{piece.name} is not in four parts of one note at a time, in the "
                "first four tracks; read it as a piano roll, --form=roll"
            )
        found[first:stop, note.part] = HELD + key
        found[first : min(first + 1, stop), note.part] = STRUCK + key
    return found


def decoded(frames: Iterable[Iterable[int]]) -> tuple[Note, ...]:
    """The notes of frames [frames, 4]; a key is struck if one is held that was not."""
    found, sounding = [], {}
    for at, frame in enumerate([*frames, [REST] * PARTS]):
        for part, does in enumerate(map(int, frame)):
            pitch = None if does == REST else LOWEST + (does - STRUCK) % KEYS
            start, before = sounding.pop(part, (0.0, None))
            goes_on = does >= HELD and pitch == before
            if before is not None and not goes_on:
                found.append(Note(start, at / GRID, before, part))
            if pitch is not None:
                sounding[part] = start if goes_on else at / GRID, pitch
    return tuple(sorted(found))
