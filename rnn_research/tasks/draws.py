"""Draws without replacement, of a fixed shape, at a cost that does not grow with N."""

import jax
import jax.numpy as jnp


def subset(key: jax.Array, size: int, count: int) -> jax.Array:
    """A uniform subset of 0 ... size - 1, sorted: [count]; `size` may be traced.

    Floyd's algorithm (Bentley & Floyd 1987): the i-th draw is from 0 ... j with
    j = size - count + i; a number that is there already becomes j.
    """
    highest = size - count + jnp.arange(count)
    drawn = jax.random.randint(key, (count,), 0, highest + 1)

    def add(index, chosen):
        is_there = (chosen == drawn[index]).any()
        return chosen.at[index].set(jnp.where(is_there, highest[index], drawn[index]))

    none = jnp.full(count, -1, drawn.dtype)
    return jnp.sort(jax.lax.fori_loop(0, count, add, none))


def distinct(key: jax.Array, size: int, count: int) -> jax.Array:
    """Different numbers of 0 ... size - 1 in a random order: [count]."""
    key_subset, key_order = jax.random.split(key)
    return jax.random.permutation(key_order, subset(key_subset, size, count))


def weighted(key: jax.Array, log_weights: jax.Array, count: int) -> jax.Array:
    """Different indices, each drawn by weight among those that are left: [count].

    The largest of log-weights with Gumbel noise are such draws, in their order
    (Kool et al. 2019, arXiv 1903.06059).
    """
    noise = jax.random.gumbel(key, log_weights.shape)
    return jax.lax.top_k(log_weights + noise, count)[1]
