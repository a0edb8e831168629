"""The flip-flop: hold the sign of the last pulse of each channel."""

import jax
import jax.numpy as jnp

from rnn_research.errors import check_between, check_size
from rnn_research.tasks import base, ranges, scores

LARGEST = 0.99  # probability of a pulse, so that there is something to hold


@base.task
def flip_flop(
    length: int, *, channels=3, probability=0.1, shortest: int | None = None
) -> base.Task:
    """Hold in each channel the sign of its last pulse.

    Sussillo & Barak 2013 (Neural Computation 25, 626). A channel has at each step a
    pulse, +1 or -1 with equal probability, or 0; the output of a channel is the sign of
    its last pulse. Every channel has a pulse at the first step, so that there is one to
    hold (their own start was not checked). Two channels:

        inputs    + 0 0 - 0 0        inputs    - 0 + 0 0 -
                  - 0 + 0 0 +                  + 0 0 0 - 0
        targets   + + + - - -        targets   - - + + + -
                  - - + + + +                  + + + + - -

    Args:
      length: T, at least 2.
      channels: N, how many bits are held.
      probability: p of a pulse, at each step but the first.
      shortest: lengths are uniform from it to `length`; None: all have `length`.

    Loss: mean squared error over steps and channels. Without memory a pulse is known
    and else the best constant is 0: (1 - p) (T - 1) / T, T the mean length. Metric:
    recall_accuracy, the share of right signs where there is no pulse, with chance 1/2.
    """
    check_size(least=2, length=length)
    check_size(channels=channels)
    check_between("probability", probability, 0.0, LARGEST)

    lengths = ranges.check(length, shortest, least=2)

    def example(key, n):
        del n
        key_pulse, key_sign = jax.random.split(key)
        shape = length, channels
        is_pulse = jax.random.bernoulli(key_pulse, probability, shape).at[0].set(True)
        sign = 2.0 * jax.random.bernoulli(key_sign, shape=shape) - 1
        return hold(is_pulse * sign)

    def score(outputs, batch):
        is_held = batch.inputs == 0
        right = (outputs > 0) == (batch.targets > 0)
        return {
            "loss": scores.squared_error(outputs, batch),
            "recall_accuracy": scores.mean(right, batch, there=is_held),
        }

    baseline = (1 - probability) * (1 - len(lengths) / sum(lengths))
    network = base.Network(channels, channels)
    return base.Task(
        **ranges.fields(example, network, lengths),
        score=score,
        network=network,
        references={
            "loss": {"knowing the pulses alone": baseline},
            "recall_accuracy": {"a coin": 0.5},
        },
        solved_at=baseline / 20,
        thresholds=tuple(baseline * share for share in (0.5, 0.1, 0.01)),
        monitor="recall_accuracy",
        larger_is_better=True,
    )


def hold(pulses) -> base.Example:
    """The example of pulses [T, N], whose first step has one everywhere."""
    steps = jnp.arange(len(pulses))[:, None]
    last = jax.lax.cummax(jnp.where(pulses != 0, steps, 0), axis=0)
    return base.Example(pulses, jnp.take_along_axis(pulses, last, axis=0))
