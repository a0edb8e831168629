"""The minimal gated unit."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers


class MGUParams(NamedTuple):
    W_h: jax.Array  # [H, 2H], in the order f, n
    W_x: jax.Array  # [D, 2H]
    b: jax.Array  # [2H]


class MGUGates(NamedTuple):
    f: jax.Array  # [*, H], the share of the candidate, and the reset, in (0, 1)
    n: base.Candidate  # [*, H], candidate, in (-1, 1)


@base.cell
def mgu(
    hidden_size: int,
    *,
    forget_bias: initializers.GateBias = 0.0,
    recurrent=initializers.orthogonal(),
) -> base.Cell:
    """Minimal gated unit (Zhou et al. 2016, arXiv 1603.09420).

        f_t = sigmoid(W_f h_{t-1} + U_f x_t + b_f)
        n_t = tanh(W_n (f_t * h_{t-1}) + U_n x_t + b_n)
        h_t = (1 - f_t) * h_{t-1} + f_t * n_t

    The GRU with one gate for both of its own. As in the paper f weights the candidate,
    so b_f starts at -forget_bias. flax.linen.MGUCell is another network: its f weights
    the old state, and resets after the product.

    W starts orthogonal gate by gate, U normal of variance 1/D, b_n zero.
    """
    errors.check_size(hidden_size=hidden_size)
    forget_bias = initializers.check_gate_bias(forget_bias)
    recurrent = initializers.check_recurrent(recurrent)
    size = hidden_size

    def init(key, input_size):
        key_h, key_x, key_b = jax.random.split(key, 3)
        b_f = -forget_bias.make(key_b, size)
        return MGUParams(
            W_h=initializers.matrix(recurrent, key_h, size, count=2),
            W_x=base.lecun_normal(key_x, input_size, 2 * size),
            b=jnp.concatenate([b_f, jnp.zeros(size)]),
        )

    def project(w, x):
        return x @ w.W_x + w.b

    def gates(w, h, u):
        W_f, W_n = jnp.split(w.W_h, 2, axis=1)
        u_f, u_n = jnp.split(u, 2, axis=-1)
        f = jax.nn.sigmoid(h @ W_f + u_f)
        return MGUGates(f, jnp.tanh((f * h) @ W_n + u_n))

    def step(w, h, u):
        f, n = gates(w, h, u)
        return (1 - f) * h + f * n

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(size),
        project=project,
        step=step,
        matrices=lambda w: base.columns(w.W_h, "W_f", "W_n"),
        gates=gates,
        groups=base.labels(W_h="recurrent"),
    )
