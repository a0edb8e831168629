"""The recurrent unit with an additive memory and no saturating gates."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base


class NRUParams(NamedTuple):
    W_h: jax.Array  # [H + M, H], from the last h and m
    W_x: jax.Array  # [D, H]
    b_h: jax.Array  # [H]
    W_v: jax.Array  # [H + M, 4S], S = sqrt(K M): p, q of writing, p, q of erasing
    b_v: jax.Array  # [4S]
    W_a: jax.Array  # [H + M, 2K], alpha, beta
    b_a: jax.Array  # [2K]


class NRUState(NamedTuple):
    h: jax.Array  # [*, H], the output
    m: jax.Array  # [*, M], the memory


class NRUGates(NamedTuple):
    alpha: base.Unbounded  # [*, K], how much is written
    beta: base.Unbounded  # [*, K], how much is erased


def unit_5_norm(v):
    """v / |v|_5 over the last axis, zero where v is zero."""
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(v), axis=-1, keepdims=True))
    v = v / jnp.where(largest > 0, largest, 1)  # of degree 0: the scale does not count
    total = jnp.sum(jnp.abs(v) ** 5, axis=-1, keepdims=True)
    return v / jnp.where(total > 0, total, 1) ** 0.2


@base.cell
def nru(hidden_size: int, *, memory_size=64, heads=4, relu=False) -> base.Cell:
    """Non-saturating recurrent unit (Chandar et al. 2019, arXiv 1902.06704).

        h_t    = relu(W_h [h_{t-1}, m_{t-1}] + W_x x_t + b_h)
        alpha, beta       = f(W_a [h_t, m_{t-1}] + b_a)           one of each a head
        p, q (two pairs)  = W_v [h_t, m_{t-1}] + b_v
        v^w, v^e          = f(p q^T), cut into K vectors of size M, each / its 5-norm
        m_t    = m_{t-1} + mean_k(alpha_k v^w_k) - mean_k(beta_k v^e_k)

    f is the identity, or relu where relu=True. What is stated here is the authors'
    code, with which an independent one (spaGO) agrees but for the axis of the 5-norm;
    the paper's text could not be compared. The code's optional layer norm of h is left
    out. The output is h.

    memory_size is M and heads K; K M must be a square, S^2, for the outer products. All
    start uniform in +-1/sqrt(fan-in), biases too (PyTorch's linear layers).
    """
    errors.check_size(hidden_size=hidden_size, memory_size=memory_size, heads=heads)
    errors.check_flags(relu=relu)
    side = math.isqrt(heads * memory_size)
    if side**2 != heads * memory_size:
        raise errors.UsageError(
            f"heads * memory_size must be a square, not {heads * memory_size}"
        )
    f = jax.nn.relu if relu else lambda a: a
    seen = hidden_size + memory_size

    def init(key, input_size):
        keys = jax.random.split(key, 7)

        def uniform(key, fan_in, *shape):
            bound = fan_in**-0.5
            return jax.random.uniform(key, shape, minval=-bound, maxval=bound)

        return NRUParams(
            W_h=uniform(keys[0], seen + input_size, seen, hidden_size),
            W_x=uniform(keys[1], seen + input_size, input_size, hidden_size),
            b_h=uniform(keys[2], seen + input_size, hidden_size),
            W_v=uniform(keys[3], seen, seen, 4 * side),
            b_v=uniform(keys[4], seen, 4 * side),
            W_a=uniform(keys[5], seen, seen, 2 * heads),
            b_a=uniform(keys[6], seen, 2 * heads),
        )

    def project(w, x):
        return x @ w.W_x + w.b_h

    def hidden(w, state, u):
        h = jax.nn.relu(jnp.concatenate(state, axis=-1) @ w.W_h + u)
        return h, jnp.concatenate([h, state.m], axis=-1)

    def amounts(w, both):
        return NRUGates(*jnp.split(f(both @ w.W_a + w.b_a), 2, axis=-1))

    def gates(w, state, u):
        return amounts(w, hidden(w, state, u)[1])

    def step(w, state, u):
        h, both = hidden(w, state, u)
        p_w, q_w, p_e, q_e = jnp.split(both @ w.W_v + w.b_v, 4, axis=-1)

        def mean(amount, p, q):
            v = f(p[..., :, None] * q[..., None, :])
            v = unit_5_norm(v.reshape(*v.shape[:-2], heads, memory_size))
            return jnp.mean(amount[..., None] * v, axis=-2)

        alpha, beta = amounts(w, both)
        return NRUState(h, state.m + mean(alpha, p_w, q_w) - mean(beta, p_e, q_e))

    def readout(w, state, u):
        del w, u
        return state.h

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(hidden_size, memory_size, kind=NRUState),
        project=project,
        step=step,
        matrices=lambda w: {"W_h": w.W_h[:hidden_size]},
        readout=readout,
        gates=gates,
        groups=base.labels(W_h="recurrent", W_v="recurrent", W_a="recurrent"),
    )
