"""The gated orthogonal recurrent unit."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers, orthogonal_rnn


class GORUParams(NamedTuple):
    A: jax.Array | None  # [N (N - 1) / 2], above the diagonal of the antisymmetric A
    theta: jax.Array | None  # the angles of all layers, where capacity is given
    W_h: jax.Array  # [N, 2N], in the order r, g
    W_x: jax.Array  # [D, 3N], in the order r, g, c
    b: jax.Array  # [2N], in the order r, g
    b_c: jax.Array  # [N], of modReLU


class GORUWeights(NamedTuple):
    W: jax.Array  # [N, N], the transpose of Q
    W_h: jax.Array  # [N, 2N]
    W_x: jax.Array  # [D, 3N]
    b: jax.Array  # [3N], zero for c
    b_c: jax.Array  # [N]


class GORUGates(NamedTuple):
    r: jax.Array  # [*, N], reset gate, in (0, 1)
    g: jax.Array  # [*, N], update gate: the share of the old state, in (0, 1)


def rotated(h: jax.Array, theta: jax.Array, capacity: int) -> jax.Array:
    """h [*, N] turned by `capacity` layers of rotations of neighbouring units.

    Layers 1, 3, ... turn the pairs (0, 1), (2, 3), ..., the others (1, 2), (3, 4), ...
    """
    size, used = h.shape[-1], 0
    for layer in range(capacity):
        count = (size - layer % 2) // 2
        angle, used = theta[used : used + count], used + count
        pairs = h[..., layer % 2 : layer % 2 + 2 * count]
        a, b = pairs[..., ::2], pairs[..., 1::2]
        cos, sin = jnp.cos(angle), jnp.sin(angle)
        turned = jnp.stack([cos * a - sin * b, sin * a + cos * b], axis=-1)
        turned = turned.reshape(pairs.shape)
        h = h.at[..., layer % 2 : layer % 2 + 2 * count].set(turned)
    return h


@base.cell
def goru(
    hidden_size: int,
    *,
    capacity=None,
    forget_bias: initializers.GateBias = 0.0,
    reset_bias=2.0,
    recurrent=orthogonal_rnn.HENAFF,
) -> base.Cell:
    """Gated orthogonal recurrent unit (Jing et al. 2017, arXiv 1706.02761).

        r, g = sigmoid(W h_{t-1} + U x_t + b)                      one each
        c    = modReLU(r * (Q h_{t-1}) + U_c x_t)
        h_t  = g * h_{t-1} + (1 - g) * c

    with modReLU(z) = relu(|z| + b_c) z / |z|. Q is orthogonal:

        capacity=None:   Q = exp(A),  A = -A^T                     any rotation
        capacity=L:      Q = F_L ... F_2 F_1

    the second as in the paper, where F_l turns pairs of neighbouring units, (0, 1),
    (2, 3), ... for odd l and (1, 2), (3, 4), ... for even l, each by an angle of its
    own (EUNN, Jing et al. 2016, arXiv 1612.05231): about N L / 2 angles, and L = N
    reaches every rotation.

    Args:
      hidden_size: N, the state and the output.
      capacity: L, from 1 to N.
      forget_bias: b_g, the logit of the share of the old state: a number or an
        initializer of a gate's bias. The authors' code leaves it near zero.
      reset_bias: b_r.
      recurrent: the rotation angles of the 2 x 2 blocks in which A, or F_1, starts,
        henaff() or cayley().

    All angles after those of F_1 start at zero, so that Q starts the same for any
    capacity. W and U start U(-0.01, 0.01), b_c at 0.01, as in the authors' code.
    """
    errors.check_size(hidden_size=hidden_size)
    forget = initializers.check_gate_bias(forget_bias)
    angles = initializers.check_rotation(recurrent)
    size = hidden_size
    if capacity is not None:
        errors.check_size(capacity=capacity)
        if capacity > size:
            raise errors.UsageError(
                f"capacity must be at most the hidden size {size}, not {capacity}"
            )

    def init(key, input_size):
        key_a, key_h, key_x, key_b = jax.random.split(key, 4)
        b_r, b_g = jnp.full(size, float(reset_bias)), forget.make(key_b, size)
        first, A, theta = angles.make(key_a, size // 2), None, None
        if capacity is None:
            A = orthogonal_rnn.skew_blocks(first, size)
        else:
            count = sum((size - layer % 2) // 2 for layer in range(capacity))
            theta = jnp.zeros(count).at[: size // 2].set(first)
        return GORUParams(
            A=A,
            theta=theta,
            W_h=orthogonal_rnn.uniform(key_h, (size, 2 * size), 0.01),
            W_x=orthogonal_rnn.uniform(key_x, (input_size, 3 * size), 0.01),
            b=jnp.concatenate([b_r, b_g]),
            b_c=jnp.full(size, 0.01),
        )

    def matrix(params):
        if capacity is None:
            return orthogonal_rnn.exp_skew(params.A, size).T
        return rotated(jnp.eye(size, dtype=params.b.dtype), params.theta, capacity)

    def weights(params):
        return GORUWeights(
            W=matrix(params),
            W_h=params.W_h,
            W_x=params.W_x,
            b=jnp.concatenate([params.b, jnp.zeros(size, params.b.dtype)]),
            b_c=params.b_c,
        )

    def project(w, x):
        return x @ w.W_x + w.b

    def transition(w, h):
        return h @ w.W

    def gates(w, h, u):
        both = jax.nn.sigmoid(h @ w.W_h + u[..., : 2 * size])
        return GORUGates(*jnp.split(both, 2, axis=-1))

    def step(w, h, u):
        r, g = gates(w, h, u)
        c = orthogonal_rnn.mod_relu(r * transition(w, h) + u[..., 2 * size :], w.b_c)
        return g * h + (1 - g) * c

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(size),
        weights=weights,
        project=project,
        step=step,
        transition=transition,
        matrices=lambda w: {"Q": w.W} | base.columns(w.W_h, "W_r", "W_g"),
        gates=gates,
        structure=base.Structure(properties=("orthogonal",)),
        groups=base.labels(W_h="recurrent", A="recurrent", theta="recurrent"),
    )
