"""The adding problem."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research.errors import check_option
from rnn_research.tasks import base, ranges, scores

SHORTEST = {"arjovsky": 2, "anywhere": 2, "hochreiter": 22, "pascanu": 10}


@base.task
def adding(length: int, *, form="arjovsky", shortest: int | None = None) -> base.Task:
    """Add the two marked values of a sequence of random values.

    form='arjovsky' (Arjovsky, Shah & Bengio 2015, arXiv 1511.06464): values U(0, 1);
    one marker in the first half (the first length // 2 steps), one in the second;
    target: the sum. The best constant is 1, with a mean squared error of 1/6.

        values    .3 .9 .1 .5        values    .6 .2 .8 .4
        markers    0  1  0  1        markers    1  0  1  0
        target    .9 + .5 = 1.4      target    .6 + .8 = 1.4

    form='anywhere' (the code of Bai et al. 2018, arXiv 1803.01271): the markers are at
    any two different steps, so that both may be late; else the same, also 1/6.

    form='pascanu' (the code of Pascanu, Mikolov & Bengio 2013, arXiv 1211.5063): values
    U(0, 1); lengths l uniform in [length, 1.1 length), shorter sequences masked at the
    end; one marker uniform over the first tenth of l steps, one from there to the
    middle; target: the mean of the two, whose variance, the baseline, is 1/24. There a
    squared error above .04 is wrong: `within_0.2` is the share that is right.

    form='hochreiter' (Hochreiter & Schmidhuber 1997, section 5.4): values U(-1, 1);
    lengths uniform in [length, 1.1 length], shorter sequences masked at the end; the
    first marker uniform over the first 10 steps, the second over the other steps
    among the first length/2 - 1 (of the minimal length); -1 marks the first and the
    last step unless marked; target 0.5 + (X1 + X2) / 4. "In the rare case" that the
    first step is marked its value is zero. The variance of the target, the baseline,
    is (2 - P1 - P2) / 48 with P1 = 1/10 and P2 = (9/10) / (length // 2 - 2) the
    probabilities that X1, X2 is that zero: a little under 1/24.

    With `shortest` the length of each sequence, where lengths are drawn already the
    minimal one, is uniform from that to `length`.

    Metrics: loss, the mean squared error; within_0.04, the share of sequences with
    an absolute error below 0.04, the criterion of 1997.
    """
    check_option("form", form, tuple(SHORTEST))
    lengths = check_lengths(length, shortest, form)
    if form == "arjovsky":
        marked = Marked(in_halves(length, mark), lengths, 1 / 6)
    elif form == "anywhere":
        marked = Marked(anywhere(length, mark), lengths, 1 / 6)
    elif form == "pascanu":
        marked = Marked(early(length, mark_mean), lengths, 1 / 24, most_early)
    else:
        baseline = (2 - np.mean([first_step_marked(n) for n in lengths])) / 48
        example = framed(length, mark_1997, low=-1.0)
        marked = Marked(example, lengths, baseline, most_framed)
    is_sum = form in ("arjovsky", "anywhere")
    thresholds = (0.1, 0.05, 0.01, 0.001) if is_sum else (0.01, 0.001, 0.0001)
    within = 0.2 if form == "pascanu" else 0.04
    return to_task(marked, within, 0.01 if is_sum else 0.001, thresholds)


# ------------------------------------------------------- what marked values are asked


class Marked(NamedTuple):
    example: Callable
    lengths: range
    variance: float  # of the target, the loss of the best constant
    steps: Callable | None = None  # n -> of the longest sequence; None: n


def check_lengths(length: int, shortest: int | None, form: str) -> range:
    """The lengths that may be drawn; raises unless the markers have room."""
    why = f" for form={form!r}"
    return ranges.check(length, shortest, least=SHORTEST[form], why=why)


def to_task(
    marked: Marked, within: float, solved_at: float, thresholds: tuple[float, ...]
) -> base.Task:
    """The task to give one number, right if its error is below `within`."""

    def score(outputs, batch):
        error = outputs - batch.targets
        return {
            "loss": scores.squared_error(outputs, batch),
            f"within_{within:g}": scores.mean(jnp.abs(error) < within, batch),
        }

    network = base.Network(2, 1, head="last")
    return base.Task(
        **ranges.fields(marked.example, network, marked.lengths, marked.steps),
        score=score,
        network=network,
        references={"loss": {"the best constant": marked.variance}},
        solved_at=solved_at,
        thresholds=thresholds,
    )


def first_step_marked(length: int) -> float:
    """P1 + P2, the probability that the first step is marked in the form of 1997."""
    return 1 / 10 + 9 / 10 / (length // 2 - 2)


# ---------------------------------------------------------- where the markers stand


def most_early(length):
    """The longest sequence of a minimal length, as Pascanu et al. have it."""
    return length + length // 10 - 1


def most_framed(length):
    """Likewise as of 1997."""
    return length + length // 10


def in_halves(length, lay_out):
    def example(key, n):
        half = n // 2
        key_values, key_first, key_second = jax.random.split(key, 3)
        numbers = jax.random.uniform(key_values, (length,))
        first = jax.random.randint(key_first, (), 0, half)
        second = jax.random.randint(key_second, (), half, n)
        return lay_out(numbers, first, second)

    return example


def anywhere(length, lay_out):
    def example(key, n):
        key_values, key_first, key_second = jax.random.split(key, 3)
        numbers = jax.random.uniform(key_values, (length,))
        first = jax.random.randint(key_first, (), 0, n)
        second = jax.random.randint(key_second, (), 0, n - 1)
        return lay_out(numbers, first, second + (second >= first))

    return example


def early(length, lay_out):
    def example(key, n):
        keys = jax.random.split(key, 4)
        numbers = jax.random.uniform(keys[0], (most_early(length),))
        end = jax.random.randint(keys[1], (), n, most_early(n) + 1)
        first = jax.random.randint(keys[2], (), 0, end // 10)
        second = end // 10 + jax.random.randint(keys[3], (), 0, 4 * end // 10)
        return lay_out(numbers, first, second, end)

    return example


def framed(length, lay_out, low):
    def example(key, n):
        keys = jax.random.split(key, 4)
        numbers = jax.random.uniform(keys[0], (most_framed(length),), minval=low)
        ends = jax.random.randint(keys[1], (), n, most_framed(n) + 1)
        first = jax.random.randint(keys[2], (), 0, 10)
        second = jax.random.randint(keys[3], (), 0, n // 2 - 2)
        second = second + (second >= first)  # skips the step already marked
        return lay_out(numbers, first, second, ends)

    return example


# ------------------------------------------------------------- one sequence, laid out


def mark(numbers, first, second, combine=jnp.add) -> base.Example:
    """The example with markers at steps `first` and `second`; target: the sum."""
    steps = jnp.arange(numbers.shape[0])
    markers = (steps == first) | (steps == second)
    inputs = jnp.stack([numbers, markers.astype(numbers.dtype)], axis=1)
    return base.Example(inputs, combine(numbers[first], numbers[second])[None])


def mark_mean(numbers, first, second, end) -> base.Example:
    """The example of `end` steps whose target is the mean."""
    example = mark(numbers, first, second, lambda one, other: (one + other) / 2)
    mask = jnp.arange(numbers.shape[0]) < end
    return example._replace(inputs=example.inputs * mask[:, None], mask=mask)


def mark_1997(
    numbers, first, second, ends, neutral=0.0, combine=lambda x, y: 0.5 + (x + y) / 4
) -> base.Example:
    """The 1997 example of `ends` steps, with markers at `first` and `second`.

    Args:
      neutral: the value of the first step where that is marked.
    """
    steps = jnp.arange(numbers.shape[0])
    marked = (steps == first) | (steps == second)
    at_end = (steps == 0) | (steps == ends - 1)
    markers = jnp.where(marked, 1.0, jnp.where(at_end, -1.0, 0.0))
    numbers = jnp.where((steps == 0) & marked, neutral, numbers)
    mask = steps < ends
    inputs = jnp.stack([numbers, markers.astype(numbers.dtype)], axis=1)
    target = combine(numbers[first], numbers[second])
    return base.Example(inputs * mask[:, None], target[None], mask)
