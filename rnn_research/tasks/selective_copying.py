"""Selective copying: symbols at random steps of a stream, recalled in their order."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research.errors import check_option, check_size
from rnn_research.tasks import asked, base, draws, ranges


class Form(NamedTuple):
    stream: Callable[[int, int], int]  # T, M -> steps in which the symbols lie
    cues: Callable[[int], int]  # M -> steps that show the cue
    after: Callable[[int], int]  # M -> blanks after the cues
    shortest: Callable[[int], int]  # M -> the least T
    at_gaps: bool = False  # each blank falls into one of M gaps; else steps are drawn


FORMS = {
    "mamba": Form(lambda t, m: t, lambda m: m, lambda m: 0, lambda m: m),
    "s4": Form(lambda t, m: t + m, lambda m: m, lambda m: 0, lambda m: 1),
    "mad": Form(
        lambda t, m: t - m - 1, lambda m: 1, lambda m: m, lambda m: 2 * m + 1, True
    ),
}


@base.task
def selective_copying(
    length: int,
    *,
    form="mamba",
    symbols=16,
    alphabet=15,
    shortest: int | None = None,
) -> base.Task:
    """Recall the symbols of a stream that is mostly blanks, in their order.

    Tokens: 0 the blank, 1 ... alphabet the symbols, alphabet + 1 the cue. Output class
    c is symbol c + 1, asked at the last M = symbols steps. With T = length:

        form     steps                                      where the symbols lie
        mamba    stream of T, M cues: T + M                 M different steps
        s4       stream of T + M, M cues: T + 2M            M different steps
        mad      stream of T - M - 1, a cue, M blanks: T    each blank in one of the M
                                                            gaps before a symbol

    Two examples with M = 2, T = 4 of 'mamba' and T = 8 of 'mad' (`c` cue, `.` not
    asked):

        inputs    _5_7cc        inputs    _3__9c__
        targets   ....57        targets   ......39

    'mamba': Gu & Dao 2023, arXiv 2312.00752, with T = 4096, 16 symbols and a vocabulary
    of 16 with the blank; where the answer is read is not said there, and taken from
    's4'. 's4': the variable form of the code of Gu et al. 2021 (arXiv 2111.00396), with
    T = 1000, symbols=10, alphabet=8 (its A - 2). 'mad': Poli et al. 2024, arXiv
    2403.17844, with T = 256, symbols=16, alphabet=14 (its vocabulary - 2), as its code
    has it: the last symbol stands right before the cue.

    Lengths are uniform from `shortest` to `length`; None: all have `length`.

    Loss: cross-entropy in nats over the M steps of recall. Memoryless baseline ln A.
    Metric: recall_accuracy over these steps, with chance 1/A.
    """
    check_option("form", form, tuple(FORMS))
    check_size(symbols=symbols)
    check_size(least=2, alphabet=alphabet)
    layout = FORMS[form]
    least, why = layout.shortest(symbols), f" for {symbols} symbols of form={form!r}"
    lengths = ranges.check(length, shortest, least=least, why=why)
    cues, longest = layout.cues(symbols), layout.stream(length, symbols)

    def steps(n):
        return layout.stream(n, symbols) + cues + layout.after(symbols)

    def example(key, n):
        stream = layout.stream(n, symbols)
        key_string, key_places = jax.random.split(key)
        string = jax.random.randint(key_string, (symbols,), 1, alphabet + 1)
        if layout.at_gaps:
            blanks = stream - symbols
            places = after_gaps(key_places, longest - symbols, symbols, blanks)
        else:
            places = draws.subset(key_places, stream, symbols)
        tokens = jnp.zeros(steps(length), string.dtype).at[places].set(string)
        tokens = tokens.at[stream + jnp.arange(cues)].set(alphabet + 1)
        recall = steps(n) - symbols + jnp.arange(symbols)
        targets = jnp.full(steps(length), asked.NOT_ASKED, string.dtype)
        return base.Example(tokens, targets.at[recall].set(string - 1))

    network = base.Network(alphabet + 2, alphabet, tokens=True)
    return asked.task(example, network, lengths, alphabet, steps=steps)


def after_gaps(key, most: int, symbols: int, blanks) -> jax.Array:
    """The steps [M] of symbols, where each blank falls into one of the gaps before.

    Args:
      blanks: how many there are, of `most`; may be traced.
    """
    gaps = jax.random.randint(key, (most,), 0, symbols)
    own = jnp.zeros(symbols, gaps.dtype).at[gaps].add(jnp.arange(most) < blanks)
    return jnp.cumsum(own) + jnp.arange(symbols)
