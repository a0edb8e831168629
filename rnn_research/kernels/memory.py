"""Where the rows of a time lie in memory, as the loop over time finds them."""

import dataclasses
from collections import OrderedDict  # which `jax.tree` does not sort
from typing import Any

import jax
import jax.numpy as jnp

from rnn_research.kernels import blocks, lanes
from rnn_research.kernels.equations import Name

# By (numbers of a row, of a block): where the first block's are at a time, [b P].
Positions = OrderedDict[tuple[int, int], jax.Array]


@dataclasses.dataclass(frozen=True)
class Memory:
    """The arrays of rows at all times, for a block of the batch.

    They are flat, [T B / b n] with n numbers of a block of the batch at a time; if a
    row is the same for all sequences, [T, 1, P].

    Attributes:
      mine: the block of the batch.
    """

    kernel: Any
    mine: jax.Array

    def start(self) -> Positions:
        """The positions of all wide blocks at the first time, which the loop carries.

        Were they computed of the time in the loop, the compiler would keep an address
        of each array through it, for which there are no registers. Those of thin rows
        it may keep: their positions take as many.
        """
        planned = self.kernel.planned
        keys = OrderedDict.fromkeys(
            (self.kernel.numbers(name), features * self.kernel.block)
            for name in (*planned.varying, *planned.written)
            if planned.has_all_sequences(name)
            for _, features in self.kernel.places(name)
            if features > 1
        )
        return OrderedDict((key, self._position(*key, 0)) for key in keys)

    def after(self, positions: Positions) -> Positions:
        """Those of the next time; of the last where there are no more."""

        def moved(numbers, block):
            last = self._position(numbers, block, self.kernel.length - 1)
            here, step = positions[numbers, block], self.kernel.grid * numbers
            if self.kernel.reverse:
                return jnp.maximum(here - step, last)
            return jnp.minimum(here + step, last)

        return OrderedDict((key, moved(*key)) for key in positions)

    def read(self, ref, name: Name, i, positions: Positions) -> blocks.Row:
        """A row at turn i of the loop, of which these are the positions."""
        kernel = self.kernel
        if kernel.planned.has_all_sequences(name):
            places = self._places(name, i, positions)
            return [lanes.rows(ref[at], kernel.block, kernel.warps) for at in places]
        return [ref[self._time(i), :, slice(a, a + n)] for a, n in kernel.places(name)]

    def write(self, ref, name: Name, row: blocks.Row, i, positions: Positions):
        """Put a row of all sequences where `read` would find it."""
        for part, at in zip(row, self._places(name, i, positions), strict=True):
            ref[at] = self.kernel.flat(part.astype(ref.dtype))

    def _time(self, i):
        """The time of a turn of the loop; that of the last where there are no more."""
        i = jnp.minimum(i, self.kernel.length - 1)
        return self.kernel.length - 1 - i if self.kernel.reverse else i

    def _position(self, numbers: int, block: int, i):
        """Of the first block of a row at a turn of the loop."""
        start = (self._time(i) * self.kernel.grid + self.mine) * numbers
        return start + jnp.arange(block, dtype=jnp.int32)

    def _places(self, name, i, positions: Positions) -> list[jax.Array]:
        """The positions of each block of a row."""
        numbers, found = self.kernel.numbers(name), []
        for at, features in self.kernel.places(name):
            key = numbers, features * self.kernel.block
            first = positions[key] if key in positions else self._position(*key, i)
            found.append(first + at * self.kernel.block)
        return found
