"""Arithmetic modulo a number: with precedence alone, and with brackets."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import errors
from rnn_research.errors import check_flags, check_size
from rnn_research.tasks import base, ranges, strings

OPERATORS = "+-*"
MOST = 64  # of a modulus


@base.task
def modular_arithmetic(
    length: int, *, modulus=5, operators="+-*", shortest: int | None = None
) -> base.Task:
    """Evaluate digits joined by plus, minus and times, modulo a number.

    Digits 0 ... m - 1 and operators alternate, all uniform; times binds first, so the
    language is regular (Deletang et al. 2022, arXiv 2207.02098, with m = 5). The class
    is the value mod m; with m = 5:

        1 + 2 * 3    class 2        1 - 1 - 1    class 4

    Inputs are one-hot, m channels of digits and those of +, - and *.

    Args:
      length: T, odd, the length of the longest expressions.
      modulus: m, from 2 to 64.
      operators: which there are, of "+-*".
      shortest: odd; lengths are uniform among the odd ones in [shortest, length],
        shorter expressions masked at the end; None: all have `length`.

    Loss: cross-entropy in nats; metric: accuracy. The baseline knows the length alone;
    with times it is not uniform, as products are often 0.
    """
    check_size(least=2, most=MOST, modulus=modulus)
    lengths = ranges.check(length, shortest)
    for name, size in (("length", length), ("shortest", lengths[0])):
        if size % 2 == 0:
            raise errors.UsageError(
                f"{name} must be odd, as digits and operators alternate: "
                f"{size - 1} or {size + 1}, not {size}"
            )
    known = isinstance(operators, str) and set(operators) <= set(OPERATORS)
    if not known or not operators or len(set(operators)) < len(operators):
        raise errors.UsageError(
            f"operators must be some of '+-*', each once, not {errors.shown(operators)}"
        )
    lengths = lengths[::2]
    count, places = length // 2 + 1, [OPERATORS.index(one) for one in operators]

    def draw(key, n):
        del n
        key_digits, key_operators = jax.random.split(key)
        digits = jax.random.randint(key_digits, (count,), 0, modulus)
        drawn = jax.random.randint(key_operators, (count,), 0, len(places))
        joined = jnp.asarray(places, digits.dtype)[drawn]  # each after its digit
        symbols = jnp.stack([digits, modulus + joined], axis=1).reshape(-1)[:length]
        before = jnp.concatenate([jnp.zeros(1, joined.dtype), joined[:-1]])
        return symbols, jnp.repeat(_values(digits, before, modulus), 2)[:length]

    chances = np.full((length, modulus), 1 / modulus)
    chances[::2] = _chances(count, modulus, operators)
    return strings.classified(
        draw,
        strings.guesses(chances, lengths, "last"),
        lengths=lengths,
        symbols=modulus + len(OPERATORS),
        classes=modulus,
        head="last",
    )


def _values(digits, before, modulus: int):
    """The value up to each digit [K], which follows the operators `before` [K]."""
    begins = before != OPERATORS.index("*")  # a new term
    signed = jnp.where(before == OPERATORS.index("-"), -digits, digits)

    def both(one, other):
        (begun, x), (begins, y) = one, other
        return begun | begins, jnp.where(begins, y, x * y % modulus)

    _, term = jax.lax.associative_scan(both, (begins, signed % modulus))
    ended = jnp.where(begins[1:], term[:-1], 0)
    done = jnp.concatenate([jnp.zeros(1, term.dtype), jnp.cumsum(ended)])
    return (done + term) % modulus


def _chances(count: int, modulus: int, operators: str) -> np.ndarray:
    """[K, m], how likely each value of 1, ..., K digits is."""
    m, digits = modulus, np.arange(modulus)
    state = np.zeros((m, m))  # of the sum that is done, and of the term
    state[0] = 1 / m
    found = []
    for _ in range(count):
        value = np.zeros(m)
        np.add.at(value, np.add.outer(digits, digits) % m, state)
        found.append(value)
        moved = np.zeros((m, m))
        for operator in operators:
            if operator == "*":
                for digit in digits:
                    to = digits * digit % m
                    np.add.at(moved, (slice(None), to), state / m)
            else:
                moved += value[:, None] / m  # the new term is uniform, either sign
        state = moved / len(operators)
    return np.stack(found)


# ------------------------------------------------------------------------- brackets

# What is still to be written: a positive number is an expression of that length.
NEGATED, CLOSE, WRITE, APPLY = -1, -2, -3, -6  # WRITE and APPLY less the operator


@base.task
def bracket_arithmetic(
    length: int, *, modulus=5, times: bool = False, shortest: int | None = None
) -> base.Task:
    """Evaluate an expression with nested brackets, modulo a number.

    As Deletang et al. 2022 (arXiv 2207.02098, with m = 5) draw them: an expression of
    length 1 to 4 is d, -d, (d) or (-d) with a uniform digit d; a longer one of length L
    is (E1 o E2) with a uniform operator o, E1 of a length uniform in [1, L - 4] and E2
    of what is left. The class is the value mod m; with m = 5:

        ( 2 - ( 4 ) )    class 3        ( - 3 + 1 )    class 3

    Inputs are one-hot: m channels of digits, then +, -, *, ( and ). It needs a stack:
    context-free, and not regular.

    Args:
      length: T, the length of the longest expressions.
      modulus: m, from 2 to 64.
      times: whether * is an operator beside + and -.
      shortest: lengths are uniform in [shortest, length], shorter expressions masked at
        the end; None: all have `length`.

    Loss: cross-entropy in nats; metric: accuracy. The baseline knows the length alone:
    ln m and 1/m without *; with it less, as products are often 0.
    """
    check_size(least=2, most=MOST, modulus=modulus)
    check_flags(times=times)
    lengths = ranges.check(length, shortest)
    operators = 2 + times

    def draw(key, n):
        symbols, value = _written(key, n, length, modulus, operators)
        return symbols, jnp.broadcast_to(value, length)

    return strings.classified(
        draw,
        strings.guesses(_nested(length, modulus, operators), lengths, "last"),
        lengths=lengths,
        symbols=modulus + 5,
        classes=modulus,
        head="last",
    )


def _written(key, n, length: int, modulus: int, operators: int):
    """The symbols [T] of an expression of length n, and its value.

    A symbol a step: the top of a stack of what is still to be written says which, and
    what takes its place; values wait on another stack.
    """
    keys = jax.random.split(key, 3)
    digits = jax.random.randint(keys[0], (length,), 0, modulus)
    signs = jax.random.randint(keys[1], (length,), 0, operators)
    splits = jax.random.uniform(keys[2], (length,))
    plus, minus, opening, closing = (modulus + place for place in (0, 1, 3, 4))
    depth = length // 4 + 2
    todo_places, value_places = jnp.arange(3 * depth + 4), jnp.arange(depth + 1)

    def step(carried, given):
        todo, height, values, count = carried
        digit, sign, split = given
        top = jnp.sum(jnp.where(todo_places == height - 1, todo, 0))
        left = 1 + jnp.floor(split * (top - 4)).astype(top.dtype)
        left = jnp.minimum(left, jnp.maximum(top - 4, 1))
        is_digit = (top == 1) | (top == NEGATED)
        applies, writes = top <= APPLY, (top <= WRITE) & (top > APPLY)
        closes, opens = applies | (top == CLOSE), top >= 3
        kinds = [is_digit, top == 2, writes, closes, opens]
        symbol = jnp.select(kinds, [digit, minus, plus + WRITE - top, closing, opening])
        # The stack: what takes the place of its top, the last of these on top.
        long = top >= 5
        placed = jnp.stack(
            [
                jnp.where(long, APPLY - sign, jnp.where(top == 2, NEGATED, CLOSE)),
                jnp.where(long, top - left - 3, top - 2),
                WRITE - sign,
                left,
            ]
        )
        added = jnp.where(long, 4, jnp.where(opens, 2, jnp.where(top == 2, 1, 0)))
        for at in range(4):
            todo = jnp.where(todo_places == height - 1 + at, placed[at], todo)
        height = jnp.maximum(height - 1, 0) + jnp.where(height > 0, added, 0)
        # The values: a digit is put on top, an operator joins the top two.
        one, other = (
            jnp.sum(jnp.where(value_places == count - back, values, 0))
            for back in (2, 1)
        )
        joined = jnp.stack([one + other, one - other, one * other])
        joined = joined[jnp.clip(APPLY - top, 0, 2)] % modulus
        pushed = jnp.where(top == NEGATED, -digit % modulus, digit)
        values = jnp.where(is_digit & (value_places == count), pushed, values)
        values = jnp.where(applies & (value_places == count - 2), joined, values)
        count = count + is_digit.astype(count.dtype) - applies.astype(count.dtype)
        return (todo, height, values, count), symbol

    whole = jnp.asarray(n, digits.dtype)
    zero = jnp.zeros((), digits.dtype)
    todo = jnp.zeros(todo_places.shape, digits.dtype).at[0].set(whole)
    values = jnp.zeros(value_places.shape, digits.dtype)
    start = todo, zero + 1, values, zero
    (_, _, values, _), symbols = jax.lax.scan(step, start, (digits, signs, splits))
    return symbols, values[0]


@functools.lru_cache(maxsize=16)
def _nested(length: int, modulus: int, operators: int) -> np.ndarray:
    """[T, m], how likely each value of an expression of length 1, ..., T is."""
    m, digits = modulus, np.arange(modulus)
    found = np.full((max(4, length), m), 1 / m)
    results = [
        np.add.outer(digits, digits) % m,
        np.subtract.outer(digits, digits) % m,
        np.multiply.outer(digits, digits) % m,
    ]
    for whole in range(5, length + 1):
        left = np.arange(1, whole - 3)
        pairs = found[left - 1].T @ found[whole - 4 - left] / len(left)  # [m, m]
        value = np.zeros(m)
        for result in results[:operators]:
            np.add.at(value, result, pairs / operators)
        found[whole - 1] = value
    return found[:length]
