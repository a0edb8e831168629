"""The equations of a step: in a row, only those needed, sorted by what they depend on.

A step is traced to a jaxpr. Calls in it are replaced by what they call, and equations
whose results nobody reads are dropped, such as those of a derivative not asked for.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend import core

Tree = Any


class Unfit(Exception):
    """Why a step cannot become a kernel, as the end of a sentence."""


@dataclasses.dataclass(frozen=True, eq=False)
class Name:
    """A value of the step, known by its shape [B, F] and its type."""

    shape: tuple[int, ...]
    dtype: Any


@dataclasses.dataclass(frozen=True, eq=False)
class Number:
    """A scalar written into the step itself."""

    value: np.ndarray

    @property
    def shape(self):
        return ()


class Equation(NamedTuple):
    primitive: Any
    params: dict
    inputs: tuple[Name | Number, ...]
    outputs: tuple[Name, ...]


@dataclasses.dataclass(frozen=True)
class Program:
    """A traced step.

    Attributes:
      carry: names of the state's leaves.
      streams: names of the leaves given at each time.
      new: names of the new state's leaves.
      outputs: names of what the step gives out.
      known: arrays that the step closes over.
      before: equations that need neither the state nor what varies in time.
      beside: those that need what varies in time but not the state.
      inside: those that need the state, all that the loop does.
    """

    carry: list[Name]
    streams: list[Name]
    new: list[Name | Number]
    outputs: list[Name | Number]
    known: dict[Name, Any]
    before: list[Equation]
    beside: list[Equation]
    inside: list[Equation]

    @property
    def in_time(self) -> set[Name]:
        """What varies in time and needs no state."""
        made = (name for each in self.beside for name in each.outputs)
        return {*self.streams, *made}

    @property
    def made_inside(self) -> set[Name]:
        return {*self.carry, *(name for each in self.inside for name in each.outputs)}


def traced(body, carry: Tree, at_t: Tree) -> tuple[Program, Tree, Tree]:
    """The program of body(carry, at_t) -> (carry, outputs), and both trees of results.

    Args:
      carry: leaves [B, F] or [B].
      at_t: what is given at one time, leaves [B, F] or [B].
    """
    closed, (new, outputs) = jax.make_jaxpr(body, return_shape=True)(carry, at_t)
    jaxpr, known, equations = closed.jaxpr, {}, []
    given = [Name(tuple(v.aval.shape), v.aval.dtype) for v in jaxpr.invars]
    found = _inlined(jaxpr, closed.consts, given, known, equations)
    count = len(jax.tree.leaves(carry))
    equations = _needed(equations, found)
    varying, stateful = set(given[count:]), set(given[:count])
    before, beside, inside = [], [], []
    for each in equations:
        if stateful.intersection(each.inputs):
            inside.append(each)
            stateful.update(each.outputs)
        elif varying.intersection(each.inputs):
            beside.append(each)
            varying.update(each.outputs)
        else:
            before.append(each)
    results = found[:count], found[count:]
    program = Program(
        given[:count], given[count:], *results, known, before, beside, inside
    )
    return program, jax.tree.structure(new), jax.tree.structure(outputs)


def evaluate(equations: list[Equation], values: dict) -> dict:
    """`values` with the results of the equations added."""
    for each in equations:
        params = each.primitive.get_bind_params(each.params)
        made = each.primitive.bind(*(value(a, values) for a in each.inputs), **params)
        values |= zip(
            each.outputs,
            made if each.primitive.multiple_results else [made],
            strict=True,
        )
    return values


def value(atom: Name | Number, values: dict):
    return atom.value if isinstance(atom, Number) else values[atom]


def _inlined(jaxpr, consts, given, known, equations) -> list[Name | Number]:
    """Append the equations of a jaxpr of these inputs; its results."""
    names = dict(zip(jaxpr.invars, given, strict=True))
    for var, const in zip(jaxpr.constvars, consts, strict=True):
        names[var] = Name(tuple(var.aval.shape), var.aval.dtype)
        known[names[var]] = const

    def atom(var):
        if isinstance(var, core.Literal):
            return _number(var)
        return names[var]

    for eqn in jaxpr.eqns:
        inputs = tuple(atom(var) for var in eqn.invars)
        if called := _called(eqn):
            results = _inlined(*called, inputs, known, equations)
        elif eqn.primitive.name in PASS_ON:
            results = inputs
        else:
            results = tuple(
                Name(tuple(v.aval.shape), v.aval.dtype) for v in eqn.outvars
            )
            equations.append(Equation(eqn.primitive, eqn.params, inputs, results))
        names |= zip(eqn.outvars, results, strict=True)
    return [atom(var) for var in jaxpr.outvars]


PASS_ON = {"stop_gradient", "optimization_barrier", "copy", "copy_p"}
LOOPS = {"scan", "while", "cond"}


def _called(eqn):
    """(jaxpr, consts) of what an equation calls, or None."""
    if eqn.primitive.name in LOOPS:
        return None
    for param in eqn.params.values():
        if isinstance(param, core.ClosedJaxpr):
            found = param.jaxpr, param.consts
        elif isinstance(param, core.Jaxpr):
            found = param, ()
        else:
            continue
        if len(found[0].invars) == len(eqn.invars):
            return found
    return None


def _number(literal) -> Number:
    return Number(np.asarray(literal.val, literal.aval.dtype))


def _needed(equations, results) -> list[Equation]:
    wanted, kept = set(results), []
    for each in reversed(equations):
        if wanted.intersection(each.outputs):
            kept.append(each)
            wanted.update(each.inputs)
    return kept[::-1]
