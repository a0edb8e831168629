"""How rows reach compiled calls: as arguments, all or those of the next batches.

Arrays are given whole, and a call picks its rows. From a random-access source the host
gathers the rows of the next updates, in the same order, while the devices compute.
"""

import concurrent.futures
from typing import Any, NamedTuple

import jax
import numpy as np

from rnn_research.tasks import rows as rows_of
from rnn_research.tasks.in_range import InRange

Tree = Any
CHUNK_BYTES = 2**26
MOST_BATCHES = 256


class Rows(NamedTuple):
    """What a call is given of a split.

    Attributes:
      all: leaves [N, ...]; None where only `next` is given, or nothing.
      next: leaves [R or 1, K, B, ...], of K batches in their order.
      first: [R or 1], the number of the first of these.
    """

    all: Tree = None
    next: Tree = None
    first: Any = None


def pick(given: Rows, indices, number) -> Tree:
    """The rows of batch `number`, which are at `indices` [B]."""
    if given.next is not None:
        return jax.tree.map(lambda leaf: leaf[number - given.first], given.next)
    return jax.tree.map(lambda leaf: leaf[indices], given.all)


class Supply:
    """The rows of a task's splits for the calls of a training."""

    def __init__(self, task, batch_size: int, sharding):
        self._task, self._size, self._sharding = task, batch_size, sharding
        self._placed: dict[str, Rows] = {}
        self._in_range = InRange(task)
        self._held = None  # rows of a source that calls are made with
        self._ahead = None  # (the first of those behind them, a future of them)
        self._order = jax.jit(
            lambda seed, steps: jax.vmap(
                lambda step: task.order(seed, step, task.size("train"), batch_size)
            )(steps)
        )
        self._pool = concurrent.futures.ThreadPoolExecutor(1, "rows")
        self._most = MOST_BATCHES  # batches of a source in a call
        if not task.is_endless:
            row = jax.tree.leaves(task.example_rows(1))
            size = max(1, batch_size * sum(leaf.nbytes for leaf in row))
            self._most = int(np.clip(CHUNK_BYTES // size, 1, MOST_BATCHES))

    def close(self):
        self._pool.shutdown(wait=False, cancel_futures=True)

    def check(self):
        """Raise errors.UsageError for tokens or classes that the network lacks.

        Those of a source are seen when they are gathered.
        """
        for split, rows in self._task.splits.items():
            if not rows_of.is_source(rows):
                self._in_range.check(rows, split)

    def _read(self, split: str, indices: np.ndarray) -> Tree:
        """The rows of a source at indices [...], seen to be in range."""
        like = self._task.example_rows(1)
        found = rows_of.gathered(self._task.splits[split], indices, like)
        flat = jax.tree.map(
            lambda leaf: leaf.reshape(-1, *leaf.shape[indices.ndim :]), found
        )
        self._in_range.check(flat, split, indices.reshape(-1))
        return found

    def example(self, split: str, runs: int, batch_size: int) -> Rows:
        """What a call is given, of a source the shapes alone: nothing is read."""
        if self._task.is_endless:
            return Rows()
        if not rows_of.is_source(self._task.splits[split]):
            return self._all(split)
        lead = runs, self._most, batch_size
        shapes = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct((*lead, *leaf.shape[1:]), leaf.dtype),
            self._task.example_rows(1),
        )
        return Rows(next=shapes, first=np.zeros(runs, np.int32))

    def training(self, runs, steps: np.ndarray, limits: np.ndarray):
        """Rows for updates from `steps` [R] on, and limits that they suffice for."""
        if self._task.is_endless:
            return Rows(), limits
        if not rows_of.is_source(self._task.splits["train"]):
            return self._all("train"), limits
        going = steps < limits
        if self._held is None or not self._has(self._held.first, steps)[going].all():
            self._held = self._from(runs, steps, going)
        return self._held, np.minimum(limits, self._held.first + self._most)

    def _has(self, first: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """[R] whether the batches from `first` on hold that of a step."""
        return (first <= steps) & (steps < first + self._most)

    def _from(self, runs, steps: np.ndarray, going: np.ndarray) -> Rows:
        """Rows from `steps` on, which may be there; those behind them are begun."""
        if self._ahead and (self._ahead[0] == steps)[going].all():
            found = self._ahead[1].result()
        else:
            found = self._gathered(runs, steps)
        later = found.first + self._most
        self._ahead = later, self._pool.submit(self._gathered, runs, later)
        return found

    def _gathered(self, runs, steps: np.ndarray) -> Rows:
        indices = np.stack(
            [
                np.asarray(self._order(seed, step + np.arange(self._most)))
                for seed, step in zip(runs.seed, steps, strict=True)
            ]
        )
        found = self._read("train", indices)
        return Rows(next=found, first=steps.astype(np.int32))

    def evaluating(self, split: str, indices: np.ndarray):
        """For batches at indices [count, B]: (Rows, number of the first, of the end).

        Arrays come all at once; a source in parts that fit.
        """
        count = len(indices)
        if self._task.is_endless:
            yield Rows(), 0, count
        elif not rows_of.is_source(self._task.splits[split]):
            yield self._all(split), 0, count
        else:
            for first in range(0, count, self._most):
                places = first + np.arange(self._most)
                own = indices[np.minimum(places, count - 1)]
                found = self._read(split, own[None])
                given = Rows(next=found, first=np.array([first], np.int32))
                yield given, first, min(count, first + self._most)

    def _all(self, split: str) -> Rows:
        if split not in self._placed:
            arrays = rows_of.arrays(self._task.splits[split])
            self._placed[split] = Rows(all=jax.device_put(arrays, self._sharding))
        return self._placed[split]
