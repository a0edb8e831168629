"""The law of `matrices`: what a cell names is what its step multiplies the state with.

The step is traced and evaluated equation by equation; a value that depends on the state
is told from one that does not, and where two of them meet in a product the other factor
is noted.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal

from rnn_research.checks.report import ROUNDING, Fault, Law

Tree = Any


class Products(NamedTuple):
    """What a function multiplies its argument, and what is made of it, with."""

    matrices: list  # [n, m] each, v @ M
    vectors: list  # [n] each, v * a


def products(function, argument: Tree) -> Products:
    """Of a function of a tree without batch axes."""
    found = Products([], [])
    traced = jax.make_jaxpr(function)(argument)
    leaves = [(leaf, True) for leaf in jax.tree.leaves(argument)]
    _evaluate(traced.jaxpr, [(const, False) for const in traced.consts], leaves, found)
    return found


def _evaluate(jaxpr, constants: list, arguments: list, found: Products) -> list:
    """(value, whether it depends on the argument) of every output."""
    known = dict(zip(jaxpr.constvars, constants, strict=True))
    known |= dict(zip(jaxpr.invars, arguments, strict=True))

    def read(atom):
        return (atom.val, False) if isinstance(atom, Literal) else known[atom]

    for equation in jaxpr.eqns:
        inputs = [read(atom) for atom in equation.invars]
        inner = equation.params.get("jaxpr", equation.params.get("call_jaxpr"))
        if equation.primitive.name == "scan":
            outputs = _evaluate_scan(equation, inputs, found)
        elif _is_call(inner, inputs):
            outputs = _evaluate_closed(inner, inputs, found)
        else:
            _note(equation, inputs, found)
            values = [value for value, _ in inputs]
            new = equation.primitive.bind(*values, **equation.params)
            new = new if equation.primitive.multiple_results else [new]
            depends = any(depends for _, depends in inputs)
            outputs = [(value, depends) for value in new]
        known |= dict(zip(equation.outvars, outputs, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _is_call(inner, inputs: list) -> bool:
    """Whether it is a jaxpr that takes these inputs, as that of a jit."""
    takes = getattr(inner, "in_avals", getattr(inner, "invars", None))
    return takes is not None and len(takes) == len(inputs)


def _evaluate_closed(inner, inputs: list, found: Products) -> list:
    """Of a jaxpr with or without constants of its own."""
    own = [(const, False) for const in getattr(inner, "consts", ())]
    return _evaluate(getattr(inner, "jaxpr", inner), own, inputs, found)


def _evaluate_scan(equation, inputs: list, found: Products) -> list:
    """A loop of the step's own, turn by turn.

    What is carried has the axes that it has within the loop, what is given or given
    out turn by turn one more; how a scan says their numbers depends on the JAX.
    """
    params = equation.params
    inner = params["jaxpr"]
    carried = _as_within(equation.outvars, inner.out_avals)
    fixed = _as_within(equation.invars, inner.in_avals) - carried
    constants, carry, given = (
        inputs[:fixed],
        inputs[fixed : fixed + carried],
        inputs[fixed + carried :],
    )
    turns, each = range(params["length"]), []
    for turn in reversed(turns) if params["reverse"] else turns:
        own = [(leaf[turn], depends) for leaf, depends in given]
        new = _evaluate_closed(params["jaxpr"], constants + carry + own, found)
        carry = new[:carried]
        each.append(new[carried:])
    each = each[::-1] if params["reverse"] else each
    stacked = [
        (jnp.stack([leaf for leaf, _ in leaves]), any(d for _, d in leaves))
        for leaves in zip(*each, strict=True)
    ]
    return carry + stacked


def _as_within(atoms, avals) -> int:
    """How many of a scan's inputs or outputs have the axes of those of a turn."""
    pairs = zip(atoms, avals, strict=True)
    return sum(atom.aval.ndim == aval.ndim for atom, aval in pairs)


