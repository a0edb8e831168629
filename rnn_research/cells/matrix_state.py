"""What cells with a matrix state share.

In this family the state S is [*, heads, d_k, d_v], written as A_t S_{t-1} + k_t v_t^T
and read as S_t^T q_t, and the heads' outputs lie side by side. The papers multiply from
one side or the other; here the key always indexes rows.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base


class HeadSizes(NamedTuple):
    heads: int
    key: int  # d_k, of one head
    value: int  # d_v, of one head

    @property
    def keys(self) -> int:
        """K, the width of all keys."""
        return self.heads * self.key


def head_sizes(hidden_size, heads, key_size=None) -> HeadSizes:
    """The sizes of one head; d_k is `key_size`, by default d_v."""
    errors.check_size(hidden_size=hidden_size, heads=heads)
    if hidden_size % heads:
        raise errors.UsageError(
            f"heads ({heads}) must divide hidden_size ({hidden_size})"
        )
    value_size = hidden_size // heads
    key_size = value_size if key_size is None else key_size
    errors.check_size(key_size=key_size)
    return HeadSizes(heads, key_size, value_size)


def check_flag(**flags):
    """Raise unless each named flag is True or False."""
    for name, flag in flags.items():
        if not isinstance(flag, bool):
            raise errors.UsageError(f"{name} must be True or False, not {flag!r}")


def split_heads(x: jax.Array, heads: int) -> jax.Array:
    """[*, heads d] -> [*, heads, d]."""
    return x.reshape(*x.shape[:-1], heads, -1)


def join_heads(y: jax.Array) -> jax.Array:
    """[*, heads, d] -> [*, heads d]."""
    return y.reshape(*y.shape[:-2], -1)


def outer(k: jax.Array, v: jax.Array) -> jax.Array:
    """k v^T of each head."""
    return k[..., :, None] * v[..., None, :]


def recall(S: jax.Array, q: jax.Array) -> jax.Array:
    """S^T q of each head."""
    return jnp.einsum("...kv,...k->...v", S, q)


def zero_matrices(sizes: HeadSizes):
    """`initial_state` of one zero matrix [*, heads, d_k, d_v]."""

    def initial_state(params, batch_shape):
        return jnp.zeros((*batch_shape, *sizes), jax.tree.leaves(params)[0].dtype)

    return initial_state


def decayed(coefficients) -> base.Associative:
    """S' = a * S + b with (a, b) = coefficients(w, u); axes of a may have size 1."""

    def element(w, u):
        a, b = coefficients(w, u)
        return jnp.broadcast_to(a, (*b.shape[:-3], *a.shape[-3:])), b

    def combine(later, earlier):
        (a2, b2), (a1, b1) = later, earlier
        return a2 * a1, a2 * b1 + b2

    def apply(e, S):
        a, b = e
        return a * S + b

    return base.Associative(element, combine, apply)


def unit(x: jax.Array) -> jax.Array:
    """x / |x| over the last axis; for |x| < 1e-3, where x may be 0, 1000 x."""
    square = jnp.sum(x * x, axis=-1, keepdims=True)
    return x * jax.lax.rsqrt(jnp.maximum(square, 1e-6))


def dense(rule, identity) -> base.Associative:
    """The associative form of a rule S' = rule(S, u, v) that is affine in (S, v).

    Elements are pairs S' = A S + B of whole matrices: A is the rule on the identity
    without values, B the rule on zero.

    Args:
      rule: (S, u, v) -> S'.
      identity: (u) -> I [*, heads, d_k, d_k], which carries the leading axes.
    """

    def element(w, u):
        del w
        eye = identity(u)
        nothing = jnp.zeros_like(u.v[..., :1])
        start = jnp.zeros_like(eye, shape=(*eye.shape[:-1], u.v.shape[-1]))
        return rule(eye, u, nothing), rule(start, u, u.v)

    def combine(later, earlier):
        (A2, B2), (A1, B1) = later, earlier
        return A2 @ A1, A2 @ B1 + B2

    def apply(e, S):
        A, B = e
        return A @ S + B

    return base.Associative(element, combine, apply)


def time_step_bias(key, size: int, low=1e-3, high=1e-1) -> jax.Array:
    """b with softplus(b) log-uniform on [low, high]."""
    span = math.log(high) - math.log(low)
    dt = jnp.exp(math.log(low) + span * jax.random.uniform(key, (size,)))
    return dt + jnp.log(-jnp.expm1(-dt))
