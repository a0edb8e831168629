"""The linear recurrent unit: a complex diagonal linear recurrence."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers
from rnn_research.cells.state_space import apply_skip, init_skip


class LRUParams(NamedTuple):
    nu_log: jax.Array  # [N], |lambda| = exp(-exp(nu_log))
    theta_log: jax.Array  # [N], arg lambda = exp(theta_log)
    gamma_log: jax.Array  # [N], input normalisation exp(gamma_log)
    B: jax.Array  # [2, D, N], real and imaginary part
    C: jax.Array  # [2, N, H]
    D: jax.Array  # [H] where D = H, else [D, H]


class LRUWeights(NamedTuple):
    decay: jax.Array  # [N] complex, lambda
    B: jax.Array  # [D, N] complex, exp(gamma_log) included
    C: jax.Array  # [2, N, H]
    D: jax.Array  # [H] or [D, H]


class LRUDrive(NamedTuple):
    v: jax.Array  # [*, N] complex, what enters the state
    skip: jax.Array  # [*, H], D x


@base.cell
def lru(hidden_size: int, *, eigenvalues=initializers.ring()) -> base.Cell:
    """Linear recurrent unit (Orvieto et al. 2023, arXiv 2303.06349).

        lambda = exp(-exp(nu) + i exp(theta))
        h_t = lambda * h_{t-1} + exp(gamma) * (B x_t)             h complex [*, N]
        y_t = Re(C h_t) + D x_t                                   N = H

    lambda starts as exp of `eigenvalues`, by default uniform in area on the unit disc;
    the paper has ring(r_min=..., r_max=..., max_phase=...) by task. At the start gamma
    = log sqrt(1 - |lambda|^2), the two parts of B have standard deviation 1/sqrt(2D),
    those of C 1/sqrt(N), and D ~ N(0, 1). D is diagonal as in the authors' code where
    input and output sizes agree, else a full matrix of standard deviation 1/sqrt(D).
    nu, theta, gamma and B are labelled 'recurrent'.
    """
    errors.check_size(hidden_size=hidden_size)
    eigenvalues = initializers.check_eigenvalues(eigenvalues, has_step=False)
    size = hidden_size

    def init(key, input_size):
        key_a, key_b, key_c, key_d = jax.random.split(key, 4)
        real, phase = eigenvalues.make(key_a, size)
        scale_b, scale_c = (2 * input_size) ** -0.5, size**-0.5
        return LRUParams(
            nu_log=jnp.log(-real),
            theta_log=jnp.log(phase),
            gamma_log=0.5 * jnp.log(-jnp.expm1(2 * real)),
            B=scale_b * jax.random.normal(key_b, (2, input_size, size)),
            C=scale_c * jax.random.normal(key_c, (2, size, size)),
            D=init_skip(key_d, input_size, size),
        )

    def weights(params):
        decay = jnp.exp(
            jax.lax.complex(-jnp.exp(params.nu_log), jnp.exp(params.theta_log))
        )
        B = jax.lax.complex(*params.B) * jnp.exp(params.gamma_log)
        return LRUWeights(decay, B, params.C, params.D)

    def initial_state(params, batch_shape):
        return jnp.zeros((*batch_shape, size), jnp.result_type(params.B, jnp.complex64))

    def project(w, x):
        v = jax.lax.complex(x @ w.B.real, x @ w.B.imag)
        return LRUDrive(v, apply_skip(w.D, x))

    def readout(w, h, u):
        return h.real @ w.C[0] - h.imag @ w.C[1] + u.skip

    return base.Cell(
        init=init,
        initial_state=initial_state,
        weights=weights,
        project=project,
        readout=readout,
        associative=base.affine(lambda w, u: (w.decay, u.v)),
        matrices=lambda w: {"diag(lambda)": base.diagonal(w.decay)},
        structure=base.Structure(jacobian="diagonal", linear_map=True),
        groups=base.labels(
            nu_log="recurrent",
            theta_log="recurrent",
            gamma_log="recurrent",
            B="recurrent",
        ),
    )
