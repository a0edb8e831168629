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
        until_product, rest = _at_first_product(program.inside)

        def step(i, carried):
            state, varying = carried
            rows = dict(zip(program.carry, state, strict=True))
            rows |= dict(zip(given.constant, constant, strict=True))
            rows |= dict(zip(early, varying, strict=True))
            read = self._read(late, mine, self._time(i))
            rows |= dict(zip(late, read, strict=True))
            where = self.planned.layout, self.backend
            rows = blocks.run(until_product, rows, tiles, *where)
            ahead = self._read(early, mine, self._time(i + 1))
            rows = blocks.run(rest, rows, tiles, *where)
            for name, refs in outputs.items():
                row = self._whole(name, rows, sizes[name])
                for ref, part in zip(refs, row, strict=True):
                    ref[self._time(i), mine, :] = part.astype(ref.dtype)
            pairs = zip(program.new, program.carry, strict=True)
            state = [self._whole(new, rows, sizes[old]) for new, old in pairs]
            return state, ahead

        first = state, self._read(early, mine, self._time(0))
        state, _ = jax.lax.fori_loop(0, self.length, step, first)
        for refs, row in zip(final.values(), state, strict=True):
            for ref, part in zip(refs, row, strict=True):
                ref[mine, :] = part.astype(ref.dtype)

    def _early(self, varying) -> tuple[dict, dict]:
        """What is read a step ahead, and what is read when it is needed."""
        left, early, late = self.backend.ahead, {}, {}
        for name, row in varying.items():
            left -= sum(ref.shape[-1] * min(ref.shape[-2], self.block) for ref in row)
            (early if left >= 0 else late)[name] = row
        return early, late

    def _time(self, i):
        """The time of a turn of the loop; that of the last where there are no more."""
        i = jnp.minimum(i, self.length - 1)
        return self.length - 1 - i if self.reverse else i

    def _read(self, rows, mine, *time) -> list[blocks.Row]:
        def read(name, ref):
            part = ref[(*time, mine if ref.shape[-2] > 1 else slice(None), slice(None))]
            flag = jnp.issubdtype(name.dtype, jnp.bool_)
            return part != 0 if flag else part.astype(wide(part.dtype))

        return [[read(name, ref) for ref in row] for name, row in rows.items()]

    def _whole(self, name, rows, sizes) -> blocks.Row:
        row = blocks.filled(name, rows, sizes)
        return [jnp.broadcast_to(part, (self.block, part.shape[1])) for part in row]


def _at_first_product(equations: list) -> tuple[list, list]:
    """Those before the first product, and the others; all are others if there is none.

    Most of what is read is used before: the next step's has its registers then.
    """
    kinds = [each.primitive.name for each in equations]
    at = kinds.index("dot_general") if "dot_general" in kinds else 0
    return equations[:at], equations[at:]


def _loaded(matrix):
    return [[ref[...] for ref in row] for row in matrix]
