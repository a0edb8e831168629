"""Lyapunov exponents of a network driven by its inputs."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import errors, shapes
from rnn_research.diagnostics.derivatives import linearize
from rnn_research.diagnostics.vectors import Remembered, check_memory, precise
from rnn_research.engines.base import length_of
from rnn_research.unroll import Setup, set_up

Tree = Any
SPANS = 16  # of the trajectory, whose means tell the standard error


class Lyapunov(NamedTuple):
    exponents: jax.Array  # [B, k], nats a step, the largest first for long sequences
    errors: jax.Array  # [B, k], standard errors

    __repr__ = shapes.record

    def mean(self) -> "Lyapunov":
        """[k] each, over sequences: the error of their mean is sqrt(sum e^2) / B."""
        errors = jnp.sqrt(jnp.sum(self.errors**2, axis=0)) / len(self.errors)
        return Lyapunov(jnp.mean(self.exponents, axis=0), errors)


@precise
def lyapunov_exponents(
    cell,
    params: Tree,
    x: jax.Array,
    *,
    count: int | None = None,
    transient: int = 0,
    **options,
) -> Lyapunov:
    """The leading exponents along the trajectory that the inputs drive.

        Q_t R_t = J_t Q_{t-1},   lambda_i = mean over t of log |(R_t)_ii|

    where J_t = dh_t/dh_{t-1} and Q starts as random orthonormal directions (Benettin et
    al. 1980, Meccanica 15, 9); h is what the cell remembers, its `activations`. Costs
    `count` JVPs and a QR decomposition a step, in memory that does not grow with T. The
    standard error is that of the mean of 16 stretches of the trajectory; it means
    little for stretches that are short.

    Args:
      x: [T, B, D].
      count: how many, k; None is all, the real numbers in the state. 1 is cheap for
        states of any size.
      transient: first steps that do not count, in which Q turns to its directions.
      options: state, reset and key, as for `unroll`.

    Returns:
      Lyapunov; -inf where a direction is lost exactly (a dead unit, a reset; the order
      means nothing then), NaN where the trajectory is not finite.

    Raises:
      UsageError: more exponents than the state has numbers or memory can hold, too few
        steps after the transient, or a mask.
    """
    setup = set_up(cell, params, x, **options)
    return exponents_of(setup, count=count, transient=transient)


@precise
def exponents_of(
    setup: Setup, *, count: int | None = None, transient: int = 0
) -> Lyapunov:
    """`lyapunov_exponents` of a recurrence as it stands, such as a model's layer."""
    recurrence, state, inputs = setup
    check_no_mask(inputs.mask)
    remembered = Remembered(recurrence, state)
    (batch, size), dtype = remembered.shape, remembered.dtype
    count = size if count is None else count
    errors.check_size(count=count)
    length = length_of(inputs)
    if count > size:
        raise errors.UsageError(f"count is {count}, but the state has {size} numbers")
    check_memory(
        batch * size * count * dtype.itemsize,
        f"{count} exponents of a state of {size} numbers",
        "fewer sequences or a smaller count",
    )
    if not 0 <= transient <= length - SPANS:
        raise errors.UsageError(
            f"transient must be at least 0 and leave {SPANS} of T = {length} steps; "
            f"got {transient}"
        )
    span = np.maximum(np.arange(length) - transient, 0) * SPANS
    span = span // (length - transient)
    steps = np.bincount(span[transient:], minlength=SPANS)[:, None, None]

    def body(carry, given):
        h, directions, sums = carry  # h, [B, n, k], [SPANS, B, k]
        inputs, span, counts = given
        drive = recurrence.project(inputs)
        _, push = linearize(remembered.step(h, drive), remembered.of(h))
        h = recurrence.step(h, drive)
        pushed = jax.vmap(push, in_axes=-1, out_axes=-1)(directions)
        directions, stretched = jnp.linalg.qr(pushed)
        logs = jnp.log(jnp.abs(jnp.diagonal(stretched, axis1=-2, axis2=-1)))
        return (h, directions, sums.at[span].add(jnp.where(counts, logs, 0))), None

    normal = jax.random.normal(jax.random.key(0), (size, count), dtype)
    directions = jnp.linalg.qr(normal)[0]
    directions = jnp.broadcast_to(directions, (batch, size, count))
    carry = state, directions, jnp.zeros((SPANS, batch, count), dtype)
    given = inputs, jnp.asarray(span), jnp.arange(length) >= transient
    (_, _, sums), _ = jax.lax.scan(body, carry, given)
    means = sums / steps
    exponents = sums.sum(0) / (length - transient)
    return Lyapunov(exponents, jnp.std(means, axis=0, ddof=1) / SPANS**0.5)


def check_no_mask(mask: jax.Array | None):
    if mask is not None:
        raise errors.UsageError(
            "masked steps would count as steps at which nothing changes; give "
            "sequences of one length, without a mask"
        )


def kaplan_yorke_dimension(exponents) -> np.ndarray:
    """The dimension of the attractor, from all exponents [*, n] in any order.

        D = j + (lambda_1 + ... + lambda_j) / |lambda_{j+1}|,  lambda_1 >= lambda_2 ...

    with j the most exponents whose sum is not negative (Kaplan & Yorke 1979); 0 if the
    first is negative, n if all sums are positive, NaN if an exponent is.
    """
    exponents = -np.sort(-np.asarray(exponents, np.float64), axis=-1)
    sums = np.cumsum(exponents, axis=-1)
    count = np.sum(np.logical_and.accumulate(sums >= 0, axis=-1), axis=-1)
    size = exponents.shape[-1]
    last = np.clip(count - 1, 0, size - 1)[..., None]
    following = np.clip(count, 0, size - 1)[..., None]
    total = np.take_along_axis(sums, last, -1)[..., 0]
    next_one = np.take_along_axis(exponents, following, -1)[..., 0]
    whole = (count == 0) | (count == size)
    beyond = total / np.where(whole, 1, np.abs(next_one))
    found = np.where(whole, count, count + beyond)
    return np.where(np.isnan(exponents).any(-1), np.nan, found)
