"""Blocks of as many letters each: a^n b^n, a^n b^n c^n."""

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research.errors import check_option, check_size
from rnn_research.tasks import asked, base, ranges, strings


@base.task
def counted_blocks(length: int, *, blocks=2, shortest: int | None = 1) -> base.Task:
    """Say when a block ends that is as long as the first one: a^n b^n.

    A string has `blocks` blocks of n equal letters, a^n b^n or a^n b^n c^n (Gers &
    Schmidhuber 2001; the original was not consulted). From the first b on the next
    letter, or the end `$`, is certain, and asked after each letter; after an a, `.`, it
    is not, since only the b that follows says what n is:

        letters    a a a b b b        a a b b c c
        next       . . . b b $        . . b c c $

    Inputs are one-hot. Classes: 0, ..., blocks - 1 the letters, and `blocks` the end.

    Args:
      length: the greatest n; there are blocks times as many steps.
      blocks: 2, a language that needs a counter; or 3, which is context-sensitive.
      shortest: n is uniform in [shortest, length], shorter strings masked at the end;
        None: it is always `length`. There are as many strings as lengths.

    Of the steps that are asked. Loss: cross-entropy in nats. Metrics: recall_accuracy;
    sequence_accuracy, the share of strings with every answer right. The baseline knows
    the letter alone: the next one differs with the probability q = 1 / (mean of n).
    """
    check_option("blocks", blocks, (2, 3))
    check_size(least=2, length=length)
    lengths = ranges.check(length, shortest)
    steps = jnp.arange(blocks * length)

    def example(key, n):
        del key
        letter = steps // n
        targets = jnp.where(letter > 0, (steps + 1) // n, asked.NOT_ASKED)
        return base.Example(jax.nn.one_hot(letter, blocks), targets)

    differs = len(lengths) / sum(lengths)
    p = np.array([differs, 1 - differs])
    guess = "knowing the letter alone"
    return strings.of_strings(
        example,
        base.Network(blocks, blocks + 1),
        {
            "loss": {guess: float(-np.sum(p * np.log(p)))},
            "recall_accuracy": {guess: float(p.max())},
        },
        lengths=lengths,
        steps=lambda n: blocks * n,
        score=strings.of_asked,
    )
