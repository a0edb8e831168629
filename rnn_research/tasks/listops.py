"""ListOps: nested operations on lists of digits, as Long Range Arena draws them."""

import functools
import itertools
import random
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from rnn_research import errors
from rnn_research.errors import check_size
from rnn_research.tasks import base, scores

OPERATORS = "MIN", "MAX", "MED", "SM"
SYMBOLS = (*map(str, range(10)), *(f"[{name}" for name in OPERATORS), "]")
CLOSE = len(SYMBOLS) - 1
OPERATOR = 0.25  # the probability that an argument is a list again
MOST_TRIES = 500  # for each row, on average


class Splits(NamedTuple):
    tokens: np.ndarray  # [N, T]
    lengths: np.ndarray  # [N]
    answers: np.ndarray  # [N]


@base.task
def listops(
    length: int,
    *,
    shortest: int | None = None,
    depth=10,
    arguments=10,
    rows=10_000,
    seed=0,
) -> base.Task:
    """Evaluate nested lists of digits: minimum, maximum, median, sum modulo 10.

    An expression is a list [MIN, [MAX, [MED or [SM, its arguments, and ]. It has from 2
    to `arguments` of them; each is a list with probability 1/4 above the last level,
    else a digit, all uniform (Tay et al. 2020, Long Range Arena, arXiv 2011.04006, by
    its code, after Nangia & Bowman 2018, arXiv 1804.06028). The answer is a digit; a
    median between two digits is rounded down, [SM sums mod 10:

        [MAX 2 [MIN 8 3 ] 1 ]    3        [SM 4 [MED 1 9 4 ] 7 ]    5

    Expressions of other lengths are drawn again, which has no fixed shape; so these are
    data, made on the host: `rows` to train and a tenth of it each to validate and test,
    no expression twice. There `length` is 1999, `shortest` 501 and rows 96,000.

    Args:
      length: T, the longest expressions, in tokens.
      shortest: the shortest; None: a quarter of `length`, and at least 4.
      depth: levels at most, digits of the innermost lists among them; at least 2.
      arguments: how many a list has at most, at least 2.
      rows: how many expressions to train on.
      seed: which ones.

    Loss: cross-entropy in nats; metric: accuracy. Baselines are counted on 'test', of
    the answers of 'train': the commonest answer, and that of each first operator.
    """
    check_size(least=4, length=length)
    check_size(least=2, depth=depth, arguments=arguments)
    check_size(least=10, rows=rows)
    if not isinstance(seed, int) or seed < 0:
        raise errors.UsageError(
            f"seed must be a whole number of at least 0, not {errors.shown(seed)}"
        )
    shortest = max(4, length // 4) if shortest is None else shortest
    check_size(least=4, most=length, shortest=shortest)
    longest = 1
    for _ in range(depth - 1):
        longest = min(2 + arguments * longest, length)
    if longest < shortest:
        raise errors.UsageError(
            f"with depth={depth} and arguments={arguments} no expression is longer "
            f"than {longest}; shortest={shortest} must be at most that"
        )
    made = _made(length, shortest, depth, arguments, rows, seed)

    def batch(rows, keys):
        del keys
        steps = jnp.arange(length)[:, None]
        tokens = rows.tokens.T.astype(jnp.int32)
        return base.Batch(tokens, rows.answers, mask=steps < rows.lengths)

    def score(outputs, batch):
        return {
            "loss": scores.cross_entropy(outputs, batch),
            "accuracy": scores.accuracy(outputs, batch),
        }

    return base.Task(
        batch=batch,
        score=score,
        network=base.Network(len(SYMBOLS), 10, head="last", tokens=True),
        length=length,
        data=lambda: made,
        references=_references(made),
        monitor="accuracy",
        larger_is_better=True,
    )


@functools.lru_cache(maxsize=4)
def _made(length, shortest, depth, arguments, rows, seed) -> dict[str, Splits]:
    """The splits, of expressions that differ.

    Raises:
      errors.UsageError: expressions of these lengths are too rare.
    """
    sizes = {"train": rows, "validation": rows // 10, "test": rows // 10}
    total, draw = sum(sizes.values()), random.Random(seed)
    found: dict[bytes, int] = {}
    for _ in range(MOST_TRIES * total):
        expression = drawn(draw, length, depth, arguments)
        if len(expression) >= shortest:
            found[bytes(expression)] = value_of(expression)
        if len(found) == total:
            break
    else:
        raise errors.UsageError(
            f"of {MOST_TRIES * total:,} expressions {len(found):,} differ and have "
            f"{shortest} to {length} tokens, not {total:,}; give fewer rows or a wider "
            "range of lengths"
        )
    tokens = np.full((total, length), CLOSE, np.uint8)
    for row, expression in enumerate(found):
        tokens[row, : len(expression)] = np.frombuffer(expression, np.uint8)
    lengths = np.array([len(each) for each in found], np.int32)
    whole = Splits(tokens, lengths, np.array([*found.values()], np.int32))
    ends = itertools.accumulate(sizes.values(), initial=0)
    return {
        name: Splits(*(part[start:end] for part in whole))
        for name, (start, end) in zip(sizes, itertools.pairwise(ends), strict=True)
    }


def drawn(draw: random.Random, most: int, depth: int, arguments: int) -> list[int]:
    """The tokens of a list; [] where there would be more than `most`."""
    tokens = [10 + int(len(OPERATORS) * draw.random())]
    left = [2 + int((arguments - 1) * draw.random())]  # arguments of each open list
    while left:
        if len(tokens) + sum(left) + len(left) > most:  # each needs one at least
            return []
        if not left[-1]:
            left.pop()
            tokens.append(CLOSE)
            continue
        left[-1] -= 1
        if len(left) < depth - 1 and draw.random() < OPERATOR:
            tokens.append(10 + int(len(OPERATORS) * draw.random()))
            left.append(2 + int((arguments - 1) * draw.random()))
        else:
            tokens.append(int(10 * draw.random()))
    return tokens


def value_of(tokens: list[int]) -> int:
    """The digit that an expression comes to."""
    pile: list[list[int]] = [[]]
    for token in tokens:
        if token < 10:
            pile[-1].append(token)
        elif token < CLOSE:
            pile.append([token])
        else:
            operator, *digits = pile.pop()
            pile[-1].append(_applied(OPERATORS[operator - 10], digits))
    return pile[0][0]


def _applied(operator: str, digits: list[int]) -> int:
    if operator == "MED":
        ordered = sorted(digits)
        count = len(ordered)
        return (ordered[(count - 1) // 2] + ordered[count // 2]) // 2
    if operator == "SM":
        return sum(digits) % 10
    return min(digits) if operator == "MIN" else max(digits)


def _references(made: dict[str, Splits]) -> dict[str, dict[str, float]]:
    """Of guesses by how often each answer is in 'train', on 'test'."""
    train, test = made["train"], made["test"]
    known = {"loss": {}, "accuracy": {}}
    for what, read in (
        ("the commonest answer", lambda own: np.zeros(len(own.answers), int)),
        ("knowing the first operator", lambda own: own.tokens[:, 0] - 10),
    ):
        counts = np.ones((len(OPERATORS), 10))  # so that no answer is impossible
        np.add.at(counts, (read(train), train.answers), 1)
        shares = counts / counts.sum(axis=1, keepdims=True)
        of_each = shares[read(test)]
        right = of_each[np.arange(len(test.answers)), test.answers]
        known["loss"][what] = float(-np.mean(np.log(right)))
        guess = of_each.argmax(axis=1)
        known["accuracy"][what] = float(np.mean(guess == test.answers))
    return known
