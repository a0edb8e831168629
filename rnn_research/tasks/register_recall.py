"""State tracking with recall: counters by name, changed and asked in any order."""

import jax
import jax.numpy as jnp

from rnn_research.errors import check_size
from rnn_research.tasks import asked, base, ranges


@base.task
def register_recall(
    length: int, *, registers=4, modulus=5, shortest: int | None = None
) -> base.Task:
    """Keep several counters, each added to and asked for by name.

    A task of ours, with no paper: it needs recall, of which counter is meant, and state
    tracking, a sum modulo m, at once. R = registers counters start at 0. The first R
    steps add to each of them in turn, so that every value is equally likely from then
    on. Each later step is an addition or, with probability 1/2, a question, to a
    uniform counter; the last step is a question. Tokens: r m + d adds d = 0 ... m - 1
    to counter r; R m + r asks for it. Two examples with R = 2 and m = 5 (`A+3` adds,
    `A?` asks, `.` not asked):

        inputs    A+3 B+1 A+4 A? B? A?        inputs    A+0 B+2 B? B+2 B+2 B?
        targets    .   .   .  2  1  2         targets    .   .  2   .   .  1

    Args:
      length: T, above R.
      registers: R.
      modulus: m.
      shortest: lengths are uniform from it to `length`; None: all have `length`.

    Loss: cross-entropy in nats over the asked steps. Memoryless baseline ln m. Metric:
    recall_accuracy, with chance 1/m.
    """
    check_size(registers=registers)
    check_size(least=2, modulus=modulus)
    check_size(least=registers + 1, length=length)
    lengths = ranges.check(length, shortest, least=registers + 1)

    def example(key, n):
        key_register, key_add, key_asks = jax.random.split(key, 3)
        steps = jnp.arange(length)
        which = jax.random.randint(key_register, (length,), 0, registers)
        which = jnp.where(steps < registers, steps, which)
        added = jax.random.randint(key_add, (length,), 0, modulus)
        asks = jax.random.bernoulli(key_asks, shape=(length,))
        asks = (asks & (steps >= registers)).at[n - 1].set(True)
        own = jax.nn.one_hot(which, registers, dtype=added.dtype)
        sums = jnp.cumsum(own * jnp.where(asks, 0, added)[:, None], axis=0)
        value = jnp.sum(own * sums, axis=1) % modulus
        tokens = jnp.where(asks, registers * modulus + which, which * modulus + added)
        return base.Example(tokens, jnp.where(asks, value, asked.NOT_ASKED))

    network = base.Network(registers * (modulus + 1), modulus, tokens=True)
    return asked.task(example, network, lengths, modulus, guess="guessing any value")
