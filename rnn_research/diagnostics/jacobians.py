"""Jacobians of one step and their products over time, exact and estimated.

Norms and singular values are natural logarithms; products are rescaled at every step
and their logs carried, as in `gradients`.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import errors, shapes
from rnn_research.diagnostics.derivatives import linearize
from rnn_research.diagnostics.gradients import adjoint_log_norms, forward
from rnn_research.diagnostics.vectors import (
    Graded,
    Remembered,
    check_memory,
    log_singular_values,
    norm,
    precise,
    times,
)
from rnn_research.engines.base import length_of
from rnn_research.presence import not_a_number
from rnn_research.unroll import Setup, set_up

Tree = Any


class JacobianLogNorms(NamedTuple):
    spectral: jax.Array  # [L, B], log of the largest singular value
    frobenius: jax.Array  # [L, B]

    __repr__ = shapes.record


@precise
def jacobian_log_norms(
    cell, params: Tree, x: jax.Array, lags: jax.Array, **options
) -> JacobianLogNorms:
    """log ||dh_T/dh_{T-k}|| at the given lags k, from the exact product.

    The product of the step Jacobians is carried whole, [n, n] for each sequence where
    n counts the real numbers in the state, so the cost is n backward passes.

    Args:
      lags: [L] whole numbers, increasing, from 0 to T.
      options: state, mask, reset and key, as for `unroll`.

    Raises:
      UsageError: other lags, or products that would take more than 8 GiB.
    """

    def start(rows):
        return rows, jnp.zeros_like(rows[0, :, 0])

    def renew(rows, log):
        size = norm((jnp.moveaxis(rows, 0, 1),))
        return rows / jnp.where(size > 0, size, 1)[:, None], log + jnp.log(size)

    def norms(rows, log):
        matrices = jnp.moveaxis(rows, 0, 1)
        spectral = jnp.linalg.norm(matrices, 2, axis=(1, 2))
        frobenius = jnp.linalg.norm(matrices, "fro", axis=(1, 2))
        return JacobianLogNorms(log + jnp.log(spectral), log + jnp.log(frobenius))

    return _of_products(set_up(cell, params, x, **options), lags, start, renew, norms)


@precise
def product_log_singular_values(
    cell, params: Tree, x: jax.Array, lags: jax.Array, **options
) -> jax.Array:
    """log of the singular values of dh_T/dh_{T-k}, [L, B, n], in falling order.

    Arguments and cost as of `jacobian_log_norms`, and a QR decomposition a step:

        Q_k R_k = J_{T-k+1}^T Q_{k-1},   (dh_T/dh_{T-k})^T = Q_k R_k ... R_1 Q_0^T

    Q_0 is random. The triangular product is carried as D U, D a diagonal of logs and
    the rows of U of maximum 1, so that values of any size apart are right: down to the
    root of the type's rounding times the largest by the singular value decomposition of
    D U, below that by steps of the QR iteration, which leave two that differ by a ratio
    near 1 wrong by less than it. A value that is exactly zero is -inf, or the rounding
    of a step.
    """

    def start(rows):
        size, batch, _ = rows.shape
        normal = jax.random.normal(jax.random.key(0), (size, size), rows.dtype)
        basis = jnp.linalg.qr(normal)[0][:, None] + jnp.zeros_like(rows)
        logs = jnp.zeros((batch, size), rows.dtype)
        return basis, Graded(logs, jnp.moveaxis(rows, 0, 1))

    def renew(rows, graded):
        basis, triangle = jnp.linalg.qr(jnp.moveaxis(rows, 0, 2))
        return jnp.moveaxis(basis, 2, 0), times(triangle, graded)

    def values_of(rows, graded):
        del rows
        return log_singular_values(graded)

    setup = set_up(cell, params, x, **options)
    return _of_products(setup, lags, start, renew, values_of)


def _of_products(setup: Setup, lags, start, renew, measure):
    """measure(rows, rest) of dh_T/dh_{T-k} at the lags.

    start(identity [n, B, n]) and renew(rows, rest) give (rows [n, B, n], rest) with
    which the product is written; in between each of the rows is pulled back by a step.
    """
    lags, length = np.asarray(lags), length_of(setup.inputs)
    whole = lags.ndim == 1 and lags.size and np.issubdtype(lags.dtype, np.integer)
    if not (whole and (np.diff(lags) > 0).all() and 0 <= lags[0] <= lags[-1] <= length):
        raise errors.UsageError(
            f"lags must be whole numbers, increasing, from 0 to T = {length}; got "
            f"{lags}"
        )
    recurrence = setup.recurrence
    drives = recurrence.project(setup.inputs)
    last, before = forward(setup)
    remembered = Remembered(recurrence, last)
    (batch, size), dtype = remembered.shape, remembered.dtype
    _check_size(batch * size**2 * dtype.itemsize, size)

    def pull_through(k, carry):
        rows, rest = carry
        h, drive = jax.tree.map(lambda leaf: leaf[length - 1 - k], (before, drives))
        _, pull = jax.vjp(remembered.step(h, drive), remembered.of(h))
        return renew(jax.vmap(lambda row: pull(row)[0])(rows), rest)

    def at_lag(carry, lag):
        product, done = carry
        product = jax.lax.fori_loop(done, lag, pull_through, product)
        return (product, lag), measure(*product)

    eye = jnp.broadcast_to(jnp.eye(size, dtype=dtype)[:, None], (size, batch, size))
    carry = start(eye), jnp.zeros((), jnp.int32)
    return jax.lax.scan(at_lag, carry, jnp.asarray(lags, jnp.int32))[1]


@precise
def step_jacobians(cell, params: Tree, x: jax.Array, **options) -> jax.Array:
    """dh_t/dh_{t-1} for every t, [T, B, n, n] over the real numbers of the state.

    Raises:
      UsageError: they would take more than 8 GiB.
    """
    setup = set_up(cell, params, x, **options)
    found = _of_steps(setup, lambda jacobian: jacobian, at_once=x.shape[0])
    lost = setup.inputs.lost
    return found if lost is None else not_a_number(lost, found)


@precise
def log_norm_bound(cell, params: Tree, x: jax.Array, **options) -> jax.Array:
    """What the log spectral norm of dh_T/dh_t cannot exceed, for every t, [T + 1, B].

        ||dh_T/dh_t|| <= prod_{s = t+1 ... T} sigma_max(dh_s/dh_{s-1})

    Of an Elman network each factor is at most gamma sigma_max(W_hh), gamma = 1 for
    tanh, so that where this is below 1 gradients must vanish (Pascanu et al. 2013,
    arXiv 1211.5063). How far the norm stays below tells how little the directions that
    one step stretches are those of the next. Costs a singular value decomposition a
    step.

    Raises:
      UsageError: the Jacobians of one step would take more than 8 GiB.
    """

    def log_norm(jacobian):
        return jnp.log(jnp.linalg.norm(jacobian, 2, axis=(1, 2)))

    logs = _of_steps(set_up(cell, params, x, **options), log_norm, at_once=1)
    later = jnp.cumsum(logs[::-1], axis=0)[::-1]
    return jnp.concatenate([later, jnp.zeros_like(later[:1])])


def _of_steps(setup: Setup, measure, at_once: int):
    """measure(dh_t/dh_{t-1} [B, n, n]) for every t; so many Jacobians are held."""
    recurrence = setup.recurrence
    drives = recurrence.project(setup.inputs)
    _, before = forward(setup)
    remembered = Remembered(recurrence, setup.state)
    (batch, size), dtype = remembered.shape, remembered.dtype
    _check_size(at_once * batch * size**2 * dtype.itemsize, size)
    basis = jnp.eye(size, dtype=dtype)

    def one(given):
        h, drive = given
        _, push = linearize(remembered.step(h, drive), remembered.of(h))

        def column(unit):
            return push(jnp.broadcast_to(unit, (batch, size)))

        return measure(jax.vmap(column, out_axes=-1)(basis))

    return jax.lax.map(one, (before, drives))


def participation_ratio(log_singular_values: jax.Array) -> jax.Array:
    """How many directions share the gain: (sum s^2)^2 / sum s^4, of [*, n]; 1 to n.

    NaN where all singular values are zero, as after a reset.
    """
    top = jnp.max(log_singular_values, axis=-1, keepdims=True)
    squares = jnp.exp(2 * (log_singular_values - top))
    return jnp.sum(squares, -1) ** 2 / jnp.sum(squares**2, -1)


def log_condition_number(log_singular_values: jax.Array) -> jax.Array:
    """log of the largest over the smallest, of [*, n]; NaN where all are zero."""
    return jnp.max(log_singular_values, -1) - jnp.min(log_singular_values, -1)


# ------------------------------------------------------------------ for large states


@precise
def frobenius_log_norms(
    cell, params: Tree, x: jax.Array, key: jax.Array, *, probes: int = 16, **options
) -> jax.Array:
    """log ||dh_T/dh_t||_F for every t, [T + 1, B], estimated by random probes.

        ||J||_F^2 = E ||J^T v||^2,   v standard normal

    Costs a backward pass a probe, in memory for T states; the relative standard error
    of the square is at most sqrt(2 / probes). Row t is that at h_t.
    """
    errors.check_size(probes=probes)
    setup = set_up(cell, params, x, **options)
    remembered = Remembered(setup.recurrence, setup.state)

    def probe(key):
        drawn = jax.random.normal(key, remembered.shape, remembered.dtype)
        v = remembered.tree(drawn)
        return adjoint_log_norms(setup, final=jax.tree.map(jnp.conj, v))

    logs = jax.lax.map(probe, jax.random.split(key, probes))
    mean = jax.nn.logsumexp(2 * logs, axis=0) - jnp.log(probes)
    return mean / 2


@precise
def spectral_log_norm(
    cell,
    params: Tree,
    x: jax.Array,
    key: jax.Array,
    lag: int,
    *,
    iterations: int = 30,
    **options,
) -> jax.Array:
    """log ||dh_T/dh_{T-k}||_2 at lag k, [B], by power iteration on J^T J.

    Costs 2 `iterations` passes over k steps; a lower bound that rises to the norm, the
    faster the further the largest singular value is from the next.

    Raises:
      UsageError: a lag that is not from 1 to T.
    """
    length = x.shape[0]
    if not 1 <= lag <= length:
        raise errors.UsageError(f"lag must be from 1 to T = {length}, not {lag}")
    errors.check_size(iterations=iterations)
    setup = set_up(cell, params, x, **options)
    recurrence = setup.recurrence
    drives = recurrence.project(setup.inputs)
    _, before = forward(setup)
    remembered = Remembered(recurrence, setup.state)
    given = jax.tree.map(lambda leaf: leaf[length - lag :], (before, drives))

    def push(carry, given):
        h, drive = given
        v, log = carry
        _, derivative = linearize(remembered.step(h, drive), remembered.of(h))
        return _unit(derivative(v), log), None

    def pull(carry, given):
        h, drive = given
        v, log = carry
        _, derivative = jax.vjp(remembered.step(h, drive), remembered.of(h))
        return _unit(derivative(v)[0], log), None

    def iterate(v, _):
        zero = jnp.zeros(v.shape[0], v.dtype)
        carry, _ = jax.lax.scan(push, (v, zero), given)
        (v, log), _ = jax.lax.scan(pull, carry, given, reverse=True)
        return v, log / 2

    drawn = jax.random.normal(key, remembered.shape, remembered.dtype)
    v, _ = _unit(drawn, jnp.zeros_like(drawn[:, 0]))
    _, logs = jax.lax.scan(iterate, v, length=iterations)
    return logs[-1]


def _unit(v, log):
    size = norm((v,))
    return v / jnp.where(size > 0, size, 1)[:, None], log + jnp.log(size)


def _check_size(needed: int, size: int):
    check_memory(
        needed,
        f"the Jacobians of a state of {size} numbers",
        "fewer sequences or steps, or frobenius_log_norms, spectral_log_norm or "
        "lyapunov_exponents with a count",
    )
