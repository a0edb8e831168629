"""Retention: linear attention that forgets at a fixed rate per head."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import errors
from rnn_research.cells import base, matrix_state


class RetNetParams(NamedTuple):
    W_x: jax.Array  # [D, 2K + H], in the order q, k, v


class RetNetWeights(NamedTuple):
    W_x: jax.Array  # [D, 2K + H]
    decay: jax.Array  # [heads, 1, 1], or complex [heads, d_k / 2, 1] with rotation


class RetNetDrive(NamedTuple):
    q: jax.Array  # [*, heads, d_k], or complex [*, heads, d_k / 2]
    k: jax.Array  # like q; conjugated where complex
    v: jax.Array  # [*, heads, d_v]


def _to_complex(x):
    """The entries 2i and 2i + 1 as real and imaginary part."""
    return x[..., ::2] + 1j * x[..., 1::2]


@base.cell
def retnet(hidden_size: int, *, heads=4, key_size=None, rotation=True) -> base.Cell:
    """Retention (Sun et al. 2023, arXiv 2307.08621).

        q_t, k_t, v_t = W_q x_t, W_k x_t / sqrt(d_k), W_v x_t
        S_t = gamma S_{t-1} + k_t v_t^T                     gamma = 1 - 2^(-5 - head)
        y_t = S_t^T q_t                                     head = 0, 1, ...

    rotation=True: q_n and k_m are rotated by the angles n theta and m theta in pairs
    of entries, as in the paper. Only n - m enters, so the rotation is part of the decay
    here and no position is counted:

        S_t = gamma e^(i theta) S_{t-1} + conj(k_t) v_t^T,  y_t = Re(S_t^T q_t)

    with the pairs as complex numbers (the state is complex [*, heads, d_k/2, d_v]) and
    theta = 10000^-s, s evenly from 0 to 1, as in the authors' code. rotation=False
    leaves it out. The group norm over heads, the gate and the output projection around
    the cell belong to a block; the normalisations of retention scores that the group
    norm cancels are left out.

    Args:
      hidden_size: H, the width of the values of all heads.
      heads: how many; each has H / heads values.
      key_size: d_k of one head, by default that of its values; even with rotation.

    W starts normal of variance 1/D (the authors': Xavier with gain 2^-2.5).
    """
    sizes = matrix_state.head_sizes(hidden_size, heads, key_size)
    matrix_state.check_flag(rotation=rotation)
    if rotation and sizes.key % 2:
        raise errors.UsageError(
            f"rotation needs an even key_size, not {sizes.key}; or rotation=False"
        )

    def init(key, input_size):
        width = 2 * sizes.keys + hidden_size
        return RetNetParams(base.lecun_normal(key, input_size, width))

    def weights(params):
        decay = (1 - 2.0 ** (-5 - np.arange(heads)))[:, None, None]
        dtype = params.W_x.dtype
        if rotation:
            theta = 10000.0 ** -np.linspace(0, 1, sizes.key // 2)
            decay = decay * np.exp(1j * theta)[:, None]
            dtype = jnp.result_type(dtype, jnp.complex64)
        return RetNetWeights(params.W_x, jnp.asarray(decay, dtype))

    def initial_state(params, batch_shape):
        dtype = params.W_x.dtype
        if not rotation:
            return jnp.zeros((*batch_shape, *sizes), dtype)
        shape = (*batch_shape, heads, sizes.key // 2, sizes.value)
        return jnp.zeros(shape, jnp.result_type(dtype, jnp.complex64))

    def project(w, x):
        q, k, v = jnp.split(x @ w.W_x, (sizes.keys, 2 * sizes.keys), axis=-1)
        q, k, v = (matrix_state.split_heads(part, heads) for part in (q, k, v))
        k = k * sizes.key**-0.5
        if rotation:
            q, k = _to_complex(q), jnp.conj(_to_complex(k))
        return RetNetDrive(q, k, v)

    def readout(w, S, u):
        del w
        y = matrix_state.recall(S, u.q)
        return matrix_state.join_heads(y.real if rotation else y)

    def coefficients(w, u):
        return w.decay, matrix_state.outer(u.k, u.v)

    return base.Cell(
        init=init,
        initial_state=initial_state,
        weights=weights,
        project=project,
        readout=readout,
        associative=matrix_state.decayed(coefficients),
        structure=base.Structure(jacobian="diagonal"),
    )