def _note(equation, inputs: list, found: Products):
    if equation.primitive.name not in ("dot_general", "mul"):
        return
    place = [index for index, (_, depends) in enumerate(inputs) if not depends]
    if len(place) != 1:
        return
    factor = np.asarray(inputs[place[0]][0])
    if equation.primitive.name == "mul":
        shape = equation.outvars[0].aval.shape
        found.vectors.append(np.broadcast_to(factor, shape).ravel())
        return
    contracted, batch = equation.params["dimension_numbers"]
    rows, heads = list(contracted[place[0]]), list(batch[place[0]])
    columns = [i for i in range(factor.ndim) if i not in rows + heads]
    size = [factor.shape[i] for i in rows]
    by_head = factor.transpose(heads + rows + columns)
    found.matrices.extend(
        by_head.reshape(
            int(np.prod(by_head.shape[: len(heads)])), int(np.prod(size)), -1
        )
    )


# ------------------------------------------------------------------------ the law


def _named_matrices(s) -> float:
    """Each is a block of a product, of two one after the other, or the transition."""
    h, u = (jax.tree.map(lambda leaf: leaf[0], tree) for tree in (s.state, s.u_at(0)))
    found = products(lambda h: s.cell.step(s.w, h, u), h)
    wholes = list(found.matrices)
    wholes += [A @ B for A in wholes for B in found.matrices if A.shape[1] == len(B)]
    if s.cell.transition is not None:
        leaf = jax.tree.leaves(h)[0]
        basis = jnp.eye(leaf.shape[-1], dtype=leaf.dtype)
        wholes.append(np.asarray(s.cell.transition(s.w, basis)))
    worst = 0.0
    for name, M in s.cell.matrices(s.w).items():
        M = np.asarray(M)
        if M.ndim < 2 or M.shape[-1] != M.shape[-2]:
            raise Fault(f"matrices: {name} is {list(M.shape)}, not [.., N, N]")
        error = min(_as_blocks(M, wholes), _as_vectors(M, found.vectors))
        if not error <= ROUNDING:
            raise Fault(
                f"matrices: step multiplies no part of the state with {name}; M is "
                "what stands in h @ M, formed from the weights that step itself reads"
            )
        worst = max(worst, error)
    return worst


def _as_blocks(M: np.ndarray, wholes: list) -> float:
    """The distance of each [N, N] in M to the nearest block of the wholes."""
    size, scale = M.shape[-1], max(np.abs(M).max(initial=0.0), 1e-300)

    def nearest(one) -> float:
        distances = [np.inf]
        for whole in wholes:
            if min(whole.shape) >= size:
                blocks = np.lib.stride_tricks.sliding_window_view(whole, (size, size))
                distances.append(np.abs(blocks - one).max(axis=(-2, -1)).min())
        return min(distances)

    return max(nearest(one) for one in M.reshape(-1, size, size)) / scale


def _as_vectors(M: np.ndarray, vectors: list) -> float:
    """The distance to a matrix whose entries are what units are multiplied with.

    One of [.., N, N] that is diagonal, or one of [n, k, k] for n units of k parts.
    """
    size, scale = M.shape[-1], max(np.abs(M).max(initial=0.0), 1e-300)
    diagonal = np.diagonal(M, axis1=-2, axis2=-1)
    rest = M - diagonal[..., None] * np.eye(size)
    entries = M.reshape(-1, size * size).T

    def nearest(vector) -> float:
        same = [other for other in vectors if other.size == vector.size]
        return min([np.abs(other - vector).max() for other in same], default=np.inf)

    as_diagonal = max(np.abs(rest).max(initial=0.0), nearest(diagonal.ravel()))
    return min(as_diagonal, max(nearest(entry) for entry in entries)) / scale


LAWS = (
    Law(
        "matrices are those of the step",
        _named_matrices,
        ROUNDING,
        "matrices",
        lambda cell: cell.matrices is not None,
    ),
)
