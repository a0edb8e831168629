"""Strings of formal languages: how they are drawn, and what guessing comes to."""

import functools
import itertools

import numpy as np
import pytest
from test_tracking import TOMITA, in_pattern, sampled, scored, strings_of

from rnn_research import tasks
from rnn_research.tasks import automata

# ------------------------------------------------- strings that are not as likely


def guessed(contexts, classes):
    """Loss and accuracy of the best guess from a context, counted on a sample."""
    found = {}
    for context, label in zip(contexts, classes, strict=True):
        found.setdefault(context, []).append(label)
    counts = [np.unique(own, return_counts=True)[1] for own in found.values()]
    total = sum(own.sum() for own in counts)
    loss = sum(-(own * np.log(own / own.sum())).sum() for own in counts)
    return loss / total, sum(own.max() for own in counts) / total


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        lambda: tasks.modular_arithmetic(7, shortest=3),
        lambda: tasks.modular_arithmetic(5, modulus=3, operators="-*"),
        lambda: tasks.bracket_arithmetic(11, shortest=4, times=True),
        lambda: tasks.bracket_arithmetic(9, modulus=3),
        lambda: tasks.tomita(7, number=2, shortest=2),
        lambda: tasks.tomita(7, number=3, shortest=2, head="step"),
        lambda: tasks.tomita(6, number=7, head="step"),
        lambda: tasks.regular_language(5, pattern="(ab|c)*", head="step"),
        lambda: tasks.group_words(3, group="S3", moves=2),
        lambda: tasks.dyck(7, depth=2, shortest=3),
        lambda: tasks.dyck(6, kinds=3),
        lambda: tasks.dyck(6, shortest=4, head="last"),
    ],
    ids=lambda make: str(make()),
)
def test_baselines_to_sampling_error(make):
    task = make()
    batch = sampled(task, 20_000)
    contexts, classes = [], []
    for row, string in enumerate(strings_of(batch)):
        for t in range(len(string)):
            if task.network.head == "last" and t < len(string) - 1:
                continue
            knows = (string[t],) if task.name == "dyck" else ()
            contexts.append((t, *knows))
            last = task.network.head == "last"
            classes.append(int(batch.targets[row] if last else batch.targets[t, row]))
    loss, accuracy = guessed(contexts, classes)
    assert abs(loss - task.baseline) < 0.01
    (known,) = task.references["accuracy"].values()
    assert abs(accuracy - known) < 0.01


