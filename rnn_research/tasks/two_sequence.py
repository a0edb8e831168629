"""The two-sequence problem, which random weights solve too."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research.errors import check_option, check_size
from rnn_research.tasks import base, ranges, scores

FORMS = ("clean", "noisy", "noisy_targets")
VARIANCE = 0.2  # of the noise on the inputs
OF_TARGETS = 0.1
LIMIT = "knowing all that the noise leaves"


@base.task
def two_sequence(
    length: int, *, form="noisy", informative=3, shortest: int | None = None
) -> base.Task:
    """Tell a sequence that began with +1 from one with -1, at the end of noise.

    Bengio, Simard & Frasconi 1994 (IEEE Transactions on Neural Networks 5, 157), as in
    experiment 3 of Hochreiter & Schmidhuber 1997 (from memory, not checked). Two
    equally likely classes. The first N = informative inputs are +1 or -1 by class, the
    others noise with mean 0 and variance 0.2; lengths uniform in [length, 1.1 length],
    shorter sequences masked at the end. Target: 1 or 0.

        form            the first N          target
        clean           +1 or -1  (3a)       1 or 0
        noisy           with that noise (3b) 1 or 0
        noisy_targets   with that noise (3c) .8 or .2, with noise of variance 0.1

        inputs    1.1  .7  1.3  .4 -.2  .1       target 1
        inputs    -.8 -1.2 -.5  .3 -.6  .2       target 0

    'clean' does not prove long memory: random weights solve it (Hochreiter &
    Schmidhuber 1996). A single tanh unit with weights U(-100, 100) did after 148 to 343
    guesses at T = 100, in five tries, and 'noisy' in none of 1000: `guesses_to_solve`.

    With `shortest` the T of [T, 1.1 T] is uniform from that to `length`.

    Loss: mean squared error. Baseline: the best constant, 1/4 (noisy_targets: 0.09 +
    0.1). `limits`: what noise on the inputs and the targets leaves to the best
    predictor. Metric: accuracy of the class, by which side of the middle the output is,
    with chance 1/2.
    """
    check_option("form", form, FORMS)
    check_size(informative=informative)
    check_size(least=informative + 1, length=length)
    lengths = ranges.check(length, shortest, least=informative + 1)
    longest = _most(length)
    low, high, of_targets = 0.0, 1.0, 0.0
    if form == "noisy_targets":
        low, high, of_targets = 0.2, 0.8, OF_TARGETS
    middle = (low + high) / 2

    def example(key, n):
        keys = jax.random.split(key, 4)
        is_high = jax.random.bernoulli(keys[0])
        end = jax.random.randint(keys[1], (), n, _most(n) + 1)
        noise = math.sqrt(VARIANCE) * jax.random.normal(keys[2], (longest,))
        steps = jnp.arange(longest)
        signal = jnp.where(is_high, 1.0, -1.0)
        begins = signal if form == "clean" else signal + noise
        inputs = jnp.where(steps < informative, begins, noise)
        mask = steps < end
        target = jnp.where(is_high, high, low)
        target = target + math.sqrt(of_targets) * jax.random.normal(keys[3])
        targets = jnp.stack([target, is_high.astype(target.dtype)])
        return base.Example((inputs * mask)[:, None], targets, mask)

    def score(outputs, batch):
        target, is_high = batch.targets[:, 0], batch.targets[:, 1] > 0
        return {
            "loss": scores.mean((outputs[:, 0] - target) ** 2, batch),
            "accuracy": scores.mean((outputs[:, 0] > middle) == is_high, batch),
        }

    left, wrong = (0.0, 0.0) if form == "clean" else left_by_noise(informative)
    spread = (high - low) ** 2
    floor, baseline = spread * left + of_targets, spread / 4 + of_targets
    limits = {"loss": {LIMIT: floor}, "accuracy": {LIMIT: 1 - wrong}}
    marks = [floor + share * (baseline - floor) for share in (0.5, 0.1, 0.04, 0.01)]
    network = base.Network(1, 1, head="last")
    return base.Task(
        **ranges.fields(example, network, lengths, _most),
        score=score,
        network=network,
        references={
            "loss": {"the best constant": baseline},
            "accuracy": {"a coin": 0.5},
        },
        limits={} if form == "clean" else limits,
        solved_at=marks[2],
        thresholds=tuple(marks),
    )


def _most(length):
    """The longest sequence of a length."""
    return length + length // 10


def left_by_noise(informative: int) -> tuple[float, float]:
    """Of the class as 0 or 1: mean squared error and error rate of the best predictor.

    The sum S of N inputs is all that tells; p = 1 / (1 + exp(-2 S / v)), and the mean
    of p (1 - p) over S ~ N(N, N v) is left, by quadrature.
    """
    z = np.linspace(-12, 12, 20_001)
    density = np.exp(-(z**2) / 2)
    total = informative + np.sqrt(informative * VARIANCE) * z
    odds = np.exp(-np.abs(2 * total / VARIANCE))
    left = (density * odds / (1 + odds) ** 2).sum() / density.sum()
    return float(left), math.erfc(math.sqrt(informative / VARIANCE / 2)) / 2


def guesses_to_solve(task: base.Task, key: jax.Array, guesses=1000) -> int | None:
    """After how many random networks of one unit all of 256 sequences are right.

    h_t = tanh(w h_(t-1) + u x_t + b), and the class by the sign of v h_T + c, with all
    five weights U(-100, 100) (Hochreiter & Schmidhuber 1996). None: no guess is right.
    """
    key_batch, key_weights = jax.random.split(key)
    batch = task.sample(key_batch, 256)
    weights = jax.random.uniform(key_weights, (5, guesses, 1), minval=-100, maxval=100)

    @jax.jit
    def solved(weights, batch):
        w, u, b, v, c = weights

        def step(h, now):
            x, is_there = now
            return jnp.where(is_there, jnp.tanh(w * h + u * x + b), h), None

        start = jnp.zeros((guesses, 256))
        h, _ = jax.lax.scan(step, start, (batch.inputs[..., 0], batch.mask))
        return ((v * h + c > 0) == (batch.targets[:, 1] > 0)).all(axis=1)

    found = np.flatnonzero(solved(weights, batch))
    return int(found[0]) + 1 if len(found) else None
