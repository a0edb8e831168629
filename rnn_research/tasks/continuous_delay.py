"""Continuous delay: a band-limited signal, some steps later."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import errors
from rnn_research.errors import check_between, check_size
from rnn_research.tasks import base, scores

RMS = 0.5  # of the signal before its start is moved to 0


@base.task
def continuous_delay(
    length: int, *, lag: int | None = None, dt: float | None = None, freq=1.0
) -> base.Task:
    """Give back a smooth random signal, `lag` steps later.

    Gu et al. 2022 (How to Train Your HiPPO, arXiv 2206.12037), after the code of S4.
    With n = ceil(T / 2), the signal is a sum of all waves k / (2 n dt) up to `freq`, K
    of them, with a_k, b_k ~ N(0, 1 / (4 K)), moved so that it starts at 0:

        s_t = sum_k a_k cos(pi k t / n) + b_k sin(pi k t / n),    x_t = s_t - s_0
        y_t = x_(t - lag), and 0 for t < lag

    Two examples with T = 5, lag=2, rounded:

        inputs    0  .4  .7  .6  .1        inputs    0 -.2 -.5 -.4 -.1
        targets   0   0   0  .4  .7        targets   0   0   0 -.2 -.5

    Args:
      length: T; published 1024.
      lag: in steps, below T; None is T // 2. (The default of that code, T, leaves
        nothing but zeros.)
      dt: the time of a step; None is 1.024 / T, the published 0.001 at T = 1024.
      freq: the highest frequency; at least 1 / (2 n dt), below 1 / (2 dt). The
        published 1.0 leaves a single wave, K = 1.

    Loss: mean squared error over all steps; the paper reports its root. Baselines in
    these units, exact: always 0, and the best multiple of the present input.
    """
    check_size(least=3, length=length)
    lag = length // 2 if lag is None else lag
    check_size(lag=lag)
    if lag >= length:
        raise errors.UsageError(
            f"lag must be at most {length - 1} for length={length}, not {lag}"
        )
    dt = 1.024 / length if dt is None else dt
    check_between("dt", dt, math.nextafter(0, 1), math.inf)
    half = math.ceil(length / 2)
    lowest, nyquist = 1 / (2 * half * dt), 1 / (2 * dt)
    if not lowest <= freq < nyquist:
        raise errors.UsageError(
            f"freq must be in [{lowest:g}, {nyquist:g}) for length={length} and "
            f"dt={dt:g}, not {errors.shown(freq)}"
        )
    count = int(np.floor(freq / lowest + 1e-9))
    phase = np.pi * np.arange(length)[:, None] * np.arange(1, count + 1) / half
    waves = np.concatenate([np.cos(phase) - 1, np.sin(phase)], axis=1)  # [T, 2K]

    def example(key):
        own = jnp.asarray(waves, jnp.zeros(()).dtype)
        signal = own @ jax.random.normal(key, (2 * count,)) * (RMS / math.sqrt(count))
        delayed = jnp.concatenate([jnp.zeros(lag), signal[: length - lag]])
        return base.Example(signal[:, None], delayed[:, None])

    baseline, by_input = without_memory(waves, lag)
    network = base.Network(1, 1)
    return base.Task(
        batch=base.from_examples(example, network),
        score=lambda outputs, batch: {"loss": scores.squared_error(outputs, batch)},
        network=network,
        length=length,
        references={
            "loss": {"always 0": baseline, "a multiple of the input": by_input}
        },
        solved_at=by_input / 100,
        thresholds=tuple(by_input * share for share in (0.5, 0.1, 0.01)),
    )


def without_memory(waves: np.ndarray, lag: int) -> tuple[float, float]:
    """Loss of 0, and of c x_t with the best c; from the covariance of the signal."""
    own = waves * RMS / math.sqrt(waves.shape[1] / 2)
    late = np.concatenate([np.zeros((lag, own.shape[1])), own[:-lag]])
    of_target, of_input, of_both = (
        (one * other).sum() / len(own)
        for one, other in ((late, late), (own, own), (late, own))
    )
    return float(of_target), float(of_target - of_both**2 / of_input)
