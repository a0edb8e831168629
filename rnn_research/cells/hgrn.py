"""The recurrence of the hierarchically gated recurrent network."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers


class HGRNParams(NamedTuple):
    W_x: jax.Array  # [D, 5H], in the order mu, Re c, Im c, g (2H)
    b: jax.Array  # [5H]
    theta: jax.Array  # [H], the angle a step turns the state by
    bound: jax.Array  # [H], logit of the lower bound; absent (None) in the first layer
    gain: jax.Array  # [2H], of the layer normalisation
    shift: jax.Array  # [2H]
    W_o: jax.Array  # [2H, H]
    b_o: jax.Array  # [H]


class HGRNWeights(NamedTuple):
    params: HGRNParams
    turn: jax.Array  # [H] complex, exp(i theta)
    bound: jax.Array  # [H], gamma


class HGRNDrive(NamedTuple):
    f: jax.Array  # [*, H], lambda: the share of the old state, in (gamma, 1)
    c: jax.Array  # [*, H] complex, candidate
    g: jax.Array  # [*, 2H], output gate


class HGRNGates(NamedTuple):
    f: jax.Array  # [*, H]


@base.cell
def hgrn(
    hidden_size: int,
    *,
    layer: tuple[int, int] = (0, 1),
    forget_bias: initializers.GateBias = 0.0,
) -> base.Cell:
    """HGRN (Qin, Yang & Zhong 2023, arXiv 2311.04823), its recurrent unit.

        mu_t     = sigmoid(W_mu x_t + b_mu)
        lambda_t = gamma + (1 - gamma) * mu_t
        Re c_t, Im c_t = silu(W_c x_t + b_c)                      one W, b for each
        h_t = lambda_t * exp(i theta) * h_{t-1} + (1 - lambda_t) * c_t    h complex
        g_t = silu(W_g x_t + b_g)
        y_t = W_o (layer_norm([Re h_t, Im h_t]) * g_t) + b_o

    Args:
      layer: (index, count), the place of the layer in its stack.
      forget_bias: of mu, the logit of the share kept above the lower bound.

    gamma starts at index / count, the start of the paper's cumulative softmax over the
    layers; here a layer owns its gamma (the first has none: 0), so that training can
    undo the order over depth, which the paper's shared parameter keeps.
    theta_j starts at 10000^(-2j/H) and is trained; all W start normal of variance
    1/fan-in, biases zero. theta and gamma are labelled 'recurrent'. Normalisation, gate
    and output map are as in the authors' code.
    """
    errors.check_size(hidden_size=hidden_size)
    index, count = _check_layer(layer)
    keep_bias = initializers.check_gate_bias(forget_bias)
    size = hidden_size

    def init(key, input_size):
        key_x, key_b, key_o = jax.random.split(key, 3)
        bound = jnp.full(size, math.log(index / (count - index))) if index else None
        return HGRNParams(
            W_x=base.lecun_normal(key_x, input_size, 5 * size),
            b=jnp.concatenate([keep_bias.make(key_b, size), jnp.zeros(4 * size)]),
            theta=10000.0 ** (-2 * jnp.arange(size) / size),
            bound=bound,
            gain=jnp.ones(2 * size),
            shift=jnp.zeros(2 * size),
            W_o=base.lecun_normal(key_o, 2 * size, size),
            b_o=jnp.zeros(size),
        )

    def weights(params):
        if params.bound is None:
            bound = jnp.zeros_like(params.theta)
        else:
            bound = jax.nn.sigmoid(params.bound)
        turn = jax.lax.complex(jnp.cos(params.theta), jnp.sin(params.theta))
        return HGRNWeights(params, turn, bound)

    def initial_state(params, batch_shape):
        dtype = jnp.result_type(params.theta, jnp.complex64)
        return jnp.zeros((*batch_shape, size), dtype)

    def project(w, x):
        a = x @ w.params.W_x + w.params.b
        mu, real, imag, g = jnp.split(a, [size, 2 * size, 3 * size], axis=-1)
        f = w.bound + (1 - w.bound) * jax.nn.sigmoid(mu)
        return HGRNDrive(f, jax.nn.silu(real) + 1j * jax.nn.silu(imag), jax.nn.silu(g))

    def readout(w, h, u):
        parts = jnp.concatenate([h.real, h.imag], axis=-1)
        parts = parts - jnp.mean(parts, axis=-1, keepdims=True)
        scale = jax.lax.rsqrt(jnp.mean(parts**2, axis=-1, keepdims=True) + 1e-5)
        normed = w.params.gain * parts * scale + w.params.shift
        return (normed * u.g) @ w.params.W_o + w.params.b_o

    return base.Cell(
        init=init,
        initial_state=initial_state,
        weights=weights,
        project=project,
        readout=readout,
        associative=base.affine(lambda w, u: (u.f * w.turn, (1 - u.f) * u.c)),
        structure=base.Structure(jacobian="diagonal"),
        gates=lambda w, h, u: HGRNGates(u.f),
        groups=base.labels(theta="recurrent", bound="recurrent"),
    )


def _check_layer(layer) -> tuple[int, int]:
    is_pair = isinstance(layer, tuple) and len(layer) == 2
    if not (
        is_pair and all(type(n) is int for n in layer) and 0 <= layer[0] < layer[1]
    ):
        raise errors.UsageError(
            f"layer must be (index, count) with 0 <= index < count, not {layer!r}"
        )
    return layer
