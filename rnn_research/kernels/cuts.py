"""Where the values of a step are cut along their features.

A kernel can neither slice nor join arrays, and its arrays have sizes of powers of two.
So a value [B, F] is a row of blocks, cut wherever some equation slices or joins it: the
product h W of four gates becomes four products. Cuts are found by passing them along
the equations, forth and back, until nothing changes.
"""

import itertools
from typing import NamedTuple

from rnn_research.kernels.equations import Equation, Name, Number, Program, Unfit

MOST_CUTS = 32  # of a value, beside those at each 128 features; more is slow to plan
WIDEST = 128  # features of a block; wider products hold more than a chip's registers

ELEMENTWISE = frozenset(
    "abs acos acosh add add_any and asin asinh atan atan2 atanh cbrt ceil clamp "
    "convert_element_type cos cosh div eq exp exp2 expm1 floor ge gt integer_pow "
    "is_finite le log log1p logistic lt max min mul ne neg not or pow rem round rsqrt "
    "select_n sign sin sinh sqrt square sub tan tanh xor".split()
)
REDUCTIONS = frozenset(["reduce_max", "reduce_min", "reduce_sum"])
SAME_ROWS = frozenset(["broadcast_in_dim", "expand_dims", "reshape", "squeeze"])


class Part(NamedTuple):
    """whole[:, start : start + width of part] is the part."""

    whole: Name
    part: Name
    start: int


class Layout(NamedTuple):
    """How each value of the loop is stored.

    Attributes:
      sizes: features of each block of a value.
      thin: values that are the same for all features, stored as one block [B, 1].
    """

    sizes: dict[Name, tuple[int, ...]]
    thin: set[Name]


def width(name: Name | Number) -> int:
    return name.shape[1] if len(name.shape) == 2 else 1


def layout(program: Program, thin: set[Name]) -> Layout:
    """Blocks of all values of the loop, and of those it is given.

    Args:
      thin: given values that are the same for all features.
    """
    thin = _thin(program, set(thin))
    parts = []
    for each in program.inside:
        joins = each.primitive.name in ("concatenate", "pad")
        found = parts_of(each)
        parts += [p for p in found if joins or not thin.intersection(p[:2])]
    for carry, new in zip(program.carry, program.new, strict=True):
        if isinstance(new, Name):
            parts.append(Part(carry, new, 0))
    names = {*program.carry, *program.new, *program.outputs}
    for each in program.inside:
        names.update(each.inputs, each.outputs)
    names = {name for name in names if isinstance(name, Name)}
    cuts = {name: {*range(WIDEST, width(name), WIDEST)} for name in names}
    while sum(_pass_on(part, cuts) for part in parts):
        for name, own in cuts.items():
            if len(own) > MOST_CUTS + width(name) // WIDEST:
                raise Unfit(
                    f"its step cuts a value into {len(own) + 1} parts, too many"
                )
    sizes = {name: _sizes(cuts[name], width(name)) for name in names}
    return Layout(sizes, thin)


def _sizes(cuts: set[int], width: int) -> tuple[int, ...]:
    borders = sorted({0, *cuts, width})
    return tuple(int(b - a) for a, b in itertools.pairwise(borders))


def _pass_on(part: Part, cuts: dict) -> bool:
    """Pass cuts between a whole and its part; whether any was new."""
    size = width(part.part)
    whole, own = cuts[part.whole], cuts[part.part]
    before = len(whole), len(own)
    borders = {0, size, *own}
    whole |= {b + part.start for b in borders} - {0, width(part.whole)}
    own |= {c - part.start for c in whole if 0 < c - part.start < size}
    return before != (len(whole), len(own))


def _thin(program: Program, thin: set[Name]) -> set[Name]:
    thin.update(name for name in program.carry if width(name) == 1)
    for each in program.inside:
        name = each.primitive.name
        given = [a for a in each.inputs if isinstance(a, Name)]
        keeps = name in ELEMENTWISE | SAME_ROWS or name in ("slice", "split")
        same = keeps and all(a in thin for a in given)
        thin.update(out for out in each.outputs if same or width(out) == 1)
    return thin


def parts_of(equation: Equation) -> list[Part]:
    """Which values are parts of which, by an equation.

    Raises:
      Unfit: it is none that a kernel can do.
    """
    kind, inputs, outputs = equation.primitive.name, equation.inputs, equation.outputs
    if kind in ELEMENTWISE:
        return [Part(outputs[0], a, 0) for a in inputs if len(a.shape) == 2]
    if kind in SAME_ROWS and _keeps_rows(equation):
        same = width(inputs[0]) == width(outputs[0])
        return [Part(outputs[0], inputs[0], 0)] if same else []
    if kind == "slice" and _slices_features(equation):
        return [Part(inputs[0], outputs[0], equation.params["start_indices"][-1])]
    if kind == "split" and equation.params["axis"] == 1:
        return _side_by_side(inputs[0], outputs)
    if kind == "concatenate" and equation.params["dimension"] == 1:
        return _side_by_side(outputs[0], inputs)
    if kind == "pad" and _pads_features(equation):
        return [Part(outputs[0], inputs[0], equation.params["padding_config"][-1][0])]
    if kind == "dot_general" and _by_a_matrix(equation):
        return []
    if kind in REDUCTIONS and equation.params["axes"] == (1,):
        return []
    shapes = ", ".join(str(list(a.shape)) for a in inputs)
    raise Unfit(f"its step does {kind} of {shapes}, which a kernel cannot")


def _side_by_side(whole: Name, parts) -> list[Part]:
    starts = itertools.accumulate(map(width, parts[:-1]), initial=0)
    return [Part(whole, part, start) for part, start in zip(parts, starts, strict=True)]


def _keeps_rows(equation) -> bool:
    """[B] -> [B, 1], [B, 1] -> [B, F], [B, 1] -> [B] and the like."""
    given, made = equation.inputs[0].shape, equation.outputs[0].shape
    if len(given) > 2 or len(made) > 2 or given[:1] != made[:1]:
        return False
    dims = equation.params.get("broadcast_dimensions", (0, 1)[: len(given)])
    return dims == (0, 1)[: len(given)] and given[1:] in ((), (1,), made[1:])


def _slices_features(equation) -> bool:
    given, made = equation.inputs[0].shape, equation.outputs[0].shape
    strides = equation.params["strides"]
    return len(given) == 2 and given[0] == made[0] and strides in (None, (1, 1))


def _pads_features(equation) -> bool:
    (rows, features) = equation.params["padding_config"]
    return rows == (0, 0, 0) and min(features) >= 0 and features[2] == 0


def _by_a_matrix(equation) -> bool:
    """[B, K] by a matrix or vector, or [B] by a vector: [K, N], [N, K], [K], [N]."""
    (left, right), batch = equation.params["dimension_numbers"]
    a, b = (len(each.shape) for each in equation.inputs)
    if any(map(len, batch)):
        return False
    if not left:
        return a == b == 1
    return left == (1,) and len(right) == 1 and a == 2 and b in (1, 2)
