"""The simplified structured state-space layer: one system for all inputs at once."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base
from rnn_research.cells.initializers import legs
from rnn_research.cells.state_space import (
    DISCRETIZATIONS,
    apply_skip,
    check_steps,
    discretize,
    init_skip,
    log_steps,
)


class S5Params(NamedTuple):
    real: jax.Array  # [P/2], Re Lambda, one of each conjugate pair
    imag: jax.Array  # [P/2], Im Lambda
    log_step: jax.Array  # [P/2], log Delta
    B: jax.Array  # [2, D, P/2], real and imaginary part
    C: jax.Array  # [2, P/2, H]
    D: jax.Array  # [H] where D = H, else [D, H]


class S5Weights(NamedTuple):
    decay: jax.Array  # [P/2] complex
    B: jax.Array  # [D, P/2] complex, discretised
    C: jax.Array  # [2, P/2, H]
    D: jax.Array  # [H] or [D, H]


class S5Drive(NamedTuple):
    v: jax.Array  # [*, P/2] complex, what enters the state
    skip: jax.Array  # [*, H], D x


@base.cell
def s5(
    hidden_size: int,
    *,
    state_size=64,
    blocks=1,
    discretization="zoh",
    clip=False,
    step_min=0.001,
    step_max=0.1,
) -> base.Cell:
    """S5 (Smith, Warrington & Linderman 2022, arXiv 2208.04933).

        zoh:       lambda_bar = exp(Delta lambda)
                   B_bar = (lambda_bar - 1) / lambda B
        bilinear:  lambda_bar = (1 + Delta lambda / 2) / (1 - Delta lambda / 2)
                   B_bar = Delta / (1 - Delta lambda / 2) B
        s_t = lambda_bar * s_{t-1} + B_bar x_t               s complex [*, P/2]
        y_t = 2 Re(C s_t) + D x_t

    A real system of P = `state_size` dimensions, of each conjugate pair one member.

    Args:
      blocks: J; the P dimensions start as J copies of the same matrix.
      discretization: 'zoh' or 'bilinear'.
      clip: Re lambda at most -1e-4, for sequences without an end.
      step_min, step_max: Delta starts log-uniform between them.

    lambda starts as the eigenvalues of the normal part of HiPPO-LegS, -1/2 + i w;
    B = V^-1 B~ and C = C~ V, V the eigenvectors, B~ and C~ real and normal of variance
    1/D and 1/P; D as in lru. The authors' code draws B~ with variance 1/P and C~
    complex. lambda, Delta and B are labelled 'recurrent'.
    """
    errors.check_size(hidden_size=hidden_size, state_size=state_size, blocks=blocks)
    if state_size % (2 * blocks):
        raise errors.UsageError(
            f"state_size ({state_size}) must be a multiple of 2 blocks ({2 * blocks})"
        )
    errors.check_option("discretization", discretization, DISCRETIZATIONS)
    check_steps(step_min, step_max)
    size, half, block = hidden_size, state_size // 2, state_size // blocks

    def init(key, input_size):
        key_b, key_c, key_d, key_step = jax.random.split(key, 4)
        frequencies, vectors = legs(block)
        inward = base.lecun_normal(key_b, input_size, state_size)
        outward = base.lecun_normal(key_c, state_size, size)
        V = jnp.stack([vectors.real, vectors.imag])
        B = jnp.einsum("djp,rpq->rdjq", inward.reshape(input_size, blocks, block), V)
        C = jnp.einsum("jph,rpq->rjqh", outward.reshape(blocks, block, size), V)
        return S5Params(
            real=jnp.full(half, -0.5),
            imag=jnp.tile(jnp.asarray(frequencies), blocks),
            log_step=log_steps(key_step, (half,), step_min, step_max),
            B=B.reshape(2, input_size, half) * jnp.array([1.0, -1.0])[:, None, None],
            C=C.reshape(2, half, size),
            D=init_skip(key_d, input_size, size),
        )

    def weights(params):
        real = jnp.minimum(params.real, -1e-4) if clip else params.real
        decay, gain = discretize(
            jax.lax.complex(real, params.imag), jnp.exp(params.log_step), discretization
        )
        return S5Weights(decay, gain * jax.lax.complex(*params.B), params.C, params.D)

    def initial_state(params, batch_shape):
        return jnp.zeros((*batch_shape, half), jnp.result_type(params.B, jnp.complex64))

    def project(w, x):
        v = jax.lax.complex(x @ w.B.real, x @ w.B.imag)
        return S5Drive(v, apply_skip(w.D, x))

    def readout(w, s, u):
        return 2 * (s.real @ w.C[0] - s.imag @ w.C[1]) + u.skip

    return base.Cell(
        init=init,
        initial_state=initial_state,
        weights=weights,
        project=project,
        readout=readout,
        associative=base.affine(lambda w, u: (w.decay, u.v)),
        matrices=lambda w: {"diag(lambda_bar)": base.diagonal(w.decay)},
        structure=base.Structure(jacobian="diagonal", linear_map=True),
        groups=base.labels(
            real="recurrent", imag="recurrent", log_step="recurrent", B="recurrent"
        ),
    )
