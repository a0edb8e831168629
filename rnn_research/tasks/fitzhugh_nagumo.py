"""Forecasting the FitzHugh-Nagumo model of a neuron."""

from rnn_research.tasks import base, flows

RECOVERY, A, B, CURRENT = 1 / 50, 0.7, 0.8, 0.5


@base.task
def fitzhugh_nagumo(length: int, *, horizon=1, standardised: bool = False) -> base.Task:
    """Forecast the voltage of a spiking neuron, one step ahead.

    The fast voltage v and the slow recovery w of FitzHugh (1961) and Nagumo, as Rusch
    et al. 2021 (arXiv 2110.04744) set them, in whose code w is hidden:

        v' = v - v^3 / 3 - w + 0.5        v(0) uniform in (-1, 1)
        w' = (v + 0.7 - 0.8 w) / 50       w(0) = 0

    Input: v every 0.4 units of time, from 0; target: v `horizon` steps later. There
    `length` is 1000, of 1001 points in [0, 400]. Starting at v = 0 and -0.5:

        time      0      0.4     0.8          time      0       0.4      0.8
        v        0      0.244   0.593         v      -0.5   -0.481   -0.456

    Their integrator is SciPy's at its default tolerance of 1e-3; here it is the
    Runge-Kutta method of order 4 with steps of 0.05, which is more exact.

    Args:
      length: T.
      horizon: how many steps ahead.
      standardised: mean 0 and variance 1; else v as it is.

    Loss: mean squared error; published errors are its root, over all steps. Baselines
    are of up to 256 evenly spread starts, integrated when the task is made: the mean,
    persistence, and a straight line through the last two values.
    """
    return flows.of_flow(
        FLOW, length=length, horizon=horizon, standardised=standardised
    )


def field(state, xp):
    del xp
    v, w = state
    return v - v * v * v / 3 - w + CURRENT, RECOVERY * (v + A - B * w)


FLOW = flows.Flow(
    field=field,
    start=lambda drawn, xp: (2 * drawn[0] - 1, xp.zeros_like(drawn[0])),
    draws=1,
    observed=lambda state, xp: xp.stack(state[:1]),
    every=0.4,
    substeps=8,
)
