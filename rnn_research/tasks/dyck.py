"""Nested brackets of several kinds: which one is to be closed?"""

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research.errors import check_size
from rnn_research.tasks import base, ranges, strings

KNOWING = "knowing the last bracket and its place"


@base.task
def dyck(
    length: int,
    *,
    kinds=2,
    depth: int | None = None,
    shortest: int | None = None,
    head="step",
) -> base.Task:
    """Follow nested brackets, and say which kind may be closed next.

    Strings are beginnings of well-nested ones of k kinds of brackets, with at most m
    open at once. Where both are allowed a bracket opens or closes with probability 1/2;
    the kind of one that opens is uniform (Hewitt et al. 2020, arXiv 2010.07515, by
    whose bound m the language is regular). The class is the kind that may be closed
    next, 1 ... k, or 0 where none is open: with it, which symbols may come next is
    known (the sets that Suzgun et al. 2019, arXiv 1906.03648, ask for). k = 2:

        brackets    ( [ ] ) [ (        [ [ ( ) ] ]
        class       1 2 1 0 2 1        2 2 1 2 2 0

    Inputs are one-hot, k channels for those that open and k for those that close.

    Args:
      length: T, the length of the longest strings.
      kinds: k.
      depth: m; None: no bound but `length`.
      shortest: lengths are uniform in [shortest, length], shorter strings masked at
        the end; None: all have `length`.
      head: 'step' asks after each bracket, 'last' at the end of the string alone.

    Loss: cross-entropy in nats. Metrics: accuracy, and with head='step'
    sequence_accuracy. The baseline knows the last bracket and how many there were: of
    one that opens the answer is its kind. It is exact, from the shares of all depths.
    """
    check_size(kinds=kinds)
    most = length if depth is None else depth
    lengths = ranges.check(length, shortest)
    check_size(depth=most)
    most = min(most, length)
    places = jnp.arange(most)

    def step(carried, given):
        open_now, stack = carried
        coin, kind = given
        opens = (open_now == 0) | (coin & (open_now < most))
        stack = jnp.where(opens & (places == open_now), kind, stack)
        closed = jnp.sum(jnp.where(places == open_now - 1, stack, 0))
        symbol = jnp.where(opens, kind, kinds + closed)
        open_now = open_now + jnp.where(opens, 1, -1)
        top = jnp.sum(jnp.where(places == open_now - 1, stack, 0))
        return (open_now, stack), (symbol, jnp.where(open_now > 0, top + 1, 0))

    def draw(key, n):
        del n
        key_coins, key_kinds = jax.random.split(key)
        coins = jax.random.bernoulli(key_coins, shape=(length,))
        drawn = jax.random.randint(key_kinds, (length,), 0, kinds)
        none = jnp.zeros((), drawn.dtype), jnp.zeros(most, drawn.dtype)
        return jax.lax.scan(step, none, (coins, drawn))[1]

    return strings.classified(
        draw,
        _knowing(length, kinds, most, lengths, head),
        lengths=lengths,
        symbols=2 * kinds,
        classes=kinds + 1,
        head=head,
    )


def _knowing(length: int, kinds: int, most: int, lengths, head: str) -> dict:
    """Loss and accuracy of whoever knows the last bracket and its place."""
    share = np.zeros(most + 1)  # of each depth
    share[0] = 1
    loss, accuracy = np.zeros(length), np.zeros(length)
    for t in range(length):
        opening = share / 2
        opening[0], opening[most] = share[0], 0
        closing = share - opening
        none_left = closing[1]
        p = np.array([none_left, *[(closing.sum() - none_left) / kinds] * kinds])
        known = p[p > 0]
        loss[t] = -np.sum(known * np.log(known / closing.sum()))
        accuracy[t] = opening.sum() + p.max()
        share = np.append(0, opening[:-1]) + np.append(closing[1:], 0)
    counted = strings.shares(length, lengths, head)
    return {
        "loss": {KNOWING: float(counted @ loss)},
        "accuracy": {KNOWING: float(counted @ accuracy)},
    }
