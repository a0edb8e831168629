"""Tomita's seven regular languages of bits."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import errors
from rnn_research.errors import check_option
from rnn_research.tasks import base, strings


class Language:
    """An automaton: where 0 and 1 lead from each state, and which states accept."""

    def __init__(self, moves: tuple[tuple[int, int], ...], accepting: tuple[int, ...]):
        self.moves = np.array(moves)
        self.accepts = np.isin(np.arange(len(moves)), accepting)


LANGUAGES = {  # the first state begins
    1: Language(((1, 0), (1, 1)), (0,)),
    2: Language(((2, 1), (0, 2), (2, 2)), (0,)),
    3: Language(((0, 1), (2, 0), (3, 4), (2, 3), (4, 4)), (0, 1, 3)),
    4: Language(((1, 0), (2, 0), (3, 0), (3, 3)), (0, 1, 2)),
    5: Language(((1, 2), (0, 3), (3, 0), (2, 1)), (0,)),
    6: Language(((1, 2), (2, 0), (0, 1)), (0,)),
    7: Language(((0, 1), (2, 1), (2, 3), (4, 3), (4, 4)), (0, 1, 2, 3)),
}


@base.task
def tomita(
    length: int, *, number=3, shortest: int | None = None, head="last"
) -> base.Task:
    """Tell whether a string of bits is in one of Tomita's seven languages.

    The languages (Tomita 1982; the original was not consulted, they are as Weiss et al.
    2018, arXiv 1711.09576, and later work give them):

        1  ones alone                       5  an even number of zeros and of ones
        2  (10)*: 10, 1010, ...             6  zeros less ones divisible by 3
        3  no odd run of ones with          7  0*1*0*1*
           an odd run of zeros later
        4  without 000

    A run is as long as it can be. Half of the strings are in the language and half are
    not, each of its kind and length as likely as another; where one kind has no string
    of a length (the second language of an odd one), all are of the other. In the third:

        bits     1 1 0 1 0 0 1        1 0 1 1 0 0
        class    1                    0
        step     1 1 1 1 0 1 1        1 0 0 0 0 0

    Args:
      length: T, the length of the longest strings.
      number: of the language.
      shortest: lengths are uniform in [shortest, length], shorter strings masked at
        the end; None: all have `length`.
      head: 'last' asks of the whole string, 'step' of each of its beginnings.

    Loss: cross-entropy in nats; metric: accuracy. The baseline knows the length alone:
    ln 2 and 1/2 where both kinds are there; with head='step' exact as well.
    """
    check_option("number", number, tuple(LANGUAGES))
    lengths = range(strings.check_lengths(length, shortest), length + 1)
    language = LANGUAGES[number]
    one, likely = _likely(number, length)
    if not likely[lengths].all(axis=1).any():
        raise errors.UsageError(
            f"number={number}: strings of length {lengths[0]} to {length} are all of "
            f"one kind; the shortest with both is {np.argmax(likely.all(axis=1))}"
        )
    tables = jnp.asarray(one), jnp.asarray(likely), jnp.asarray(language.moves)

    def draw(key, n):
        of_one, possible, moves = tables
        key_label, key_bits = jax.random.split(key)
        label = jax.random.bernoulli(key_label).astype(jnp.int32)
        label = jnp.where(possible[n, label], label, 1 - label)
        numbers = jax.random.uniform(key_bits, (length,))

        def step(state, given):
            t, drawn = given
            left = jnp.maximum(n - t, 0)
            bit = (drawn < of_one[label, left, state]).astype(jnp.int32)
            state = moves[state, bit]
            return state, (bit, state)

        first = jnp.zeros((), moves.dtype)
        given = jnp.arange(length), numbers
        _, (bits, states) = jax.lax.scan(step, first, given)
        accepted = jnp.asarray(language.accepts)[states]
        return bits, accepted.astype(jnp.int32)

    chances = _chances(number, length, tuple(lengths), head)
    return strings.classified(
        draw,
        strings.guesses(chances, lengths, head),
        steps=length,
        lengths=lengths,
        symbols=2,
        classes=2,
        head=head,
    )


@functools.lru_cache(maxsize=16)
def _likely(number: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """What uniform strings of a kind are drawn by.

    Returns:
      [2, T + 1, S], how likely the next bit is a one, by kind, by how many bits are
      left and by state; and [T + 1, 2], whether a kind has strings of a length.
    """
    language = LANGUAGES[number]
    kinds = np.stack([~language.accepts, language.accepts])
    with np.errstate(divide="ignore"):
        count = np.log(kinds.astype(float))  # of strings, [2, S], as logarithms
    one, likely = [np.zeros(kinds.shape)], [np.isfinite(count[:, 0])]
    for _ in range(length):
        zero, ones = count[:, language.moves[:, 0]], count[:, language.moves[:, 1]]
        count = np.logaddexp(zero, ones)
        with np.errstate(invalid="ignore"):
            one.append(np.nan_to_num(np.exp(ones - count)))
        likely.append(np.isfinite(count[:, 0]))
    return np.stack(one, axis=1), np.stack(likely)


def _chances(number: int, length: int, lengths: tuple, head: str) -> np.ndarray:
    """[T, 2], how likely the beginning of t bits is in the language, t = 1, ..., T."""
    language = LANGUAGES[number]
    one, likely = _likely(number, length)
    ends = np.array(lengths)
    of_kind = likely[ends] / likely[ends].sum(axis=1, keepdims=True)  # [N, 2]
    share = np.zeros((len(ends), 2, len(language.moves)))
    share[:, :, 0] = of_kind
    accepted = np.full((length, 2), 0.5)
    for t in range(length):
        of_one = one[:, np.maximum(ends - t, 0)].transpose(1, 0, 2)  # [N, 2, S]
        moved = np.zeros_like(share)
        for state, (zero, ones) in enumerate(language.moves):
            moved[:, :, zero] += share[:, :, state] * (1 - of_one[:, :, state])
            moved[:, :, ones] += share[:, :, state] * of_one[:, :, state]
        share = moved
        there = ends > t if head == "step" else ends == t + 1
        if there.any():
            p = np.sum(share[there][:, :, language.accepts]) / np.sum(there)
            accepted[t] = 1 - p, p
    return accepted
