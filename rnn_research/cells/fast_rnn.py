"""FastRNN and FastGRNN: one pair of matrices, with a residual or a gate around it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers
from rnn_research.cells.elman import ACTIVATIONS


class FastRNNParams(NamedTuple):
    U: jax.Array  # [H, H]
    W: jax.Array  # [D, H]
    b: jax.Array  # [H]
    alpha: jax.Array  # [], logit of alpha; in the weights alpha itself
    beta: jax.Array  # [], logit of beta; in the weights beta itself


@base.cell
def fast_rnn(
    hidden_size: int,
    *,
    activation="tanh",
    alpha=-3.0,
    beta=3.0,
    recurrent=initializers.normal(),
) -> base.Cell:
    """FastRNN (Kusupati et al. 2018, arXiv 1901.02358).

        n_t = f(W x_t + U h_{t-1} + b),    f = tanh or relu
        h_t = alpha n_t + beta h_{t-1}

    alpha and beta are trained scalars in (0, 1), the sigmoids of what is stored; the
    options are the logits at the start, of alpha = 0.047 and beta = 1 - alpha as in the
    authors' code. The residual keeps gradients alive over many steps at the cost of two
    numbers.

    b starts at 1 as in the authors' code; U as N(0, 1/H) (N(0, 0.01) there, which is
    the same at H = 100), W normal of variance 1/D.
    """
    errors.check_size(hidden_size=hidden_size)
    errors.check_option("activation", activation, tuple(ACTIVATIONS))
    errors.check_between("alpha", alpha, -30.0, 30.0)
    errors.check_between("beta", beta, -30.0, 30.0)
    recurrent = initializers.check_recurrent(recurrent)
    f = ACTIVATIONS[activation]

    def init(key, input_size):
        key_h, key_x = jax.random.split(key)
        return FastRNNParams(
            U=initializers.matrix(recurrent, key_h, hidden_size),
            W=base.lecun_normal(key_x, input_size, hidden_size),
            b=jnp.ones(hidden_size),
            alpha=jnp.full((), float(alpha)),
            beta=jnp.full((), float(beta)),
        )

    def weights(params):
        sigmoid = jax.nn.sigmoid
        return params._replace(alpha=sigmoid(params.alpha), beta=sigmoid(params.beta))

    def project(w, x):
        return x @ w.W + w.b

    def step(w, h, u):
        return w.alpha * f(h @ w.U + u) + w.beta * h

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(hidden_size),
        weights=weights,
        project=project,
        step=step,
        matrices=lambda w: {"U": w.U},
        groups=base.labels(U="recurrent", beta="recurrent"),
    )


class FastGRNNParams(NamedTuple):
    U: jax.Array  # [H, H]
    W: jax.Array  # [D, H]
    b_z: jax.Array  # [H]
    b_n: jax.Array  # [H]
    zeta: jax.Array  # [], logit of zeta; in the weights zeta itself
    nu: jax.Array  # [], logit of nu; in the weights nu itself


class FastGRNNGates(NamedTuple):
    z: jax.Array  # [*, H], the share of the old state, in (0, 1)
    n: base.Candidate  # [*, H], candidate, in (-1, 1)


@base.cell
def fast_grnn(
    hidden_size: int,
    *,
    zeta=1.0,
    nu=-4.0,
    forget_bias: initializers.GateBias = 1.0,
    recurrent=initializers.normal(),
) -> base.Cell:
    """FastGRNN (Kusupati et al. 2018, arXiv 1901.02358), without its low rank.

        a_t = W x_t + U h_{t-1}
        z_t = sigmoid(a_t + b_z)
        n_t = tanh(a_t + b_n)
        h_t = (zeta (1 - z_t) + nu) * n_t + z_t * h_{t-1}

    The gate and the candidate share their matrices. zeta and nu are trained scalars in
    (0, 1), the sigmoids of what is stored; the options are the logits at the start,
    those of the authors' code. With zeta = 1 and nu = 0 it is a ugrnn with shared
    matrices.

    b_z starts at forget_bias, b_n at 1, as in the authors' code; U as N(0, 1/H)
    (N(0, 0.01) there), W normal of variance 1/D.
    """
    errors.check_size(hidden_size=hidden_size)
    errors.check_between("zeta", zeta, -30.0, 30.0)
    errors.check_between("nu", nu, -30.0, 30.0)
    forget_bias = initializers.check_gate_bias(forget_bias)
    recurrent = initializers.check_recurrent(recurrent)

    def init(key, input_size):
        key_h, key_x, key_b = jax.random.split(key, 3)
        return FastGRNNParams(
            U=initializers.matrix(recurrent, key_h, hidden_size),
            W=base.lecun_normal(key_x, input_size, hidden_size),
            b_z=forget_bias.make(key_b, hidden_size),
            b_n=jnp.ones(hidden_size),
            zeta=jnp.full((), float(zeta)),
            nu=jnp.full((), float(nu)),
        )

    def weights(params):
        sigmoid = jax.nn.sigmoid
        return params._replace(zeta=sigmoid(params.zeta), nu=sigmoid(params.nu))

    def project(w, x):
        return x @ w.W

    def gates(w, h, u):
        a = h @ w.U + u
        return FastGRNNGates(jax.nn.sigmoid(a + w.b_z), jnp.tanh(a + w.b_n))

    def step(w, h, u):
        z, n = gates(w, h, u)
        return (w.zeta * (1 - z) + w.nu) * n + z * h

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(hidden_size),
        weights=weights,
        project=project,
        step=step,
        matrices=lambda w: {"U": w.U},
        gates=gates,
        groups=base.labels(U="recurrent"),
    )
