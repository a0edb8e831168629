"""What runs on the chip for a block of the batch, from the first time to the last."""

import dataclasses
from collections import OrderedDict  # unlike a dict, not sorted by `jax.tree`
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl

from rnn_research.kernels import blocks, lanes
from rnn_research.kernels.blocks import wide
from rnn_research.kernels.equations import Name
from rnn_research.kernels.plan import Plan


@dataclasses.dataclass(frozen=True)
class Kernel:
    """The loop over time of a step.

    Attributes:
      length: T.
      block: sequences that are done together.
      reverse: from the last time to the first.
    """

    planned: Plan
    backend: Any
    length: int
    block: int
    reverse: bool

    @property
    def warps(self) -> int:
        """Of 32 threads, for a block of the batch."""
        return self.backend.warps(self.planned.widest)

    @property
    def marks(self):
        """What stands for a flag that holds, at each time [T]: the number of its turn.

        Where it is the same at all times, the compiler compares a flag where it is read
        a step ahead, and waits for the memory there.
        """
        turns = jnp.arange(1, self.length + 1)
        return turns[::-1] if self.reverse else turns

    def flat(self, rows):
        """A block of features [..., b, P] as it lies in memory, [..., b P]."""
        return lanes.flat(rows, self.warps)

    def rows(self, array, at: int, features: int):
        """The block [..., b, P] of these features of a row of blocks in memory."""
        return lanes.rows(array[..., self._place(at, features)], self.block, self.warps)

    def run(self, given, results):
        """Read `given`, a `loop.Given` of refs, and write (outputs, final state)."""
        outputs, final = results
        program, sizes = self.planned.program, self.planned.layout.sizes
        mine = pl.program_id(0)
        constant = computable(self._read(given.constant, mine), 1)
        tiles = {name: _loaded(matrix) for name, matrix in given.tiles.items()}
        state = list(computable(self._read(given.state, mine), 1).values())
        early, late = self._early(given.varying)
        at = self.time_to_read(early)
        before, after = program.inside[:at], program.inside[at:]

        def step(i, carried):
            state, varying = carried
            rows = dict(zip(program.carry, state, strict=True))
            rows |= constant
            read = varying | self._read(late, mine, self._time(i))
            rows |= computable(read, i + 1)
            where = self.planned.layout, self.backend
            rows = blocks.run(before, rows, tiles, *where)
            ahead = self._read(early, mine, self._time(i + 1))
            rows = blocks.run(after, rows, tiles, *where)
            for name, ref in outputs.items():
                row = self._whole(name, rows, sizes[name])
                self._write(ref, row, sizes[name], self._time(i), mine)
            pairs = zip(program.new, program.carry, strict=True)
            state = [self._whole(new, rows, sizes[old]) for new, old in pairs]
            return state, ahead

        first = state, self._read(early, mine, self._time(0))
        state, _ = jax.lax.fori_loop(0, self.length, step, first)
        for (name, ref), row in zip(final.items(), state, strict=True):
            self._write(ref, row, sizes[name], mine)

    def _early(self, varying) -> tuple[dict, dict]:
        """What is read a step ahead, and what is read when it is needed."""
        left, early, late = self.backend.ahead, {}, {}
        for name, ref in varying.items():
            left -= ref.shape[-1]
            (early if left >= 0 else late)[name] = ref
        return early, late

    def time_to_read(self, early) -> int:
        """Before which equation the next step's values are read.

        By the first product most of this step's are used, and the next's have their
        registers; where they are many, by the last one.
        """
        kinds = [each.primitive.name for each in self.planned.program.inside]
        products = [i for i, kind in enumerate(kinds) if kind == "dot_general"]
        many = sum(ref.shape[-1] for ref in early.values()) >= self.backend.many
        return products[-1 if many else 0] if products else 0

    def _time(self, i):
        """The time of a turn of the loop; that of the last where there are no more."""
        i = jnp.minimum(i, self.length - 1)
        return self.length - 1 - i if self.reverse else i

    def _read(self, refs, mine, *time) -> OrderedDict[Name, blocks.Row]:
        rows = ((name, self._row(name, ref, mine, time)) for name, ref in refs.items())
        return OrderedDict(rows)

    def _row(self, name, ref, mine, time) -> blocks.Row:
        thin = name in self.planned.layout.thin
        sizes = (1,) if thin else self.planned.layout.sizes[name]
        same = ref.shape[-1] == sum(map(blocks.padded, sizes))  # for all sequences

        def part(at, features):
            if same:
                return ref[(*time, slice(None), slice(at, at + features))]
            numbers = ref[(*time, mine, self._place(at, features))]
            return lanes.rows(numbers, self.block, self.warps)

        return [part(at, blocks.padded(size)) for at, size in blocks.places(sizes)]

    def _write(self, ref, row, sizes, *where):
        for part, (at, size) in zip(row, blocks.places(sizes), strict=True):
            place = self._place(at, blocks.padded(size))
            ref[(*where, place)] = self.flat(part.astype(ref.dtype))

    def _place(self, at: int, features: int) -> slice:
        return slice(at * self.block, (at + features) * self.block)

    def _whole(self, name, rows, sizes) -> blocks.Row:
        row = blocks.filled(name, rows, sizes)
        return [jnp.broadcast_to(part, (self.block, part.shape[1])) for part in row]


def computable(rows: dict[Name, blocks.Row], mark) -> dict[Name, blocks.Row]:
    """Rows as they were read, in the types that a kernel computes in.

    Args:
      mark: the number that stands for a flag that holds.
    """

    def block(name, part):
        flag = jnp.issubdtype(name.dtype, jnp.bool_)
        return part == mark if flag else part.astype(wide(part.dtype))

    return {name: [block(name, part) for part in row] for name, row in rows.items()}


def _loaded(matrix):
    return [[ref[...] for ref in row] for row in matrix]
