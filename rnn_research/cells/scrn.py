"""The structurally constrained recurrent network."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers


class SCRNParams(NamedTuple):
    A: jax.Array  # [D, N], input to the hidden units
    B: jax.Array  # [D, C], input to the context units
    P: jax.Array  # [C, N], context to hidden
    R: jax.Array  # [N, N]
    q: jax.Array  # [C], logit of alpha; absent (None) where alpha is fixed


class SCRNWeights(NamedTuple):
    A: jax.Array  # [D, N]
    B: jax.Array  # [D, C]
    P: jax.Array  # [C, N]
    R: jax.Array  # [N, N]
    alpha: jax.Array  # [C], share of the old context


class SCRNState(NamedTuple):
    h: jax.Array  # [*, N], hidden units
    s: jax.Array  # [*, C], context units


@base.cell
def scrn(
    hidden_size: int,
    *,
    context_size=None,
    alpha=0.95,
    adaptive=False,
    recurrent=initializers.orthogonal(),
) -> base.Cell:
    """Structurally constrained recurrent network (Mikolov et al. 2014,
    arXiv 1412.7753).

        s_t = alpha s_{t-1} + (1 - alpha) B x_t
        h_t = sigmoid(P s_t + A x_t + R h_{t-1})
        y_t = [h_t, s_t]

    Of the hidden_size units, context_size are context units s (default: a quarter, at
    least one) and the rest are hidden units h; a linear head on y is the paper's
    U h + V s. There are no biases.

    Args:
      hidden_size: N + C, at least 2.
      context_size: C.
      alpha: share of the old context, in (0, 1).
      adaptive: train it, one for each context unit, as sigmoid(q); the paper's Q.
      recurrent: how R starts.

    R starts orthogonal; A, B and P normal of variance 1 / fan-in. The context is a
    moving average of the inputs, a memory that no training can break. The authors' code
    lets h_t see s_{t-1} in place of s_t.
    """
    errors.check_size(hidden_size=hidden_size)
    context = max(1, hidden_size // 4) if context_size is None else context_size
    errors.check_size(context_size=context)
    units = hidden_size - context
    if units < 1:
        raise errors.UsageError(
            f"of {hidden_size} units {context} are context units; at least one must be "
            "left as a hidden unit"
        )
    errors.check_between("alpha", alpha, 0.0, 1.0)
    if alpha in (0, 1):
        raise errors.UsageError(f"alpha must be between 0 and 1, not {alpha!r}")
    errors.check_flags(adaptive=adaptive)
    recurrent = initializers.check_recurrent(recurrent)

    def init(key, input_size):
        key_a, key_b, key_p, key_r = jax.random.split(key, 4)
        logit = math.log(alpha) - math.log1p(-alpha)
        return SCRNParams(
            A=base.lecun_normal(key_a, input_size, units),
            B=base.lecun_normal(key_b, input_size, context),
            P=base.lecun_normal(key_p, context, units),
            R=initializers.matrix(recurrent, key_r, units),
            q=jnp.full(context, logit) if adaptive else None,
        )

    def weights(params):
        kept = jax.nn.sigmoid(params.q) if adaptive else alpha
        return SCRNWeights(*params[:4], jnp.full(context, kept, params.B.dtype))

    def project(w, x):
        return SCRNState(x @ w.A, (1 - w.alpha) * (x @ w.B))

    def step(w, state, u):
        s = w.alpha * state.s + u.s
        return SCRNState(jax.nn.sigmoid(s @ w.P + state.h @ w.R + u.h), s)

    def readout(w, state, u):
        del w, u
        return jnp.concatenate(state, axis=-1)

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(units, context, kind=SCRNState),
        weights=weights,
        project=project,
        step=step,
        matrices=lambda w: {"R": w.R},
        readout=readout,
        groups=base.labels(P="recurrent", R="recurrent", q="recurrent"),
    )
