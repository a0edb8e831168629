"""Tasks of state tracking against oracles in plain Python that read inputs alone."""

import functools
import itertools
import math
import re

import jax
import numpy as np
import pytest

from rnn_research import errors, tasks
from rnn_research.checks import check_task
from rnn_research.tasks import base
from rnn_research.tasks.strings import GUESSING

# --------------------------------------------------------------------------- oracles


def odd_ones(bits):
    return str(bits).count("1") % 2


def ones_mod_3(bits):
    return sum(1 for bit in bits if bit == 1) % 3


def walk(symbols, positions=5):
    at = 0
    for symbol in symbols:
        at = (at + {0: -1, 1: 0, 2: 1}[symbol]) % positions
    return at


def changes(bits):
    text = "".join(map(str, bits))
    starts = range(len(text) - 1)
    return sum(text[i : i + 2] in ("01", "10") for i in starts) % 2


def permuted(n, even_only=False):
    """The permutations in lexicographic order, as tuples."""
    every = list(itertools.permutations(range(n)))
    if even_only:
        every = [p for p in every if round(np.linalg.det(np.eye(n)[list(p)])) == 1]
    return every


def product_in(elements):
    """The product of numbered permutations, each following those before it."""

    def oracle(tokens):
        things = list(range(len(elements[0])))  # where each began
        for token in tokens:
            things = [elements[token][at] for at in things]
        return elements.index(tuple(things))

    return oracle


