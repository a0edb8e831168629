"""The matrix-memory cell of xLSTM: exponential gates, associative."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers
from rnn_research.cells.activations import Activations
from rnn_research.cells.slstm import LOG_FORGET, check_heads


class MLSTMParams(NamedTuple):
    W_qkv: jax.Array  # [D, 3H], in the order q, k, v
    b_qkv: jax.Array  # [3H]
    W_g: jax.Array  # [D, 2K], input and forget gates, one each a head
    b_g: jax.Array  # [2K]
    W_o: jax.Array  # [D, H]
    b_o: jax.Array  # [H]


class MLSTMDrive(NamedTuple):
    q: jax.Array  # [*, K, d], d = H / K
    k: jax.Array  # [*, K, d]
    v: jax.Array  # [*, K, d]
    log_i: jax.Array  # [*, K]
    log_f: jax.Array  # [*, K]
    o: jax.Array  # [*, H], output gate, in (0, 1)


class MLSTMState(NamedTuple):
    C: jax.Array  # [*, K, d, d], exp(-m) times the memory, rows v, columns k
    n: jax.Array  # [*, K, d], exp(-m) times the normaliser
    m: jax.Array  # [*, K], the stabiliser


class MLSTMElement(NamedTuple):
    log_f: jax.Array  # [*, K], log of the product of the forget gates
    m: jax.Array  # [*, K], the stabiliser of what was added
    C: jax.Array  # [*, K, d, d], exp(-m) times what was added
    n: jax.Array  # [*, K, d]


class MLSTMGates(NamedTuple):
    log_i: base.Unbounded  # [*, K]
    log_f: base.Unbounded  # [*, K]
    o: jax.Array  # [*, H], in (0, 1)


def _added(log_f, old, new):
    """(C, n, m) of exp(log_f) old + new, kept in range."""
    m = jnp.maximum(log_f + old.m, new.m)
    f, i = jnp.exp(log_f + old.m - m), jnp.exp(new.m - m)
    C = f[..., None, None] * old.C + i[..., None, None] * new.C
    return C, f[..., None] * old.n + i[..., None] * new.n, m


def _read(state):
    """C and n without the stabiliser."""
    scale = _scale(state.m)[..., None]
    return MLSTMState(scale[..., None] * state.C, scale * state.n, None)


def _write(state, memory):
    scale = _scale(state.m)[..., None]
    return MLSTMState(memory.C / scale[..., None], memory.n / scale, state.m)


def _scale(m):
    """exp(m), within the range of the type."""
    most = 0.9 * jnp.log(jnp.finfo(m.dtype).max)
    return jnp.exp(jnp.clip(m, -most, most))


@base.cell
def mlstm(
    hidden_size: int,
    *,
    heads=1,
    forget_gate="sigmoid",
    forget_bias: initializers.GateBias = initializers.unit_spread(low=3.0, high=6.0),
) -> base.Cell:
    """mLSTM (Beck et al. 2024, arXiv 2405.04517).

        q, v = W x_t + b,   k = (W_k x_t + b_k) / sqrt(d)       d = H / K, each head
        i~, f~ = w x_t + b,   log f = log sigmoid(f~) or f~     one each a head
        m_t = max(log f + m_{t-1}, i~)
        f'  = exp(log f + m_{t-1} - m_t),   i' = exp(i~ - m_t)
        C_t = f' C_{t-1} + i' v k^T
        n_t = f' n_{t-1} + i' k
        h_t = sigmoid(W_o x_t + b_o) * C_t q / max(|n_t . q|, exp(-m_t))

    m only keeps the exponentials in range: h is that of the cell without it, whose
    denominator is max(|n . q|, 1). The gates do not see h, so the recurrence is
    associative, with a running maximum in place of a product of forget gates. What
    counts as activations is C and n without the stabiliser.

    heads is K, which divides H (the authors' code has 4); forget_gate is 'sigmoid', as
    in that code, or 'exp'; forget_bias is b_f at the start, a number or an initializer
    over the heads (chrono also sets the mean of b_i to -b_f).

    The weights of i and f start zero, b_f from 3 to 6 over the heads, b_i normal of
    standard deviation 0.1 (authors' code); other weights normal of variance 1/D, other
    biases zero. The gates see x, as in the paper, not (q, k, v), as in that code, which
    also norms each head before the output gate and adds 1e-6 to the denominator.
    """
    check_heads(hidden_size, heads)
    errors.check_option("forget_gate", forget_gate, tuple(LOG_FORGET))
    forget_bias = initializers.check_gate_bias(forget_bias)
    size, width = hidden_size, hidden_size // heads
    log_forget = LOG_FORGET[forget_gate]

    def init(key, input_size):
        key_qkv, key_o, key_f, key_i = jax.random.split(key, 4)
        f, i = initializers.gate_pair(forget_bias, key_f, heads)
        i = i + 0.1 * jax.random.normal(key_i, (heads,))
        return MLSTMParams(
            W_qkv=base.lecun_normal(key_qkv, input_size, 3 * size),
            b_qkv=jnp.zeros(3 * size),
            W_g=jnp.zeros((input_size, 2 * heads)),
            b_g=jnp.concatenate([i, f]),
            W_o=base.lecun_normal(key_o, input_size, size),
            b_o=jnp.zeros(size),
        )

    def initial_state(params, batch_shape):
        dtype = params.W_o.dtype
        return MLSTMState(
            C=jnp.zeros((*batch_shape, heads, width, width), dtype),
            n=jnp.zeros((*batch_shape, heads, width), dtype),
            m=jnp.zeros((*batch_shape, heads), dtype),
        )

    def project(w, x):
        qkv = (x @ w.W_qkv + w.b_qkv).reshape(*x.shape[:-1], 3, heads, width)
        q, k, v = (qkv[..., part, :, :] for part in range(3))
        i, f = jnp.split(x @ w.W_g + w.b_g, 2, axis=-1)
        o = jax.nn.sigmoid(x @ w.W_o + w.b_o)
        return MLSTMDrive(q, k * width**-0.5, v, i, log_forget(f), o)

    def element(w, u):
        del w
        C = u.v[..., :, None] * u.k[..., None, :]
        return MLSTMElement(u.log_f, u.log_i, C, u.k)

    def combine(later, earlier):
        C, n, m = _added(later.log_f, earlier, later)
        return MLSTMElement(later.log_f + earlier.log_f, m, C, n)

    def apply(e, state):
        return MLSTMState(*_added(e.log_f, state, e))

    def step(w, state, u):
        log_i, log_f, _ = gates(w, state, u)
        m = jnp.maximum(log_f + state.m, log_i)
        f, i = jnp.exp(log_f + state.m - m), jnp.exp(log_i - m)
        k = i[..., None] * u.k
        outer = u.v[..., :, None] * k[..., None, :]
        return MLSTMState(
            f[..., None, None] * state.C + outer, f[..., None] * state.n + k, m
        )

    def gates(w, state, u):
        del w, state
        return MLSTMGates(u.log_i, u.log_f, u.o)

    def readout(w, state, u):
        del w
        above = jnp.einsum("...vk,...k->...v", state.C, u.q)
        below = jnp.abs(jnp.sum(state.n * u.q, axis=-1))
        least = jnp.exp(jnp.minimum(-state.m, 80.0))  # beyond, h is 0 to any precision
        h = above / jnp.maximum(below, least)[..., None]
        return u.o * h.reshape(u.o.shape)

    return base.Cell(
        init=init,
        initial_state=initial_state,
        project=project,
        step=step,
        readout=readout,
        associative=base.Associative(element, combine, apply),
        gates=gates,
        activations=Activations(_read, _write),
    )
