"""The quasi-recurrent network."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers
from rnn_research.layers import convolution
from rnn_research.layers.base import Layer, layer
from rnn_research.layers.recurrent import recurrent
from rnn_research.layers.stack import stack

GATES = {"f": 1, "fo": 2, "ifo": 3}


class PoolingParams(NamedTuple):
    b: jax.Array  # [2H], [3H] or [4H], in the order z, f, o, i


class PoolingGates(NamedTuple):
    z: base.Candidate  # [*, H], candidate, in (-1, 1)
    f: jax.Array  # [*, H], forget gate: the share of the old state, in (0, 1)
    o: jax.Array  # [*, H], output gate, in (0, 1); 1 in f-pooling
    i: jax.Array  # [*, H], input gate, in (0, 1); 1 - f but in ifo-pooling


@layer
def qrnn(
    hidden_size: int, *, width=2, pooling="fo", forget_bias: initializers.GateBias = 0.0
) -> Layer:
    """QRNN (Bradbury et al. 2016, arXiv 1611.01576): a convolution, then a pooling.

        z_t = tanh(W_z * x + b_z),  f_t, o_t, i_t = sigmoid(W * x + b)      one each
        pooling='f':    h_t = f_t * h_{t-1} + (1 - f_t) * z_t
        pooling='fo':   c_t = f_t * c_{t-1} + (1 - f_t) * z_t,  h_t = o_t * c_t
        pooling='ifo':  c_t = f_t * c_{t-1} + i_t * z_t,        h_t = o_t * c_t

    W * x is the dense causal convolution over the last `width` inputs.

    W starts normal of variance 1 / (width D), b_f at `forget_bias`, other biases zero,
    but for forget_bias=chrono(...) in ifo-pooling, where b_i starts at -b_f.
    """
    cell = qrnn_pooling(hidden_size, pooling=pooling, forget_bias=forget_bias)
    size = (1 + GATES[pooling]) * hidden_size
    convolved = convolution.dense_causal_conv(size, width=width, bias=False)
    return stack(convolved, recurrent(cell))


@base.cell
def qrnn_pooling(
    hidden_size: int, *, pooling="fo", forget_bias: initializers.GateBias = 0.0
) -> base.Cell:
    """The pooling of a QRNN: its input is the gates before bias and nonlinearity."""
    errors.check_size(hidden_size=hidden_size)
    errors.check_option("pooling", pooling, tuple(GATES))
    keep_bias = initializers.check_gate_bias(forget_bias)
    wanted = (1 + GATES[pooling]) * hidden_size

    def init(key, input_size):
        if input_size != wanted:
            raise errors.UsageError(
                f"qrnn_pooling({hidden_size}, pooling={pooling!r}) takes {wanted} "
                f"features, not {input_size}"
            )
        z = o = jnp.zeros(hidden_size)
        f, i = initializers.gate_pair(keep_bias, key, hidden_size)
        return PoolingParams(jnp.concatenate([z, f, o, i])[:wanted])

    def project(w, x):
        z, f, *rest = jnp.split(x + w.b, 1 + GATES[pooling], axis=-1)
        f = jax.nn.sigmoid(f)
        o = jax.nn.sigmoid(rest[0]) if rest else jnp.ones_like(f)
        i = jax.nn.sigmoid(rest[1]) if pooling == "ifo" else 1 - f
        return PoolingGates(jnp.tanh(z), f, o, i)

    def readout(w, c, u):
        del w
        return u.o * c

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(hidden_size),
        project=project,
        readout=readout,
        associative=base.affine(lambda w, u: (u.f, u.i * u.z)),
        structure=base.Structure(jacobian="diagonal"),
        gates=lambda w, c, u: u,
    )
