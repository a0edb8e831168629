"""The simple recurrent unit, in its first form."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers


class SRUParams(NamedTuple):
    W_x: jax.Array  # [D, 3H], in the order candidate, f, r; [D, 4H] where D != H
    b: jax.Array  # [2H], of f and r


class SRUDrive(NamedTuple):
    n: jax.Array  # [*, H], candidate
    f: jax.Array  # [*, H], forget gate: the share of the old state, in (0, 1)
    r: jax.Array  # [*, H], reset gate: the share of the state in the output, in (0, 1)
    x: jax.Array  # [*, H], what the highway carries


class SRUGates(NamedTuple):
    f: jax.Array  # [*, H]
    r: jax.Array  # [*, H]


READINGS = {"tanh": jnp.tanh, "relu": jax.nn.relu, "identity": lambda c: c}


@base.cell
def sru(
    hidden_size: int,
    *,
    activation="tanh",
    forget_bias: initializers.GateBias = 0.0,
    highway_bias=0.0,
) -> base.Cell:
    """SRU, version 1 (Lei et al. 2017, arXiv 1709.02755).

        n_t = W x_t
        f_t = sigmoid(W_f x_t + b_f)
        r_t = sigmoid(W_r x_t + b_r)
        c_t = f_t * c_{t-1} + (1 - f_t) * n_t
        h_t = r_t * g(c_t) + (1 - r_t) * x_t

    The later version, in which c_{t-1} enters both gates, is not associative and is
    not this. g is `activation`: tanh, relu or identity. Where D != H the highway
    carries W_4 x_t in place of x_t, as in the authors' code.

    All W start uniform on +-sqrt(3/D), b_f at `forget_bias` and b_r at `highway_bias`,
    the logit of r (negative in deep stacks, so that they start as the identity).
    """
    errors.check_size(hidden_size=hidden_size)
    errors.check_option("activation", activation, tuple(READINGS))
    keep_bias = initializers.check_gate_bias(forget_bias)
    g = READINGS[activation]
    size = hidden_size

    def init(key, input_size):
        key_x, key_b = jax.random.split(key)
        count, bound = 3 if input_size == size else 4, (3 / input_size) ** 0.5
        shape = (input_size, count * size)
        return SRUParams(
            W_x=jax.random.uniform(key_x, shape, minval=-bound, maxval=bound),
            b=jnp.concatenate(
                [keep_bias.make(key_b, size), jnp.full(size, float(highway_bias))]
            ),
        )

    def project(w, x):
        n, f, r, *carried = jnp.split(x @ w.W_x, w.W_x.shape[1] // size, axis=-1)
        f, r = jax.nn.sigmoid(f + w.b[:size]), jax.nn.sigmoid(r + w.b[size:])
        return SRUDrive(n, f, r, carried[0] if carried else x)

    def readout(w, c, u):
        del w
        return u.r * g(c) + (1 - u.r) * u.x

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(hidden_size),
        project=project,
        readout=readout,
        associative=base.affine(lambda w, u: (u.f, (1 - u.f) * u.n)),
        structure=base.Structure(jacobian="diagonal"),
        gates=lambda w, c, u: SRUGates(u.f, u.r),
    )