def product_a4_z5(tokens):
    first = product_in(permuted(4, even_only=True))([token // 5 for token in tokens])
    return 5 * first + sum(token % 5 for token in tokens) % 5


def runs(bits):
    """(bit, how many) of each run."""
    return [(bit, len(list(same))) for bit, same in itertools.groupby(bits)]


def in_third(bits):
    """No odd run of ones has an odd run of zeros behind it."""
    found = [bit for bit, count in runs(bits) if count % 2]
    return 0 not in found[found.index(1) :] if 1 in found else True


TOMITA = {
    1: lambda bits: all(bits),
    2: lambda bits: list(bits) == [1, 0] * (len(bits) // 2),
    3: in_third,
    4: lambda bits: "000" not in "".join(map(str, bits)),
    5: lambda bits: sum(bits) % 2 == 0 and list(bits).count(0) % 2 == 0,
    6: lambda bits: (list(bits).count(0) - list(bits).count(1)) % 3 == 0,
    7: lambda bits: re.fullmatch("0*1*0*1*", "".join(map(str, bits))) is not None,
}


def in_pattern(pattern):
    """Whether Python's own expressions match it; symbols are letters in order."""
    return lambda string: bool(re.fullmatch(pattern, "".join("abc"[s] for s in string)))


def innermost(brackets):
    """What may be closed next, of two kinds: 0 and 1 open, 2 and 3 close."""
    pile = []
    for bracket in brackets:
        if bracket < 2:
            pile.append(bracket)
        else:
            assert pile.pop() == bracket - 2, "brackets that do not match"
    return pile[-1] + 1 if pile else 0


def words(group, **options):
    return functools.partial(tasks.group_words, group=group, **options)


ORACLES = {  # name of a task: (its maker, the class of a string, symbols)
    "parity": (tasks.parity, odd_ones, 2),
    "mod_counting": (tasks.mod_counting, ones_mod_3, 2),
    "cycle_navigation": (tasks.cycle_navigation, walk, 3),
    "even_pairs": (tasks.even_pairs, changes, 2),
    "group_words": (words("S3"), product_in(permuted(3)), 6),
    "A4xZ5": (words("A4xZ5"), product_a4_z5, 60),
    "A5": (words("A5"), product_in(permuted(5, even_only=True)), 60),
    "S5": (words("S5"), product_in(permuted(5)), 120),
    "Z60": (words("Z60"), lambda tokens: sum(tokens) % 60, 60),
}
for number, accepts in TOMITA.items():
    make = functools.partial(tasks.tomita, number=number)
    ORACLES[f"tomita {number}"] = (make, accepts, 2)
ORACLES["dyck"] = (tasks.dyck, innermost, 4)
ORACLES["D_2"] = (tasks.regular_language, in_pattern("(a(ab)*b)*"), 2)
NAMED = {name: own for name, own in ORACLES.items() if hasattr(tasks, name)}
TASKS = {name: lambda make=make: make(6) for name, (make, *_) in NAMED.items()}
UNIFORM = [name for name in NAMED if name != "dyck"]  # strings all as likely
TASKS |= {
    "bracket_arithmetic": lambda: tasks.bracket_arithmetic(9),
    "counted_blocks": lambda: tasks.counted_blocks(5),
    "modular_arithmetic": lambda: tasks.modular_arithmetic(9),
    "regular_language": lambda: tasks.regular_language(6, pattern="(ab|c)*"),
    "reverse_string": lambda: tasks.reverse_string(5),
    "tomita": lambda: tasks.tomita(8, number=4),
}
QUICK = {"parity"}  # of the tests that compile a program for each


def sampled(task, count, seed=0):
    drawn = jax.jit(task.sample, static_argnums=1)(jax.random.key(seed), count)
    return jax.device_get(drawn)


def strings_of(batch):
    """The symbols of each row, as far as it is there."""
    inputs = np.asarray(batch.inputs)
    symbols = inputs if inputs.ndim == 2 else inputs.argmax(-1)
    mask = np.ones(symbols.shape, bool) if batch.mask is None else batch.mask
    return [row[there].tolist() for row, there in zip(symbols.T, mask.T, strict=True)]


def scored(task, outputs, batch):
    score = jax.jit(lambda *given: base.means(task.totals(*given)))
    return {name: float(value) for name, value in score(outputs, batch).items()}


# ------------------------------------------------------------------- what all hold


LAST = [("cycle_navigation", "last"), ("dyck", "last"), ("tomita 3", "last")]


@pytest.mark.parametrize(
    ("name", "head"),
    [
        pytest.param(name, head, marks=() if name in QUICK else pytest.mark.slow)
        for name, head in [*((name, "step") for name in ORACLES), *LAST]
    ],
)
def test_labels_are_those_of_the_oracle(name, head):
    """The oracle reads inputs alone and scores exactly; lengths are as asked."""
    make, oracle, symbols = ORACLES[name]
    task = make(9, shortest=4, head=head)
    batch = sampled(task, 300)
    assert batch.inputs.shape[:2] == (9, 300) and task.network.inputs == symbols
    read = strings_of(batch)
    lengths = np.array([len(string) for string in read])
    assert set(lengths) == set(range(4, 10))
    expected = np.zeros(batch.targets.shape, int)
    for row, string in enumerate(read):
        if head == "last":
            expected[row] = oracle(string)
        else:
            for t in range(len(string)):
                expected[t, row] = oracle(string[: t + 1])
    counted = np.ones(300, bool) if head == "last" else np.asarray(batch.mask)
    assert (np.asarray(batch.targets) == expected)[counted].all()
    found = scored(task, 30.0 * np.eye(task.network.outputs)[expected], batch)
    assert found["accuracy"] == 1 and found["loss"] < task.solved_at
    assert not np.array_equal(sampled(task, 300, seed=1).inputs, batch.inputs)


@pytest.mark.parametrize("name", UNIFORM)
def test_baselines_are_those_of_all_strings(name):
    """Of every string there is, the classes by length; exact, without a sampler."""
    make, oracle, symbols = ORACLES[name]
    entropy, best = {}, {}
    for length in range(1, 7):
        every = itertools.product(range(symbols), repeat=length)
        counts = np.bincount([oracle(string) for string in every])
        p = counts[counts > 0] / symbols**length
        entropy[length], best[length] = -(p * np.log(p)).sum(), p.max()
    for shortest in (3, 6):
        by_length = make(6, shortest=shortest).references
        lengths = range(shortest, 7)
        loss = np.mean([entropy[n] for n in lengths])
        np.testing.assert_allclose(by_length["loss"][GUESSING], loss, rtol=1e-12)
        accuracy = np.mean([best[n] for n in lengths])
        np.testing.assert_allclose(by_length["accuracy"][GUESSING], accuracy)
        by_step = make(6, shortest=shortest, head="step").references
        loss = sum(entropy[t] for n in lengths for t in range(1, n + 1)) / sum(lengths)
        np.testing.assert_allclose(by_step["loss"][GUESSING], loss, rtol=1e-12)


@pytest.mark.slow
def test_symbols_and_lengths_are_uniform():
    task = tasks.cycle_navigation(8, shortest=3)
    batch = sampled(task, 6000)
    read = strings_of(batch)
    lengths = np.bincount([len(string) for string in read], minlength=9)
    assert not lengths[:3].any()
    assert (abs(lengths[3:] - 1000) < 5 * (1000 * 5 / 6) ** 0.5).all()
    drawn = np.bincount(sum(read, []), minlength=3)
    total = drawn.sum()
    assert (abs(drawn - total / 3) < 5 * (total * 2 / 9) ** 0.5).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["counted_blocks", "modular_arithmetic", "tomita"])
def test_a_length_that_is_asked_for(name):
    """`of_length` at a traced n is the task of that length, padded."""
    task = TASKS[name]()
    longest, traced = dict(task.origin.arguments)["length"], []

    @jax.jit
    def make(keys, length):
        traced.append(length)
        return task.of_length(keys, length)

    keys = jax.random.split(jax.random.key(0), 4)
    whole = make(keys, longest)
    if name != "counted_blocks":  # which draws its length alone
        np.testing.assert_array_equal(whole.targets, task.batch(None, keys).targets)
    short = make(keys, longest - 2)
    assert short.inputs.shape == whole.inputs.shape
    shorter = task.length * (longest - 2) // longest
    assert (np.asarray(short.mask).sum(0) == shorter).all()
    assert len(traced) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_tasks_hold_their_laws(name):
    made = [TASKS[name]()]
    if name in QUICK:  # one of them with masks, and asked at every step
        made.append(ORACLES[name][0](9, shortest=4, head="step"))
    for task in made:
        report = check_task(task)
        assert report.passed, report


# ------------------------------------------------------------------- worked examples


@pytest.mark.parametrize(
    ("oracle", "string", "answer"),
    [
        (odd_ones, [1, 0, 1, 1, 0], 1),
        (odd_ones, [0, 1, 1, 0], 0),
        (ones_mod_3, [1, 0, 1, 1, 0], 0),
        (ones_mod_3, [0, 1, 1, 0], 2),
        (walk, [2, 0, 1, 0, 0], 3),
        (walk, [2, 2, 2, 0], 2),
        (changes, [0, 0, 1, 1, 1, 0], 0),
        (changes, [0, 1, 0, 1, 0, 0, 1], 1),
        (in_third, [1, 1, 0, 1, 0, 0, 1], True),
        (in_third, [1, 0, 1, 1, 0, 0], False),
        (in_pattern("(a(ab)*b)*"), [0, 0, 1, 1, 0, 1], True),
        (in_pattern("(a(ab)*b)*"), [0, 1, 0, 0, 0, 1], False),
        (innermost, [0, 1, 3, 2, 1, 0], 1),
        (innermost, [1, 1, 0, 2, 3, 3], 0),
        (product_in(permuted(3)), [1, 2, 3], 4),
    ],
)
def test_worked_examples_of_the_docstrings(oracle, string, answer):
    assert oracle(string) == answer


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tasks.parity(0), "at least 1"),
        (lambda: tasks.parity(5, shortest=6), r"shortest must be in \[1, 5\]"),
        (lambda: tasks.parity(5, shortest=2.5), "whole number"),
        (lambda: tasks.parity(5, head="pooled"), "head must be one of"),
        (lambda: tasks.even_pairs(1), "at least 2"),
        (lambda: tasks.even_pairs(4, shortest=1), r"in \[2, 4\]"),
        (lambda: tasks.mod_counting(5, modulus=1), "of at least 2, not 1"),
        (lambda: tasks.cycle_navigation(5, positions=1), "positions must be"),
        (lambda: tasks.modular_arithmetic(8), "must be odd.*7 or 9, not 8"),
        (lambda: tasks.modular_arithmetic(9, shortest=2), "shortest must be odd"),
        (lambda: tasks.modular_arithmetic(9, modulus=1), "of at least 2, not 1"),
        (lambda: tasks.modular_arithmetic(9, operators="/"), "some of '\\+-\\*'"),
        (lambda: tasks.bracket_arithmetic(9, times=1), "True or False"),
        (lambda: tasks.reverse_string(9, alphabet=1), "of at least 2, not 1"),
        (lambda: tasks.dyck(9, kinds=0), "kinds must be a whole number"),
        (lambda: tasks.dyck(9, depth=0), "depth must be a whole number"),
        (
            lambda: tasks.counted_blocks(1),
            "length must be a whole number of at least 2",
        ),
        (lambda: tasks.counted_blocks(9, blocks=4), "blocks must be one of 2, 3"),
        (lambda: tasks.tomita(9, number=8), "number must be one of 1, 2"),
        (lambda: tasks.tomita(9, number=2), "all of one kind; the shortest with both"),
        (lambda: tasks.regular_language(3, pattern="a*"), "so are all shorter"),
        (lambda: tasks.regular_language(3, pattern="(a"), "a bracket is not closed"),
        (lambda: tasks.regular_language(3, pattern="a)"), "that was not opened"),
        (lambda: tasks.regular_language(3, pattern="a.b"), "'.' is not understood"),
        (lambda: tasks.regular_language(3, pattern="()"), "it has no letter"),
        (
            lambda: tasks.regular_language(3, pattern="(a|b)*a" + "(a|b)" * 9),
            "more than 256 states",
        ),
        (lambda: tasks.group_words(5, group="S1"), "the smallest of its kind is S2"),
        (lambda: tasks.group_words(5, group="A2"), "the smallest of its kind is A3"),
        (lambda: tasks.group_words(5, group="D4"), "such as A4xZ5, not 'D4'"),
        (lambda: tasks.group_words(5, group="S7"), "more than 1000 elements"),
        (lambda: tasks.group_words(5, group="S9xS9xS99"), "more than 1000 elements"),
        (
            lambda: tasks.group_words(5, group="A5", moves=2),
            r"moves must be in \[3, 5\]",
        ),
        (lambda: tasks.group_words(5, group="Z5", moves=2), "of one group S or A"),
    ],
)
def test_impossible_options_are_named(make, message):
    with pytest.raises(errors.UsageError, match=message):
        make()


