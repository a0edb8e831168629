"""The multiplication problem."""

import functools

import jax.numpy as jnp
import numpy as np

from rnn_research.errors import check_option
from rnn_research.tasks import base
from rnn_research.tasks.adding import (
    Marked,
    check_lengths,
    first_step_marked,
    framed,
    in_halves,
    mark,
    mark_1997,
    most_framed,
    to_task,
)

FORMS = ("arjovsky", "hochreiter")


@base.task
def multiplication(
    length: int, *, form="arjovsky", shortest: int | None = None
) -> base.Task:
    """Multiply the two marked values of a sequence of random values.

    form='arjovsky': values U(0, 1), one marker in each half, as `adding` has them; the
    best constant is 1/4, and the variance of the target, the baseline, 7/144.

        values    .3 .9 .1 .5        values    .6 .2 .8 .4
        markers    0  1  0  1        markers    1  0  1  0
        target    .9 * .5 = .45      target    .6 * .8 = .48

    form='hochreiter' (Hochreiter & Schmidhuber 1997, section 5.5): as the adding
    problem of 1997, with values U(0, 1), and where the first step is marked its value
    is one (from memory of the paper, not checked). With P the probability of that, the
    mean is m = (1 + P) / 4 and the variance (1 + 2P) / 9 - m^2.

    `shortest` is as in `adding`; P is then the mean over lengths.

    Metrics: loss, the mean squared error; within_0.04, the share of sequences with an
    absolute error below 0.04.
    """
    check_option("form", form, FORMS)
    lengths = check_lengths(length, shortest, form)
    if form == "arjovsky":
        lay_out = functools.partial(mark, combine=jnp.multiply)
        marked = Marked(in_halves(length, lay_out), lengths, 7 / 144)
    else:
        lay_out = functools.partial(mark_1997, neutral=1.0, combine=jnp.multiply)
        share = np.mean([first_step_marked(n) for n in lengths])
        variance = (1 + 2 * share) / 9 - ((1 + share) / 4) ** 2
        example = framed(length, lay_out, low=0.0)
        marked = Marked(example, lengths, variance, most_framed)
    return to_task(marked, 0.04, 0.001, (0.01, 0.001, 0.0001))