def value_of(symbols, modulus):
    """By Python's own arithmetic."""
    digits = list(map(str, range(modulus)))
    return eval("".join([*digits, *"+-*()"][symbol] for symbol in symbols)) % modulus


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(
            functools.partial(tasks.modular_arithmetic, 21, shortest=1),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            functools.partial(tasks.modular_arithmetic, 9, modulus=7, operators="*-"),
            marks=pytest.mark.slow,
        ),
        functools.partial(tasks.bracket_arithmetic, 30, shortest=1, times=True),
        pytest.param(
            functools.partial(tasks.bracket_arithmetic, 16, modulus=3),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_expressions_have_the_values_that_python_gives(make):
    task, count = make(), 400
    modulus = task.network.outputs
    batch = sampled(task, count)
    read = strings_of(batch)
    for row, string in enumerate(read):
        assert value_of(string, modulus) == batch.targets[row]
    arguments = dict(task.origin.arguments)
    longest, shortest = arguments["length"], arguments["shortest"] or task.length
    alternates = task.name == "modular_arithmetic"
    assert {len(s) for s in read} == set(range(shortest, longest + 1, 1 + alternates))
    found = scored(task, 30.0 * np.eye(modulus)[np.asarray(batch.targets)], batch)
    assert found["accuracy"] == 1 and found["loss"] < task.solved_at


def shapes(length):
    """{an expression with its digits as d: how likely}, from the definition."""
    short = {1: "d", 2: "-d", 3: "(d)", 4: "(-d)"}
    if length in short:
        return {short[length]: 1.0}
    found = {}
    for left in range(1, length - 3):
        pairs = itertools.product(
            shapes(left).items(), shapes(length - 3 - left).items()
        )
        for ((one, p), (other, q)), sign in itertools.product(pairs, "+-"):
            text = f"({one}{sign}{other})"
            share = p * q / 2 / (length - 4)
            found[text] = found.get(text, 0) + share
    return found


@pytest.mark.slow
def test_brackets_are_drawn_as_their_definition_has_it():
    count = 8000
    batch = sampled(tasks.bracket_arithmetic(10), count)
    found = {}
    for string in strings_of(batch):
        text = "".join("ddddd+-*()"[symbol] for symbol in string)
        found[text] = found.get(text, 0) + 1
    known = shapes(10)
    assert found.keys() == known.keys()
    for text, p in known.items():
        assert abs(found[text] - count * p) < 5 * (count * p * (1 - p)) ** 0.5, text


MEMBERSHIP = {
    f"tomita {number}": (functools.partial(tasks.tomita, 6, number=number), accepts)
    for number, accepts in TOMITA.items()
}
MEMBERSHIP["(ab|c)*"] = (
    functools.partial(tasks.regular_language, 5, pattern="(ab|c)*"),
    in_pattern("(ab|c)*"),
)


@pytest.mark.slow
@pytest.mark.parametrize("name", MEMBERSHIP)
def test_strings_of_a_kind_are_as_likely(name):
    (make, accepts), count = MEMBERSHIP[name], 8000
    task = make()
    read = strings_of(sampled(task, count))
    every = list(itertools.product(range(task.network.inputs), repeat=task.length))
    for kind in (False, True):
        own = [string for string in every if bool(accepts(string)) is kind]
        p = 1 / 2 / len(own)
        for string in own:
            seen = read.count(list(string))
            assert abs(seen - count * p) < 5 * (count * p) ** 0.5


@pytest.mark.parametrize(
    ("pattern", "states"),
    [
        ("(a(ab)*b)*", 4),  # a depth of 0, 1, 2 and what is wrong
        ("((a|b)(a|b))*", 2),  # the smallest automaton, not that of the places
        ("a+b?|(ba)*c", 6),
        ("(a|b)*abb", 4),
        ("(a|b(ab*a)*b)*", 3),  # multiples of 3, in binary
        ("()a|b(|b)", 4),
    ],
)
def test_an_automaton_accepts_what_python_matches(pattern, states):
    letters, automaton = automata.of_pattern(pattern)
    matches = in_pattern(pattern)
    assert len(automaton.moves) == states
    for length in range(7):
        for string in itertools.product(range(len(letters)), repeat=length):
            state = 0
            for symbol in string:
                state = automaton.moves[state, symbol]
            assert automaton.accepts[state] == matches(string), string


@pytest.mark.slow
def test_dyck_opens_and_closes_by_chance():
    batch = sampled(tasks.dyck(12, kinds=2, depth=3), 1000)
    either = closed = 0
    for string in strings_of(batch):
        height = 0
        for bracket in string:
            assert 0 <= height <= 3
            if height == 0:
                assert bracket < 2
            elif height == 3:
                assert bracket >= 2
            else:
                either, closed = either + 1, closed + (bracket >= 2)
            height += 1 if bracket < 2 else -1
    assert abs(closed - either / 2) < 4 * either**0.5 / 2


@pytest.mark.parametrize("shortest", [2, pytest.param(None, marks=pytest.mark.slow)])
def test_a_string_comes_back_reversed(shortest):
    task = tasks.reverse_string(4, alphabet=3, shortest=shortest)
    batch = sampled(task, 200)
    answers = np.zeros((8, 200), int)
    for row, string in enumerate(strings_of(batch)):
        n = len(string) // 2
        assert string[n:] == [3] * n and max(string[:n]) < 3
        answers[n : 2 * n, row] = string[n - 1 :: -1]
        np.testing.assert_array_equal(
            batch.targets[n : 2 * n, row], string[n - 1 :: -1]
        )
        assert (batch.targets[:n, row] == -1).all()
    found = scored(task, 30.0 * np.eye(3)[answers], batch)
    assert found["recall_accuracy"] == found["sequence_accuracy"] == 1
    assert found["loss"] < task.solved_at
    answers[-1] = (answers[-1] + 1) % 3  # of the longest strings one is wrong
    longest = np.mean([len(string) == 8 for string in strings_of(batch)])
    found = scored(task, 30.0 * np.eye(3)[answers], batch)
    assert found["sequence_accuracy"] == pytest.approx(1 - longest)
    lengths = range(shortest or 4, 5)
    chance = task.references["sequence_accuracy"]["guessing every symbol"]
    assert chance == pytest.approx(np.mean([3.0**-n for n in lengths]))


@pytest.mark.parametrize("blocks", [pytest.param(2, marks=pytest.mark.slow), 3])
def test_blocks_of_as_many_letters(blocks):
    task = tasks.counted_blocks(5, blocks=blocks)
    batch = sampled(task, 300)
    read = strings_of(batch)
    assert {len(string) // blocks for string in read} == {1, 2, 3, 4, 5}
    answers, letters = np.zeros(batch.targets.shape, int), []
    for row, string in enumerate(read):
        n = string.count(0)
        assert string == sorted([*range(blocks)] * n)
        following = [*string[1:], blocks]
        answers[: len(string), row] = following
        np.testing.assert_array_equal(
            batch.targets[n : len(string), row], following[n:]
        )
        assert (batch.targets[:n, row] == -1).all()
    found = scored(task, 30.0 * np.eye(blocks + 1)[answers], batch)
    assert found["recall_accuracy"] == found["sequence_accuracy"] == 1
    for n in range(1, 6):  # of all strings there are
        own = [0] * n + [1] * n + [2] * n * (blocks == 3) + [blocks]
        letters += [(a, b) for a, b in itertools.pairwise(own) if a > 0]
    loss, accuracy = guessed(*zip(*letters, strict=True))
    assert task.baseline == pytest.approx(loss)
    known = task.references["recall_accuracy"]["knowing the letter alone"]
    assert known == pytest.approx(accuracy)
