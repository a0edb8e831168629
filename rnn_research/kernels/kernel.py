"""What runs on the chip for a block of the batch, from the first time to the last."""

import dataclasses
from collections import OrderedDict  # which `jax.tree` does not sort
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
        """What stands for a flag that holds, at each time [T].

        It is i + 1 for turn i of the loop, with which `run` compares.
        If 1 stood for it at all times, the compiler would compare a flag where it is
        read, a step ahead, and wait for the memory there.
        """
        turns = jnp.arange(1, self.length + 1)
        return turns[::-1] if self.reverse else turns

    def flat(self, block):
        """A block of features [..., b, P] as it lies in memory, [..., b P]."""
        return lanes.flat(block, self.warps)

    def row(self, array, name: Name, *where) -> blocks.Row:
        """The blocks [..., b, P] of a row of array[where], one after another there."""

        def block(at, features):
            numbers = array[(*where, self._numbers(at, features))]
            return lanes.rows(numbers, self.block, self.warps)

        return [block(*place) for place in self._places(name)]

    def run(self, given, results):
        """Read `given`, a `loop.Given` of refs, and write (outputs, final state)."""
        outputs, final = results
        program, layout = self.planned.program, self.planned.layout
        mine = pl.program_id(0)
        constant = computable(self._read(given.constant, mine), 1)
        tiles = {name: _loaded(matrix) for name, matrix in given.tiles.items()}
        state = computable(self._read(given.state, mine), 1)
        early, late = self.early_and_late(given.varying)
        reading = self.time_to_read(early)

        def read(refs, i):
            return self._read(refs, mine, self._time(i))

        def compute(equations, rows):
            for each in equations:
                made = blocks.results(each, rows, tiles, layout, self.backend)
                rows |= zip(each.outputs, made, strict=True)

        def step(i, carried):
            state, varying = carried
            rows = dict(zip(program.carry, state, strict=True))
            rows |= constant | computable(varying | read(late, i), i + 1)
            compute(program.inside[:reading], rows)
            ahead = read(early, i + 1)
            compute(program.inside[reading:], rows)
            for name, ref in outputs.items():
                self._write(ref, name, rows, self._time(i), mine)
            pairs = zip(program.new, program.carry, strict=True)
            return [self._whole(new, rows, old) for new, old in pairs], ahead

        first = [state[name] for name in program.carry], read(early, 0)
        state, _ = jax.lax.fori_loop(0, self.length, step, first)
        for name, row in zip(program.carry, state, strict=True):
            self._write(final[name], name, {name: row}, mine)

    def early_and_late(self, varying) -> tuple[dict, dict]:
        """What is read a step ahead, and what at the beginning of its step."""
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
        def row(name, ref):
            if self.planned.has_all_sequences(name):
                return self.row(ref, name, *time, mine)
            places = self._places(name)
            return [ref[(*time, slice(None), slice(a, a + n))] for a, n in places]

        return OrderedDict((name, row(name, ref)) for name, ref in refs.items())

    def _write(self, ref, name, rows, *where):
        row, places = self._whole(name, rows, name), self._places(name)
        for part, place in zip(row, places, strict=True):
            numbers = self.flat(part.astype(ref.dtype))
            ref[(*where, self._numbers(*place))] = numbers

    def _places(self, name) -> list[tuple[int, int]]:
        return blocks.places(self.planned.sizes(name))

    def _numbers(self, at: int, features: int) -> slice:
        return slice(at * self.block, (at + features) * self.block)

    def _whole(self, name, rows, like) -> blocks.Row:
        """A row of all sequences, in the blocks of another."""
        row = blocks.filled(name, rows, self.planned.sizes(like))
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
