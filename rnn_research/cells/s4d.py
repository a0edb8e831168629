"""The diagonal state-space model, one for each channel."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers
from rnn_research.cells.state_space import (
    DISCRETIZATIONS,
    channels,
    check_steps,
    discretize,
    log_steps,
    to_channels,
)


class S4DParams(NamedTuple):
    W_in: jax.Array  # [D, H], makes H channels; absent (None) where D = H
    log_real: jax.Array  # [H, N/2], log(-Re A), one of each conjugate pair
    imag: jax.Array  # [H, N/2], Im A
    log_step: jax.Array  # [H], log Delta
    C: jax.Array  # [2, H, N/2], real and imaginary part
    D: jax.Array  # [H]


class S4DWeights(NamedTuple):
    W_in: jax.Array  # [D, H] or None
    decay: jax.Array  # [H, N/2] complex
    gain: jax.Array  # [H, N/2] complex
    C: jax.Array  # [2, H, N/2]
    D: jax.Array  # [H]


class S4DDrive(NamedTuple):
    v: jax.Array  # [*, H, N/2] complex, what enters the state
    skip: jax.Array  # [*, H], D x


@base.cell
def s4d(
    hidden_size: int,
    *,
    state_size=64,
    eigenvalues=initializers.s4d_lin(),
    discretization="zoh",
    step_min=0.001,
    step_max=0.1,
) -> base.Cell:
    """S4D (Gu et al. 2022, arXiv 2206.11893): H single-input state-space models.

        zoh:       A_bar = exp(Delta A)
                   B_bar = (A_bar - 1) / A
        bilinear:  A_bar = (1 + Delta A / 2) / (1 - Delta A / 2)
                   B_bar = Delta / (1 - Delta A / 2)
        s_t = A_bar * s_{t-1} + B_bar x_t                 s complex [*, H, N/2]
        y_t = 2 Re(sum_n C_n s_{t,n}) + D x_t             channel by channel

    B is 1, as C B is all that counts; a channel has N = `state_size` dimensions, of
    each conjugate pair one member. The block around the cell mixes the channels. Where
    the input has other than H features, W_in x_t takes the place of x_t.

    A, of which Re A = -exp(.), starts as `eigenvalues` says: s4d_lin(), s4d_inv() or
    hippo(), the same for each channel, or ring(), drawn for each.
    Delta starts log-uniform on [step_min, step_max], C complex with E |C|^2 = 1,
    D ~ N(0, 1). A and Delta are labelled 'recurrent'.
    """
    errors.check_size(hidden_size=hidden_size, state_size=state_size)
    if state_size % 2:
        raise errors.UsageError(f"state_size must be even, not {state_size}")
    eigenvalues = initializers.check_eigenvalues(eigenvalues, has_step=True)
    errors.check_option("discretization", discretization, DISCRETIZATIONS)
    check_steps(step_min, step_max)
    size, half = hidden_size, state_size // 2

    def init(key, input_size):
        key_in, key_step, key_c, key_d, key_a = jax.random.split(key, 5)
        real, imag = jax.vmap(lambda key: eigenvalues.make(key, half))(
            jax.random.split(key_a, size)
        )
        return S4DParams(
            W_in=channels(key_in, input_size, size),
            log_real=jnp.log(-real),
            imag=imag,
            log_step=log_steps(key_step, (size,), step_min, step_max),
            C=0.5**0.5 * jax.random.normal(key_c, (2, size, half)),
            D=jax.random.normal(key_d, (size,)),
        )

    def weights(params):
        A = jax.lax.complex(-jnp.exp(params.log_real), params.imag)
        step = jnp.exp(params.log_step)[:, None]
        decay, gain = discretize(A, step, discretization)
        return S4DWeights(params.W_in, decay, gain, params.C, params.D)

    def initial_state(params, batch_shape):
        dtype = jnp.result_type(params.C, jnp.complex64)
        return jnp.zeros((*batch_shape, size, half), dtype)

    def project(w, x):
        x = to_channels(w.W_in, x)
        return S4DDrive(x[..., None] * w.gain, x * w.D)

    def readout(w, s, u):
        return 2 * jnp.sum(s.real * w.C[0] - s.imag * w.C[1], axis=-1) + u.skip

    return base.Cell(
        init=init,
        initial_state=initial_state,
        weights=weights,
        project=project,
        readout=readout,
        associative=base.affine(lambda w, u: (w.decay, u.v)),
        matrices=lambda w: {"diag(A_bar)": base.diagonal(w.decay)},
        structure=base.Structure(jacobian="diagonal", linear_map=True),
        groups=base.labels(
            log_real="recurrent", imag="recurrent", log_step="recurrent"
        ),
    )
