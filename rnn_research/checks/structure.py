"""The laws of what a cell declares of its structure."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research.cells.activations import FLOATS
from rnn_research.checks.report import (
    EXACT,
    ROUNDING,
    Fault,
    Law,
    difference,
    random_like,
)
from rnn_research.diagnostics.vectors import real_vector

Tree = Any


def step_jacobian(cell, w: Tree, h: Tree, u: Tree) -> jax.Array:
    """dh'/dh of one step without batch axes, dense, complex entries as real pairs.

    Of all of floating point, as engines see it.
    """
    h, u = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], (h, u))
    to_real, from_real = real_vector(FLOATS.read(h))

    def step(vector):
        new = cell.step(w, FLOATS.write(h, from_real(vector)), u)
        return to_real(FLOATS.read(new))

    return jax.jacrev(step)(to_real(FLOATS.read(h)))[0, :, 0]


def _one(tree: Tree) -> Tree:
    return jax.tree.map(lambda leaf: leaf[0], tree)


def _step_jacobian(s) -> np.ndarray:
    u = _one(s.u_at(0))
    jacobian = jax.jit(lambda w, h, u: step_jacobian(s.cell, w, h, u))
    return np.asarray(jacobian(s.w, _one(s.state), u))


def _sparse_jacobian(s) -> float:
    """The largest entry outside of what is declared, relative to the largest."""
    declared = s.cell.structure.jacobian
    jacobian = np.abs(_step_jacobian(s))
    units = []  # the unit, or the block of units, that each real entry is of
    for leaf in jax.tree.leaves(FLOATS.read(_one(s.state))):
        unit = np.arange(leaf.size)
        if declared != "diagonal":
            unit = unit // declared[1]
        units.append(np.tile(unit, 2 if jnp.iscomplexobj(leaf) else 1))
    units = np.concatenate(units)
    outside = jacobian[units[:, None] != units[None, :]]
    return float(outside.max(initial=0.0) / max(jacobian.max(), 1e-300))


def _associative_laws(s) -> float:
    form = s.cell.associative
    element, combine, apply = map(jax.jit, (form.element, form.combine, form.apply))
    e = [element(s.w, s.u_at(t)) for t in range(3)]
    left = combine(combine(e[2], e[1]), e[0])
    right = combine(e[2], combine(e[1], e[0]))
    one_by_one = s.state
    by_step = s.state
    for t in range(3):
        one_by_one = apply(e[t], one_by_one)
        by_step = s.step(s.w, by_step, s.u_at(t))
    errors = {
        "step is not apply(element)": difference(one_by_one, by_step),
        "apply(combine(later, earlier)) is not apply(later) after apply(earlier)": (
            difference(apply(left, s.state), one_by_one)
        ),
        "combine is not associative": difference(
            apply(left, s.state), apply(right, s.state)
        ),
    }
    for fault, error in errors.items():
        if not error <= ROUNDING:
            raise Fault(f"the associative form is false: {fault} (off by {error:.1e})")
    return max(errors.values())


def _linear_map(s) -> float:
    x, other = np.asarray(s.x), np.asarray(random_like(9, s.x))

    def run(x):
        return np.asarray(s.run(s.params, x, s.state)[0])

    error = difference(
        run(2 * x + 3 * other), 2 * run(x) + 3 * run(other) - 4 * run(0 * x)
    )
    declared = s.cell.structure.linear_map
    if declared != (error <= ROUNDING):
        raise Fault(
            "structure.linear_map is "
            + (
                "declared, but the map is not linear"
                if declared
                else "not declared, but the map from inputs to outputs is linear"
            )
        )
    return error if declared else 0.0


def _transition_matrix(s) -> np.ndarray:
    """The matrix W of `transition`, complex or real."""
    h = jax.tree.leaves(_one(s.state))[0]
    if s.cell.transition is None:
        raise Fault("the property is declared, but the cell gives no `transition`")
    basis = jnp.eye(h.shape[-1], dtype=h.dtype)
    return np.asarray(s.cell.transition(s.w, basis)).T


def _orthogonal(s) -> float:
    matrix = _transition_matrix(s)
    product = matrix.conj().T @ matrix
    return np.abs(product - np.eye(len(matrix))).max()


def _antisymmetric(s) -> float:
    """W + W^T is a multiple of the identity: all eigenvalues have one real part."""
    matrix = _transition_matrix(s)
    symmetric = (matrix + matrix.T) / 2
    gamma = np.mean(np.diag(symmetric))
    gap = np.abs(symmetric - gamma * np.eye(len(matrix))).max()
    return gap / np.abs(matrix).max()


def _volume_preserving(s) -> float:
    return abs(abs(np.linalg.det(_step_jacobian(s))) - 1.0)


def _inverse(s) -> float:
    u = s.u_at(0)
    return difference(s.cell.inverse(s.w, s.step(s.w, s.state, u), u), s.state)


def _activations(s) -> float:
    """What the activations say is remembered is all that has a derivative."""
    read, write = s.cell.activations.read, s.cell.activations.write
    u = s.u_at(0)
    drawn = random_like(11, read(s.state))
    if difference(read(write(s.state, drawn)), drawn) > ROUNDING:
        raise Fault("read(write(h, v)) is not v")

    def seen(h):
        return read(s.cell.step(s.w, h, u)), s.cell.readout(s.w, h, u)

    @jax.jit
    def both(floats):
        def of_floats(floats):
            return seen(FLOATS.write(s.state, floats))

        def of_activations(v):
            return seen(write(s.state, v))

        found, pull = jax.vjp(of_floats, floats)
        v, pull_read = jax.vjp(lambda f: read(FLOATS.write(s.state, f)), floats)
        again, pull_activations = jax.vjp(of_activations, v)
        arriving = random_like(12, found)
        by_activations = pull_read(*pull_activations(arriving))
        return (found, pull(arriving)), (again, by_activations)

    return difference(*both(FLOATS.read(s.state)))


def _declares(property_name):
    return lambda cell: property_name in cell.structure.properties


LAWS = (
    Law("the map is linear as declared", _linear_map, ROUNDING, "structure.linear_map"),
    Law(
        "Jacobian as declared",
        _sparse_jacobian,
        0.0,
        "dh'/dh has entries outside of structure.jacobian",
        lambda cell: cell.structure.jacobian != "dense",
    ),
    Law(
        "associative form",
        _associative_laws,
        ROUNDING,
        "element, combine or apply",
        lambda cell: cell.associative is not None,
    ),
    Law(
        "orthogonal (unitary)",
        _orthogonal,
        ROUNDING,
        "W^H W is not I: a missing conjugate, square or normalisation in `transition`",
        _declares("orthogonal"),
    ),
    Law(
        "antisymmetric",
        _antisymmetric,
        EXACT,
        "W + W^T is not a multiple of I in `transition`",
        _declares("antisymmetric"),
    ),
    Law(
        "volume-preserving",
        _volume_preserving,
        ROUNDING,
        "|det dh'/dh| is not 1: is the new half of the state used where it must be?",
        _declares("volume-preserving"),
    ),
    Law(
        "inverse undoes step",
        _inverse,
        ROUNDING,
        "inverse(w, step(w, h, u), u) is not h",
        lambda cell: cell.inverse is not None,
    ),
    Law(
        "activations are all that has a derivative",
        _activations,
        ROUNDING,
        "activations: is a memory left out, or a clock among them?",
        lambda cell: cell.activations is not FLOATS,
    ),
)
