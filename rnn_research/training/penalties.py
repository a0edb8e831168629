"""Penalties: terms added to the loss so that gradients neither vanish nor explode.

Named by `--penalties`: `omega(weight=4.0)`, `flossing(count=8)`. A penalty of your own
is a function that returns a `Penalty`, given as `my_file:name`.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnn_research import diagnostics, errors, values
from rnn_research.diagnostics.gradients import forward
from rnn_research.diagnostics.vectors import global_norm, norm, remembered_step
from rnn_research.errors import check_between, check_size

Tree = Any
__all__ = ["flossing", "near", "omega", "orthogonality", "spectral_radius"]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Penalty(values.Value):
    """A term of the loss.

    Attributes:
      value: (model, params, task, Batch) -> scalar, its weight included: a mean over
        the sequences, of which each device may be given its share, or a function of the
        weights alone.
      skips_batches: nothing is added for a batch whose value or gradient is not finite.
    """

    value: Callable[[Any, Tree, Any, Any], jax.Array]
    skips_batches: bool = False


penalty = values.factory


@penalty
def omega(*, weight=2.0) -> Penalty:
    """Keep the length of the gradient on its way back (Pascanu et al. 2013).

        Omega = sum_t (||(dh_{t+1}/dh_t)^T a_{t+1}|| / ||a_{t+1}|| - 1)^2,
        a_t = dL/dh_t

    of every recurrence, mean over sequences; arXiv 1211.5063, section 3.3. As there,
    the states h_t and the gradients a_t count as constants: only the Jacobian of the
    step itself is changed. Where a_{t+1} is zero nothing is added. The paper's network
    is h_{t+1} = W tanh(h_t) + ..., whose Jacobian depends on W alone then; with other
    cells it is differentiated through the nonlinearity of the one step as well. Costs
    about two gradients.
    """
    _check_weight(weight)

    def value(model, params, task, batch):
        setups = _recurrences(model, params, batch, "omega")
        constant = jax.lax.stop_gradient(params)
        arriving = diagnostics.task_gradients(model, constant, task, batch)
        fixed = diagnostics.recurrences(model, constant, batch)
        total = 0.0
        for setup, still, (outputs, final) in zip(setups, fixed, arriving, strict=True):
            _, states = forward(still)
            directions = diagnostics.adjoint_directions(
                still, outputs=outputs, final=final
            )
            total += _omega(setup.recurrence, states, still.inputs, directions)
        return weight * total

    return Penalty(value)


def _omega(recurrence, states, inputs, directions) -> jax.Array:
    def deviation(h, given, direction):
        drive = recurrence.project(given)
        step = remembered_step(recurrence, h)
        _, pull = jax.vjp(lambda v: step(v, drive), recurrence.activations.read(h))
        there = norm(jax.tree.leaves(direction)) > 0
        ratio = norm(jax.tree.leaves(pull(direction)[0]))
        return jnp.mean(jnp.where(there, (ratio - 1) ** 2, 0.0))

    return jnp.sum(jax.vmap(deviation)(states, inputs, directions))


@penalty
def flossing(*, weight=1.0, count=1) -> Penalty:
    """Push Lyapunov exponents to zero, "gradient flossing" (Engelken 2023).

        weight * sum of lambda_i^2 over the `count` leading exponents

    of every recurrence over the sequences of the batch, mean over these, by
    differentiating through the QR decompositions (arXiv 2312.17306). Exactly at zero
    no direction in the state is forgotten or blown up. Where a direction is lost
    exactly, as behind dead units, its exponent is -inf and has no gradient: for that
    batch nothing is added. First derivatives only. Needs 16 steps and no mask;
    costs `count` tangents and their gradient a step. The paper flosses before training
    and in stretches of it: see --penalty_steps.
    """
    _check_weight(weight)
    check_size(count=count)

    def value(model, params, task, batch):
        del task
        setups = _recurrences(model, params, batch, "flossing")
        found = [diagnostics.exponents_of(setup, count=count) for setup in setups]
        return weight * sum(
            jnp.mean(jnp.sum(each.exponents**2, axis=1)) for each in found
        )

    return Penalty(value, skips_batches=True)


def zero_unless_finite(function: Callable[[Tree], jax.Array], params: Tree):
    """function(params) with its gradient, or 0 with none where one is not finite."""
    value, gradient = jax.value_and_grad(function)(params)
    finite = jnp.isfinite(value)
    for leaf in jax.tree.leaves(gradient):
        finite &= jnp.isfinite(leaf).all()
    moved = jax.tree.map(lambda leaf: leaf - jax.lax.stop_gradient(leaf), params)
    slopes = jax.tree.map(lambda leaf: jnp.where(finite, leaf, 0), gradient)
    products = jax.tree.map(
        lambda g, d: jnp.sum((jax.lax.stop_gradient(g) * d).real), slopes, moved
    )
    value = jax.lax.stop_gradient(jnp.where(finite, value, 0))
    return value + sum(jax.tree.leaves(products))


@penalty
def spectral_radius(*, weight=1.0, limit=1.0) -> Penalty:
    """Keep the spectral radius of recurrent matrices below a limit.

        weight * sum over matrices of max(0, rho(W) - limit)^2

    Acts on every matrix that a cell multiplies its state with, gate by gate and formed
    from the parameters (`Cell.matrices`). rho(W) is taken as
    ||W^1024||^(1/1024) with the Frobenius norm (Gelfand's formula), which is above it
    by at most (N cond)^(1/1024) and smooth where eigenvalues cross.
    """
    _check_weight(weight)
    if limit <= 0:
        raise errors.UsageError(f"limit must be greater than 0, not {limit}")

    def value(model, params, task, batch):
        del task

        def term(W):
            return jnp.maximum(0.0, gelfand_radius(W) - limit) ** 2

        return weight * _over_matrices(term, model, params, batch, "spectral_radius")

    return Penalty(value)


DOUBLINGS = 10


def gelfand_radius(W: jax.Array) -> jax.Array:
    """||W^m||^(1/m), m = 1024, by repeated squaring with the scale carried as a log."""
    # Of entries near 1: the derivative of a division has a square of what divides.
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(W)))
    scale = jnp.where(largest == 0, 1, largest)
    W, log = W / scale, 0.0
    for index in range(DOUBLINGS + 1):
        found = global_norm(W)
        size = jnp.where(found == 0, 1, found)
        W = W / size
        log = 2 * log + jnp.log(size)
        if index < DOUBLINGS:
            W = W @ W
    return scale * jnp.where(found == 0, 0.0, jnp.exp(log / 2**DOUBLINGS))


@penalty
def orthogonality(*, weight=1.0) -> Penalty:
    """Keep recurrent matrices near orthogonal ones: weight * sum ||W^T W - I||_F^2.

    Acts on every matrix that a cell multiplies its state with, gate by gate and formed
    from the parameters (Vorontsov et al. 2017, arXiv 1702.00071). Zero
    for a cell whose matrix is orthogonal by construction.
    """
    _check_weight(weight)

    def value(model, params, task, batch):
        del task

        def term(W):
            return _squared_norm(W.conj().T @ W - jnp.eye(len(W), dtype=W.dtype))

        return weight * _over_matrices(term, model, params, batch, "orthogonality")

    return Penalty(value)


@penalty
def near(*, parameter, value=0.0, weight=1e-4) -> Penalty:
    """Keep parameters near a value: weight * sum of (theta - value)^2.

    Acts on every parameter array of that name, `T` or with what it belongs to,
    `body.T`. An nnrnn is trained with two of these (Kerg et al. 2019, arXiv
    1905.12080): the moduli of its eigenvalues stay near 1, delta sum (gamma - 1)^2,
    and the transients stay small, delta_T ||T||_F^2:

        --penalties='near(parameter=gamma, value=1),near(parameter=T, weight=1e-6)'

    in which delta = 1e-4 and delta_T = 1e-6 are those of their copy task.
    """
    _check_weight(weight)
    if not isinstance(parameter, str):
        raise errors.UsageError(f"parameter must be a name, not {parameter!r}")
    check_between("value", value, -math.inf, math.inf)
    target = value

    def value_of(model, params, task, batch):
        del model, task, batch
        leaves = {
            jax.tree_util.keystr(path, simple=True, separator="."): leaf
            for path, leaf in jax.tree_util.tree_leaves_with_path(params)
        }
        chosen = [
            leaf
            for name, leaf in leaves.items()
            if f".{name}".endswith(f".{parameter}")
        ]
        if not chosen:
            raise errors.UsageError(
                f"penalty near: no parameter is named {parameter!r}"
                f"{errors.nearest(parameter, _names(leaves))}"
            )
        return weight * sum(jnp.sum((leaf - target) ** 2) for leaf in chosen)

    return Penalty(value_of)


def _names(leaves) -> list[str]:
    """Each with and without what it belongs to."""
    return [*leaves, *(name.rpartition(".")[2] for name in leaves)]


def _check_weight(weight):
    if not isinstance(weight, (int, float)) or not weight > 0:
        raise errors.UsageError(
            f"weight must be a number above 0, not {errors.shown(weight)}"
        )


def _recurrences(model, params, batch, name: str) -> list:
    setups = diagnostics.recurrences(model, params, batch)
    if not setups:
        raise errors.UsageError(f"penalty {name}: {model} has no recurrence")
    return setups


def _over_matrices(term, model, params, batch, name: str) -> jax.Array:
    """The sum of term(W) over all [N, N] that the states are multiplied with."""
    setups = _recurrences(model, params, batch, name)
    matrices = diagnostics.recurrent_matrices(setups)
    if not matrices:
        raise errors.UsageError(
            f"penalty {name}: {model} names no matrix that its state is multiplied "
            "with; a cell of your own names them by Cell(matrices=lambda w: {'W': w.W})"
        )
    each = [W.reshape(-1, *W.shape[-2:]) for W in matrices.values()]
    return sum(jnp.sum(jax.vmap(term)(W)) for W in each)


def _squared_norm(W: jax.Array) -> jax.Array:
    return jnp.sum(W.real**2 + W.imag**2)
