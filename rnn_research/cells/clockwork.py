"""The clockwork network: modules that update at their own periods."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import errors
from rnn_research.cells import base, initializers
from rnn_research.cells.activations import parts


class ClockworkParams(NamedTuple):
    W_hh: tuple[jax.Array, ...]  # of each module: [its and all slower units, its units]
    W_xh: jax.Array  # [D, H]
    b_h: jax.Array  # [H]


class ClockworkWeights(NamedTuple):
    W_hh: jax.Array  # [H, H], zero from faster to slower modules
    W_xh: jax.Array  # [D, H]
    b_h: jax.Array  # [H]


class ClockworkState(NamedTuple):
    h: jax.Array  # [*, H]
    clock: jax.Array  # [*, 1], steps so far modulo the common period, a whole number


@base.cell
def clockwork(
    hidden_size: int,
    *,
    periods: tuple[int, ...] = (1, 2, 4, 8),
    recurrent=initializers.normal(),
) -> base.Cell:
    """Clockwork RNN (Koutnik et al. 2014, arXiv 1402.3511).

        h_t^i = tanh(sum_{j >= i} W_ij h_{t-1}^j + U_i x_t + b_i)   where T_i divides t
        h_t^i = h_{t-1}^i                                           elsewhere

    for modules i of periods T_1 < T_2 < ...; a module reads itself and the slower ones.
    Steps count from t = 0, at which all modules update; a masked step does not count,
    and a reset starts the clock anew.

    The units are divided over the modules as evenly as can be, the fast ones first. The
    paper's periods are powers of two; their number is a matter of the task. There are
    no parameters for the absent blocks.

    W starts as the blocks of an H by H matrix of `recurrent`, U normal of variance 1/D,
    b zero. A slow module carries memory, and its gradient, over T_i steps at once.
    """
    errors.check_size(hidden_size=hidden_size)
    modules = _check_periods(periods, hidden_size)
    recurrent = initializers.check_recurrent(recurrent)
    period = np.repeat(periods, modules)  # of each unit
    starts = np.cumsum([0, *modules[:-1]])
    cycle = math.lcm(*periods)

    def init(key, input_size):
        key_h, key_x = jax.random.split(key)
        full = initializers.matrix(recurrent, key_h, hidden_size)
        blocks = jnp.split(full, starts[1:], axis=1)
        return ClockworkParams(
            W_hh=tuple(b[start:] for b, start in zip(blocks, starts, strict=True)),
            W_xh=base.lecun_normal(key_x, input_size, hidden_size),
            b_h=jnp.zeros(hidden_size),
        )

    def initial_state(params, batch_shape):
        dtype = params.b_h.dtype
        h, clock = ((*batch_shape, size) for size in (hidden_size, 1))
        return ClockworkState(jnp.zeros(h, dtype), jnp.zeros(clock, dtype))

    def weights(params):
        columns = [
            jnp.pad(block, ((start, 0), (0, 0)))
            for block, start in zip(params.W_hh, starts, strict=True)
        ]
        return ClockworkWeights(
            jnp.concatenate(columns, axis=1), params.W_xh, params.b_h
        )

    def project(w, x):
        return x @ w.W_xh + w.b_h

    def step(w, state, u):
        t = jnp.round(state.clock)  # a whole number: no gradient goes through it
        active = jnp.mod(t, period.astype(t.dtype)) == 0
        h = jnp.where(active, jnp.tanh(state.h @ w.W_hh + u), state.h)
        return ClockworkState(h, jnp.mod(t + 1, cycle))

    def readout(w, state, u):
        del w, u
        return state.h

    return base.Cell(
        init=init,
        initial_state=initial_state,
        weights=weights,
        project=project,
        step=step,
        matrices=lambda w: {"W_hh": w.W_hh},
        readout=readout,
        activations=parts("h"),
        groups=base.labels(W_hh="recurrent"),
    )


def _check_periods(periods, hidden_size) -> list[int]:
    """The number of units of each module."""
    if not isinstance(periods, tuple) or not periods:
        raise errors.UsageError(f"periods must be a tuple, not {periods!r}")
    for period in periods:
        errors.check_size(period=period)
    if list(periods) != sorted(set(periods)):
        raise errors.UsageError(f"periods must increase, not {periods}")
    if hidden_size < len(periods):
        raise errors.UsageError(
            f"{len(periods)} modules need as many units at least, not {hidden_size}; "
            "give fewer periods"
        )
    return [len(part) for part in np.array_split(np.arange(hidden_size), len(periods))]
