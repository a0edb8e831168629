"""The stackable recurrent cell."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers


class STARParams(NamedTuple):
    W_h: jax.Array  # [H, H]
    W_x: jax.Array  # [D, 2H], in the order k, z
    b: jax.Array  # [2H]


class STARDrive(NamedTuple):
    k: jax.Array  # [*, H]
    z: jax.Array  # [*, H], the encoded input, in (-1, 1)


class STARGates(NamedTuple):
    k: jax.Array  # [*, H], gate: the share of the encoded input, in (0, 1)


@base.cell
def star(
    hidden_size: int,
    *,
    forget_bias: initializers.GateBias = 1.0,
    recurrent=initializers.orthogonal(),
) -> base.Cell:
    """Stackable recurrent cell (STAR, Turkoglu et al. 2019, arXiv 1911.11033).

        z_t = tanh(U_z x_t + b_z)
        k_t = sigmoid(W_k h_{t-1} + U_k x_t + b_k)
        h_t = tanh((1 - k_t) * h_{t-1} + k_t * z_t)

    Built so that gradients keep their size over many layers as well as over time. The
    authors' code gates as JANET does with beta = 1: h_{t-1} has the share sigmoid(-a)
    and z_t sigmoid(a + 1), a the logit of k_t, more than 1 in sum; here 1 as in the
    paper.

    As k weights the new, b_k starts at -forget_bias (1, or chrono(t_max=...), in the
    authors' code); W starts orthogonal, U normal of variance 1/D (orthogonal in the
    authors' code), b_z zero.
    """
    errors.check_size(hidden_size=hidden_size)
    forget_bias = initializers.check_gate_bias(forget_bias)
    recurrent = initializers.check_recurrent(recurrent)
    size = hidden_size

    def init(key, input_size):
        key_h, key_x, key_b = jax.random.split(key, 3)
        b_k = -forget_bias.make(key_b, size)
        return STARParams(
            W_h=initializers.matrix(recurrent, key_h, size),
            W_x=base.lecun_normal(key_x, input_size, 2 * size),
            b=jnp.concatenate([b_k, jnp.zeros(size)]),
        )

    def project(w, x):
        k, z = jnp.split(x @ w.W_x + w.b, 2, axis=-1)
        return STARDrive(k, jnp.tanh(z))

    def gates(w, h, u):
        return STARGates(jax.nn.sigmoid(h @ w.W_h + u.k))

    def step(w, h, u):
        (k,) = gates(w, h, u)
        return jnp.tanh((1 - k) * h + k * u.z)

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(size),
        project=project,
        step=step,
        matrices=lambda w: {"W_h": w.W_h},
        gates=gates,
        groups=base.labels(W_h="recurrent"),
    )
