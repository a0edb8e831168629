"""Tasks against hand-computed examples; baselines to sampling error."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import test_dynamics
import test_tasks_memory
import test_tracking

from rnn_research import data, errors, tasks
from rnn_research.tasks import base
from rnn_research.tasks.adding import mark, mark_1997
from rnn_research.tasks.temporal_order import lay_out

ALL_TASKS = {
    "adding": lambda: tasks.adding(30),
    "adding 1997": lambda: tasks.adding(30, form="hochreiter"),
    "order": lambda: tasks.temporal_order(30),
    "order 1997": lambda: tasks.temporal_order(30, form="hochreiter", relevant=3),
    **{
        f"copy {layout}": lambda layout=layout: tasks.copy_memory(
            9, layout=layout, symbols=4, alphabet=5
        )
        for layout in ("urnn", "exprnn", "tcn", "janet", "s4")
    },
}


# These have tests of their own.
ON_DATA = {each.task for each in data.SETS.values()}
ON_DATA |= {"forecasting", "listops", "spoken_sequences"}
HAVE_THEIR_OWN = ON_DATA | set(test_tasks_memory.TASKS) | {"limited"}
HAVE_THEIR_OWN |= {*test_tracking.TASKS, *test_dynamics.TASKS}


def sampled(task, count, seed=0):
    return jax.jit(task.sample, static_argnums=1)(jax.random.key(seed), count)


@pytest.fixture(params=list(ALL_TASKS))
def task(request):
    return ALL_TASKS[request.param]()


def test_every_task_is_covered():
    here = {make().name for make in ALL_TASKS.values()}
    assert here | HAVE_THEIR_OWN >= set(tasks.__all__)


def scored(task):
    """(outputs, batch) -> the metrics as numbers."""
    return jax.jit(lambda outputs, batch: base.means(task.totals(outputs, batch)))


@pytest.mark.first(4)
def test_sampler_is_pure_jittable_and_as_declared(task):
    sample = jax.jit(task.sample, static_argnums=1)
    batch = sample(jax.random.key(0), 6)
    again = task.sample(jax.random.key(0), 6)  # uncompiled
    for a, b in zip(jax.tree.leaves(batch), jax.tree.leaves(again), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-15)
    assert batch.inputs.shape == (task.length, 6, task.network.inputs)
    assert jnp.issubdtype(batch.inputs.dtype, jnp.floating)
    wanted = (
        (task.length, 6) if task.network.head == "step" else (6, task.network.outputs)
    )
    assert batch.targets.shape == wanted
    other = sample(jax.random.key(1), 6)
    assert not np.array_equal(other.inputs, batch.inputs)


@pytest.mark.first(4)
def test_sequences_do_not_depend_on_how_the_batch_is_divided(task):
    keys = jax.random.split(jax.random.key(0), 6)
    batch = jax.jit(lambda keys: task.batch(None, keys).inputs)
    whole, part = np.asarray(batch(keys)), np.asarray(batch(keys[2:4]))
    assert (whole[:, 2:4] == part).all()


@pytest.mark.first(4)
def test_score_has_a_baseline_for_what_it_reports(task):
    batch = sampled(task, 4)
    shape = (4, task.network.outputs)
    shape = (task.length, *shape) if task.network.head == "step" else shape
    scores = scored(task)(np.zeros(shape), batch)
    assert set(task.references) <= set(scores) and "loss" in task.references
    assert list(task.thresholds) == sorted(task.thresholds, reverse=True)
    assert task.thresholds[0] < task.baseline and 0 < task.solved_at < task.baseline


# ---------------------------------------------------------------------------- adding


def test_adding_worked_examples():
    for numbers, first, second, total in (
        ([0.3, 0.9, 0.1, 0.5], 1, 3, 1.4),
        ([0.6, 0.2, 0.8, 0.4], 0, 2, 1.4),
    ):
        example = mark(jnp.array(numbers), first, second)
        assert example.inputs[:, 0].tolist() == numbers
        assert np.flatnonzero(example.inputs[:, 1]).tolist() == [first, second]
        np.testing.assert_allclose(example.targets, [total])


@pytest.mark.parametrize("length", [2, 7, 30])
def test_adding_has_one_marker_in_each_half(length):
    batch = sampled(tasks.adding(length), 500)
    markers = np.asarray(batch.inputs[..., 1])
    assert (markers[: length // 2].sum(0) == 1).all()
    assert (markers[length // 2 :].sum(0) == 1).all()
    assert (markers.max(1) > 0).all(), "every position is used"
    sums = (markers * np.asarray(batch.inputs[..., 0])).sum(0)
    np.testing.assert_allclose(sums, batch.targets[:, 0])


@pytest.mark.parametrize("form", ["arjovsky", "hochreiter"])
def test_adding_baseline_is_the_variance_of_the_target(form):
    task = tasks.adding(24, form=form)
    count = 200_000
    targets = np.asarray(sampled(task, count, seed=1).targets)
    best = 1.0 if form == "arjovsky" else 0.5
    squared = (targets - best) ** 2
    assert abs(squared.mean() - task.baseline) < 4 * squared.std() / count**0.5


def test_adding_1997_worked_examples():
    numbers = jnp.array([0.5, -0.2, 0.4, -1.0, 0.8])
    usual = mark_1997(numbers, 1, 2, 4)
    assert usual.inputs[:, 1].tolist() == [-1, 1, 1, -1, 0]
    assert usual.mask.tolist() == [True, True, True, True, False]
    assert not usual.inputs[4].any()
    np.testing.assert_allclose(usual.targets, [0.5 + (-0.2 + 0.4) / 4])
    rare = mark_1997(numbers, 0, 2, 5)
    assert rare.inputs[:, 1].tolist() == [1, 0, 1, 0, -1]
    assert rare.inputs[0, 0] == 0
    np.testing.assert_allclose(rare.targets, [0.5 + 0.4 / 4])


def test_adding_1997_positions_and_lengths():
    length = 40
    batch = sampled(tasks.adding(length, form="hochreiter"), 4000)
    markers, mask = np.asarray(batch.inputs[..., 1]), np.asarray(batch.mask)
    assert set(mask.sum(0)) == set(range(length, length + length // 10 + 1))
    assert ((markers == 1).sum(0) == 2).all()
    positions = np.sort(np.argsort(markers != 1, axis=0, kind="stable")[:2], axis=0)
    assert positions[0].max() <= 9 and positions[1].max() == length // 2 - 2
    ends = mask.sum(0) - 1
    assert (markers[ends, np.arange(4000)] == -1).all()


# ------------------------------------------------------------------------------ copy

EXAMPLES = [  # layout, symbols, inputs (c cue, _ blank), targets
    ("urnn", "57", "57__c__", "_____57"),
    ("urnn", "82", "82__c__", "_____82"),
    ("exprnn", "57", "57___c_", "_____57"),
    ("tcn", "57", "57__ccc", "_____57"),
    ("janet", "57", "57___c__", "______57"),
    ("s4", "57", "57___cc", "_____57"),
]


@pytest.mark.parametrize(("layout", "string", "inputs", "targets"), EXAMPLES)
def test_copy_worked_examples(layout, string, inputs, targets):
    task = tasks.copy_memory(3, layout=layout, symbols=2, one_hot=False)
    batch = sampled(task, 300)
    shown = np.asarray(batch.inputs[..., 0]).astype(int)
    match = (shown[0] == int(string[0])) & (shown[1] == int(string[1]))
    column = np.flatnonzero(match)[0]

    def text(classes):
        return "".join("_12345678c"[c] for c in classes)

    assert text(shown[:, column]) == inputs
    assert text(batch.targets[:, column]) == targets


def test_copy_published_lengths_and_baselines():
    """10 ln 8 / (T + 20), tabulated for the uRNN layout."""
    for length, baseline in ((100, 0.17329), (500, 0.03999), (1000, 0.02039)):
        task = tasks.copy_memory(length)
        assert task.length == length + 20 and task.network.inputs == 10
        assert task.network.outputs == 9
        assert abs(task.baseline - baseline) < 5e-6
    assert tasks.copy_memory(100, layout="janet").length == 121
    assert tasks.copy_memory(100, layout="s4").baseline == math.log(8)
    cue = sampled(tasks.copy_memory(100, one_hot=False), 1).inputs
    assert np.flatnonzero(np.asarray(cue)[:, 0, 0] == 9).tolist() == [109]


@pytest.mark.parametrize("layout", ["urnn", "s4"])
@pytest.mark.parametrize(("symbols", "alphabet"), [(10, 8), (3, 2), (5, 20)])
def test_copy_baseline_is_reached_by_the_memoryless_predictor(
    layout, symbols, alphabet
):
    task = tasks.copy_memory(20, layout=layout, symbols=symbols, alphabet=alphabet)
    batch = sampled(task, 400)
    logits = np.full((task.length, 400, alphabet + 1), -1e9)
    logits[:-symbols, :, 0] = 0.0
    logits[-symbols:, :, 1:] = 0.0
    noise = 1e-6 * np.random.default_rng(1).standard_normal(logits.shape)  # no ties
    scores = scored(task)(logits + noise, batch)
    assert abs(float(scores["loss"]) - task.baseline) < 1e-5
    assert abs(float(scores["recall_loss"]) - math.log(alphabet)) < 1e-5
    chance, count = 1 / alphabet, 400 * symbols
    gap = abs(float(scores["recall_accuracy"]) - chance)
    assert gap < 4 * (chance * (1 - chance) / count) ** 0.5
    assert task.references["recall_accuracy"] == {"guessing every symbol": chance}


def test_copy_is_solved_by_the_answer():
    task = tasks.copy_memory(20)
    batch = sampled(task, 5)
    scores = scored(task)(100.0 * np.eye(9)[np.asarray(batch.targets)], batch)
    assert float(scores["loss"]) < task.solved_at
    assert float(scores["recall_accuracy"]) == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tasks.adding(1), "at least 2"),
        (lambda: tasks.adding(10, form="hochreiter"), "at least 22"),
        (lambda: tasks.adding(10, form="pascan"), "form must be one of"),
        (lambda: tasks.adding(2.5), "whole number"),
        (lambda: tasks.temporal_order(5), "at least 10"),
        (lambda: tasks.temporal_order(50, relevant=4), "2 or 3"),
        (lambda: tasks.temporal_order(50, relevant=3), "2 relevant"),
        (lambda: tasks.copy_memory(0), "at least 1"),
        (lambda: tasks.copy_memory(5, alphabet=1), "at least 2"),
        (lambda: tasks.copy_memory(5, layout="jannet"), "did you mean janet"),
    ],
)
def test_impossible_options_are_named(make, message):
    with pytest.raises(errors.UsageError, match=message):
        make()


# ------------------------------------------------------------------ temporal order


def test_temporal_order_by_hand():
    distractors = jnp.array([0, 1, 2, 3, 0, 1, 2, 3, 0, 1])
    inputs, target, mask = lay_out(distractors, jnp.array([1, 5]), jnp.array([1, 0]))
    # a Y c d a X c d a b
    np.testing.assert_array_equal(inputs.argmax(1), [0, 5, 2, 3, 0, 4, 2, 3, 0, 1])
    assert inputs.shape == (10, 6) and mask is None
    np.testing.assert_array_equal(target, [0, 0, 1, 0])  # XX XY YX YY

    framed = lay_out(distractors, jnp.array([1, 3, 6]), jnp.array([0, 1, 1]), 9)
    # E X c Y a b Y d B, of 10 steps the last is not there
    np.testing.assert_array_equal(
        framed.inputs[:9].argmax(1), [6, 4, 2, 5, 0, 1, 5, 3, 7]
    )
    assert framed.inputs.shape == (10, 8) and not framed.inputs[9].any()
    np.testing.assert_array_equal(framed.mask, [True] * 9 + [False])
    np.testing.assert_array_equal(framed.targets, np.eye(8)[0b011])


@pytest.mark.parametrize(
    "form, relevant, windows",
    [
        ("pascanu", 2, [(10, 19), (50, 59)]),
        ("hochreiter", 2, [(10, 20), (50, 60)]),
        ("hochreiter", 3, [(10, 20), (33, 43), (66, 76)]),
    ],
)
def test_temporal_order_has_each_symbol_in_its_window(form, relevant, windows):
    task = tasks.temporal_order(100, form=form, relevant=relevant)
    batch = sampled(task, 2000)
    classes = np.asarray(batch.inputs).argmax(-1)
    is_symbol = np.isin(classes, [4, 5])
    assert (is_symbol.sum(0) == relevant).all()
    steps = np.nonzero(is_symbol.T)[1].reshape(-1, relevant)
    for at, (first, last) in zip(steps.T, windows, strict=True):
        assert (at.min(), at.max()) == (first, last)
    order = np.take_along_axis(classes, steps.T, 0) - 4
    labels = (order * 2 ** np.arange(relevant)[::-1, None]).sum(0)
    np.testing.assert_array_equal(np.argmax(batch.targets, 1), labels)
    counts = np.bincount(labels, minlength=2**relevant)
    assert (abs(counts / 2000 - 2.0**-relevant) < 0.04).all()
    if form == "hochreiter":
        lengths = np.asarray(batch.mask).sum(0)
        assert (lengths.min(), lengths.max()) == (100, 110)
        assert (classes[0] == 6).all()
        assert (classes[lengths - 1, np.arange(2000)] == 7).all()


def test_temporal_order_baseline_is_that_of_a_constant():
    for task in (
        tasks.temporal_order(20),
        tasks.temporal_order(20, form="hochreiter", relevant=3),
    ):
        batch = sampled(task, 8)
        score = scored(task)
        found = score(np.zeros((8, task.network.outputs)), batch)
        np.testing.assert_allclose(found["loss"], task.baseline, rtol=1e-12)
        right = score(1e3 * np.asarray(batch.targets), batch)
        assert right["loss"] == 0 and right["accuracy"] == 1
