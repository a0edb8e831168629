"""Recordings joined to longer ones, with pauses between."""

import numpy as np

from rnn_research import errors
from rnn_research.data import speech

FEWEST, MOST = 3, 7  # recordings in one
QUIET = 0.01  # of all frames, those that pauses are made of


def joined(
    recordings: speech.Recordings,
    places: np.ndarray,
    *,
    length: int,
    pause: int,
    passes: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """Each of these recordings `passes` times, three to seven after each other.

    Fewer where more do not fit, and of what is left at the end of a pass. A pause is
    drawn from the quietest hundredth of the frames of the same recordings.

    Args:
      places: the numbers of the recordings that are used.
      length: T.
      pause: the most frames of a pause, the fewest a third of them.
      seed: of the order, the numbers and the pauses.

    Returns:
      frames [N, T, D] and their lengths [N]; labels [N, 7] and their counts [N].

    Raises:
      errors.UsageError: a recording alone is longer than T.
    """
    longest = max(len(recordings.frames[at]) for at in places)
    if longest > length:
        raise errors.UsageError(
            f"a recording has {longest} frames, and length={length} is too short for it"
        )
    draw = np.random.default_rng(seed)
    pauses = quiet(recordings, places)
    frames, labels = [], []
    for _ in range(passes):
        left = list(draw.permutation(places))
        while left:
            own, said = _one(recordings, left, pauses, length, pause, draw)
            frames.append(own)
            labels.append(said)
    whole, lengths = speech.padded(frames, length)
    counts = np.array([len(each) for each in labels], np.int32)
    classes = np.zeros((len(labels), MOST), np.int32)
    for row, each in zip(classes, labels, strict=True):
        row[: len(each)] = each
    return {"frames": whole, "lengths": lengths, "labels": classes, "counts": counts}


def loudness(frames: np.ndarray) -> np.ndarray:
    """[T], the first coefficient, the logarithm of a frame's energy up to a scale."""
    return frames[:, 0]


def quiet(recordings, places) -> np.ndarray:
    """[N, D], the quietest frames, one at least."""
    frames = np.concatenate([recordings.frames[at] for at in places])
    count = max(1, round(QUIET * len(frames)))
    return frames[np.argsort(loudness(frames), kind="stable")[:count]]


def _one(recordings, left: list[int], pauses, length: int, pause: int, draw):
    """The frames of the next recordings, which are taken from `left`, and labels."""
    first = left.pop(0)
    parts, labels = [recordings.frames[first]], [recordings.labels[first]]
    for _ in range(draw.integers(FEWEST, MOST + 1) - 1):
        silent = draw.integers(pause // 3, pause + 1)
        taken = sum(map(len, parts)) + silent
        if not left or taken + len(recordings.frames[left[0]]) > length:
            break
        at = left.pop(0)
        parts += [draw.choice(pauses, silent), recordings.frames[at]]
        labels.append(recordings.labels[at])
    return np.concatenate(parts), labels


def pieces(frames: np.ndarray, limit: float, least: int) -> list[np.ndarray]:
    """What is between pauses, stretches of at least `least` frames not above `limit`.

    Args:
      frames: [T, D].
    """
    ends = np.flatnonzero(np.diff(loudness(frames) > limit)) + 1
    stretches = np.split(frames, ends)
    found, parts = [], []
    for stretch in [*stretches, None]:
        is_pause = stretch is not None and (
            loudness(stretch)[0] <= limit and len(stretch) >= least
        )
        if stretch is not None and not is_pause:
            parts.append(stretch)
        elif parts:
            found.append(np.concatenate(parts))
            parts = []
    return found
