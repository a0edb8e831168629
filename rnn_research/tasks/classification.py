"""What tasks share that ask for the class of a whole sequence."""

import numpy as np

from rnn_research.tasks import scores

HEADS = ("last", "pooled")  # the class is read off the last state, or off their mean


def score(outputs, batch):
    """The cross-entropy in nats, and the accuracy."""
    return {
        "loss": scores.cross_entropy(outputs, batch),
        "accuracy": scores.accuracy(outputs, batch),
    }


def references(train: np.ndarray, test: np.ndarray, count: int) -> dict:
    """What the frequencies of classes in train (each once more) give on test.

    Args:
      train, test: the class of each row, of `count` classes.
    """
    often = np.bincount(train, minlength=count) + 1
    loss = -np.log(often / often.sum())[test].mean()
    common = (test == often.argmax()).mean()
    return {
        "loss": {"how common each class is in train": float(loss)},
        "accuracy": {"always the commonest class of train": float(common)},
    }
