"""How a step becomes a kernel: what it is given, and which steps do not qualify."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_research.kernels import cuts
from rnn_research.kernels.blocks import padded
from rnn_research.kernels.coefficients import gathered
from rnn_research.kernels.equations import Name, Program, Unfit, traced

Tree = Any
WIDEST_STATE = 1024  # features; more would be tens of thousands of instructions


class Matrix(NamedTuple):
    """A matrix that a product of the loop multiplies a row with.

    Attributes:
      summed: its axis that is summed over, or none.
    """

    name: Name
    summed: tuple[int, ...]
    row: Name
    result: Name


@dataclasses.dataclass(frozen=True)
class Plan:
    """How a traced step becomes a kernel.

    Attributes:
      constant, varying: rows that the loop is given, each as (what to read, its shape
        [B or 1, F or 1]).
      matrices: those of the products, by the product's result.
    """

    program: Program
    layout: cuts.Layout
    constant: dict[Name, tuple]
    varying: dict[Name, tuple]
    matrices: dict[Name, Matrix]
    trees: list

    @property
    def weights(self) -> int:
        """Numbers that the matrices have in their tiles, filled up."""
        sizes = self.layout.sizes
        return sum(
            _filled_up(sizes[each.row]) * _filled_up(sizes[each.result])
            for each in self.matrices.values()
            if each.result not in self.layout.thin
        )

    @property
    def written(self) -> list[Name]:
        """The outputs that the loop makes."""
        made = self.program.made_inside
        return list(dict.fromkeys(n for n in self.program.outputs if n in made))

    @property
    def widest(self) -> int:
        """Features of the widest block that is read, multiplied or written."""
        names = {*self.constant, *self.varying, *self.program.carry, *self.matrices}
        names.update(self.written)
        return max(padded(size) for name in names for size in self.layout.sizes[name])

    def sizes(self, name: Name) -> tuple[int, ...]:
        """Features of each block that a value is kept in."""
        return (1,) if name in self.layout.thin else self.layout.sizes[name]

    def has_all_sequences(self, name: Name) -> bool:
        """Whether a row is more than one for all sequences."""
        given = self.constant | self.varying
        shape = given[name][1] if name in given else name.shape
        return shape[0] == self.program.carry[0].shape[0]

    def check_room(self, most: int):
        """Raises `Unfit` if the matrices have more numbers than a chip keeps."""
        if self.weights > most:
            raise Unfit(
                f"its matrices have {self.weights:,} numbers, and {most:,} of this "
                "precision fit on the chip"
            )


def _filled_up(sizes) -> int:
    return sum(map(padded, sizes))


def complaint(body, carry: Tree, at_t: Tree, most: int | None = None) -> str:
    """Why a step cannot become a kernel, or ''.

    Args:
      most: numbers of matrices that fit on the chip; None: any.
    """
    try:
        planned = plan(body, carry, at_t)
        if most is not None:
            planned.check_room(most)
    except Unfit as why:
        return str(why)
    return ""


def plan(body, carry: Tree, at_t: Tree) -> Plan:
    """The plan for body(carry, at_t) -> (carry, outputs), all leaves [B, F] or [B]."""
    _check_carry(carry)
    program, *trees = traced(body, carry, at_t)
    program = gathered(program)
    made = program.made_inside
    sources = {
        each.outputs[0]: each
        for each in (*program.before, *program.beside)
        if each.primitive.name == "broadcast_in_dim"
    }
    in_time = program.in_time
    constant, varying, matrices = {}, {}, {}

    def add_row(name):
        if isinstance(name, Name) and name not in made:
            place = varying if name in in_time else constant
            place[name] = _as_row(name, sources)

    for each in program.inside:
        _check(each, program.carry[0].shape[0])
        if each.primitive.name == "dot_general":
            row, matrix = each.inputs
            if matrix in made or matrix in in_time or row not in made:
                raise Unfit("its step multiplies what depends on the state by itself")
            summed = each.params["dimension_numbers"][0][1]
            result = each.outputs[0]
            matrices[result] = Matrix(matrix, summed, row, result)
        else:
            for name in each.inputs:
                add_row(name)
    for name in program.new:
        add_row(name)
    thin = {n for n, (_, shape) in (constant | varying).items() if shape[1] == 1}
    layout = cuts.layout(program, thin)
    _check_narrow(program, layout)
    return Plan(program, layout, constant, varying, matrices, trees)


def _check_narrow(program: Program, layout: cuts.Layout):
    """A part of one feature would stand for all features beside wider values."""
    takes = [e for e in program.inside if e.primitive.name in ("slice", "split")]
    for each in takes:
        for part in cuts.parts_of(each):
            one = cuts.width(part.part) == 1 < cuts.width(part.whole)
            if one and part.whole not in layout.thin:
                raise Unfit("its step takes one feature out of several")


def _check_carry(carry):
    for leaf in jax.tree.leaves(carry):
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            raise Unfit(f"its state is {leaf.dtype}")
        if leaf.ndim not in (1, 2):
            raise Unfit(f"its state has parts of shape {list(leaf.shape)}, no vectors")
        if leaf.ndim == 2 and leaf.shape[1] > WIDEST_STATE:
            raise Unfit(f"its state has more than {WIDEST_STATE:,} features")


def _check(equation, batch: int):
    cuts.parts_of(equation)
    for out in equation.outputs:
        if len(out.shape) not in (1, 2) or out.shape[0] != batch:
            raise Unfit(
                f"its step makes {list(out.shape)} of the state, no vector a sequence"
            )
        if jnp.issubdtype(out.dtype, jnp.complexfloating):
            raise Unfit("its step makes complex numbers of the state")


def _as_row(name: Name, sources: dict) -> tuple:
    """(what to read, its shape [B or 1, F or 1]) of a value that is used as a row."""
    if name in sources and len(name.shape) == 2:
        source = sources[name].inputs[0]
        shape = [1, 1]
        dims = sources[name].params["broadcast_dimensions"]
        for dim, size in zip(dims, source.shape, strict=True):
            shape[dim] = size
        return source, tuple(shape)
    if len(name.shape) > 2:
        raise Unfit(f"its step combines {list(name.shape)} with the state")
    return name, {0: (1, 1), 1: (*name.shape, 1), 2: name.shape}[len(name.shape)]
