"""The next frame of a piece of music."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import data, errors
from rnn_research.data import midi
from rnn_research.data import music as pieces_of
from rnn_research.data.music import Music, Piece
from rnn_research.tasks import base, scores

FURTHEST = 11  # semitones: an octave less one


@base.task
def music(length, *, dataset="bach_chorales", midi_folder: str | None = None, shift=0):
    """Predict each frame of a piano roll from those before it.

        target     keys that sound in   frame 1   frame 2   frame 3 ...
        input                           silence   frame 1   frame 2 ...

    A frame is a sixteenth of a bar of 4/4: 88 keys, 1 where one sounds, 0 elsewhere.
    A row is a piece, or up to T frames of it, of which the first is preceded by the
    frame before it in the piece.

    Args:
      length: T, the frames of a row.
      dataset: 'bach_chorales'; see `data.SETS`.
      midi_folder: a folder of MIDI files, in place of a data set.
      shift: rows of 'train' are moved by up to so many semitones up or down, each time
        they are read by others.

    Metrics: loss, -ln p of a frame in nats, where each key is independent of the others
    of its frame given the past (Boulanger-Lewandowski et al. 2012, arXiv:1206.6392);
    accuracy, TP / (TP + FP + FN) of all keys and frames, where p > 1/2 is 'sounds' (Bay
    et al. 2009). References, with the counts of train, on test: how often each key
    sounds; the last frame again, where a key changes with a probability that depends on
    whether it sounds; and that for each key of its own.
    """
    errors.check_size(length=length)
    errors.check_between("shift", shift, 0, FURTHEST)
    found = read(dataset, midi_folder)
    rows = {
        split: _rows(pieces, length, int(shift) if split == "train" else 0)
        for split, pieces in found.splits.items()
    }
    keys = pieces_of.KEYS
    return base.Task(
        batch=_batch,
        score=_score,
        network=base.Network(inputs=keys, outputs=keys, head="step"),
        length=length,
        data=lambda: rows,
        references=references(rows["train"], rows["test"]),
        provenance=(found.provenance,),
    )


def read(dataset: str, midi_folder: str | None) -> Music:
    """The pieces that a task is made of."""
    if midi_folder is None:
        return data.sets.read(dataset, "music")
    return _of_folder(midi_folder)


_of_folder = functools.cache(midi.from_folder)


def _rows(pieces: tuple[Piece, ...], length: int, shift: int) -> dict[str, np.ndarray]:
    """Frames [N, T + 1, 88], the first the one before; how many of T are there [N]; the
    least and the most semitones to move [N]."""
    frames, lengths = [], []
    for piece in pieces:
        whole = np.pad(pieces_of.roll(piece.notes), ((1, 0), (0, 0)))
        for first in range(0, len(whole) - 1, length):
            own = whole[first : first + length + 1]
            frames.append(np.pad(own, ((0, length + 1 - len(own)), (0, 0))))
            lengths.append(len(own) - 1)
    frames = np.stack(frames)
    sounding = frames.any(axis=1)
    low, high = sounding.argmax(1), sounding[:, ::-1].argmax(1)  # free keys at the ends
    return {
        "frames": frames,
        "lengths": np.array(lengths, np.int32),
        "down": -np.minimum(shift, low).astype(np.int32),
        "up": np.minimum(shift, high).astype(np.int32),
    }


def _batch(rows, keys) -> base.Batch:
    def moved(key, frames, down, up):
        by = jax.random.randint(key, (), down, up + 1)
        return jnp.roll(frames, by, axis=-1)

    frames = jax.vmap(moved)(keys, rows["frames"], rows["down"], rows["up"])
    frames = frames.swapaxes(0, 1)  # [T + 1, B, 88]
    mask = jnp.arange(len(frames) - 1)[:, None] < rows["lengths"]
    return base.Batch(frames[:-1].astype(float), frames[1:], mask=mask)


def _score(logits, batch):
    sounds = batch.targets
    nats = jax.nn.softplus(jnp.where(sounds, -logits, logits)).sum(-1)
    said = logits > 0
    hits = scores.mean((said & sounds).sum(-1), batch)
    either = scores.mean((said | sounds).sum(-1), batch)
    return {
        "loss": scores.mean(nats, batch),
        "accuracy": base.Mean(hits.total, either.total),
    }


# --------------------------------------------------------------------- references


def references(train: dict, test: dict) -> dict[str, dict[str, float]]:
    """What predictions give that need no network; see `music`."""
    (before, now), (last, wanted) = _pairs(train), _pairs(test)
    often = (now.sum(0) + 1) / (len(now) + 2)  # [88], as all of Laplace's rule
    change = _change(before.reshape(-1, 1), now.reshape(-1, 1))
    by_key = _change(before, now)
    p = {
        "how often each key sounds": np.broadcast_to(often, wanted.shape),
        "the last frame again": _after(last, change),
        "each key after itself": _after(last, by_key),
    }
    return {
        "loss": {name: _nats(each, wanted) for name, each in p.items()},
        "accuracy": {name: _accuracy(each > 0.5, wanted) for name, each in p.items()},
    }


def _pairs(rows: dict) -> tuple[np.ndarray, np.ndarray]:
    """Frames that are there, with those before them, [n, 88] of bool each."""
    frames = rows["frames"]
    there = np.arange(frames.shape[1] - 1) < rows["lengths"][:, None]
    return frames[:, :-1][there], frames[:, 1:][there]


def _change(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """p(sounds | did before) of each column, [2, columns]."""
    silent, sounding = ~before, before
    return np.stack(
        [((own & now).sum(0) + 1) / (own.sum(0) + 2) for own in (silent, sounding)]
    )


def _after(last: np.ndarray, change: np.ndarray) -> np.ndarray:
    return np.where(last, change[1], change[0])


def _nats(p: np.ndarray, wanted: np.ndarray) -> float:
    return float(-np.log(np.where(wanted, p, 1 - p)).sum(-1).mean())


def _accuracy(said: np.ndarray, wanted: np.ndarray) -> float:
    return float((said & wanted).sum() / max(1, (said | wanted).sum()))
