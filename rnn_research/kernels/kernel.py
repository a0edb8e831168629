"""What runs on the chip for a block of the batch, from the first time to the last."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl

from rnn_research.kernels import blocks
from rnn_research.kernels.blocks import wide
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

    def run(self, given, results):
        """Read `given`, a `loop.Given` of refs, and write (outputs, final state)."""
        outputs, final = results
        program, sizes = self.planned.program, self.planned.layout.sizes
        mine = pl.ds(pl.program_id(0) * self.block, self.block)
        constant = self._read(given.constant, mine)
        tiles = {name: _loaded(matrix) for name, matrix in given.tiles.items()}
        state = self._read(given.state, mine)
        early, late = self._early(given.varying)
        at = self.time_to_read(early)
        before, after = program.inside[:at], program.inside[at:]

        def step(i, carried):
            state, varying = carried
            rows = dict(zip(program.carry, state, strict=True))
            rows |= dict(zip(given.constant, constant, strict=True))
            rows |= dict(zip(early, varying, strict=True))
            read = self._read(late, mine, self._time(i))
            rows |= dict(zip(late, read, strict=True))
            where = self.planned.layout, self.backend
            rows = blocks.run(before, rows, tiles, *where)
            ahead = self._read(early, mine, self._time(i + 1))
            rows = blocks.run(after, rows, tiles, *where)
            for name, ref in outputs.items():
                row = self._whole(name, rows, sizes[name])
                self._write(ref, name, row, self._time(i), mine)
            pairs = zip(program.new, program.carry, strict=True)
            state = [self._whole(new, rows, sizes[old]) for new, old in pairs]
            return state, ahead

        first = state, self._read(early, mine, self._time(0))
        state, _ = jax.lax.fori_loop(0, self.length, step, first)
        for (name, ref), row in zip(final.items(), state, strict=True):
            self._write(ref, name, row, mine)

    def _early(self, varying) -> tuple[dict, dict]:
        """What is read a step ahead, and what is read when it is needed."""
        left, early, late = self.backend.ahead, {}, {}
        for name, ref in varying.items():
            left -= self._values(ref)
            (early if left >= 0 else late)[name] = ref
        return early, late

    def time_to_read(self, early) -> int:
        """Before which equation the next step's values are read.

        By the first product most of this step's are used, and the next's have their
        registers; where they are many, by the last one.
        """
        kinds = [each.primitive.name for each in self.planned.program.inside]
        products = [i for i, kind in enumerate(kinds) if kind == "dot_general"]
        many = sum(map(self._values, early.values())) >= self.backend.many
        return products[-1 if many else 0] if products else 0

    def _values(self, ref) -> int:
        return ref.shape[-1] * min(ref.shape[-2], self.block)

    def _time(self, i):
        """The time of a turn of the loop; that of the last where there are no more."""
        i = jnp.minimum(i, self.length - 1)
        return self.length - 1 - i if self.reverse else i

    def _read(self, refs, mine, *time) -> list[blocks.Row]:
        def read(name, ref, features):
            rows = mine if ref.shape[-2] > 1 else slice(None)
            part = ref[(*time, rows, features)]
            flag = jnp.issubdtype(name.dtype, jnp.bool_)
            return part != 0 if flag else part.astype(wide(part.dtype))

        return [
            [read(name, ref, features) for features in self._features(name, ref)]
            for name, ref in refs.items()
        ]

    def _write(self, ref, name, row, *where):
        for part, features in zip(row, self._features(name, ref), strict=True):
            ref[(*where, features)] = part.astype(ref.dtype)

    def _features(self, name, ref) -> list:
        """Where the blocks of a value are in its array."""
        if ref.shape[-1] == 1:
            return [slice(None)]
        places = blocks.places(self.planned.layout.sizes[name])
        return [pl.ds(at, blocks.padded(size)) for at, size in places]

    def _whole(self, name, rows, sizes) -> blocks.Row:
        row = blocks.filled(name, rows, sizes)
        return [jnp.broadcast_to(part, (self.block, part.shape[1])) for part in row]


def _loaded(matrix):
    return [[ref[...] for ref in row] for row in matrix]
