"""How rows reach compiled calls: as arguments, all or those of the next batches.

Arrays are given whole, and a call picks its rows. Of a random-access source the host
gathers the rows of the next updates, in the same order, while the devices compute.
"""

import concurrent.futures
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research.tasks import rows as rows_of

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
        self._task, self._sharding = task, sharding
        self._placed: dict[str, Rows] = {}
        self._ahead = None  # (what was asked, the future)
        self._order = jax.jit(
            lambda seed, steps: jax.vmap(
                lambda step: task.order(seed, step, task.size("train"), batch_size)
            )(steps)
        )
        self._pool = concurrent.futures.ThreadPoolExecutor(1, "rows")
        self.gathers = not task.is_endless and rows_of.is_source(task.splits["train"])
        self.most = MOST_BATCHES
        if self.gathers:
            row = rows_of.gathered(task.splits["train"], np.zeros(1, int))
            size = batch_size * sum(leaf.nbytes for leaf in jax.tree.leaves(row))
            self.most = int(np.clip(CHUNK_BYTES // max(1, size), 1, MOST_BATCHES))

    def close(self):
        self._pool.shutdown(wait=False, cancel_futures=True)

    def training(self, runs, steps: np.ndarray) -> Rows:
        """For updates from `steps` [R] on; of a source for `most` of them."""
        if self._task.is_endless:
            return Rows()
        if not self.gathers:
            return self._all("train")
        asked = tuple(steps.tolist())
        if self._ahead is None or self._ahead[0] != asked:
            self._ahead = asked, self._pool.submit(self._gathered, runs, steps)
        given = self._ahead[1].result()
        later = steps + self.most
        following = self._pool.submit(self._gathered, runs, later)
        self._ahead = tuple(later.tolist()), following
        return given

    def _gathered(self, runs, steps: np.ndarray) -> Rows:
        indices = np.stack(
            [
                np.asarray(self._order(seed, step + np.arange(self.most)))
                for seed, step in zip(runs.seed, steps, strict=True)
            ]
        )
        found = rows_of.gathered(self._task.splits["train"], indices)
        return Rows(next=found, first=steps.astype(np.int32))

    def evaluating(self, split: str, indices: np.ndarray):
        """For batches at indices [count, B]: (Rows, number of the first, of the end).

        Of arrays all at once; of a source as many as fit.
        """
        count = len(indices)
        if self._task.is_endless:
            yield Rows(), 0, count
        elif not rows_of.is_source(self._task.splits[split]):
            yield self._all(split), 0, count
        else:
            for first in range(0, count, self.most):
                places = first + np.arange(self.most)
                own = indices[np.minimum(places, count - 1)]
                found = rows_of.gathered(self._task.splits[split], own[None])
                given = Rows(next=found, first=np.array([first], np.int32))
                yield given, first, min(count, first + self.most)

    def _all(self, split: str) -> Rows:
        if split not in self._placed:
            placed = jax.tree.map(jnp.asarray, self._task.splits[split])
            self._placed[split] = Rows(all=jax.device_put(placed, self._sharding))
        return self._placed[split]
