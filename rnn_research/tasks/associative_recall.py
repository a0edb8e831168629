"""Associative recall: keys with values, and one key is asked for its value."""

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.errors import check_option, check_size
from rnn_research.tasks import asked, base, draws, ranges

CUES = {"fast_weights": 2, "h3": 1}


@base.task
def associative_recall(
    length: int,
    *,
    form="fast_weights",
    keys=26,
    values=10,
    shortest: int | None = None,
) -> base.Task:
    """Say the value of one key, after a list of keys with their values.

    P pairs of a key and its value, cues, a key of the list; its value is asked at the
    end. Tokens: 0 ... keys - 1 keys, then the values, then the cue. Output class c is
    value c.

    form='fast_weights' (Ba et al. 2016, arXiv 1610.06258): different keys, of 26
    letters, values of 10 digits, two cues; T = length = 2P + 3. form='h3' (Fu et al.
    2022, arXiv 2212.14052, as its code has it): keys may come again, then with the same
    value; one cue, T = 2P + 2; the key is any of those that came. The published
    vocabulary of 10 tokens with two special ones is keys=4, values=4.

        form           inputs       target        inputs       target
        fast_weights   c9k8j3??c    9             a1b7??b      7
        h3             c9k8c9?k     8             a1a1?a       1

    P is uniform from that of `shortest` to that of `length`; None: all have `length`.

    Loss: cross-entropy in nats at the end. Memoryless baseline ln(values). Metric:
    recall_accuracy, with chance 1 / values.
    """
    check_option("form", form, tuple(CUES))
    check_size(length=length, keys=keys)
    check_size(least=2, values=values)
    cues = CUES[form]
    pairs = (length - cues - 1) // 2
    if pairs < 1 or 2 * pairs + cues + 1 != length:
        raise errors.UsageError(
            f"length must be {cues + 3} or longer by an even number of steps for "
            f"form={form!r}, not {length}"
        )
    if form == "fast_weights" and pairs > keys:
        raise errors.UsageError(
            f"keys must be at least {pairs} for the {pairs} different keys of "
            f"length={length}, not {keys}"
        )

    lengths = ranges.check(length, shortest, least=cues + 3, every=2)

    def example(key, n):
        there = (n - cues - 1) // 2
        key_keys, key_values, key_asked = jax.random.split(key, 3)
        if form == "fast_weights":
            own = draws.distinct(key_keys, keys, pairs)
            value = jax.random.randint(key_values, (pairs,), 0, values)
            which = jax.random.randint(key_asked, (), 0, there)
            is_asked, answer = own[which], value[which]
        else:
            value_of = jax.random.randint(key_values, (keys,), 0, values)
            own = jax.random.randint(key_keys, (pairs,), 0, keys)
            listed = jnp.where(jnp.arange(pairs) < there, own, keys)
            is_asked = one_of(key_asked, listed, keys)
            value, answer = value_of[own], value_of[is_asked]
        listed = jnp.stack([own, keys + value], axis=1).reshape(-1)
        listed = jnp.pad(listed, (0, cues + 1))
        cued = jnp.where(jnp.arange(length) < 2 * there, listed, keys + values)
        return base.Example(cued.at[n - 1].set(is_asked), answer)

    network = base.Network(keys + values + 1, values, head="last", tokens=True)
    return asked.task(example, network, lengths, values, guess="guessing any value")


def one_of(key, numbers, size: int) -> jax.Array:
    """One of the different numbers among those given, each as likely."""
    is_there = jnp.zeros(size, bool).at[numbers].set(True)
    return jnp.argmax(jnp.where(is_there, jax.random.uniform(key, (size,)), -1.0))
