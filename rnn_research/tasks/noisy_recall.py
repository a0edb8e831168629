"""Noisy recall: keys and values that come again, with noise in between."""

import math

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.errors import check_between, check_size
from rnn_research.tasks import asked, base, ranges
from rnn_research.tasks.associative_recall import one_of


@base.task
def noisy_recall(
    length: int,
    *,
    keys=8,
    values=8,
    noise=0.2,
    noise_tokens=16,
    shortest: int | None = None,
) -> base.Task:
    """Say the value of each key that has come before, among noise.

    In-context recall of Poli et al. 2024 (MAD), arXiv 2403.17844, noisy as by default
    or plain with noise=0; its published 128 tokens, of which the last is only asked,
    are T = length = 127. Each sequence has a value for every key, drawn for itself. It
    is made of pairs, a random key and its value, or with probability `noise` two noise
    tokens; one pair, uniform, is never noise. At the end comes any of the keys that
    came before. Tokens: keys, then values, then noise. Output class c is value c, asked
    at every key that has come before. Two examples with keys=3, values=3 (a, b, c keys,
    x, y, z values, `~` noise, `.` not asked):

        inputs    a z ~ ~ b x a z b        inputs    c y c y ~ ~ a y c
        targets   . . . . . . z . x        targets   . . y . . . . . y

    Args:
      length: T, an odd number of at least 3.
      keys: K, how many different keys there are.
      values: V, how many different values.
      noise: the probability that a pair is noise.
      noise_tokens: how many different noise tokens there are.
      shortest: lengths are uniform, odd, from it to `length`; None: all have `length`.

    Here the loss is that of the asked steps in training too; there training predicts
    every next token. Loss: cross-entropy in nats. Memoryless baseline ln V. Metric:
    recall_accuracy over the asked steps, with chance 1/V.
    """
    check_size(length=length, keys=keys, noise_tokens=noise_tokens)
    check_size(least=2, values=values)
    check_between("noise", noise, 0.0, math.nextafter(1, 0))
    if length < 3 or length % 2 == 0:
        raise errors.UsageError(
            f"length must be an odd number of at least 3, not {length}; use "
            f"{max(3, length + 1)}"
        )
    lengths, pairs = ranges.check(length, shortest, least=3, every=2), length // 2

    def example(key, n):
        key_map, key_keys, key_noise, key_tokens, key_one, key_last = jax.random.split(
            key, 6
        )
        value_of = jax.random.randint(key_map, (keys,), 0, values)
        own = jax.random.randint(key_keys, (pairs,), 0, keys)
        is_noise = jax.random.bernoulli(key_noise, noise, (pairs,))
        is_noise = is_noise.at[jax.random.randint(key_one, (), 0, n // 2)].set(False)
        noisy = jax.random.randint(key_tokens, (pairs, 2), 0, noise_tokens)
        listed = jnp.stack([own, keys + value_of[own]], axis=1)
        listed = jnp.where(is_noise[:, None], keys + values + noisy, listed)
        comes = jax.nn.one_hot(own, keys, dtype=own.dtype) * ~is_noise[:, None]
        before = jnp.take_along_axis(comes.cumsum(0) - comes, own[:, None], axis=1)
        is_asked = (before[:, 0] > 0) & ~is_noise
        targets = jnp.where(is_asked, value_of[own], asked.NOT_ASKED)
        targets = jnp.stack([targets, jnp.full_like(targets, asked.NOT_ASKED)], axis=1)
        # The keys that came: where there is none, the key out of range is dropped.
        came = ~is_noise & (jnp.arange(pairs) < n // 2)
        last = one_of(key_last, jnp.where(came, own, keys), keys)
        return base.Example(
            jnp.pad(listed.reshape(-1), (0, 1)).at[n - 1].set(last),
            jnp.pad(targets.reshape(-1), (0, 1)).at[n - 1].set(value_of[last]),
        )

    network = base.Network(keys + values + noise_tokens, values, tokens=True)
    return asked.task(example, network, lengths, values, guess="guessing any value")
