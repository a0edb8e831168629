"""What multiplies a value of the loop and is known before is multiplied before.

A derivative is linear in the adjoint, so its step is full of rows such as
((a * g) * i) * (1 - i), whose factors do not depend on the adjoint a. Here the loop
reads one row, g i (1 - i), in place of three, and multiplies once. The coefficient of a
chain of products is the chain applied to one. Masks stay choices, since 0 times what is
not finite is not 0.
"""

import collections
import dataclasses
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax

from rnn_research.engines.backward import is_spread
from rnn_research.kernels.equations import Equation, Name, Number, Program
from rnn_research.kernels.multiples import SUMS, read_once


class Coefficient(NamedTuple):
    """What a value is multiplied with.

    Attributes:
      name: the coefficient; None: one.
      streamed: it is read at each time, a row of features for each sequence.
    """

    name: Name | Number | None = None
    streamed: bool = False


ONE = Coefficient()
Terms = dict[Name, Coefficient]


def gathered(program: Program) -> Program:
    """The program with less to read and to do in the loop, or as it was.

    Values are as before, but for rounding, and where the factors' product overflows.
    """
    programs = program, _Gathering(program).gathered()
    once = [read_once(each, _streamed(each)) for each in programs]
    return min(*programs, *once, key=_effort)


def _effort(program: Program) -> tuple[int, int, int]:
    """What the loop reads at each time: rows of features, all rows; its equations."""
    used = [name for each in program.inside for name in each.inputs]
    used = program.in_time.intersection([*used, *program.new])
    return len(_streamed(program) & used), len(used), len(program.inside)


def _streamed(program: Program) -> set[Name]:
    """Rows that vary in time and among features."""
    spread = set()
    for each in program.beside:
        if each.primitive.name == "broadcast_in_dim":
            (given,), (out,) = each.inputs, each.outputs
            dims = each.params["broadcast_dimensions"]
            spread.update([out] if is_spread(given.shape, dims, out.shape) else [])
    return {n for n in program.in_time - spread if len(n.shape) == 2 and n.shape[1] > 1}


class _Gathering:
    """Goes through the equations of the loop and holds multiples back until needed.

    Attributes:
      held: {value: (its equation, its terms)}, where value = sum of coefficient * base.
    """

    def __init__(self, program: Program):
        self.given = program
        self.before, self.beside = list(program.before), list(program.beside)
        self.inside: list[Equation] = []
        self.in_time = program.in_time
        self.streamed = _streamed(program)
        self.stateful = program.made_inside
        self.held: dict[Name, tuple[Equation, Terms]] = {}
        used = [name for each in program.inside for name in each.inputs]
        self.uses = collections.Counter([*used, *program.new, *program.outputs])

    def gathered(self) -> Program:
        for each in self.given.inside:
            if terms := self._terms(each):
                self.held[each.outputs[0]] = each, terms
            else:
                self._emit(each)
        for name in (*self.given.new, *self.given.outputs):
            self._make(name)
        return dataclasses.replace(
            self.given, before=self.before, beside=self.beside, inside=self.inside
        )

    # ------------------------------------------------------- what an equation says

    def _terms(self, equation: Equation) -> Terms | None:
        """Its result as a sum of multiples, or None where it is something else."""
        own = [name for name in equation.inputs if name in self.stateful]
        if equation.primitive.name in SUMS and len(own) == 2:
            return self._sum(equation)
        return self._multiple(equation, own[0]) if self._scales(equation, own) else None

    def _scales(self, equation: Equation, own: list[Name]) -> bool:
        """Whether it multiplies the one value of the state that it is given."""
        kind = equation.primitive.name
        real = [name for name in own if jnp.issubdtype(name.dtype, jnp.floating)]
        if len(own) != 1 or not real or len(own[0].shape) != 2:
            return False
        divides = kind == "div" and equation.inputs[0] is own[0]
        return divides or kind in ("mul", "neg")

    def _multiple(self, equation: Equation, of: Name) -> Terms:
        streamed = not self.streamed.isdisjoint(equation.inputs)
        terms = self._known(of)
        if len(terms) > 1 and (self.uses[of] > 1 or not streamed):
            terms = self._made(of)
        return {
            base: Coefficient(
                self._outside(equation, {of: by}), streamed or by.streamed
            )
            for base, by in terms.items()
        }

    def _sum(self, equation: Equation) -> Terms:
        a, b = equation.inputs
        left = self._summand(a, self._known(b))
        right = self._summand(b, left)
        terms = left | right  # of a + a both are the same
        for base in left.keys() & right.keys():
            both = self._outside(equation, {a: left[base], b: right[base]})
            terms[base] = Coefficient(both, left[base].streamed or right[base].streamed)
        return terms

    def _summand(self, name: Name, other: Terms) -> Terms:
        """The terms of what is added to others.

        It is made first where a coefficient would become a row that need not be read,
        and where a sum is used more than once.
        """
        terms = self._known(name)
        narrow = any(
            by.name is not None and not (by.streamed or other.get(base, ONE).streamed)
            for base, by in terms.items()
        )
        several = len(terms) > 1 and self.uses[name] > 1
        return self._made(name) if narrow or several else terms

    def _known(self, name: Name) -> Terms:
        return self.held[name][1] if name in self.held else {name: ONE}

    def _made(self, name: Name) -> Terms:
        """Of a value that the loop makes from now on: itself."""
        self._make(name)
        return {name: ONE}

    # ----------------------------------------------------------- before the loop

    def _outside(
        self, equation: Equation, given: dict[Name, Coefficient]
    ) -> Name | Number:
        """The result of the equation for these coefficients."""
        if equation.primitive.name in SUMS:  # add_any takes no numbers
            equation = equation._replace(primitive=lax.add_p, params={})
        others = [name for name in equation.inputs if name not in given]
        if equation.primitive.name == "mul" and [*given.values()] == [ONE]:
            return others[0]
        inputs = tuple(
            given[name].name or _one(name) if name in given else name
            for name in equation.inputs
        )
        shape = jnp.broadcast_shapes(*(name.shape for name in inputs))
        out = Name(shape, equation.outputs[0].dtype)
        varies = not self.in_time.isdisjoint(inputs)
        (self.beside if varies else self.before).append(
            equation._replace(inputs=inputs, outputs=(out,))
        )
        if varies:
            self.in_time.add(out)
        return out

    # --------------------------------------------------------------- in the loop

    def _make(self, name):
        """See to it that the loop makes a value that was held."""
        if name not in self.held:
            return
        equation, terms = self.held.pop(name)
        if len(terms) == 1 and not any(by.streamed for by in terms.values()):
            return self._emit(equation)
        parts = []
        for base, by in terms.items():
            part = base
            if by.name is not None:
                part = name if len(terms) == 1 else _like(name)
                self._append(lax.mul_p, (base, by.name), part)
            parts.append(part)
        for i, part in enumerate(parts[1:], 1):
            total = name if i == len(parts) - 1 else _like(name)
            self._append(lax.add_p, (parts[0], part), total)
            parts[0] = total

    def _append(self, primitive, inputs, out: Name):
        self.inside.append(Equation(primitive, {}, inputs, (out,)))

    def _emit(self, equation: Equation):
        for name in equation.inputs:
            self._make(name)
        self.inside.append(equation)


def _one(like: Name) -> Number:
    return Number(np.ones((), like.dtype))


def _like(name: Name) -> Name:
    return Name(name.shape, name.dtype)
