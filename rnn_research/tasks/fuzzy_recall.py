"""Fuzzy recall: keys and values of several tokens each."""

import jax
import jax.numpy as jnp

from rnn_research.errors import check_flags, check_size
from rnn_research.tasks import asked, base, draws, ranges


@base.task
def fuzzy_recall(
    length: int,
    *,
    keys=7,
    values=8,
    key_size=3,
    value_size=3,
    varied=True,
    shortest: int | None = None,
) -> base.Task:
    """Say the value of each key that has come before, both of several tokens.

    Fuzzy in-context recall of Poli et al. 2024 (MAD), arXiv 2403.17844; there T = 128.
    A key has 1 to `key_size` different tokens of the first `keys`, a value 1 to
    `value_size` of the next `values`: sizes are uniform, tokens a random arrangement.
    Where a key comes again it has the same value. Pairs follow each other while there
    is room for two of the largest; the last pair is one of these again, uniform. Blanks
    (the last token) fill up the start. At the step before each token of the value of a
    key that came before, that token is asked; output class c is value token c. Two
    examples with T = 9, key_size=2, value_size=1 (letters of keys, digits of values,
    `_` blank, `.` not asked):

        inputs    _ _ _ a b 4 a 0 a        inputs    _ _ _ _ c 7 a 1 c
        targets   . . . . . . . . 0        targets   . . . . . . . . 7

    Args:
      length: T, above 2 (key_size + value_size).
      keys: how many different tokens keys are made of, at least key_size.
      values: how many those of values, at least value_size.
      key_size: the most tokens of a key.
      value_size: the most tokens of a value.
      varied: whether sizes of keys vary; False, as in tests there: all have key_size.
      shortest: lengths are uniform from it to `length`; None: all have `length`.

    There the last key is put in at a random place, and training predicts every next
    token. Loss: cross-entropy in nats over the asked steps. The baseline, guessing any
    token of values, is ln(values); a token of a value is none of those before it, which
    is a little less. Metric: recall_accuracy, with chance 1 / values.
    """
    check_size(key_size=key_size, value_size=value_size)
    check_size(least=key_size, keys=keys)
    check_size(least=max(2, value_size), values=values)
    check_flags(varied=varied)
    kept = 2 * (key_size + value_size)
    why = f" for key_size={key_size} and value_size={value_size}"
    lengths = ranges.check(length, shortest, least=kept + 1, why=why)
    slots = -(-(length - kept) // (1 + (1 if varied else key_size)))
    blank = keys + values

    def example(key, n):
        key_keys, key_values, key_last = jax.random.split(key, 3)
        own = words(key_keys, slots, keys, key_size, varied)
        first = jnp.argmax((own[:, None] == own[None]).all(-1), axis=1)
        value = words(key_values, slots, values, value_size, True)[first]
        sizes = (own >= 0).sum(1) + (value >= 0).sum(1)
        starts = jnp.cumsum(sizes) - sizes
        is_there = starts < n - kept
        last = jax.random.randint(key_last, (), 0, is_there.sum())
        end = jnp.sum(sizes * is_there)
        starts = jnp.append(jnp.where(is_there, starts, 2 * length), end)
        starts = starts + n + 1 - end - sizes[last]
        own, value = (jnp.concatenate([of, of[last][None]]) for of in (own, value))
        again = jnp.append(first < jnp.arange(slots), True)
        return lay_out(own, value, starts, again)

    def lay_out(own, value, starts, again):
        """Keys and values [N, size], -1 where they end; `again`: is asked."""
        at_key = _places(own, starts)
        at_value = _places(value, starts + (own >= 0).sum(1))
        tokens = jnp.full(length + 1, blank, own.dtype)
        tokens = tokens.at[at_key].set(own, mode="drop")
        tokens = tokens.at[at_value].set(keys + value, mode="drop")
        targets = jnp.full(length, asked.NOT_ASKED, own.dtype)
        at_asked = jnp.where(again[:, None], at_value - 1, length)
        return base.Example(tokens[:-1], targets.at[at_asked].set(value, mode="drop"))

    def _places(word, starts):
        place = starts[:, None] + jnp.arange(word.shape[1])
        return jnp.where(word >= 0, place, 3 * length)

    network = base.Network(blank + 1, values, tokens=True)
    return asked.task(
        example, network, lengths, values, guess="guessing any token of values"
    )


def words(key, count: int, alphabet: int, size: int, varied: bool) -> jax.Array:
    """Random arrangements [count, size] of 0 ... alphabet - 1; -1 behind their end."""
    key_tokens, key_sizes = jax.random.split(key)
    tokens = draws.distinct(key_tokens, alphabet, size, (count,))
    least = 1 if varied else size
    sizes = least + draws.below(key_sizes, size + 1 - least, (count, 1))
    return jnp.where(jnp.arange(size) < sizes, tokens, -1)
