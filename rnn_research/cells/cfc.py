"""The closed-form continuous-time network."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, orthogonal_rnn


class CfCParams(NamedTuple):
    W_h: jax.Array  # [N, K]
    W_x: jax.Array  # [D, K]
    b_k: jax.Array  # [K]
    W_k: jax.Array  # [K, 4N], in the order h, g, a, b
    b: jax.Array  # [4N]


class CfCGates(NamedTuple):
    s: jax.Array  # [*, N], the time gate: the share of g, in (0, 1)
    h: base.Candidate  # [*, N], the one content, in (-1, 1)
    g: base.Candidate  # [*, N], the other content, in (-1, 1)


@base.cell
def cfc(hidden_size: int, *, backbone_units=128, dt=1.0) -> base.Cell:
    """Closed-form continuous-time network (Hasani et al. 2021, arXiv 2106.13898).

        k   = 1.7159 tanh(0.666 (W_h y_{t-1} + W_x x_t + b_k))            the backbone
        h, g = tanh(W_h' k + b_h), tanh(W_g k + b_g)
        s   = sigmoid((W_a k + b_a) dt + W_b k + b_b)
        y_t = s * g + (1 - s) * h

    an interpolation from h to g over time, with no numerical solver.

    Args:
      hidden_size: N, the state y and the output.
      backbone_units: K.
      dt: the time since the last step, the same for all steps.

    The paper writes s = sigmoid(-f dt); its code learns slope and offset of the
    argument as two maps of k, which is followed here. The authors' variant that is the
    closed form of one liquid time constant alone ('pure') is not here: their code
    leaves out the initial value of their formula.

    Matrices start U(-a, a) with a = sqrt(6 / (inputs + outputs)) (W_h and W_x as one,
    the four maps of k apart), biases U(-a, a) with a = 1 / sqrt(inputs).
    """
    errors.check_size(hidden_size=hidden_size, backbone_units=backbone_units)
    errors.check_between("dt", dt, 0.0, float("inf"))
    size, units = hidden_size, backbone_units

    def init(key, input_size):
        key_in, key_bk, key_k, key_b = jax.random.split(key, 4)
        joint = input_size + size
        W = orthogonal_rnn.glorot_uniform(key_in, joint, units)
        bound = (6 / (units + size)) ** 0.5
        return CfCParams(
            W_h=W[:size],
            W_x=W[size:],
            b_k=orthogonal_rnn.uniform(key_bk, (units,), joint**-0.5),
            W_k=orthogonal_rnn.uniform(key_k, (units, 4 * size), bound),
            b=orthogonal_rnn.uniform(key_b, (4 * size,), units**-0.5),
        )

    def project(w, x):
        return x @ w.W_x + w.b_k

    def gates(w, y, u):
        k = 1.7159 * jnp.tanh(0.666 * (y @ w.W_h + u))
        h, g, slope, offset = jnp.split(k @ w.W_k + w.b, 4, axis=-1)
        s = jax.nn.sigmoid(slope * dt + offset)
        return CfCGates(s, jnp.tanh(h), jnp.tanh(g))

    def step(w, y, u):
        s, h, g = gates(w, y, u)
        return s * g + (1 - s) * h

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(size),
        project=project,
        step=step,
        gates=gates,
        groups=base.labels(W_h="recurrent"),
    )
