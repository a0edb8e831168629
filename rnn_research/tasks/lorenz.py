"""Forecasting the chaotic systems of Lorenz, of three variables and of many."""

import functools

from rnn_research import errors
from rnn_research.errors import check_between, check_size
from rnn_research.tasks import base, flows

SIGMA, BETA = 10.0, 8 / 3


@base.task
def lorenz63(length: int, *, every=0.02, horizon=1, rho=28.0) -> base.Task:
    """Forecast the chaotic flow of Lorenz 1963 in three variables.

    x' = 10 (y - x), y' = x (rho - z) - y, z' = x y - 8 z / 3; with rho = 28 errors grow
    e-fold in about 1.1 units of time (Lyapunov exponent 0.906). All three variables
    are seen, each with mean 0 and variance 1, after 5 units of time that are dropped.
    From (1, 1, 1) and (5, 5, 20), as they are:

        time    0     0.02    0.04         time    0     0.02    0.04
        x       1     1.049   1.187        x       5     5.067   5.258
        y       1     1.524   2.089        y       5     5.723   6.500
        z       1     0.973   0.962        z      20    19.486  19.087

    Args:
      length: T.
      every: time between two steps.
      horizon: how many steps ahead.
      rho: the Rayleigh number; below 24.74 trajectories end in a point.

    Loss: mean squared error in units of each variable's variance, of 8 to 256
    trajectories that are integrated when the task is made; so are the baselines, the
    mean, persistence, and a straight line through the last two values. Integrated by
    the Runge-Kutta method of order 4 with steps of at most 0.01.
    """
    check_between("every", every, 1e-4, 1.0)
    check_between("rho", rho, 1.0, 1000.0)
    return flows.of_flow(
        flow63(float(every), float(rho)),
        length=length,
        horizon=horizon,
        standardised=True,
    )


@functools.lru_cache
def flow63(every: float, rho: float) -> flows.Flow:
    def field(state, xp):
        del xp
        x, y, z = state
        return SIGMA * (y - x), x * (rho - z) - y, x * y - BETA * z

    def start(drawn, xp):
        del xp
        return 20 * drawn[0] - 10, 20 * drawn[1] - 10, rho - 11 + 20 * drawn[2]

    return flows.Flow(
        field=field,
        start=start,
        draws=3,
        observed=lambda state, xp: xp.stack(state),
        every=every,
        substeps=_substeps(every, 0.01),
        warm_up=_count(5 / every),
    )


@base.task
def lorenz96(length: int, *, sites=40, forcing=8.0, every=0.05, horizon=1) -> base.Task:
    """Forecast the chaotic ring of Lorenz 1996, a toy atmosphere.

    x_i' = (x_{i+1} - x_{i-2}) x_{i-1} - x_i + F on a ring of K sites; chaotic from
    about F = 8 with K = 40, of Lorenz's choice (1996; the original was not consulted).
    All sites are seen, with mean 0 and variance 1, after 5 units of time that are
    dropped. With K = 4 and F = 8, from (1, 2, 3, 4) and from (8, 8, 8, 8):

        x' of the first      (2 - 3) 4 - 1 + 8 = 3         (8 - 8) 8 - 8 + 8 = 0
        x' of the second     (3 - 4) 1 - 2 + 8 = 5         0

    Args:
      length: T.
      sites: K, at least 4.
      forcing: F.
      every: time between two steps.
      horizon: how many steps ahead.

    Loss: mean squared error in units of a site's variance, of 8 to 256 trajectories
    that are integrated when the task is made; so are the baselines, the mean,
    persistence, and a straight line through the last two values. Integrated by the
    Runge-Kutta method of order 4 with steps of at most 0.05.
    """
    check_size(sites=sites)
    if sites < 4:
        raise errors.UsageError(f"sites must be at least 4, not {sites}")
    check_between("every", every, 1e-4, 1.0)
    check_between("forcing", forcing, 0.1, 100.0)
    return flows.of_flow(
        flow96(sites, float(forcing), float(every)),
        length=length,
        horizon=horizon,
        standardised=True,
    )


@functools.lru_cache
def flow96(sites: int, forcing: float, every: float) -> flows.Flow:
    def field(state, xp):
        (x,) = state
        ring = xp.concatenate([x[-2:], x, x[:1]])
        return ((ring[3:] - ring[:-3]) * ring[1:-2] - x + forcing,)

    return flows.Flow(
        field=field,
        start=lambda drawn, xp: (2.3 + 12 * (drawn - 0.5),),
        draws=sites,
        observed=lambda state, xp: state[0],
        every=every,
        substeps=_substeps(every, 0.05),
        warm_up=_count(5 / every),
    )


def _substeps(every: float, most: float) -> int:
    return max(1, _count(every / most))


def _count(number: float) -> int:
    """Rounded up, but for what rounding has added."""
    return int(-(-(number - 1e-9) // 1))
