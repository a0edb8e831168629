"""Induction heads: what came after the special token when it came before?"""

import jax
import jax.numpy as jnp

from rnn_research.errors import check_size
from rnn_research.tasks import asked, base, ranges


@base.task
def induction_heads(
    length: int, *, vocabulary=16, shortest: int | None = None
) -> base.Task:
    """Say which token followed the special one, when the special one comes again.

    Olsson et al. 2022 (arXiv 2209.11895) for the idea; Gu & Dao 2023 (Mamba, arXiv
    2312.00752) for T = 256 with a vocabulary of 16, and tests to 2^20 steps. Tokens: 0
    ... V - 2 ordinary ones, V - 1 the special one, V = vocabulary. All T = length steps
    hold ordinary tokens, but for the special one at the last step and at one before,
    uniform over the first T - 3: that is the sampler of the code of Fu et al. 2022
    (arXiv 2212.14052) with one trigger. Mamba's own was not published.

        inputs    3 S 7 0 2 S        inputs    S 4 4 9 1 S
        target              7        target              4

    Lengths are uniform from `shortest` to `length`; None: all have `length`.

    Loss: cross-entropy in nats at the last step. Memoryless baseline ln(V - 1). Metric:
    recall_accuracy, with chance 1 / (V - 1).
    """
    check_size(least=4, length=length)
    check_size(least=3, vocabulary=vocabulary)
    special, lengths = vocabulary - 1, ranges.check(length, shortest, least=4)

    def example(key, n):
        key_tokens, key_place = jax.random.split(key)
        tokens = jax.random.randint(key_tokens, (length,), 0, special)
        place = jax.random.randint(key_place, (), 0, n - 3)
        answer = tokens[place + 1]
        tokens = tokens.at[jnp.array([place, n - 1])].set(special)
        return base.Example(tokens, answer)

    network = base.Network(vocabulary, special, head="last", tokens=True)
    return asked.task(example, network, lengths, special, guess="guessing any token")
