"""The gated recurrent unit, in both of its published forms."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers


class GRUParams(NamedTuple):
    W_h: jax.Array  # [H, 3H], in the order r, z, n
    W_x: jax.Array  # [D, 3H]
    b_x: jax.Array  # [3H]
    b_hn: jax.Array | None  # [H], inside the reset product; only for reset='after'
    gain_h: jax.Array | None = None  # [3H], layer norm of the products with h
    gain_x: jax.Array | None = None  # [3H], ... with x


class GRUGates(NamedTuple):
    r: jax.Array  # [*, H], reset gate, in (0, 1)
    z: jax.Array  # [*, H], update gate: the share of the old state, in (0, 1)
    n: base.Candidate  # [*, H], candidate, in (-1, 1)


@base.cell
def gru(
    hidden_size: int,
    *,
    reset="after",
    forget_bias: initializers.GateBias = 0.0,
    layer_norm=False,
    recurrent=initializers.orthogonal(),
) -> base.Cell:
    """GRU (Cho et al. 2014, arXiv 1406.1078), in both of its published forms:

        r, z = sigmoid(W h_{t-1} + U x_t + b)                      one each
        reset='after':   n = tanh(U_n x_t + b_n + r * (W_n h_{t-1} + b_hn))
        reset='before':  n = tanh(U_n x_t + b_n + W_n (r * h_{t-1}))
        h_t = (1 - z) * n + z * h_{t-1}

    'after' is version 1 of the paper and what cuDNN, PyTorch and flax.linen compute;
    'before' is version 3. Some texts write 1 - z for z; here z weights the old state,
    as in the paper.

    Args:
      reset: 'after' or 'before' the product with h.
      forget_bias: b_z at the start, the logit of the share of the old state, a number
        or an initializer such as chrono(t_max=...).
      layer_norm: each product is normalised before biases are added: those of r and z
        together, that of n by itself, for h and for x (Ba et al. 2016, arXiv
        1607.06450, with 'after'); b_x and b_hn are the biases of the norms.
      recurrent: W gate by gate.

    W starts orthogonal gate by gate, U normal of variance 1/D, gains 1, biases zero.
    """
    errors.check_size(hidden_size=hidden_size)
    errors.check_option("reset", reset, ("after", "before"))
    errors.check_flags(layer_norm=layer_norm)
    forget_bias = initializers.check_gate_bias(forget_bias)
    recurrent = initializers.check_recurrent(recurrent)
    size = hidden_size

    def init(key, input_size):
        key_h, key_x, key_b = jax.random.split(key, 3)
        zeros = jnp.zeros(size)
        ones = jnp.ones(3 * size) if layer_norm else None
        return GRUParams(
            W_h=initializers.matrix(recurrent, key_h, size, count=3),
            W_x=base.lecun_normal(key_x, input_size, 3 * size),
            b_x=jnp.concatenate([zeros, forget_bias.make(key_b, size), zeros]),
            b_hn=zeros if reset == "after" else None,
            gain_h=ones,
            gain_x=ones,
        )

    def norm(gain, a, part):
        return gain[part] * base.normalised(a) if layer_norm else a

    both, last = slice(0, 2 * size), slice(2 * size, None)

    def project(w, x):
        a = x @ w.W_x
        if layer_norm:
            a = w.gain_x * jnp.concatenate(
                [base.normalised(a[..., both]), base.normalised(a[..., last])], axis=-1
            )
        return a + w.b_x

    def gates_after(w, h, u, held=None):
        a = h @ w.W_h
        rz = jax.nn.sigmoid(u[..., both] + norm(w.gain_h, a[..., both], both))
        r, z = held or jnp.split(rz, 2, axis=-1)
        inner = norm(w.gain_h, a[..., last], last) + w.b_hn
        return GRUGates(r, z, jnp.tanh(u[..., last] + r * inner))

    def gates_before(w, h, u, held=None):
        a = norm(w.gain_h, h @ w.W_h[:, both], both)
        r, z = held or jnp.split(jax.nn.sigmoid(a + u[..., both]), 2, axis=-1)
        inner = norm(w.gain_h, (r * h) @ w.W_h[:, last], last)
        return GRUGates(r, z, jnp.tanh(u[..., last] + inner))

    gates = {"after": gates_after, "before": gates_before}[reset]

    def step(w, h, u):
        _, z, n = gates(w, h, u)
        return (1 - z) * n + z * h

    def gated(w, h, u, given):
        _, z, n = gates(w, h, u, (given.r, given.z))
        return (1 - z) * n + z * h

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(hidden_size),
        project=project,
        step=step,
        matrices=lambda w: base.columns(w.W_h, "W_r", "W_z", "W_n"),
        gates=gates,
        gated=gated,
        groups=base.labels(W_h="recurrent"),
    )
