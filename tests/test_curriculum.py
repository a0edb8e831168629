"""A curriculum over lengths: what updates draw, on any devices, and when resumed."""

import dataclasses
import types

import jax
import numpy as np
import pytest

from rnn_research import cells, errors, models, runs, tasks, training
from rnn_research.training import curriculum, trainer, update

STEPS, SIZE = 8, 6
TASK = tasks.parity(9, shortest=2, head="step")
SMALL = training.TrainConfig(
    num_steps=12,
    batch_size=SIZE,
    eval_every=4,
    eval_size=SIZE,
    checkpoint_every=4,
    num_devices=1,
    curriculum_steps=STEPS,
)


def drawn(devices):
    """step -> the batch [shards, ...] of that update, as training makes it."""
    config = dataclasses.replace(SMALL, num_devices=devices)
    model = models.as_model(cells.elman(4), TASK)
    made = trainer.build(model, TASK, config)
    run = jax.tree.map(lambda leaf: leaf[0], made.runs)

    def at(step):
        state = types.SimpleNamespace(params=None, step=step)
        return update.batch(made, None, run, state).batches

    return jax.jit(at)


def test_lengths_grow_to_those_of_the_task():
    """From the shortest alone; at S the batch is the task's own, bit for bit."""
    at, seen = drawn(1), []
    for step in (0, 1, 4, 7, STEPS, 99):
        batch = at(step)
        lengths = np.asarray(batch.mask)[0].sum(0)
        most = 2 + min(step, STEPS) * 7 // STEPS
        assert 2 <= lengths.min() and lengths.max() <= most
        assert curriculum.count(TASK, STEPS, step) == most - 1
        seen += [tuple(lengths)] * (step < 99)
    assert set(seen[0]) == {2} and len(set(seen[-1])) > 1
    key = jax.random.fold_in(update.keys_of(training.state.Runs(0, 0.0))[1], 99)
    own = TASK.batch(None, jax.random.split(key, SIZE))
    for found, wanted in zip(jax.tree.leaves(batch), jax.tree.leaves(own), strict=True):
        np.testing.assert_array_equal(found[0], wanted)


def test_it_needs_several_lengths():
    cell = cells.elman(4)
    for task, told in (
        (tasks.parity(40), r"of parity\(40\) have one .* --task='parity\(shortest=10"),
        (tasks.mackey_glass(20), "leave it out; only tasks with `shortest`"),
        (tasks.limited(TASK, rows=9), "makes no sequences of a given length"),
    ):
        with pytest.raises(errors.UsageError, match=told):
            training.train(cell, task, SMALL, quiet=True)


@pytest.mark.slow
def test_two_devices_draw_the_same():
    one, two = (drawn(devices) for devices in (1, 2))
    for step in (3, 20):
        whole, halves = one(step), two(step)
        inputs = np.concatenate(np.asarray(halves.inputs), axis=1)
        np.testing.assert_array_equal(whole.inputs[0], inputs)
        mask = np.concatenate(np.asarray(halves.mask), axis=1)
        np.testing.assert_array_equal(whole.mask[0], mask)


@pytest.mark.slow
def test_it_is_resumed_exactly(tmp_path):
    """Stopped while sequences grow; another pace is refused."""

    def train(folder, **changes):
        config = dataclasses.replace(SMALL, **changes)
        cell = cells.elman(4)
        return runs.train(cell, TASK, config, workdir=tmp_path / folder, quiet=True)

    whole = train("whole")
    for steps in (4, 8, 12):
        parts = train("parts", num_steps=steps)
    for one, other in zip(
        jax.tree.leaves(whole.runs[0].params),
        jax.tree.leaves(parts.runs[0].params),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)
    assert whole.runs[0].metrics == parts.runs[0].metrics
    with pytest.raises(errors.UsageError, match="curriculum_steps"):
        train("parts", curriculum_steps=9)
