"""Repeating what was there some steps ago."""

import jax
import jax.numpy as jnp

from rnn_research.errors import check_size
from rnn_research.tasks import asked, base, ranges


@base.task
def repeat_previous(
    length: int, *, lag=4, alphabet=4, shortest: int | None = None
) -> base.Task:
    """Say at every step which symbol was there `lag` steps before.

    Symbols are uniform; tokens and output classes are 0 ... alphabet - 1. Asked from
    step `lag` on. Two examples with T = 6, lag=2 (`.` not asked):

        inputs    3 1 0 2 2 1        inputs    0 0 3 1 3 2
        targets   . . 3 1 0 2        targets   . . 0 0 3 1

    Morad et al. 2023 (POPGym, arXiv 2303.01859) deal 52 cards of four suits a deck,
    without replacement, and count the present step: their k is lag + 1. The `lag` form
    of the copying code of Gu et al. 2021 (arXiv 2111.00396) has A - 2 symbols, and asks
    for a padding symbol at the first steps too.

    Args:
      length: T, above lag.
      lag: how many steps ago.
      alphabet: A, how many different symbols there are.
      shortest: lengths are uniform from it to `length`; None: all have `length`.

    Loss: cross-entropy in nats over the asked steps. Memoryless baseline ln A. Metric:
    recall_accuracy, with chance 1/A.
    """
    check_size(lag=lag)
    check_size(least=2, alphabet=alphabet)
    lengths = ranges.check(length, shortest, least=lag + 1, why=f" for lag={lag}")

    def example(key, n):
        del n
        tokens = jax.random.randint(key, (length,), 0, alphabet)
        first = jnp.full(lag, asked.NOT_ASKED, tokens.dtype)
        return base.Example(tokens, jnp.concatenate([first, tokens[: length - lag]]))

    network = base.Network(alphabet, alphabet, tokens=True)
    return asked.task(example, network, lengths, alphabet)
