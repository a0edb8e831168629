"""The adding problem."""

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.errors import check_option, check_size
from rnn_research.tasks import base, scores

FORMS = ("arjovsky", "hochreiter")
SHORTEST = {"arjovsky": 2, "hochreiter": 22}


@base.task
def adding(length: int, *, form="arjovsky") -> base.Task:
    """Add the two marked values of a sequence of random values.

    form='arjovsky' (Arjovsky, Shah & Bengio 2015, arXiv 1511.06464): values U(0, 1);
    one marker in the first half (the first length // 2 steps), one in the second;
    target: the sum. The best constant is 1, with a mean squared error of 1/6.

        values    .3 .9 .1 .5        values    .6 .2 .8 .4
        markers    0  1  0  1        markers    1  0  1  0
        target    .9 + .5 = 1.4      target    .6 + .8 = 1.4

    form='hochreiter' (Hochreiter & Schmidhuber 1997, section 5.4): values U(-1, 1);
    lengths uniform in [length, 1.1 length], shorter sequences masked at the end; the
    first marker uniform over the first 10 steps, the second over the other steps
    among the first length/2 - 1 (of the minimal length); -1 marks the first and the
    last step unless marked; target 0.5 + (X1 + X2) / 4. "In the rare case" that the
    first step is marked its value is zero. The variance of the target, the baseline,
    is (2 - P1 - P2) / 48 with P1 = 1/10 and P2 = (9/10) / (length // 2 - 2) the
    probabilities that X1, X2 is that zero: a little under 1/24.

    Metrics: loss, the mean squared error; within_0.04, the share of sequences with
    an absolute error below 0.04, the criterion of 1997.
    """
    check_option("form", form, FORMS)
    check_size(length=length)
    if length < SHORTEST[form]:
        raise errors.UsageError(
            f"length must be at least {SHORTEST[form]} for form={form!r}, not {length}"
        )
    if form == "arjovsky":
        example, baseline, steps = _arjovsky(length), 1 / 6, length
        thresholds, solved_at = (0.1, 0.05, 0.01, 0.001), 0.01
    else:
        example, steps = _hochreiter(length), length + length // 10
        first_marked = 1 / 10 + 9 / 10 / (length // 2 - 2)
        baseline = (2 - first_marked) / 48
        thresholds, solved_at = (0.01, 0.001, 0.0001), 0.001

    def score(outputs, batch):
        error = outputs - batch.targets
        return {
            "loss": scores.squared_error(outputs, batch),
            "within_0.04": scores.mean(jnp.abs(error) < 0.04, batch),
        }

    network = base.Network(2, 1, head="last")
    return base.Task(
        batch=base.from_examples(example, network),
        score=score,
        network=network,
        length=steps,
        references={"loss": {"the best constant": baseline}},
        solved_at=solved_at,
        thresholds=thresholds,
    )


def _arjovsky(length):
    half = length // 2

    def example(key):
        key_values, key_first, key_second = jax.random.split(key, 3)
        numbers = jax.random.uniform(key_values, (length,))
        first = jax.random.randint(key_first, (), 0, half)
        second = jax.random.randint(key_second, (), half, length)
        return mark(numbers, first, second)

    return example


def mark(numbers, first, second) -> base.Example:
    """The example with markers at steps `first` and `second`; target: the sum."""
    steps = jnp.arange(numbers.shape[0])
    markers = (steps == first) | (steps == second)
    inputs = jnp.stack([numbers, markers.astype(numbers.dtype)], axis=1)
    return base.Example(inputs, (numbers[first] + numbers[second])[None])


def _hochreiter(length):
    longest = length + length // 10

    def example(key):
        keys = jax.random.split(key, 4)
        numbers = jax.random.uniform(keys[0], (longest,), minval=-1.0)
        ends = jax.random.randint(keys[1], (), length, longest + 1)
        first = jax.random.randint(keys[2], (), 0, 10)
        second = jax.random.randint(keys[3], (), 0, length // 2 - 2)
        second = second + (second >= first)  # skips the step already marked
        return mark_1997(numbers, first, second, ends)

    return example


def mark_1997(numbers, first, second, ends) -> base.Example:
    """The 1997 example of `ends` steps, with markers at `first` and `second`."""
    steps = jnp.arange(numbers.shape[0])
    marked = (steps == first) | (steps == second)
    at_end = (steps == 0) | (steps == ends - 1)
    markers = jnp.where(marked, 1.0, jnp.where(at_end, -1.0, 0.0))
    numbers = jnp.where((steps == 0) & marked, 0.0, numbers)
    mask = steps < ends
    inputs = jnp.stack([numbers, markers.astype(numbers.dtype)], axis=1)
    target = 0.5 + (numbers[first] + numbers[second]) / 4
    return base.Example(inputs * mask[:, None], target[None], mask)
