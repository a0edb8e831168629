"""The minimal recurrent network: one gate between the state and an encoded input."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers


class MinimalRNNParams(NamedTuple):
    U_h: jax.Array  # [H, H]
    U_z: jax.Array  # [H, H]
    b_u: jax.Array  # [H]
    W_x: jax.Array  # [D, H]
    b_z: jax.Array  # [H]


class MinimalRNNDrive(NamedTuple):
    z: jax.Array  # [*, H], the encoded input, in (-1, 1)
    u: jax.Array  # [*, H], what the gate sees of it


class MinimalRNNGates(NamedTuple):
    u: jax.Array  # [*, H], update gate: the share of the old state, in (0, 1)


@base.cell
def minimal_rnn(
    hidden_size: int,
    *,
    forget_bias: initializers.GateBias = 0.0,
    recurrent=initializers.orthogonal(),
) -> base.Cell:
    """MinimalRNN (Chen 2017, arXiv 1711.06788).

        z_t = tanh(W_x x_t + b_z)
        u_t = sigmoid(U_h h_{t-1} + U_z z_t + b_u)
        h_t = u_t * h_{t-1} + (1 - u_t) * z_t

    The paper's Phi, which encodes the input, is here one layer with tanh. The state is
    an average of encoded inputs, so it stays in their range.

    U_h starts orthogonal, b_u as `forget_bias`, W_x and U_z normal of variance 1 over
    their fan-in, b_z zero.
    """
    errors.check_size(hidden_size=hidden_size)
    forget_bias = initializers.check_gate_bias(forget_bias)
    recurrent = initializers.check_recurrent(recurrent)
    size = hidden_size

    def init(key, input_size):
        key_h, key_z, key_u, key_x = jax.random.split(key, 4)
        return MinimalRNNParams(
            U_h=initializers.matrix(recurrent, key_h, size),
            U_z=base.lecun_normal(key_z, size, size),
            b_u=forget_bias.make(key_u, size),
            W_x=base.lecun_normal(key_x, input_size, size),
            b_z=jnp.zeros(size),
        )

    def project(w, x):
        z = jnp.tanh(x @ w.W_x + w.b_z)
        return MinimalRNNDrive(z, z @ w.U_z + w.b_u)

    def gates(w, h, drive):
        return MinimalRNNGates(jax.nn.sigmoid(h @ w.U_h + drive.u))

    def step(w, h, drive):
        (u,) = gates(w, h, drive)
        return u * h + (1 - u) * drive.z

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(size),
        project=project,
        step=step,
        matrices=lambda w: {"U_h": w.U_h},
        gates=gates,
        groups=base.labels(U_h="recurrent"),
    )
