"""The selective state-space model."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base
from rnn_research.cells.state_space import (
    channels,
    check_steps,
    log_steps,
    to_channels,
)


class S6Params(NamedTuple):
    W_in: jax.Array  # [D, H], makes H channels; absent (None) where D = H
    W_x: jax.Array  # [H, R + 2N], in the order Delta, B, C
    W_step: jax.Array  # [R, H]
    b_step: jax.Array  # [H]
    A_log: jax.Array  # [H, N], A = -exp(A_log)
    D: jax.Array  # [H]


class S6Weights(NamedTuple):
    params: S6Params
    A: jax.Array  # [H, N]


class S6Drive(NamedTuple):
    decay: jax.Array  # [*, H, N], exp(Delta A)
    v: jax.Array  # [*, H, N], what enters the state
    C: jax.Array  # [*, N]
    skip: jax.Array  # [*, H], D x


@base.cell
def s6(
    hidden_size: int, *, state_size=16, rank=None, step_min=0.001, step_max=0.1
) -> base.Cell:
    """S6, the selective SSM of Mamba (Gu & Dao 2023, arXiv 2312.00752).

        Delta_t = softplus(W_step (W_Delta x_t) + b_step)              [*, H]
        B_t, C_t = W_B x_t, W_C x_t                                    [*, N] each
        h_t = exp(Delta_t A) * h_{t-1} + (Delta_t * x_t) B_t           [*, H, N]
        y_t = h_t C_t + D * x_t

    A is real and negative. B_t is multiplied by Delta_t, the authors' simplification of
    the zero-order hold that A_t has. x_t must have H features, the channels: where it
    has others, W_in x_t takes its place. The cell by itself has neither convolution nor
    gate; the layer `mamba` has both.

    Args:
      state_size: N, the states of a channel.
      rank: R of the map to Delta; None is H / 16, rounded up.
      step_min, step_max: softplus(b_step) starts log-uniform between them.

    A starts at -1, ..., -N in every channel, D at 1, W_step uniform on +-1/sqrt(R), the
    other W normal of variance 1/H. A_log is labelled 'recurrent'.
    """
    errors.check_size(hidden_size=hidden_size, state_size=state_size)
    rank = -(-hidden_size // 16) if rank is None else rank
    errors.check_size(rank=rank)
    check_steps(step_min, step_max)
    size = hidden_size

    def init(key, input_size):
        key_in, key_x, key_w, key_b = jax.random.split(key, 4)
        bound = rank**-0.5
        step = jnp.exp(log_steps(key_b, (size,), step_min, step_max))
        return S6Params(
            W_in=channels(key_in, input_size, size),
            W_x=base.lecun_normal(key_x, size, rank + 2 * state_size),
            W_step=jax.random.uniform(key_w, (rank, size), minval=-bound, maxval=bound),
            b_step=step + jnp.log(-jnp.expm1(-step)),  # softplus(b_step) = step
            A_log=jnp.tile(jnp.log(jnp.arange(1.0, state_size + 1)), (size, 1)),
            D=jnp.ones(size),
        )

    def weights(params):
        return S6Weights(params, -jnp.exp(params.A_log))

    def project(w, x):
        p = w.params
        x = to_channels(p.W_in, x)
        step, B, C = jnp.split(x @ p.W_x, [rank, rank + state_size], axis=-1)
        step = jax.nn.softplus(step @ p.W_step + p.b_step)
        return S6Drive(
            decay=jnp.exp(step[..., None] * w.A),
            v=(step * x)[..., None] * B[..., None, :],
            C=C,
            skip=p.D * x,
        )

    def initial_state(params, batch_shape):
        return jnp.zeros((*batch_shape, size, state_size), params.D.dtype)

    def readout(w, h, u):
        del w
        return jnp.sum(h * u.C[..., None, :], axis=-1) + u.skip

    return base.Cell(
        init=init,
        initial_state=initial_state,
        weights=weights,
        project=project,
        readout=readout,
        associative=base.affine(lambda w, u: (u.decay, u.v)),
        structure=base.Structure(jacobian="diagonal"),
        groups=base.labels(A_log="recurrent"),
    )
