"""Pieces of music as piano rolls; see `tasks.pieces`."""

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research.data import music
from rnn_research.data.music import KEYS, Piece
from rnn_research.tasks import base, scores


def network() -> base.Network:
    return base.Network(inputs=KEYS, outputs=KEYS, head="step")


def rows(pieces: tuple[Piece, ...], length: int, shift: int) -> dict[str, np.ndarray]:
    """'frames' [N, T + 1, 88], the first the one before; see `cut`."""
    return cut([music.roll(piece.notes) for piece in pieces], pieces, length, shift)


def cut(
    wholes: list[np.ndarray], pieces: tuple[Piece, ...], length: int, shift: int
) -> dict[str, np.ndarray]:
    """Pieces cut into rows of at most `length` frames, each with the one before.

    Args:
      wholes: the frames of each of the pieces, [frames, ...]; 0 is silence.
      shift: how many semitones a row is to be moved by at most.

    Returns:
      'frames' [N, length + 1, ...]; 'lengths' [N], how many of them are there besides
      the one before; 'down' and 'up' [N], the least and most semitones that leave each
      key on the piano.
    """
    frames, lengths, down, up = [], [], [], []
    for piece, whole in zip(pieces, wholes, strict=True):
        whole = np.concatenate([np.zeros_like(whole[:1]), whole])
        pitches = [note.pitch for note in piece.notes]
        for first in range(0, len(whole) - 1, length):
            own = whole[first : first + length + 1]
            short = length + 1 - len(own)
            frames.append(np.pad(own, ((0, short), *[(0, 0)] * (own.ndim - 1))))
            lengths.append(len(own) - 1)
            down.append(-min(shift, max(0, min(pitches) - music.LOWEST)))
            up.append(min(shift, max(0, music.LOWEST + KEYS - 1 - max(pitches))))
    counts = {"lengths": lengths, "down": down, "up": up}
    counts = {name: np.array(each, np.int32) for name, each in counts.items()}
    return {"frames": np.stack(frames), **counts}


def shifts(rows, keys) -> jax.Array:
    """By how many semitones each row is moved, [B]."""
    return jax.vmap(lambda key, down, up: jax.random.randint(key, (), down, up + 1))(
        keys, rows["down"], rows["up"]
    )


def batch(rows, keys) -> base.Batch:
    roll = jax.vmap(lambda frames, by: jnp.roll(frames, by, axis=-1))
    frames = roll(rows["frames"], shifts(rows, keys)).swapaxes(0, 1)  # [T + 1, B, 88]
    mask = jnp.arange(len(frames) - 1)[:, None] < rows["lengths"]
    return base.Batch(frames[:-1].astype(float), frames[1:], mask=mask)


def score(logits, batch):
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
    """What predictions give that need no network; see `tasks.music`."""
    (before, now), (last, wanted) = pairs(train), pairs(test)
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


def pairs(rows: dict) -> tuple[np.ndarray, np.ndarray]:
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
