"""ListOps against a parser of its own, and against its definition."""

import random
import statistics

import jax
import numpy as np
import pytest

from rnn_research import errors, tasks
from rnn_research.checks import check_task
from rnn_research.tasks import base
from rnn_research.tasks.listops import SYMBOLS, drawn, value_of

ROWS = {"rows": 100, "arguments": 4}
OPERATIONS = {
    "[MIN": min,
    "[MAX": max,
    "[MED": lambda digits: int(statistics.median(digits)),
    "[SM": lambda digits: sum(digits) % 10,
}


def parsed(words):
    """The value of the first expression, and the words behind it."""
    first, *rest = words
    if first not in OPERATIONS:
        return int(first), rest
    digits = []
    while rest[0] != "]":
        digit, rest = parsed(rest)
        digits.append(digit)
    assert len(digits) >= 2
    return OPERATIONS[first](digits), rest[1:]


def words_of(row, length):
    return [SYMBOLS[token] for token in row[:length]]


def test_answers_are_those_of_a_parser_and_no_expression_is_twice():
    task = tasks.listops(24, **ROWS)
    seen = set()
    for name, size in (("train", 100), ("validation", 10), ("test", 10)):
        split = task.splits[name]
        assert len(split.answers) == size
        for row, length, answer in zip(*split, strict=True):
            value, rest = parsed(words_of(row, length))
            assert (value, rest) == (answer, []) and 6 <= length <= 24
            seen.add(tuple(row[:length]))
    assert len(seen) == 120
    batch = jax.jit(task.batch)(
        jax.tree.map(lambda leaf: leaf[:7], task.splits["train"]), None
    )
    outputs = 30.0 * np.eye(10)[np.asarray(batch.targets)]
    found = jax.jit(lambda *given: base.means(task.totals(*given)))(outputs, batch)
    assert found["accuracy"] == 1 and found["loss"] < 1e-6
    assert batch.inputs.shape == batch.mask.shape == (24, 7)


@pytest.mark.parametrize(
    ("text", "value"),
    [("[MAX 2 [MIN 8 3 ] 1 ]", 3), ("[SM 4 [MED 1 9 4 ] 7 ]", 5), ("[MED 1 4 ]", 2)],
)
def test_worked_examples(text, value):
    tokens = [SYMBOLS.index(word) for word in text.split()]
    assert value_of(tokens) == parsed(text.split())[0] == value


def test_expressions_are_drawn_as_their_definition_has_it():
    """Counts of all lists: operators, arguments, and how many of these are lists."""
    draw, operators, counts, lists, digits = random.Random(0), [], [], 0, 0
    for _ in range(3000):
        open_lists = []
        for token in drawn(draw, 10**6, 4, 5):
            if token < 10:
                open_lists[-1] += 1
                digits += len(open_lists) < 3
            elif token < 14:
                if open_lists:
                    open_lists[-1] += 1
                    lists += 1
                open_lists.append(0)
                operators.append(token - 10)
                assert len(open_lists) <= 3
            else:
                counts.append(open_lists.pop())
    total = len(operators)
    for seen, p in ((np.bincount(operators), 1 / 4), (np.bincount(counts)[2:], 1 / 4)):
        assert (abs(seen - total * p) < 5 * (total * p) ** 0.5).all() and len(seen) == 4
    either = lists + digits
    assert abs(lists - either / 4) < 5 * (either * 3 / 16) ** 0.5


def test_baselines_are_counted():
    task = tasks.listops(24, **ROWS)
    train, test = task.splits["train"], task.splits["test"]
    common = max(range(10), key=list(train.answers).count)
    share = np.mean(test.answers == common)
    assert task.references["accuracy"]["the commonest answer"] == pytest.approx(share)
    known = task.references["loss"]["the commonest answer"]
    counts = np.ones(10) + np.bincount(train.answers, minlength=10)
    assert known == pytest.approx(-np.log(counts / counts.sum())[test.answers].mean())


@pytest.mark.slow
def test_listops_holds_its_laws():
    report = check_task(tasks.listops(16, **ROWS))
    assert report.passed, report


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 3}, "length must be a whole number of at least 4"),
        ({"length": 9, "depth": 1}, "depth must be a whole number of at least 2"),
        ({"length": 9, "arguments": 1}, "arguments must be a whole number of at least"),
        ({"length": 9, "shortest": 10}, "shortest must be at most 9"),
        ({"length": 9, "depth": 2, "arguments": 3, "shortest": 7}, "is longer than 5"),
        ({"length": 9, "seed": -1}, "seed must be a whole number"),
    ],
)
def test_impossible_options_are_named(options, message):
    with pytest.raises(errors.UsageError, match=message):
        tasks.listops(**options)


@pytest.mark.slow
def test_too_few_expressions_are_named():
    with pytest.raises(errors.UsageError, match="400 differ and have 4 to 4 tokens"):
        tasks.listops(4, rows=400, arguments=2, depth=2)
