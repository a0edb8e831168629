"""The real-gated linear recurrent unit."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base
from rnn_research.cells.activations import parts
from rnn_research.cells.state_space import channels, to_channels


class RGLRUParams(NamedTuple):
    W_in: jax.Array  # [D, H], makes H features; absent (None) where D = H
    W_r: jax.Array  # [heads, H/heads, H/heads]
    b_r: jax.Array  # [H]
    W_i: jax.Array  # [heads, H/heads, H/heads]
    b_i: jax.Array  # [H]
    Lambda: jax.Array  # [H]


class RGLRUWeights(NamedTuple):
    params: RGLRUParams
    rate: jax.Array  # [H], c softplus(Lambda)


class RGLRUDrive(NamedTuple):
    r: jax.Array  # [*, H], recurrence gate, in (0, 1)
    i: jax.Array  # [*, H], input gate, in (0, 1)
    log_a: jax.Array  # [*, H]
    x: jax.Array  # [*, H]


class RGLRUGates(NamedTuple):
    r: jax.Array  # [*, H]
    i: jax.Array  # [*, H]


class RGLRUState(NamedTuple):
    h: jax.Array  # [*, H]
    fresh: jax.Array  # [*, 1], 1 before the first step, then 0


class RGLRUElement(NamedTuple):
    a: jax.Array  # [*, H], h' = a h + b,
    b: jax.Array  # [*, H]
    b_fresh: jax.Array  # [*, H], or a h + b_fresh after a fresh state


C = 8.0
STEEPEST = 1000.0  # what the gradient of the square root is clipped at


@base.cell
def rg_lru(
    hidden_size: int, *, heads=1, start="code", first_in_full=False
) -> base.Cell:
    """RG-LRU (De et al. 2024, arXiv 2402.19427), the recurrence of Griffin.

        r_t = sigmoid(W_r x_t + b_r)
        i_t = sigmoid(W_i x_t + b_i)
        a_t = exp(-8 softplus(Lambda) * r_t)
        h_t = a_t * h_{t-1} + sqrt(1 - a_t^2) * (i_t * x_t)

    W_r and W_i are block-diagonal with `heads` blocks. The gradient of the square root
    is clipped at 1000, as in the authors' code. x_t must have H features: where it has
    others, W_in x_t takes its place. The sign of Lambda is that of the authors' code;
    the paper's is the opposite.

    a = exp(-softplus(Lambda)) starts uniform in area on [0.9, 0.999], a^2 ~
    U(0.9^2, 0.999^2), with start='code'; a^8, which is a_t at r_t = 1, starts
    ~ U(0.9, 0.999) with start='paper'. W start normal of variance heads / H, biases
    zero. Lambda is labelled 'recurrent'.

    first_in_full=True puts 1 for sqrt(1 - a_t^2) at the first step of every sequence
    and after a reset, as the authors' code does; by the paper's equations, and here by
    default, the first input enters like any other, times 0.1 where a_t = 0.995.
    """
    errors.check_size(hidden_size=hidden_size, heads=heads)
    errors.check_option("start", start, ("code", "paper"))
    errors.check_flags(first_in_full=first_in_full)
    if hidden_size % heads:
        raise errors.UsageError(
            f"heads ({heads}) must divide hidden_size ({hidden_size})"
        )
    size, block = hidden_size, hidden_size // heads

    def init(key, input_size):
        key_in, key_r, key_i, key_a = jax.random.split(key, 4)

        def matrices(key):
            return block**-0.5 * jax.random.normal(key, (heads, block, block))

        if start == "code":
            squared = jax.random.uniform(key_a, (size,), minval=0.9**2, maxval=0.999**2)
            rate = -0.5 * jnp.log(squared)
        else:
            power = jax.random.uniform(key_a, (size,), minval=0.9, maxval=0.999)
            rate = -jnp.log(power) / C
        return RGLRUParams(
            W_in=channels(key_in, input_size, size),
            W_r=matrices(key_r),
            b_r=jnp.zeros(size),
            W_i=matrices(key_i),
            b_i=jnp.zeros(size),
            Lambda=jnp.log(jnp.expm1(rate)),  # softplus(Lambda) = rate
        )

    def weights(params):
        return RGLRUWeights(params, C * jax.nn.softplus(params.Lambda))

    def project(w, x):
        p = w.params
        x = to_channels(p.W_in, x)
        parts = x.reshape(*x.shape[:-1], heads, block)

        def gate(W, b):
            a = jnp.einsum("...hi,hij->...hj", parts, W).reshape(x.shape)
            return jax.nn.sigmoid(a + b)

        r, i = gate(p.W_r, p.b_r), gate(p.W_i, p.b_i)
        return RGLRUDrive(r, i, -w.rate * r, x)

    def coefficients(w, u):
        del w
        share = _sqrt(-jnp.expm1(2 * u.log_a))
        return jnp.exp(u.log_a), share * (u.i * u.x)

    def element(w, u):
        return RGLRUElement(*coefficients(w, u), b_fresh=u.i * u.x)

    def initial_state(params, batch_shape):
        h = base.zeros_state(size)(params, batch_shape)
        return RGLRUState(h, jnp.ones((*batch_shape, 1), h.dtype))

    def readout(w, state, u):
        del w, u
        return state.h

    if first_in_full:
        form = base.Associative(element, _combine, _apply)
        functions = {
            "initial_state": initial_state,
            "readout": readout,
            "activations": parts("h"),
        }
    else:
        form = base.affine(coefficients)
        functions = {"initial_state": base.zeros_state(size)}

    return base.Cell(
        init=init,
        weights=weights,
        project=project,
        associative=form,
        structure=base.Structure(jacobian="diagonal"),
        gates=lambda w, h, u: RGLRUGates(u.r, u.i),
        groups=base.labels(Lambda="recurrent"),
        **functions,
    )


def _combine(later, earlier):
    # Only the earlier one can meet a fresh state.
    def after(b):
        return later.a * b + later.b

    return RGLRUElement(later.a * earlier.a, after(earlier.b), after(earlier.b_fresh))


def _apply(e, state):
    h = e.a * state.h + jnp.where(state.fresh > 0.5, e.b_fresh, e.b)
    return RGLRUState(h, jnp.zeros_like(state.fresh))


@jax.custom_jvp
def _sqrt(x):
    return jnp.sqrt(x)


@_sqrt.defjvp
def _sqrt_jvp(primals, tangents):
    (x,), (dx,) = primals, tangents
    return jnp.sqrt(x), dx / (2 * jnp.sqrt(jnp.maximum(x, 1 / (4 * STEEPEST**2))))
