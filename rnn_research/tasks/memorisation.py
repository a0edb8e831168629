"""Memorisation: facts that the weights have to hold."""

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import errors
from rnn_research.errors import check_size
from rnn_research.tasks import asked, base, ranges


@base.task
def memorisation(
    length: int, *, vocabulary=256, facts=12345, shortest: int | None = None
) -> base.Task:
    """Say the value of each key, the same in every sequence: it has to be learned.

    Poli et al. 2024 (MAD), arXiv 2403.17844, with T = 32 and V = vocabulary = 256. Of
    V - 1 tokens the first half, rounded down, are keys, the others values; `facts` is
    the seed of a fixed map that gives each key a value of its own. The last token asks:
    T/2 random keys, each followed by it. Output class c is value c, asked at the steps
    that ask. Two examples with T = 6, V = 8 and the values of keys 0, 1, 2 being 2, 0,
    3 (`?` token 7, `.` not asked):

        inputs    1 ? 1 ? 0 ?        inputs    2 ? 0 ? 1 ?
        targets   . 0 . 0 . 2        targets   . 3 . 2 . 0

    No memory of the sequence is needed but for one step: it measures what the weights
    can hold. Lengths are uniform, even, from `shortest` to `length`; None: all have
    `length`.

    Loss: cross-entropy in nats over the asked steps. With K keys the baseline without
    memory of the key is ln K. Metric: recall_accuracy, with chance 1/K.
    """
    check_size(least=2, length=length)
    check_size(least=5, vocabulary=vocabulary)
    check_size(least=0, facts=facts)
    if length % 2:
        raise errors.UsageError(
            f"length must be an even number of at least 2, not {length}; use "
            f"{length + 1}"
        )
    lengths, ordinary = ranges.check(length, shortest, least=2, every=2), vocabulary - 1
    keys = ordinary // 2
    value_of = np.random.default_rng(facts).permutation(ordinary - keys)[:keys]

    def example(key, n):
        del n
        drawn = jax.random.randint(key, (length // 2,), 0, keys)
        asks = jnp.full(length // 2, ordinary, drawn.dtype)
        values = jnp.asarray(value_of, drawn.dtype)[drawn]
        return base.Example(
            jnp.stack([drawn, asks], axis=1).reshape(-1),
            jnp.stack([jnp.full_like(values, asked.NOT_ASKED), values], 1).reshape(-1),
        )

    network = base.Network(vocabulary, ordinary - keys, tokens=True)
    return asked.task(
        example, network, lengths, keys, guess="guessing any value that is asked"
    )
