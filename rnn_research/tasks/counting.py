"""Counting modulo a number: parity, sums, walks on a circle, and a pair in disguise."""

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research.errors import check_size
from rnn_research.tasks import base, ranges, strings


@base.task
def parity(length: int, *, shortest: int | None = None, head="last") -> base.Task:
    """Tell whether the number of ones among random bits is odd.

    Bits are fair and one-hot. The class is 1 if an odd number of them is one:

        bits     1 0 1 1 0        0 1 1 0
        class    1                0
        step     1 1 0 1 1        0 1 0 0

    Args:
      length: T, the length of the longest strings.
      shortest: lengths are uniform in [shortest, length], shorter strings masked at
        the end; None: all have `length`.
      head: 'last' asks for the class of the whole string (Deletang et al. 2022, arXiv
        2207.02098, who train on lengths 1 to 40); 'step' for that of each beginning
        (as state tracking is often put, Merrill et al. 2024, arXiv 2404.08819).

    Loss: cross-entropy in nats; guessing gives ln 2. Metric: accuracy, by chance 1/2.
    """
    lengths = ranges.check(length, shortest)
    return _sums(length, lengths, steps=(0, 1), modulus=2, head=head)


@base.task
def mod_counting(
    length: int, *, modulus=3, shortest: int | None = None, head="last"
) -> base.Task:
    """Count the ones among random bits, modulo a number.

    Bits are fair and one-hot; the class is the number of ones mod m (Grazzi et al.
    2024, arXiv 2411.12537: a real diagonal recurrence cannot count mod 3). With m = 3:

        bits     1 0 1 1 0        0 1 1 0
        class    0                2
        step     1 1 2 0 0        0 1 2 2

    Args:
      length: T, the length of the longest strings.
      modulus: m.
      shortest: lengths are uniform in [shortest, length], shorter strings masked at
        the end; None: all have `length`.
      head: 'last' asks for the class of the whole string, 'step' of each beginning.

    Loss: cross-entropy in nats; metric: accuracy. The baseline knows the length alone:
    the number of ones is binomial, and its remainder near 1/m for long strings.
    """
    check_size(least=2, modulus=modulus)
    lengths = ranges.check(length, shortest)
    return _sums(length, lengths, steps=(0, 1), modulus=modulus, head=head)


@base.task
def cycle_navigation(
    length: int, *, positions=5, shortest: int | None = None, head="last"
) -> base.Task:
    """Tell where on a circle a walk has come to.

    Each symbol is a step back, none or forward, -1, 0 or 1, each with probability 1/3
    and one-hot in this order. The class is the position, the sum of steps mod n, from 0
    (Deletang et al. 2022, arXiv 2207.02098, with n = 5):

        steps     +1 -1  0 -1 -1        +1 +1 +1 -1
        class     3                     2
        step       1  0  0  4  3         1  2  3  2

    Args:
      length: T, the length of the longest walks.
      positions: n; 3 is a walk mod 3.
      shortest: lengths are uniform in [shortest, length], shorter walks masked at the
        end; None: all have `length`.
      head: 'last' asks for the end of the walk, 'step' for each position.

    Loss: cross-entropy in nats; metric: accuracy. The baseline knows the length alone;
    of long walks it is ln n and 1/n.
    """
    check_size(least=2, positions=positions)
    lengths = ranges.check(length, shortest)
    return _sums(length, lengths, steps=(-1, 0, 1), modulus=positions, head=head)


@base.task
def even_pairs(length: int, *, shortest: int | None = None, head="last") -> base.Task:
    """Tell whether a string of bits changes an odd number of times.

    Bits are fair and one-hot. The class is the number of neighbours 01 and 10, mod 2
    (Deletang et al. 2022, arXiv 2207.02098). It is 1 where the first and the last bit
    differ, so the task needs a memory of one bit and no counting:

        bits     0 0 1 1 1 0        0 1 0 1 0 0 1
        class    0                  1
        step     0 0 1 1 1 0        0 1 0 1 0 0 1

    Args:
      length: T, the length of the longest strings, at least 2.
      shortest: lengths are uniform in [shortest, length], shorter strings masked at
        the end; None: all have `length`.
      head: 'last' asks for the class of the whole string, 'step' of each beginning.

    Loss: cross-entropy in nats; metric: accuracy. By chance ln 2 and 1/2 (of each
    beginning a little less: that of one bit has class 0).
    """
    lengths = ranges.check(length, shortest, least=2)

    def draw(key, n):
        del n
        bits = jax.random.randint(key, (length,), 0, 2)
        return bits, bits ^ bits[0]

    chances = np.full((length, 2), 0.5)
    chances[0] = 1, 0
    return strings.classified(
        draw,
        strings.guesses(chances, lengths, head),
        lengths=lengths,
        symbols=2,
        classes=2,
        head=head,
    )


def _sums(length: int, lengths, *, steps: tuple, modulus: int, head: str) -> base.Task:
    """The task to add up steps, uniformly drawn from a few, mod m."""

    def draw(key, n):
        del n
        symbols = jax.random.randint(key, (length,), 0, len(steps))
        return symbols, jnp.cumsum(symbols + steps[0]) % modulus

    chances = np.zeros((length + 1, modulus))
    chances[0, 0] = 1
    for t in range(length):
        moved = [np.roll(chances[t], step) for step in steps]
        chances[t + 1] = np.mean(moved, axis=0)
    return strings.classified(
        draw,
        strings.guesses(chances[1:], lengths, head),
        lengths=lengths,
        symbols=len(steps),
        classes=modulus,
        head=head,
    )
