"""Rows that are multiples of one row are read once.

The derivative of a norm needs x - mean(x) and also the gain times it. Where rows are
one row times numbers, or times what is the same for all features or all sequences, the
loop reads that row and makes the others as they were made before it.
"""

import collections
import dataclasses

from rnn_research.kernels.equations import Equation, Name, Program

Chain = tuple[Equation, ...]
SUMS = frozenset(["add", "add_any"])


def read_once(program: Program, streamed: set[Name]) -> Program:
    """The program with multiples of what is read made in the loop; values as before.

    Of types narrower than float32 they are more precise than before. Rows that are also
    given out are left as they are, since they exist in any case.

    Args:
      streamed: rows that vary in time and among features.
    """
    repeating = _repeating(program)
    makers = {each.outputs[0]: each for each in program.beside}
    used = dict.fromkeys(name for each in program.inside for name in each.inputs)
    alike = collections.defaultdict(list)
    for name in used:
        if name in streamed and name not in (*program.new, *program.outputs):
            root, chain = _chain(name, makers, streamed, repeating)
            alike[root].append(chain)
    inside, instead = [], {}
    for chains in alike.values():
        if len(chains) > 1:
            common = _common(chains)
            for each in (each for chain in chains for each in chain[common:]):
                _do_inside(each, inside, instead)
    if not inside:
        return program
    inside += [_renamed(each, instead) for each in program.inside]
    return dataclasses.replace(program, inside=inside)


def _repeating(program: Program) -> set[Name]:
    """Rows that repeat something smaller."""
    return {
        each.outputs[0]
        for each in (*program.before, *program.beside)
        if each.primitive.name == "broadcast_in_dim" and _is_small(each.inputs[0].shape)
    }


def _is_small(shape: tuple[int, ...]) -> bool:
    """Whether it is the same for all features or for all sequences."""
    return len(shape) < 2 or 1 in shape


def _chain(name, makers, streamed, repeating) -> tuple[Name, Chain]:
    """(the row that a row is a multiple of, the equations from that one to this)."""
    chain = []
    while each := makers.get(name):
        rows = {given for given in each.inputs if given in streamed}
        others = [given for given in each.inputs if given not in rows]
        if len(rows) != 1 or not _scales(each, others, repeating):
            break
        chain.append(each)
        (name,) = rows
    return name, tuple(reversed(chain))


def _scales(equation: Equation, others: list, repeating: set[Name]) -> bool:
    """Whether the result is a multiple of what it is given besides `others`."""
    kind, inputs = equation.primitive.name, equation.inputs
    if kind in SUMS:
        return not others
    if not (kind in ("mul", "neg") or kind == "div" and inputs[0] not in others):
        return False
    once = len(inputs) == len(others) + 1
    return once and all(a in repeating or _is_small(a.shape) for a in others)


def _common(chains: list[Chain]) -> int:
    """Equations that all chains begin with."""
    alike = 0
    for links in zip(*chains, strict=False):
        if any(link is not links[0] for link in links):
            break
        alike += 1
    return alike


def _do_inside(equation: Equation, inside: list[Equation], instead: dict):
    (out,) = equation.outputs
    if out not in instead:
        own = Name(out.shape, out.dtype)
        inside.append(_renamed(equation, instead)._replace(outputs=(own,)))
        instead[out] = own


def _renamed(equation: Equation, instead: dict) -> Equation:
    inputs = tuple(instead.get(name, name) for name in equation.inputs)
    return equation._replace(inputs=inputs)
