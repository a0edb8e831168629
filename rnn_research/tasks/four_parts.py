"""Pieces of music in four parts, one after the other; see `tasks.pieces`."""

import jax.numpy as jnp
import numpy as np

from rnn_research import errors
from rnn_research.data import four_parts
from rnn_research.data.four_parts import KINDS, PARTS, REST
from rnn_research.data.music import Piece
from rnn_research.tasks import base, piano_rolls, scores


def network() -> base.Network:
    """Of tokens: what a part does, and which part."""
    return base.Network(PARTS * KINDS, PARTS * KINDS, head="step", tokens=True)


def tokens(frames):
    """[..., 4] as tokens: those of the soprano first, those of the bass last."""
    return frames + KINDS * np.arange(PARTS)


def does(tokens):
    """Tokens [..., 4] as what each part does, whichever part a token is of."""
    return tokens % KINDS


def rows(pieces: tuple[Piece, ...], length: int, shift: int) -> dict[str, np.ndarray]:
    """'frames' [N, T / 4 + 1, 4] of what each part does; see `piano_rolls.cut`."""
    if length % PARTS:
        raise errors.UsageError(
            f"four parts are read one after the other, so their length must be a "
            f"multiple of four, not {length}"
        )
    wholes = [four_parts.encoded(piece).astype(np.int16) for piece in pieces]
    return piano_rolls.cut(wholes, pieces, length // PARTS, shift)


def batch(rows, keys) -> base.Batch:
    frames = rows["frames"].astype(jnp.int32)
    by = piano_rolls.shifts(rows, keys)[:, None, None]
    frames = tokens(jnp.where(frames == REST, REST, frames + by))
    steps = frames.reshape(len(frames), -1).T[PARTS - 1 :]  # [T + 1, B]
    mask = jnp.arange(len(steps) - 1)[:, None] < PARTS * rows["lengths"]
    return base.Batch(steps[:-1], steps[1:], mask=mask)


def score(logits, batch):
    nats = scores.cross_entropy(logits, batch)
    return {
        "loss": nats._replace(count=nats.count / PARTS),
        "accuracy": scores.accuracy(logits, batch),
    }


def references(train: dict, test: dict) -> dict[str, dict[str, float]]:
    """How often each part does what, and what it does after what it did before.

    The first adds one to each count. The second is smoothed with the first as by Witten
    & Bell 1991: it counts as often as different things followed.
    """
    (before, now), (last, wanted) = (piano_rolls.pairs(rows) for rows in (train, test))
    p, said = {}, {}
    names = "how often each part does what", "each part after itself"
    for name in names:
        p[name], said[name] = np.empty(wanted.shape), np.empty(wanted.shape)
    for part in range(PARTS):
        counts = np.zeros((KINDS, KINDS))
        np.add.at(counts, (before[:, part], now[:, part]), 1)
        often = counts.sum(0) + 1
        often /= often.sum()
        kinds = (counts > 0).sum(1, keepdims=True)
        total = np.maximum(counts.sum(1, keepdims=True) + kinds, 1)
        after = np.where(kinds > 0, (counts + kinds * often) / total, often)
        each = np.broadcast_to(often, after.shape), after
        for name, own in zip(names, each, strict=True):
            p[name][:, part] = own[last[:, part], wanted[:, part]]
            said[name][:, part] = own.argmax(1)[last[:, part]]
    return {
        "loss": {name: float(-np.log(p[name]).sum(-1).mean()) for name in names},
        "accuracy": {name: float((said[name] == wanted).mean()) for name in names},
    }
