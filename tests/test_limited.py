"""A task of which there are a few sequences, and no more."""

import jax
import numpy as np
import pytest
from test_tracking import odd_ones, strings_of

from rnn_research import errors, tasks
from rnn_research.resolve import resolve
from rnn_research.tasks import base


def strings(task, split):
    """All of a split, each with its class."""
    keys = task.splits[split]
    batch = jax.device_get(jax.jit(task.batch)(keys, None))
    return [tuple(own) for own in strings_of(batch)], np.asarray(batch.targets)


def test_sequences_differ_and_none_that_is_held_out_is_trained_on():
    task = resolve("task", "limited(parity(shortest=3), rows=200)", length=9)
    assert not task.is_endless and task.length == 9
    seen = set()
    for split in base.SPLITS:
        own, classes = strings(task, split)
        assert len(set(own)) == len(own) and not seen & set(own)
        assert [odd_ones(string) for string in own] == classes.tolist()
        seen |= set(own)
        assert len(own) == 200 or split != "train" and len(own) > 50
    assert {len(string) for string in seen} == set(range(3, 10))


def test_with_more_rows_the_first_are_the_same():
    few, more, other = (
        tasks.limited(tasks.parity(12), rows=rows, seed=seed)
        for rows, seed in ((50, 0), (80, 0), (50, 1))
    )
    np.testing.assert_array_equal(few.splits["train"], more.splits["train"][:50])
    for split in ("validation", "test"):
        np.testing.assert_array_equal(few.splits[split], more.splits[split])
    assert not np.array_equal(few.splits["train"], other.splits["train"])
    assert few.references == tasks.parity(12).references


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tasks.limited(tasks.parity(5), rows=0), "rows must be a whole number"),
        (lambda: tasks.limited(tasks.parity(5)).splits, "different sequences to train"),
        (lambda: tasks.limited(tasks.listops(20)), "is on data"),
        (lambda: resolve("task", "limited(rows=5)", length=9), "give a task first"),
    ],
)
def test_what_cannot_be_limited_is_named(make, message):
    with pytest.raises(errors.UsageError, match=message):
        make()