def test_parity_and_long_walks_are_guessed_as_chance_has_it():
    assert tasks.parity(40, shortest=1).baseline == pytest.approx(math.log(2))
    long = tasks.cycle_navigation(200).references
    assert long["accuracy"][GUESSING] == pytest.approx(1 / 5, abs=1e-6)
    assert long["loss"][GUESSING] == pytest.approx(math.log(5), abs=1e-6)


@pytest.mark.slow
def test_words_of_swaps_have_the_published_number_of_tokens():
    """Of S5 the identity and 10 swaps; with cycles of three 20 more."""
    for moves, count in ((2, 11), (3, 31)):
        task = tasks.group_words(5, group="S5", moves=moves)
        assert task.network.inputs == count and task.network.outputs == 120
        assert "sequence_accuracy" not in task.references
    swaps = [p for p in permuted(3) if sum(p[i] != i for i in range(3)) <= 2]
    at = [permuted(3).index(p) for p in swaps]
    batch = sampled(tasks.group_words(4, group="S3", moves=2), 50)
    for row, string in enumerate(strings_of(batch)):
        for t in range(4):
            whole = product_in(permuted(3))([at[token] for token in string[: t + 1]])
            assert batch.targets[t, row] == whole


@pytest.mark.slow
def test_whole_words_are_guessed_as_often_as_chance_has_it():
    task = tasks.group_words(3, group="Z3", shortest=2)
    known = task.references["sequence_accuracy"][GUESSING]
    assert known == pytest.approx((3**-2 + 3**-3) / 2)
    batch = sampled(task, 20_000)
    guess = np.random.default_rng(0).normal(size=(3, 20_000, 3))
    found = scored(task, guess, batch)["sequence_accuracy"]
    assert abs(found - known) < 4 * (known / 20_000) ** 0.5
