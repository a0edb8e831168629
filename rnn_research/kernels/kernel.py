"""What runs on the chip for a block of the batch, from the first time to the last."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl

from rnn_research.kernels import blocks
from rnn_research.kernels.blocks import wide
from rnn_research.kernels.equations import Name
from rnn_research.kernels.memory import Memory, Place
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

    @functools.cached_property
    def memory(self) -> Memory:
        warps = self.backend.warps(self.planned.widest)
        return Memory(self.planned, self.block, warps)

    @property
    def marks(self):
        """What stands for a flag that holds, at each time [T]: the number of its turn.

        Where it is the same at all times, the compiler compares a flag where it is read
        a step ahead, and waits for the memory there.
        """
        turns = jnp.arange(1, self.length + 1)
        return turns[::-1] if self.reverse else turns

    def run(self, given, results):
        """Read `given`, a `loop.Given` of refs, and write (outputs, final state)."""
        outputs, final = results
        program, sizes = self.planned.program, self.planned.sizes
        memory = self.memory
        mine = pl.program_id(0)
        constant = computable(memory.read(memory.constant, given.constant, mine), 1)
        tiles = {name: _loaded(matrix) for name, matrix in given.tiles.items()}
        state = computable(memory.read(memory.state, given.state, mine), 1)
        early, late = self.early_and_late()
        reading = self.time_to_read(early)

        def read(places, i):
            return memory.read(places, given.varying, mine, self._time(i))

        def compute(rows, first, last, i):
            """`rows` with the results of these equations, at turn i of the loop."""
            for at in range(first, last):
                rows |= computable(read(late.get(at, {}), i), i + 1)
                each = program.inside[at]
                where = self.planned.layout, self.backend
                made = blocks.results(each, rows, tiles, *where)
                rows |= zip(each.outputs, made, strict=True)
            return rows

        def step(i, carried):
            state, varying = carried
            rows = dict(zip(program.carry, state, strict=True))
            rows |= constant | computable(varying, i + 1)
            rows = compute(rows, 0, reading, i)
            ahead = read(early, i + 1)
            rows = compute(rows, reading, len(program.inside), i)
            for name, place in memory.outputs.items():
                row = self._whole(name, rows, sizes(name))
                memory.write(outputs, place, row, sizes(name), self._time(i), mine)
            pairs = zip(program.new, program.carry, strict=True)
            state = [self._whole(new, rows, sizes(old)) for new, old in pairs]
            return state, ahead

        first = [state[name] for name in program.carry], read(early, 0)
        state, _ = jax.lax.fori_loop(0, self.length, step, first)
        for (name, place), row in zip(memory.state.items(), state, strict=True):
            memory.write(final, place, row, sizes(name), mine)

    def early_and_late(self) -> tuple[dict, dict]:
        """Rows that are read a step ahead, and, by number of an equation, before it.

        The latter while the one before that needs them is computed.
        """
        inside, left = self.planned.program.inside, self.backend.ahead
        early, late = {}, {}
        for name, place in self.memory.varying.items():
            left -= place.numbers
            if left >= 0 or not inside:
                early[name] = place
                continue
            users = (at for at, each in enumerate(inside) if name in each.inputs)
            before = max(0, next(users, len(inside)) - 1)
            late.setdefault(before, {})[name] = place
        return early, late

    def time_to_read(self, early: dict[Name, Place]) -> int:
        """Before which equation the next step's values are read.

        By the first product most of this step's are used, and the next's have their
        registers; where they are many, by the last one.
        """
        kinds = [each.primitive.name for each in self.planned.program.inside]
        products = [i for i, kind in enumerate(kinds) if kind == "dot_general"]
        many = sum(place.numbers for place in early.values()) >= self.backend.many
        return products[-1 if many else 0] if products else 0

    def _time(self, i):
        """The time of a turn of the loop; that of the last where there are no more."""
        i = jnp.minimum(i, self.length - 1)
        return self.length - 1 - i if self.reverse else i

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
