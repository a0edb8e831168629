"""Word problems of finite groups: the product of all elements so far."""

import functools
import itertools
import math
import re

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import errors
from rnn_research.errors import check_size
from rnn_research.tasks import base, ranges, strings

MOST = 1000  # elements of a group
SMALLEST = {"S": 2, "A": 3, "Z": 2}


@base.task
def group_words(
    length: int,
    *,
    group="S3",
    moves: int | None = None,
    shortest: int | None = None,
    head="step",
) -> base.Task:
    """Multiply the elements of a finite group, one after the other.

    Each token is an element, uniform and independent; the class after t tokens is the
    product x_1 x_2 ... x_t, which is again an element (Merrill, Petty & Sabharwal
    2024, arXiv 2404.08819, with Z60, A4xZ5 and A5, all of 60 elements; A5 and S5 are
    not solvable, the others are).

    Elements of S_n and A_n are the permutations of 0, ..., n - 1 in lexicographic order
    ('S3': 0 = 012, 1 = 021, 2 = 102, 3 = 120, 4 = 201, 5 = 210); p q is p first, then
    q: i goes to q(p(i)). Elements of Z_n are numbers added mod n; of a product of
    groups, pairs in lexicographic order. With 'S3' and with 'Z3':

        tokens      1  2  3          2  2  0  1
        products    1  3  4          2  1  1  2

    since 021 and then 102 takes 0 to 0 to 1, 1 to 2 to 2 and 2 to 1 to 0: it is 120.

    Args:
      length: T, the length of the longest words.
      group: S2, S3, ..., A3, A4, ..., Z2, Z3, ..., or a product such as A4xZ5.
      moves: of S_n and A_n, tokens are the permutations that move at most so many
        numbers, the identity among them; 2 of S_n are the swaps (a restriction as in
        Grazzi et al. 2024, arXiv 2411.12537; whether theirs holds the identity was
        not verified). None: all elements.
      shortest: lengths are uniform in [shortest, length], shorter words masked at the
        end; None: all have `length`.
      head: 'step' asks for every product, 'last' for that of the whole word.

    Loss: cross-entropy in nats. Metrics: accuracy, and with head='step'
    sequence_accuracy, the share of words of which all products are right. The baseline
    knows the length alone: with all elements as tokens ln |G| and 1 / |G|, of whole
    words the mean of |G|^-n over their lengths n.
    """
    table, allowed = tables(group, moves)
    lengths = ranges.check(length, shortest)
    order = len(table)
    product = jnp.asarray(table, jnp.int32)

    def draw(key, n):
        del n
        tokens = jax.random.randint(key, (length,), 0, len(allowed))
        elements = jnp.asarray(allowed, jnp.int32)[tokens]
        return tokens, jax.lax.associative_scan(lambda a, b: product[a, b], elements)

    chances = np.zeros((length, order))
    chances[0, allowed] = 1 / len(allowed)
    for t in range(1, length):
        for token in allowed:
            chances[t, table[:, token]] += chances[t - 1] / len(allowed)
    every = None if moves else float(np.mean([order ** -float(n) for n in lengths]))
    return strings.classified(
        draw,
        strings.guesses(chances, lengths, head, whole=every),
        lengths=lengths,
        symbols=len(allowed),
        classes=order,
        head=head,
        tokens=True,
    )


@functools.lru_cache
def tables(group: str, moves: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The products [G, G] of a group's elements, and which of them are tokens.

    Raises:
      errors.UsageError: there is no such group, or it is too large; or there are no
        such tokens.
    """
    parts = [re.fullmatch(r"([SAZ])(\d+)", part) for part in str(group).split("x")]
    if not all(parts):
        raise errors.UsageError(
            f"group must be S3, A5, Z60 or the like, or a product such as A4xZ5, not "
            f"{errors.shown(group)}"
        )
    named = [(part[1], int(part[2])) for part in parts]
    for kind, size in named:
        if size < SMALLEST[kind]:
            raise errors.UsageError(
                f"group={group}: the smallest of its kind is {kind}{SMALLEST[kind]}"
            )
    if math.prod(_order(*each) for each in named) > MOST:
        raise errors.UsageError(f"group={group} has more than {MOST} elements")
    table = functools.reduce(_both, (_table(*each) for each in named))
    if moves is None:
        return table, np.arange(len(table))
    (kind, size), *others = named
    if others or kind == "Z":
        raise errors.UsageError(f"moves is of one group S or A, not of group={group}")
    check_size(moves=moves)
    least = 2 if kind == "S" else 3
    if not least <= moves <= size:
        raise errors.UsageError(
            f"moves must be in [{least}, {size}] for group={group}, not {moves}"
        )
    moved = np.sum(_permutations(kind, size) != np.arange(size), axis=1)
    return table, np.flatnonzero(moved <= moves)


def _order(kind: str, size: int) -> int:
    if kind == "Z":
        return size
    return math.factorial(min(size, 12)) // (1 + (kind == "A"))


def _permutations(kind: str, size: int) -> np.ndarray:
    """[G, n] in lexicographic order."""
    every = np.array(list(itertools.permutations(range(size))))
    if kind == "S":
        return every
    earlier = np.triu(np.ones((size, size), bool), 1)
    inversions = (every[:, :, None] > every[:, None, :]) & earlier
    return every[np.sum(inversions, axis=(1, 2)) % 2 == 0]


def _table(kind: str, size: int) -> np.ndarray:
    if kind == "Z":
        return np.add.outer(np.arange(size), np.arange(size)) % size
    every = _permutations(kind, size)
    places = size ** np.arange(size)[::-1]
    numbers = every @ places  # ascending, as the order is lexicographic
    composed = every[:, every].transpose(1, 0, 2)  # [p, q, i]: q(p(i))
    return np.searchsorted(numbers, composed @ places)


def _both(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The products of pairs."""
    pairs = first[:, None, :, None] * len(second) + second[None, :, None, :]
    return pairs.reshape(first.shape[0] * second.shape[0], -1)
