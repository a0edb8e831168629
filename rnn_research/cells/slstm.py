"""The scalar-memory cell of xLSTM: exponential gates that mix units within heads."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers
from rnn_research.cells.activations import log_of_zero

LOG_FORGET = {"sigmoid": jax.nn.log_sigmoid, "exp": lambda a: a}


class SLSTMParams(NamedTuple):
    R: jax.Array  # [K, N/K, 4, N/K], gates in the order i, f, z, o, one block a head
    W: jax.Array  # [D, 4N]
    b: jax.Array  # [4N]


class SLSTMState(NamedTuple):
    h: jax.Array  # [*, N], the output
    mean: jax.Array  # [*, N], c / n, a weighted mean of z, in (-1, 1)
    log_n: jax.Array  # [*, N], of the normaliser


class SLSTMGates(NamedTuple):
    log_i: base.Unbounded  # [*, N]
    log_f: base.Unbounded  # [*, N]
    z: base.Candidate  # [*, N], cell input, in (-1, 1)
    o: jax.Array  # [*, N], output gate, in (0, 1)


def check_heads(hidden_size, heads):
    errors.check_size(hidden_size=hidden_size, heads=heads)
    if hidden_size % heads:
        raise errors.UsageError(
            f"heads ({heads}) must divide hidden_size ({hidden_size})"
        )


def check_layer(layer):
    """The share of the depth, in [0, 1], at which layer = (index, count) stands."""
    whole = isinstance(layer, tuple) and [type(part) for part in layer] == [int, int]
    if not whole or not 0 <= layer[0] < layer[1]:
        raise errors.UsageError(
            f"layer must be (index, count) with 0 <= index < count, not {layer!r}"
        )
    return layer[0] / max(layer[1] - 1, 1)


@base.cell
def slstm(
    hidden_size: int,
    *,
    heads=1,
    forget_gate="sigmoid",
    forget_bias=None,
    recurrent=initializers.identity(scale=0.0),
    layer: tuple[int, int] = (0, 1),
) -> base.Cell:
    """sLSTM (Beck et al. 2024, arXiv 2405.04517).

        i~, f~, z~, o~ = W x_t + R h_{t-1} + b         one W, R, b each
        log f = log sigmoid(f~) or f~,   z = tanh(z~),   o = sigmoid(o~)
        c_t = f * c_{t-1} + exp(i~) * z                c_0 = n_0 = 0
        n_t = f * n_{t-1} + exp(i~)
        h_t = o * c_t / n_t

    c and n leave the range of any number type, so what is kept is c / n and log n, with
    which the equations need no stabiliser (the paper's m) and divide by nothing:

        s = sigmoid(i~ - log f - log n_{t-1})          the share of what is new
        c_t / n_t = (1 - s) * c_{t-1} / n_{t-1} + s * z
        log n_t   = logaddexp(log f + log n_{t-1}, i~)

    Args:
      heads: K; R is block-diagonal, units mix within a head (the authors' code has 4).
      forget_gate: 'sigmoid', as in the authors' code, or 'exp'.
      forget_bias: b_f at the start, a number or an initializer (chrono also sets
        b_i = -b_f); None is the authors' power law: over the units j = 0 ... d - 1 of
        each head, b_f = 5 - 12 (j / (d - 1))^(0.3 + 1.3 l / (L - 1)) in layer l of L.
      recurrent: R head by head and gate by gate; zero, as in the authors' code.
      layer: (l, L), where the layer stands in its stack.

    W starts normal of variance 1/D, other biases zero. The authors' block around it
    (convolution before i and f, block-diagonal W, group norm after) is left out.
    """
    check_heads(hidden_size, heads)
    errors.check_option("forget_gate", forget_gate, tuple(LOG_FORGET))
    recurrent = initializers.check_recurrent(recurrent)
    depth = check_layer(layer)
    size, width = hidden_size, hidden_size // heads
    log_forget = LOG_FORGET[forget_gate]

    def power_law(key, size):
        del key
        position = jnp.arange(width) / max(width - 1, 1)
        return jnp.tile(5 - 12 * position ** (0.3 + 1.3 * depth), size // width)

    if forget_bias is None:
        forget_bias = initializers.Initializer("gate bias", power_law)
    else:
        forget_bias = initializers.check_gate_bias(forget_bias)

    def init(key, input_size):
        key_r, key_w, key_b = jax.random.split(key, 3)
        R = initializers.matrix(recurrent, key_r, width, count=heads * 4)
        f, i = initializers.gate_pair(forget_bias, key_b, size)
        return SLSTMParams(
            R=jnp.moveaxis(R.reshape(width, heads, 4, width), 1, 0),
            W=base.lecun_normal(key_w, input_size, 4 * size),
            b=jnp.concatenate([i, f, jnp.zeros(2 * size)]),
        )

    def initial_state(params, batch_shape):
        zeros = base.zeros_state(size, size, size, kind=SLSTMState)(params, batch_shape)
        return zeros._replace(log_n=log_of_zero(zeros.log_n))

    def project(w, x):
        return x @ w.W + w.b

    def gates(w, state, u):
        h = state.h.reshape(*state.h.shape[:-1], heads, width)
        mixed = jnp.einsum("...kd,kdge->...gke", h, w.R)
        a = mixed.reshape(*state.h.shape[:-1], 4 * size) + u
        i, f, z, o = jnp.split(a, 4, axis=-1)
        return SLSTMGates(i, log_forget(f), jnp.tanh(z), jax.nn.sigmoid(o))

    def step(w, state, u):
        log_i, log_f, z, o = gates(w, state, u)
        log_old = log_f + state.log_n
        mean = state.mean + jax.nn.sigmoid(log_i - log_old) * (z - state.mean)
        return SLSTMState(o * mean, mean, jnp.logaddexp(log_old, log_i))

    def matrices(w):
        return {f"R_{gate}": w.R[:, :, i] for i, gate in enumerate("ifzo")}

    def readout(w, state, u):
        del w, u
        return state.h

    return base.Cell(
        init=init,
        initial_state=initial_state,
        project=project,
        step=step,
        matrices=matrices,
        readout=readout,
        structure=base.Structure(jacobian="dense" if heads == 1 else ("block", width)),
        gates=gates,
        groups=base.labels(R="recurrent"),
    )
