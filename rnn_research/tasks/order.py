"""Which rows are in the batch of an update: pure functions of the seed and the step.

    order(seed, step, size, batch_size) -> indices [batch_size], int32

`seed` and `step` may be traced; `size`, the number of rows, and `batch_size` are plain
numbers. So that a run resumes exactly there is nothing else to be remembered.
"""

import jax
import jax.numpy as jnp

from rnn_research import errors

ROUNDS = 6


def shuffled(seed, step, size: int, batch_size: int) -> jax.Array:
    """Epoch after epoch, each in an order of its own; every row once an epoch.

    Where the batch size does not divide the rows, a batch goes over the border of two
    epochs.
    """
    place = _places(step, batch_size)
    epoch, within = place // size, place % size
    return permuted(within, seed, epoch, size)


def in_turn(seed, step, size: int, batch_size: int) -> jax.Array:
    """As the data have them, again and again."""
    del seed
    return (_places(step, batch_size) % size).astype(jnp.int32)


def streams(seed, step, size: int, batch_size: int) -> jax.Array:
    """The data cut into batch_size streams, read side by side from start to end.

    What is over where batch_size does not divide the rows is not read.

    Raises:
      errors.UsageError: there are more streams than rows.
    """
    del seed
    if batch_size > size:
        raise errors.UsageError(
            f"{batch_size} streams side by side need as many rows, and there are only "
            f"{size}; lower --batch_size or the length of a window"
        )
    each = size // batch_size
    return jnp.arange(batch_size, dtype=jnp.int32) * each + jnp.int32(step % each)


def _places(step, batch_size: int) -> jax.Array:
    """The places of a batch's rows in the sequence of all that are read, uint32."""
    first = jnp.asarray(step).astype(jnp.uint32) * jnp.uint32(batch_size)
    return first + jnp.arange(batch_size, dtype=jnp.uint32)


def permuted(index, seed, epoch, size: int) -> jax.Array:
    """Where a permutation of 0 ... size - 1, drawn by seed and epoch, takes `index`.

    A Feistel network on the next even number of bits, applied until the result is below
    `size` (Black & Rogaway 2002), takes each index by itself, where a sorted table
    would cost all of them at every update.
    """
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    mask = jnp.uint32(2**half - 1)
    keys = jax.random.bits(jax.random.key(seed), (ROUNDS,), jnp.uint32)

    def once(x):
        left, right = x >> half, x & mask
        for key in keys:
            left, right = right, left ^ (_mixed(right, key, epoch) & mask)
        return left << half | right

    index = jnp.asarray(index).astype(jnp.uint32)
    epoch = jnp.broadcast_to(jnp.asarray(epoch).astype(jnp.uint32), index.shape)
    found = jax.lax.while_loop(
        lambda x: (x >= size).any(),
        lambda x: jnp.where(x >= size, once(x), x),
        once(index),
    )
    return found.astype(jnp.int32)


def _mixed(x, key, epoch):
    """A hash of 32 bits: each bit of the result depends on all of x, key and epoch."""
    x = x ^ key
    for word in (epoch, key >> 16):
        x = (x + word) * jnp.uint32(0x9E3779B1)
        x = (x ^ (x >> 15)) * jnp.uint32(0x85EBCA77)
        x = x ^ (x >> 13)
    return x
