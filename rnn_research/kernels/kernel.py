"""What runs on the chip for a block of the batch, from the first time to the last."""

import dataclasses
from collections import OrderedDict  # which `jax.tree` does not sort
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl

from rnn_research.kernels import blocks, lanes
from rnn_research.kernels.blocks import padded, wide
from rnn_research.kernels.equations import Name, Unfit
from rnn_research.kernels.memory import Memory
from rnn_research.kernels.plan import Plan

MOST_NUMBERS = 2**31 - 1  # of a row at all times: positions are of 32 bits


@dataclasses.dataclass(frozen=True)
class Kernel:
    """The loop over time of a step.

    Attributes:
      length: T.
      grid: blocks of the batch.
      block: sequences that are done together.
      reverse: from the last time to the first.
    """

    planned: Plan
    backend: Any
    length: int
    grid: int
    block: int
    reverse: bool

    def __post_init__(self):
        names = *self.planned.varying, *self.planned.written
        at_a_time = self.grid * max(map(self.numbers, names), default=0)
        if at_a_time * (self.length + 1) > MOST_NUMBERS:  # one time is looked ahead
            raise Unfit(
                f"an array of {at_a_time * self.length:,} numbers goes through it, and "
                f"{MOST_NUMBERS - at_a_time:,} are the most"
            )

    @property
    def warps(self) -> int:
        """Of 32 threads, for a block of the batch."""
        return self.backend.warps(self.planned.widest)

    @property
    def stages(self) -> int:
        """Steps that are in flight, with the copies of late rows to the chip."""
        _, late = self.early_and_late()
        return self.backend.stages(self.planned.weights, sum(map(self.numbers, late)))

    def numbers(self, name: Name) -> int:
        """Of a row at a time, for a block of the batch."""
        features = sum(map(padded, self.planned.sizes(name)))
        return features * (self.block if self.planned.has_all_sequences(name) else 1)

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
            numbers = array[(*where, self._slice(at, features))]
            return lanes.rows(numbers, self.block, self.warps)

        return [block(*place) for place in self.places(name)]

    def run(self, given, results):
        """Read `given`, a `loop.Given` of refs, and write (outputs, final state)."""
        outputs, final = results
        program, layout = self.planned.program, self.planned.layout
        memory = Memory(self, pl.program_id(0))
        constant = computable(self._whole_rows(given.constant, memory.mine), 1)
        tiles = {name: _loaded(matrix) for name, matrix in given.tiles.items()}
        state = computable(self._whole_rows(given.state, memory.mine), 1)
        early, late = self.early_and_late()
        reading = self.time_to_read()

        def read(names, *at):
            rows = (memory.read(given.varying[name], name, *at) for name in names)
            return OrderedDict(zip(names, rows, strict=True))

        def step(i, carried):
            state, ahead, here = carried
            rows = dict(zip(program.carry, state, strict=True))
            rows |= constant | computable(ahead, i + 1)

            def read_late(names):
                left = [name for name in late if name not in rows]
                wanted = [name for name in left if name in names]
                rows.update(computable(read(wanted, i, here), i + 1))

            def compute(equations):
                for each in equations:
                    read_late(each.inputs)
                    made = blocks.results(each, rows, tiles, layout, self.backend)
                    rows.update(zip(each.outputs, made, strict=True))

            compute(program.inside[:reading])
            there = memory.after(here)
            ahead = read(early, i + 1, there)
            compute(program.inside[reading:])
            read_late(program.new)
            for name, ref in outputs.items():
                memory.write(ref, name, self._full(name, rows, name), i, here)
            pairs = zip(program.new, program.carry, strict=True)
            return [self._full(new, rows, old) for new, old in pairs], ahead, there

        start = memory.start()
        first = [state[name] for name in program.carry], read(early, 0, start), start
        state, *_ = jax.lax.fori_loop(0, self.length, step, first)
        for name, row in zip(program.carry, state, strict=True):
            for part, place in zip(row, self.places(name), strict=True):
                numbers = self.flat(part.astype(final[name].dtype))
                final[name][memory.mine, self._slice(*place)] = numbers

    def early_and_late(self) -> tuple[list[Name], list[Name]]:
        """What is read a step ahead, and what in its step, where it is used."""
        left, early, late = self.backend.ahead, [], []
        for name in self.planned.varying:
            left -= self.numbers(name)
            (early if left >= 0 else late).append(name)
        return early, late

    def time_to_read(self) -> int:
        """Before which equation the next step's values are read.

        By the first product most of this step's are used, and the next's have their
        registers; where they are many, by the last one.
        """
        kinds = [each.primitive.name for each in self.planned.program.inside]
        products = [i for i, kind in enumerate(kinds) if kind == "dot_general"]
        early, _ = self.early_and_late()
        many = sum(map(self.numbers, early)) >= self.backend.many
        return products[-1 if many else 0] if products else 0

    def _whole_rows(self, refs, mine) -> OrderedDict[Name, blocks.Row]:
        def row(name, ref):
            if self.planned.has_all_sequences(name):
                return self.row(ref, name, mine)
            return [ref[:, slice(a, a + n)] for a, n in self.places(name)]

        return OrderedDict((name, row(name, ref)) for name, ref in refs.items())

    def places(self, name) -> list[tuple[int, int]]:
        return blocks.places(self.planned.sizes(name))

    def _slice(self, at: int, features: int) -> slice:
        return slice(at * self.block, (at + features) * self.block)

    def _full(self, name, rows, like) -> blocks.Row:
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
