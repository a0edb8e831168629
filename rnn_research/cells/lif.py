"""The leaky integrate-and-fire network: units that spike."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers

SLOPES = {
    "fast_sigmoid": lambda r: 1 / (1 + jnp.abs(r)) ** 2,
    "sigmoid": lambda r: 4 * jax.nn.sigmoid(r) * jax.nn.sigmoid(-r),
    "triangle": lambda r: jnp.maximum(0, 1 - jnp.abs(r)),
}


class LIFParams(NamedTuple):
    W_hh: jax.Array  # [N, N], from spikes
    W_xh: jax.Array  # [D, N]
    b_h: jax.Array  # [N]
    decay: jax.Array  # [N], its logit; absent (None) where it is fixed


class LIFState(NamedTuple):
    v: jax.Array  # [*, N], the membrane potential
    s: jax.Array  # [*, N], spikes, 0 or 1, the output


@base.cell
def lif(
    hidden_size: int,
    *,
    decay=0.9,
    learn_decay=False,
    threshold=1.0,
    reset="subtract",
    reset_gradient=False,
    surrogate="fast_sigmoid",
    width=0.1,
    height=1.0,
    recurrent=initializers.normal(),
) -> base.Cell:
    """Leaky integrate-and-fire network with surrogate gradients (Neftci, Mostafa &
    Zenke 2019, arXiv 1901.09948).

        v_t = d * v_{t-1} + W s_{t-1} + U x_t + b - theta * s_{t-1}   reset='subtract'
        v_t = d * v_{t-1} * (1 - s_{t-1}) + W s_{t-1} + U x_t + b     reset='zero'
        s_t = 1 where v_t > theta, else 0                             the output

    The derivative of a spike is zero wherever it is defined. In its place stands

        ds/dv = height * g(r),   r = (v - theta) / width
        g(r) = 1 / (1 + |r|)^2                           surrogate='fast_sigmoid'
        g(r) = 4 sigmoid(r) sigmoid(-r)                              'sigmoid'
        g(r) = max(0, 1 - |r|)                                       'triangle'

    in reverse mode only (`jax.custom_vjp`), so that gradients, Jacobians and exponents
    are those of the surrogate, and the newton engine does not take the cell. 'triangle'
    with width=threshold and height=0.3 is that of Bellec et al. 2018, arXiv 1803.09574.

    Args:
      decay: d, the share of the potential that is left after a step, in (0, 1).
      learn_decay: one d for each unit is learned, as a logit that starts at `decay`.
      threshold: theta.
      reset_gradient: the gradient goes through the reset, too.
      recurrent: initial values of W.

    U starts normal of variance 1/D, b zero. Currents arrive at once: the synapses have
    no time constant of their own.
    """
    errors.check_size(hidden_size=hidden_size)
    errors.check_flags(learn_decay=learn_decay, reset_gradient=reset_gradient)
    errors.check_between("decay", decay, 0.0, 1.0)
    if learn_decay and decay in (0.0, 1.0):
        raise errors.UsageError(
            f"a decay that is learned must start between 0 and 1, not at {decay!r}"
        )
    for name, value in (("threshold", threshold), ("width", width), ("height", height)):
        errors.check_between(name, value, 1e-6, 1e6)
    errors.check_option("reset", reset, ("subtract", "zero"))
    errors.check_option("surrogate", surrogate, tuple(SLOPES))
    recurrent = initializers.check_recurrent(recurrent)
    spike = _spike(SLOPES[surrogate], width, height)

    def init(key, input_size):
        key_h, key_x = jax.random.split(key)
        logit = jnp.log(decay) - jnp.log1p(-decay)
        return LIFParams(
            W_hh=initializers.matrix(recurrent, key_h, hidden_size),
            W_xh=base.lecun_normal(key_x, input_size, hidden_size),
            b_h=jnp.zeros(hidden_size),
            decay=jnp.full(hidden_size, logit) if learn_decay else None,
        )

    def weights(params):
        if not learn_decay:
            return params
        return params._replace(decay=jax.nn.sigmoid(params.decay))

    def project(w, x):
        return x @ w.W_xh + w.b_h

    def step(w, state, u):
        kept = w.decay if learn_decay else decay
        spent = state.s if reset_gradient else jax.lax.stop_gradient(state.s)
        if reset == "subtract":
            left = kept * state.v - threshold * spent
        else:
            left = kept * state.v * (1 - spent)
        v = left + state.s @ w.W_hh + u
        return LIFState(v, spike(v - threshold))

    def readout(w, state, u):
        del w, u
        return state.s

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(hidden_size, hidden_size, kind=LIFState),
        weights=weights,
        project=project,
        step=step,
        readout=readout,
        structure=base.Structure(surrogate=True),
        matrices=lambda w: {"W_hh": w.W_hh},
        groups=base.labels(W_hh="recurrent", decay="recurrent"),
    )


def _spike(slope, width, height):
    """1 where v > 0, NaN where v is, with the derivative height * slope(v / width)."""

    @jax.custom_vjp
    def spike(v):
        return jnp.heaviside(v, 0)

    spike.defvjp(
        lambda v: (spike(v), v), lambda v, dv: (height * slope(v / width) * dv,)
    )
    return spike
