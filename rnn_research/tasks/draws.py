"""Draws without replacement, of a fixed shape, at a cost that does not grow with N."""

import jax
import jax.numpy as jnp


def below(key: jax.Array, size, shape: tuple) -> jax.Array:
    """Whole numbers of 0 ... size - 1, each as likely, up to size / 2^32: [*shape].

    One word of random bits each, where `jax.random.randint` takes two.
    """
    bits = jax.random.bits(key, shape, jnp.uint32)
    return (bits % jnp.asarray(size).astype(jnp.uint32)).astype(jnp.int32)


def distinct(key: jax.Array, size, count: int, shape: tuple = ()) -> jax.Array:
    """Different numbers of 0 ... size - 1 in a random order: [*shape, count].

    The i-th draw says which of the size - i numbers that are left is taken (Lehmer's
    code); from the last draw to the first, those behind it step over it.

    Args:
      size: at least `count`; may be traced.
    """
    places = jnp.arange(count)
    drawn = below(key, size - places, (*shape, count))

    def step_over(turn, chosen):
        at = count - 2 - turn
        taken = jax.lax.dynamic_slice_in_dim(chosen, at, 1, axis=-1)
        return chosen + ((places > at) & (chosen >= taken))

    return jax.lax.fori_loop(0, count - 1, step_over, drawn)


def subset(key: jax.Array, size, count: int) -> jax.Array:
    """A uniform subset of 0 ... size - 1, sorted: [count]; see `distinct`."""
    return jnp.sort(distinct(key, size, count))


def weighted(key: jax.Array, log_weights: jax.Array, count: int) -> jax.Array:
    """Different indices, each drawn by weight among those that are left: [count].

    The largest of log-weights with Gumbel noise are such draws, in their order
    (Kool et al. 2019, arXiv 1903.06059).
    """
    noise = jax.random.gumbel(key, log_weights.shape)
    return jax.lax.top_k(log_weights + noise, count)[1]
