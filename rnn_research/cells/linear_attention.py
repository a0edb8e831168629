"""Linear attention: a matrix state that collects outer products of key and value."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, matrix_state


class LinearAttentionParams(NamedTuple):
    W_x: jax.Array  # [D, 2K + H], in the order q, k, v


class LinearAttentionState(NamedTuple):
    S: jax.Array  # [*, heads, d_k, d_v]
    z: jax.Array  # [*, heads, d_k], the normaliser


class LinearAttentionDrive(NamedTuple):
    q: jax.Array  # [*, heads, d_k], phi applied
    k: jax.Array  # [*, heads, d_k], phi applied
    v: jax.Array  # [*, heads, d_v]


@base.cell
def linear_attention(
    hidden_size: int, *, heads=4, key_size=None, epsilon=1e-6
) -> base.Cell:
    """Linear attention (Katharopoulos et al. 2020, arXiv 2006.16236).

        q_t, k_t = phi(W_q x_t), phi(W_k x_t)      v_t = W_v x_t      phi = elu + 1
        S_t = S_{t-1} + k_t v_t^T
        z_t = z_{t-1} + k_t
        y_t = S_t^T q_t / (z_t^T q_t + epsilon)              for each head

    Causal attention with the similarity phi(q)^T phi(k) in place of exp(q^T k): y_t is
    a weighted mean of v_1 ... v_t, nothing is forgotten. The epsilon is that of the
    authors' code; it also makes the empty state read 0.

    Args:
      hidden_size: H, the width of the values of all heads.
      heads: how many; each has H / heads values.
      key_size: d_k of one head, by default that of its values.
      epsilon: added to the normaliser.

    W starts normal of variance 1/D.
    """
    sizes = matrix_state.head_sizes(hidden_size, heads, key_size)
    if not epsilon > 0:
        raise errors.UsageError(f"epsilon must be positive, not {epsilon!r}")

    def init(key, input_size):
        width = 2 * sizes.keys + hidden_size
        return LinearAttentionParams(base.lecun_normal(key, input_size, width))

    def initial_state(params, batch_shape):
        dtype = params.W_x.dtype
        return LinearAttentionState(
            S=jnp.zeros((*batch_shape, *sizes), dtype),
            z=jnp.zeros((*batch_shape, heads, sizes.key), dtype),
        )

    def project(w, x):
        q, k, v = jnp.split(x @ w.W_x, (sizes.keys, 2 * sizes.keys), axis=-1)
        q, k, v = (matrix_state.split_heads(part, heads) for part in (q, k, v))
        return LinearAttentionDrive(jax.nn.elu(q) + 1, jax.nn.elu(k) + 1, v)

    def readout(w, h, u):
        del w
        norm = jnp.sum(h.z * u.q, axis=-1, keepdims=True)
        return matrix_state.join_heads(matrix_state.recall(h.S, u.q) / (norm + epsilon))

    def add(later, earlier):
        return jax.tree.map(jnp.add, later, earlier)

    return base.Cell(
        init=init,
        initial_state=initial_state,
        project=project,
        readout=readout,
        associative=base.Associative(
            element=lambda w, u: LinearAttentionState(
                matrix_state.outer(u.k, u.v), u.k
            ),
            combine=add,
            apply=add,
        ),
        structure=base.Structure(jacobian="diagonal"),
    )
