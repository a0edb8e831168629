"""The temporal order problem."""

import math

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.errors import check_option
from rnn_research.tasks import base, ranges, scores

FORMS = ("pascanu", "hochreiter")
WINDOWS = {  # relevant symbols: where each lies, in hundredths of the length
    2: ((10, 20), (50, 60)),
    3: ((10, 20), (33, 43), (66, 76)),
}
DISTRACTORS = 4
SHORTEST = 10


@base.task
def temporal_order(
    length: int, *, form="pascanu", relevant=2, shortest: int | None = None
) -> base.Task:
    """Tell in which order two symbols came, far apart among distractors.

    X or Y, each with probability 1/2, at a random step of each window, one of four
    distractors at all other steps; one-hot. The class, asked at the end, is which of
    XX, XY, YX, YY (relevant=3: XXX, ..., YYY) it was:

        steps     0    T/10      2T/10        5T/10      6T/10      T
        inputs    a c b d  [ a X b ]  d c a b  [ Y d c ]  a a b d c     class XY

    form='pascanu' (Pascanu, Mikolov & Bengio 2013, arXiv 1211.5063): two symbols,
    `length` steps, 6 channels; the windows are those of the paper's code, [T/10, 2T/10)
    and [5T/10, 6T/10). form='hochreiter' (Hochreiter & Schmidhuber 1997, tasks 6a and
    6b, there 100 to 110 steps): lengths uniform in [length, 1.1 length], shorter
    sequences masked at the end; a first symbol E and a last one B, 8 channels; of three
    symbols the windows are [10, 20], [33, 43] and [66, 76] in hundredths of the length.

    With `shortest` the T of each sequence is uniform from that to `length`.

    Metrics: loss, cross-entropy in nats; accuracy. Without memory ln 4 and 1/4 (three
    symbols: ln 8 and 1/8).
    """
    check_option("form", form, FORMS)
    if relevant not in WINDOWS:
        raise errors.UsageError(f"relevant must be 2 or 3, not {relevant!r}")
    if form == "pascanu" and relevant != 2:
        raise errors.UsageError("form='pascanu' has 2 relevant symbols")
    lengths = ranges.check(length, shortest, least=SHORTEST)
    framed, classes = form == "hochreiter", 2**relevant

    def steps_of(n):
        return n + n // 10 * framed

    longest = steps_of(length)

    def example(key, n):
        windows = [_window(n, *where, closed=framed) for where in WINDOWS[relevant]]
        key_distractors, key_ends, key_steps, key_symbols = jax.random.split(key, 4)
        distractors = jax.random.randint(key_distractors, (longest,), 0, DISTRACTORS)
        starts, ends = (jnp.array(side) for side in zip(*windows, strict=True))
        steps = jax.random.randint(key_steps, (relevant,), starts, ends)
        symbols = jax.random.randint(key_symbols, (relevant,), 0, 2)
        end = None
        if framed:
            end = jax.random.randint(key_ends, (), n, steps_of(n) + 1)
        return lay_out(distractors, steps, symbols, end)

    def score(outputs, batch):
        log_p = jax.nn.log_softmax(outputs)
        right = jnp.argmax(outputs, -1) == jnp.argmax(batch.targets, -1)
        return {
            "loss": scores.mean(-jnp.sum(batch.targets * log_p, axis=-1), batch),
            "accuracy": scores.mean(right, batch),
        }

    network = base.Network(DISTRACTORS + 2 + 2 * framed, classes, head="last")
    return base.Task(
        **ranges.fields(example, network, lengths, steps_of),
        score=score,
        network=network,
        references={
            "loss": {"guessing": math.log(classes)},
            "accuracy": {"guessing": 1 / classes},
        },
        solved_at=0.01,
        thresholds=(1.0, 0.5, 0.1, 0.01),
    )


def _window(length, first: int, last: int, *, closed: bool):
    """[start, end) in steps."""
    start, end = length * first // 100, length * last // 100 + closed
    return start, jnp.maximum(end, start + 1)


def lay_out(distractors, steps, symbols, end=None) -> base.Example:
    """The example with symbols (0: X, 1: Y) at `steps`; framed if it has an `end`.

    Channels: four distractors, X, Y, and of a framed one E and B.
    """
    channels = DISTRACTORS + 2
    inputs = distractors.at[steps].set(DISTRACTORS + symbols)
    mask = None
    if end is not None:
        inputs = inputs.at[0].set(channels).at[end - 1].set(channels + 1)
        mask = jnp.arange(len(distractors)) < end
        channels += 2
    inputs = jax.nn.one_hot(inputs, channels)
    if mask is not None:
        inputs = inputs * mask[:, None]
    label = jnp.sum(symbols * 2 ** jnp.arange(len(symbols))[::-1])
    return base.Example(inputs, jax.nn.one_hot(label, 2 ** len(symbols)), mask)
