"""Delayed XOR: the parity of bits that were there long ago."""

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.errors import check_option, check_size
from rnn_research.tasks import asked, base, ranges

FORMS = ("cues", "stream")


@base.task
def delayed_xor(
    length: int,
    *,
    form="cues",
    bits=2,
    delay: int | None = None,
    shortest: int | None = None,
) -> base.Task:
    """Say whether an odd number of bits was one, long after they were there.

    form='cues': `bits` bits at the first steps, then `length` blanks, then a cue, at
    which their parity is asked. Tokens: 0 and 1 the bits, 2 the blank, 3 the cue; T =
    bits + length + 1. Two examples with length 3 (`_` blank, `c` cue):

        inputs    10___c       target    1        inputs    11___c       target    0

    form='stream': T = length bits; asked at every step t from `delay` on is x_(t-d) xor
    x_(t-d/2), d = delay, an even number (None: half of `length`, made even). That is
    the delayed XOR of Engelken 2023 (arXiv 2312.17306) from memory, not checked. With
    d = 2 (`.` not asked):

        inputs    0 1 1 0 0          inputs    1 1 0 1 0
        targets   . . 1 0 1          targets   . . 0 1 1

    Lengths are uniform from `shortest` to `length`; None: all have `length`.

    Loss: cross-entropy in nats where it is asked. Memoryless baseline ln 2. Metric:
    recall_accuracy, with chance 1/2.
    """
    check_option("form", form, FORMS)
    check_size(length=length)
    check_size(least=2, bits=bits)
    if form == "cues":
        if delay is not None:
            raise errors.UsageError(
                "delay is for form='stream'; in form='cues' the delay is the length"
            )
        example, steps, network = _cues(length, bits)
        lengths = ranges.check(length, shortest)
    else:
        if bits != 2:
            raise errors.UsageError("form='stream' takes 2 bits; leave bits out")
        example, steps, network = _stream(length, delay)
        lengths = ranges.check(
            length, shortest, least=3 if delay is None else delay + 1
        )
    return asked.task(example, network, lengths, 2, steps=steps, guess="a coin")


def _cues(length, bits):
    def steps(n):
        return bits + n + 1

    def example(key, n):
        shown = jax.random.randint(key, (bits,), 0, 2)
        tokens = jnp.full(steps(length), 2, shown.dtype).at[:bits].set(shown)
        return base.Example(tokens.at[bits + n].set(3), jnp.sum(shown) % 2)

    return example, steps, base.Network(4, 2, head="last", tokens=True)


def _stream(length, delay):
    def delay_of(n):
        return jnp.maximum(2, n // 2 // 2 * 2) if delay is None else delay

    own = max(2, length // 2 // 2 * 2) if delay is None else delay
    check_size(least=2, delay=own)
    if own % 2:
        raise errors.UsageError(
            f"delay must be an even number of at least 2, not {own}; use {own + 1}"
        )
    if length <= own:
        raise errors.UsageError(
            f"length must be at least {own + 1} for delay={own}, not {length}"
        )

    def example(key, n):
        tokens, lag = jax.random.randint(key, (length,), 0, 2), delay_of(n)
        both = jnp.roll(tokens, lag) ^ jnp.roll(tokens, lag // 2)
        is_asked = jnp.arange(length) >= lag
        return base.Example(tokens, jnp.where(is_asked, both, asked.NOT_ASKED))

    return example, None, base.Network(2, 2, tokens=True)
