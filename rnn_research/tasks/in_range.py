"""Whether tokens are those that a network embeds, and classes those it has logits of.

One that is not makes the loss NaN, or is taken for another without a word. What is seen
are the smallest and the largest whole number of each row.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import errors
from rnn_research.tasks import rows as rows_of
from rnn_research.tasks.base import Batch, Sourced, Task

Tree = Any
MOST_ROWS, BYTES = 4096, 2**24  # that are made to a batch together, to be seen
OF_ENDLESS = 64  # rows that are made
SOURCE, TOKEN, CLASS = "source token", "token", "class"


class InRange:
    """What holds the rows of a task to its network, compiled once."""

    def __init__(self, task: Task):
        self._task = task
        self._extremes = jax.jit(self._of_batch, static_argnums=1)

    def check(self, rows: Tree, what: str, places: np.ndarray | None = None):
        """Raise errors.UsageError unless the network knows all tokens and classes.

        Args:
          rows: arrays [N, ...]; None of an endless task, of which some are made.
          what: they are, for the message.
          places: [N], their numbers in the split; default: 0 to N - 1.
        """
        if not self.has_any:
            return
        count = OF_ENDLESS if rows is None else rows_of.size(rows)
        size = min(count, self._at_once)
        for first in range(0, count, size):
            at = np.minimum(first + np.arange(size), count - 1)
            own = None if rows is None else rows_of.gathered(rows, at)
            for name, found in self._extremes(own, size).items():
                for row, value in _least_and_greatest(np.asarray(found)):
                    if self._is_wrong(name, value, own, row, size):
                        number = at[row] if places is None else places[at[row]]
                        self._refuse(name, value, f"{what}, row {number}")

    @functools.cached_property
    def has_any(self) -> bool:
        """Whether there are tokens or classes."""
        rows = self._task.example_rows(3)
        return bool(jax.eval_shape(lambda rows: self._of_batch(rows, 3), rows))

    @functools.cached_property
    def _at_once(self) -> int:
        row = jax.tree.leaves(self._task.example_rows(1))
        size = sum(leaf.nbytes for leaf in row)
        return int(np.clip(BYTES // max(1, size), 1, MOST_ROWS))

    def _of_batch(self, rows: Tree, size: int) -> dict:
        """Of tokens and classes the least [B] of each row and the greatest, [2, B]."""
        batch, found = self._task.batch(rows, _keys(size)), {}
        for name, leaf in self._whole_numbers(batch, size).items():
            by_step = batch.mask is not None and leaf.shape == batch.mask.shape
            if by_step and name != SOURCE:
                leaf = jnp.where(batch.mask, leaf, 0)
            by_row = leaf.reshape(-1, size)
            found[name] = jnp.stack([by_row.min(axis=0), by_row.max(axis=0)])
        return found

    def _whole_numbers(self, batch: Batch, size: int) -> dict:
        """The tokens, and the targets that may be classes."""
        network = self._task.network
        by_step = self._task.length, size
        shape = by_step if network.head == "step" else (size,)
        found = {}
        inputs = batch.inputs
        if isinstance(inputs, Sourced):
            if not isinstance(network.source, tuple):
                found[SOURCE] = jnp.where(inputs.source_mask, inputs.source, 0)
            inputs = inputs.steps
        if network.tokens and _is_whole(inputs, by_step):
            found[TOKEN] = inputs
        if network.outputs > 1 and _is_whole(batch.targets, shape):
            found[CLASS] = batch.targets
        return found

    def _is_wrong(self, name: str, value: int, rows: Tree, row: int, size: int) -> bool:
        if 0 <= value < self._limit(name):
            return False
        return name != CLASS or self._is_misread(value, rows, row, size)

    def _limit(self, name: str) -> int:
        network = self._task.network
        return {
            SOURCE: network.source,
            TOKEN: network.inputs,
            CLASS: network.outputs,
        }[name]

    def _is_misread(self, value: int, rows: Tree, row: int, size: int) -> bool:
        """Whether the score takes a value for a class that it does not have.

        Targets may be numbers, such as counts: a score tells the value from others. Or
        it leaves out what has a certain one, such as -100.
        """
        task, limit = self._task, self._limit(CLASS)
        shape = (1, limit) if task.network.head != "step" else (task.length, 1, limit)
        outputs = np.random.default_rng(0).normal(size=shape)
        beside = np.array([value, value - 1, value + 1, value + limit])
        beside = beside.clip(-(2**31), 2**31 - 1).astype(np.int32)

        @jax.jit
        def losses(rows):
            batch = task.batch(rows, _keys(size)[row : row + 1])

            def loss(target):
                targets = jnp.full(shape[:-1], target)
                return task.totals(outputs, batch._replace(targets=targets))["loss"]

            return jax.vmap(loss)(beside)

        one = jax.tree.map(lambda leaf: leaf[row : row + 1], rows)
        total, count = map(np.asarray, losses(one))
        is_left_out = total[0] == 0 if task.is_endless else count[0] == 0
        is_same = np.isnan(total[0]) or (total[0] == total[1:]).any()
        return bool(is_same and not is_left_out)

    def _refuse(self, name: str, value: int, where: str):
        limit = self._limit(name)
        size = {SOURCE: "source", TOKEN: "inputs", CLASS: "outputs"}[name]
        raise errors.UsageError(
            f"{self._task}: {where}: {name} {value} is none of 0 to {limit - 1}, the "
            f"{name}{'es' if name == CLASS else 's'} of a network with {size}={limit}; "
            f"correct the data or the task's network"
        )


def _least_and_greatest(found: np.ndarray) -> list[tuple[int, int]]:
    """(row, value) of each in [2, B]."""
    rows = int(found[0].argmin()), int(found[1].argmax())
    return [(row, int(found[place, row])) for place, row in enumerate(rows)]


def _is_whole(leaf, shape: tuple) -> bool:
    """Whether it is an array of whole numbers of that shape."""
    whole = isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jnp.integer)
    return whole and leaf.shape == shape


def _keys(count: int) -> jax.Array:
    return jax.random.split(jax.random.key(0), count)
