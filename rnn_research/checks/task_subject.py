"""What a task is checked with: a small network, and few of its rows."""

import dataclasses
import functools

import jax
import numpy as np

from rnn_research import cells, models
from rnn_research.layers import Call
from rnn_research.tasks import rows as rows_of
from rnn_research.tasks.base import SPLITS, Batch, Task

MOST_ROWS = 23  # of a split, for laws that run a network; no batch size divides it
SIZE = 5  # of a batch


class Subject:
    """A task with a small network, and few of its rows."""

    def __init__(self, task: Task):
        self.task = task

    @functools.cached_property
    def few(self) -> Task:
        """The task with the first rows of each split."""
        if self.task.is_endless:
            return self.task
        splits = {name: self.first(name, MOST_ROWS) for name in SPLITS}
        return dataclasses.replace(self.task, data=lambda: splits)

    def first(self, split: str, count: int):
        own = self.task.splits[split]
        return rows_of.gathered(own, np.arange(min(count, rows_of.size(own))))

    @functools.cached_property
    def model(self):
        return models.as_model(cells.elman(4), self.task)

    @functools.cached_property
    def params(self):
        return jax.jit(self.model.init)(jax.random.key(1))

    @functools.cached_property
    def keys(self):
        return jax.random.split(jax.random.key(0), SIZE)

    @functools.cached_property
    def make(self):
        return jax.jit(self.task.batch)

    @functools.cached_property
    def rows(self):
        """Of the first batch; None of an endless task."""
        if self.task.is_endless:
            return None
        size = rows_of.size(self.task.splits["train"])
        return rows_of.gathered(self.task.splits["train"], np.arange(SIZE) % size)

    @functools.cached_property
    def batch(self) -> Batch:
        return self.make(self.rows, self.keys)

    @functools.cached_property
    def totals(self):
        return jax.jit(
            lambda params, batch: self.task.totals(self.outputs(params, batch), batch)
        )

    def outputs(self, params, batch: Batch):
        call = Call(mask=batch.mask, reset=batch.reset)
        return self.model.outputs(params, batch.inputs, call)
