"""Scores that respect masks and rows that only fill a batch."""

import jax
import jax.numpy as jnp

from rnn_research.tasks.base import Batch, Mean


def mean(
    values, batch: Batch, *, by_step: bool | None = None, there: jax.Array | None = None
) -> Mean:
    """The mean of values [T, B, ...] or [B, ...] over what is there.

    Where time comes first and the batch has a mask, masked steps do not count; rows
    count by their weight. Of what is not there no NaN comes in.

    Args:
      by_step: whether time comes first, also if only some steps are given; None: where
        the shape begins with that of the inputs, [T, B].
      there: [T, B, ...] or [B, ...], of leading axes of `values`: False, does not
        count either.
    """
    values = jnp.asarray(values)
    shape = jax.tree.leaves(batch.inputs)[0].shape[:2]
    if by_step is None:
        by_step = values.ndim > 1 and values.shape[:2] == shape
    counted = jnp.ones(values.shape[: 1 + by_step], bool)
    if by_step and batch.mask is not None:
        counted &= batch.mask
    if batch.weight is not None:
        counted &= batch.weight > 0
    counted = _up_to(values.ndim, counted)
    if there is not None:
        counted = counted & _up_to(values.ndim, there)
    each = values.size // counted.size
    total, number = jnp.where(counted, values, 0), counted
    if batch.weight is not None:
        weight = batch.weight[None] if by_step else batch.weight
        weight = _up_to(values.ndim, weight)
        total, number = total * weight, counted * weight
    return Mean(jnp.sum(total), jnp.sum(number) * each)


def _up_to(ndim: int, array) -> jax.Array:
    """With axes of size 1 behind."""
    return array.reshape(*array.shape, *(1,) * (ndim - array.ndim))


def cross_entropy(logits, batch: Batch, *, there: jax.Array | None = None) -> Mean:
    """-ln p of the target classes, in nats; logits [..., O], targets [...] of int.

    NaN of a class that is not one of 0 to O - 1. `there` as in `mean`.
    """
    log_p = jax.nn.log_softmax(logits)
    targets, count = jnp.asarray(batch.targets), logits.shape[-1]
    chosen = jnp.where(targets < 0, count, targets)  # else it would be -1 the last one
    chosen = jnp.take_along_axis(log_p, chosen[..., None], axis=-1)
    return mean(-chosen[..., 0], batch, by_step=logits.ndim == 3, there=there)


def accuracy(logits, batch: Batch, *, there: jax.Array | None = None) -> Mean:
    """The share of targets whose logit is the largest; `there` as in `mean`."""
    right = jnp.argmax(logits, axis=-1) == batch.targets
    return mean(right, batch, by_step=logits.ndim == 3, there=there)


def squared_error(outputs, batch: Batch) -> Mean:
    """(outputs - targets)^2."""
    error = (outputs - batch.targets) ** 2
    return mean(error, batch, by_step=outputs.ndim == 3)
