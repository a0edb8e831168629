"""The next character of a text."""

import math

import jax.numpy as jnp
import numpy as np

from rnn_research import data, errors
from rnn_research.tasks import base, order, scores


@base.task
def characters(
    length: int, *, dataset="python_manual", text_file: str | None = None
) -> base.Task:
    """Predict each character of a text from those before it.

        inputs     r e c u r r e n        n c e _ n e t s
        targets    e c u r r e n c        c e _ n e t s _

    The text is cut into batch_size streams that are read side by side, `length`
    characters an update; a window goes on from the context of the one before it
    (truncated backpropagation through time with a carried context). The vocabulary is
    that of train; further characters of validation and test are one token, unknown.

    Args:
      length: characters in a window.
      dataset: 'python_manual', 'stdlib' (code) or 'kjv' (verse); see `data.SETS`.
      text_file: a UTF-8 file, in place of a data set; its last tenths are validation
        and test.

    Metrics: loss, in nats per character; bits_per_character, the same in bits;
    accuracy. References, from the counts of train on the windows of test: each
    character alone (unigrams, of which every one counts once more than it occurs) and
    after the one before it (bigrams, smoothed as Witten & Bell 1991).
    """
    errors.check_size(length=length)
    text = read(dataset, text_file)
    letters = data.vocabulary(text.train)
    what = text_file or dataset
    rows = {
        split: data.windows(
            letters.encode(getattr(text, split)), length, f"{what}, {split}"
        )
        for split in base.SPLITS
    }
    network = base.Network(letters.size, letters.size, head="step", tokens=True)
    nats = {
        "unigrams of train": unigram_entropy(rows, letters.size),
        "bigrams of train": bigram_entropy(rows, letters.size),
    }
    bits = {name: value / math.log(2) for name, value in nats.items()}
    return base.Task(
        batch=_batch,
        score=_score,
        network=network,
        length=length,
        data=lambda: rows,
        order=order.streams,
        carries=True,
        references={"loss": nats, "bits_per_character": bits},
        provenance=(text.provenance,),
        vocabulary=letters,
    )


def read(dataset: str, text_file: str | None) -> data.Text:
    """The text that a task is made of."""
    if text_file is None:
        return data.sets.read(dataset, "characters")
    return data.text.from_file(text_file)


def _batch(rows, keys) -> base.Batch:
    del keys
    tokens = rows.astype(jnp.int32).T  # [T + 1, B]
    return base.Batch(tokens[:-1], tokens[1:])


def _score(outputs, batch):
    nats = scores.cross_entropy(outputs, batch)
    return {
        "loss": nats,
        "bits_per_character": nats._replace(total=nats.total / math.log(2)),
        "accuracy": scores.accuracy(outputs, batch),
    }


# --------------------------------------------------------------------- references


def unigram_entropy(rows: dict[str, np.ndarray], size: int) -> float:
    """-E ln p(b) in nats, of the targets of test; p(b) = (c(b) + 1) / (n + V)."""
    p = _unigram(rows["train"], size)
    return float(-np.log(p[rows["test"][:, 1:]]).mean())


def bigram_entropy(rows: dict[str, np.ndarray], size: int) -> float:
    """-E ln p(b | a) in nats, of the targets b of test, each after a.

        p(b | a) = (c(a, b) + d(a) p(b)) / (c(a) + d(a))

    with the counts of train and d(a), how many different characters follow a in it
    (Witten & Bell 1991); after an a that train lacks, p(b).
    """
    p = _unigram(rows["train"], size)
    counts = np.bincount(_pairs(rows["train"], size), minlength=size**2)
    counts = counts.reshape(size, size)
    different = np.count_nonzero(counts, axis=1)[:, None]
    total = counts.sum(axis=1, keepdims=True) + different
    seen = (counts + different * p) / np.maximum(total, 1)
    conditional = np.where(total > 0, seen, p)
    return float(-np.log(conditional.reshape(-1)[_pairs(rows["test"], size)]).mean())


def _unigram(train: np.ndarray, size: int) -> np.ndarray:
    counts = np.bincount(train[:, 1:].reshape(-1), minlength=size) + 1
    return counts / counts.sum()


def _pairs(windows: np.ndarray, size: int) -> np.ndarray:
    """The number a * size + b of each character b after a."""
    wide = windows.astype(np.int64)
    return (wide[:, :-1] * size + wide[:, 1:]).reshape(-1)
