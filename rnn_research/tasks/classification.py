"""What tasks share that ask for the class of a whole sequence."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research.layers import Call
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


def so_far(model, params, x) -> np.ndarray:
    """[T, classes], what the model says after each step of one sequence.

    Each beginning of the sequence is read by itself, so that a model that reads in both
    directions or takes a mean of its states says what it would of that alone.

    Args:
      x: [T] tokens or [T, D] numbers.
    """
    return np.asarray(_so_far(model, params, jnp.asarray(x)))


@functools.partial(jax.jit, static_argnames="model")
def _so_far(model, params, x):
    steps = jnp.arange(len(x))
    beginnings = jnp.broadcast_to(x[:, None], (len(x), len(x), *x.shape[1:]))
    call = Call(mask=steps[:, None] <= steps)
    return jax.nn.softmax(model.outputs(params, beginnings, call))
