"""The leaky network: a continuous-time network by Euler's method."""

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base, initializers
from rnn_research.cells.elman import ACTIVATIONS, ElmanParams


@base.cell
def leaky(
    hidden_size: int,
    *,
    alpha=0.1,
    activation="tanh",
    form="rate",
    recurrent=initializers.normal(),
) -> base.Cell:
    """Leaky, or continuous-time, network with alpha = dt / tau (Sompolinsky, Crisanti &
    Sommers 1988; Jaeger et al. 2007).

        form='rate':     h_t = (1 - alpha) h_{t-1} + alpha f(W h_{t-1} + U x_t + b)
                         y_t = h_t
        form='current':  h_t = (1 - alpha) h_{t-1} + alpha (W f(h_{t-1}) + U x_t + b)
                         y_t = f(h_t)

    the Euler steps of tau dh/dt = -h + f(W h + U x + b) and = -h + W f(h) + U x + b,
    with f = tanh or relu. alpha is the share of the new in (0, 1]; with alpha = 1 the
    first is the Elman network.

    W starts as N(0, g^2 / N), g = 1; with recurrent=normal(gain=g), g > 1, the
    'current' form is chaotic without input (Sompolinsky et al.). U starts normal of
    variance 1/D, b zero. It is the network of computational neuroscience.
    """
    errors.check_size(hidden_size=hidden_size)
    errors.check_between("alpha", alpha, 0.0, 1.0)
    if alpha == 0.0:
        raise errors.UsageError("alpha must be more than 0, or nothing ever changes")
    errors.check_option("activation", activation, tuple(ACTIVATIONS))
    errors.check_option("form", form, ("rate", "current"))
    recurrent = initializers.check_recurrent(recurrent)
    f = ACTIVATIONS[activation]

    def init(key, input_size):
        key_h, key_x = jax.random.split(key)
        return ElmanParams(
            W_hh=initializers.matrix(recurrent, key_h, hidden_size),
            W_xh=base.lecun_normal(key_x, input_size, hidden_size),
            b_h=jnp.zeros(hidden_size),
        )

    def project(w, x):
        return x @ w.W_xh + w.b_h

    def step_rate(w, h, u):
        return (1 - alpha) * h + alpha * f(h @ w.W_hh + u)

    def step_current(w, h, u):
        return (1 - alpha) * h + alpha * (f(h) @ w.W_hh + u)

    def readout(w, h, u):
        del w, u
        return h if form == "rate" else f(h)

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(hidden_size),
        project=project,
        step={"rate": step_rate, "current": step_current}[form],
        matrices=lambda w: {"W_hh": w.W_hh},
        readout=readout,
        groups=base.labels(W_hh="recurrent"),
    )
