"""Where the rows of a step lie in memory: those of one type side by side."""

import dataclasses
import functools
from collections import Counter, OrderedDict  # which `jax.tree` does not sort
from typing import Any, NamedTuple

import jax.numpy as jnp

from rnn_research.kernels import lanes
from rnn_research.kernels.blocks import Row, padded, places
from rnn_research.kernels.equations import Name
from rnn_research.kernels.plan import Plan


class Place(NamedTuple):
    """Where a row lies in memory: all its blocks, one after another.

    Attributes:
      array: the key of an array. Rows of one type share one, side by side.
      start: the row's first number there.
      numbers: how many it has, for each block of the batch.
    """

    array: Any
    start: int
    numbers: int


@dataclasses.dataclass(frozen=True)
class Memory:
    """The places of all rows that a kernel reads and writes.

    Attributes:
      block: sequences that are done together.
      warps: of 32 threads, that do them.
    """

    planned: Plan
    block: int
    warps: int

    @functools.cached_property
    def constant(self) -> dict[Name, Place]:
        """Rows that are the same at all times."""
        return self._side_by_side(self.planned.constant)

    @functools.cached_property
    def varying(self) -> dict[Name, Place]:
        """Rows that are read at each time."""
        return self._side_by_side(self.planned.varying)

    @functools.cached_property
    def state(self) -> dict[Name, Place]:
        """Rows of the state, before the first time and after the last."""
        return self._side_by_side(self.planned.program.carry)

    @functools.cached_property
    def outputs(self) -> dict[Name, Place]:
        """Rows that are written at each time."""
        program = self.planned.program
        return self._side_by_side(
            dict.fromkeys(n for n in program.outputs if n in program.made_inside)
        )

    def _side_by_side(self, names) -> dict[Name, Place]:
        """Places of rows: side by side, or alone if they are one for all sequences."""
        found, ends = {}, Counter()
        for name in names:
            numbers = sum(map(padded, self.planned.sizes(name)))
            array = name
            if self.planned.has_all_sequences(name):
                array, numbers = stored(name.dtype), numbers * self.block
            found[name] = Place(array, ends[array], numbers)
            ends[array] += numbers
        return found

    def flat(self, block):
        """A block of features [..., b, P] as it lies in memory, [..., b P]."""
        return lanes.flat(block, self.warps)

    def row(self, array, start: int, sizes, *where) -> Row:
        """The blocks [..., b, P] of a row that begins at `start` of array[where]."""

        def block(at, features):
            numbers = array[(*where, self._numbers(start, at, features))]
            return lanes.rows(numbers, self.block, self.warps)

        return [block(at, padded(size)) for at, size in places(sizes)]

    def read(self, where, refs, mine, *time) -> OrderedDict[Name, Row]:
        """Rows by name, of the block of the batch that is `mine`."""

        def row(name, place):
            ref, sizes = refs[place.array], self.planned.sizes(name)
            if place.array is not name:
                return self.row(ref, place.start, sizes, *time, mine)
            parts = [(at, at + padded(size)) for at, size in places(sizes)]
            return [ref[(*time, slice(None), slice(*part))] for part in parts]

        return OrderedDict((name, row(name, place)) for name, place in where.items())

    def write(self, refs, place, row, sizes, *where):
        """Write a row to its place in refs[where]."""
        ref = refs[place.array]
        for part, (at, size) in zip(row, places(sizes), strict=True):
            numbers = self._numbers(place.start, at, padded(size))
            ref[(*where, numbers)] = self.flat(part.astype(ref.dtype))

    def _numbers(self, start: int, at: int, features: int) -> slice:
        first = start + at * self.block
        return slice(first, first + features * self.block)


def stored(dtype):
    """The type in memory: flags are numbers."""
    return jnp.dtype(jnp.int32 if jnp.issubdtype(dtype, jnp.bool_) else dtype)
