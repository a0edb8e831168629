"""Giving a string back, the last symbol first."""

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research.errors import check_size
from rnn_research.tasks import asked, base, ranges, strings


@base.task
def reverse_string(
    length: int, *, alphabet=2, shortest: int | None = None
) -> base.Task:
    """Give back a string of symbols, the last one first.

    n symbols are read, each of A as likely, then n steps of a cue, at each of which a
    symbol is due (Deletang et al. 2022, arXiv 2207.02098, with A = 2). It needs a
    stack: context-free, and not regular. Inputs are one-hot, the cue `c` the last of
    A + 1 channels; `.` is a step that is not asked:

        inputs     0 1 1 c c c        1 0 c c
        targets    . . . 1 1 0        . . 0 1

    Args:
      length: the length n of the longest strings; there are 2 n steps.
      alphabet: A.
      shortest: lengths are uniform in [shortest, length], shorter sequences masked at
        the end; None: all have `length`.

    Of the steps that are asked. Loss: cross-entropy in nats, guessing ln A. Metrics:
    recall_accuracy, by chance 1/A; sequence_accuracy, the share of strings of which
    every symbol is right, by chance the mean of A^-n over the lengths.
    """
    check_size(least=2, alphabet=alphabet)
    lengths = ranges.check(length, shortest)
    steps = jnp.arange(2 * length)

    def example(key, n):
        string = jax.random.randint(key, (length,), 0, alphabet)
        due = string[jnp.clip(2 * n - 1 - steps, 0, length - 1)]
        recall = steps >= n
        shown = jnp.where(recall, alphabet, string[jnp.minimum(steps, length - 1)])
        inputs = jax.nn.one_hot(shown, alphabet + 1)
        return base.Example(inputs, jnp.where(recall, due, asked.NOT_ASKED))

    whole = float(np.mean([alphabet ** -float(n) for n in lengths]))
    guess = "guessing every symbol"
    return strings.of_strings(
        example,
        base.Network(alphabet + 1, alphabet),
        {
            "loss": {guess: np.log(alphabet)},
            "recall_accuracy": {guess: 1 / alphabet},
            "sequence_accuracy": {guess: whole},
        },
        lengths=lengths,
        steps=lambda n: 2 * n,
        score=strings.of_asked,
    )
