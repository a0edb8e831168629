"""The recurrent highway network: several highway layers between two time steps."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers


class RHNParams(NamedTuple):
    R: jax.Array  # [L, N, 2N], in the order h, t; [L, N, 3N] where not coupled: h, t, c
    W: jax.Array  # [D, 2N], enters the first micro-step only
    b: jax.Array  # [L, 2N]


class RHNGates(NamedTuple):
    h: base.Candidate  # [*, L, N], candidates of the micro-steps, in (-1, 1)
    t: jax.Array  # [*, L, N], transform gates: the share of the candidate, in (0, 1)
    c: jax.Array  # [*, L, N], carry gates: the share of the old state, in (0, 1)


@base.cell
def rhn(
    hidden_size: int,
    *,
    depth=3,
    coupled=True,
    forget_bias: initializers.GateBias = 2.0,
    recurrent=initializers.orthogonal(),
) -> base.Cell:
    """Recurrent highway network (Zilly et al. 2016, arXiv 1607.03474).

        h^l = tanh(   W_H x_t [l = 1] + R_H^l s^{l-1} + b_H^l)
        t^l = sigmoid(W_T x_t [l = 1] + R_T^l s^{l-1} + b_T^l)
        c^l = sigmoid(W_C x_t [l = 1] + R_C^l s^{l-1} + b_C^l)
        s^l = h^l * t^l + s^{l-1} * c^l

    for l = 1 ... L, from s^0 = y_{t-1} to y_t = s^L.

    Args:
      depth: L, micro-steps between two time steps; the authors' cell has 3 by default,
        their best language models have 10.
      coupled: c = 1 - t without weights of its own, as in the paper's experiments.
      forget_bias: the logit of the share of the old state in each micro-step, so b_T
        starts at its negative (the authors set b_T to -2 to -4); where not coupled b_C
        starts there, and b_T at zero or at its negative for chrono.
      recurrent: R micro-step by micro-step and gate by gate.

    R starts orthogonal, W normal of variance 1/D, b_H zero.
    """
    errors.check_size(hidden_size=hidden_size)
    errors.check_size(most=errors.DEEPEST, depth=depth)
    errors.check_flags(coupled=coupled)
    forget_bias = initializers.check_gate_bias(forget_bias)
    recurrent = initializers.check_recurrent(recurrent)
    size, count = hidden_size, 2 if coupled else 3

    def init(key, input_size):
        key_r, key_w, key_b = jax.random.split(key, 3)

        def bias(key):
            forget, other = initializers.gate_pair(forget_bias, key, size)
            gates = [-forget] if coupled else [other, forget]
            return jnp.concatenate([jnp.zeros(size), *gates])

        keys = jax.random.split(key_r, depth)
        return RHNParams(
            R=jnp.stack(
                [initializers.matrix(recurrent, k, size, count=count) for k in keys]
            ),
            W=base.lecun_normal(key_w, input_size, count * size),
            b=jnp.stack([bias(k) for k in jax.random.split(key_b, depth)]),
        )

    def project(w, x):
        return x @ w.W + w.b[0]

    def micro_steps(w, s, u):
        gates = []
        for layer in range(depth):
            a = s @ w.R[layer] + (u if layer == 0 else w.b[layer])
            h, t, *c = jnp.split(a, count, axis=-1)
            h, t = jnp.tanh(h), jax.nn.sigmoid(t)
            c = 1 - t if coupled else jax.nn.sigmoid(c[0])
            s = h * t + s * c
            gates.append(RHNGates(h, t, c))
        return s, gates

    def gates(w, s, u):
        _, parts = micro_steps(w, s, u)
        return RHNGates(*(jnp.stack(part, -2) for part in zip(*parts, strict=True)))

    def step(w, s, u):
        return micro_steps(w, s, u)[0]

    def matrices(w):
        return base.columns(w.R, *("R_H", "R_T", "R_C")[:count])

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(hidden_size),
        project=project,
        step=step,
        matrices=matrices,
        gates=gates,
        groups=base.labels(R="recurrent"),
    )
