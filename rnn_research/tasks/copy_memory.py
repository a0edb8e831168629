"""The copy memory problem, in the layouts that official codes really generate."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research.errors import check_flags, check_option, check_size
from rnn_research.tasks import base, ranges, scores

WITHOUT_MEMORY = "guessing every symbol"


class Layout(NamedTuple):
    extra_blanks: int  # blanks between symbols and cue: length + extra_blanks
    cues: Callable[[int], int]  # M -> steps that show the cue
    after: Callable[[int], int]  # M -> blanks after the cues
    recall_only: bool = False  # the loss counts the recall steps only
    one_hot: bool = True  # inputs one-hot; else one number, the class index


LAYOUTS = {
    # Arjovsky, Shah & Bengio 2015, arXiv 1511.06464: the first target is due one
    # step after the cue.
    "urnn": Layout(-1, cues=lambda m: 1, after=lambda m: m),
    # Lezcano-Casado & Martinez-Rubio 2019, arXiv 1901.08428: due at the cue.
    "exprnn": Layout(0, cues=lambda m: 1, after=lambda m: m - 1),
    # Bai et al. 2018, arXiv 1803.01271: the cue stays on; the input is a number.
    "tcn": Layout(-1, cues=lambda m: m + 1, after=lambda m: 0, one_hot=False),
    # van der Westhuizen & Lasenby 2018, arXiv 1804.04849: one step longer.
    "janet": Layout(0, cues=lambda m: 1, after=lambda m: m),
    # Gu et al. 2021, arXiv 2111.00396: a marker for each symbol, loss on these only.
    "s4": Layout(0, cues=lambda m: m, after=lambda m: 0, recall_only=True),
}


@base.task
def copy_memory(
    length: int,
    *,
    layout="urnn",
    symbols=10,
    alphabet=8,
    one_hot: bool | None = None,
    shortest: int | None = None,
) -> base.Task:
    """Recall a string of symbols after `length` steps.

    Input classes: 0 the blank, 1 ... alphabet the symbols, alphabet + 1 the cue.
    Target classes: 0 the blank, 1 ... alphabet the symbols, due in the last `symbols`
    steps. With T = length, M = symbols, and two examples with T = 3, M = 2 (`c` cue):

        layout   inputs                       steps       inputs    targets
        urnn     M, T-1 blanks, c, M blanks   T + 2M      57__c__   _____57
                                                          82__c__   _____82
        exprnn   M, T blanks, c, M-1 blanks   T + 2M      57___c_   _____57
        tcn      M, T-1 blanks, c (M+1 times) T + 2M      57__ccc   _____57
        janet    M, T blanks, c, M blanks     T + 2M + 1  57___c__  ______57
        s4       M, T blanks, c (M times)     T + 2M      57___cc   _____57

    Args:
      length: T, the delay.
      layout: which official code's layout (see `LAYOUTS` for the papers).
      symbols: M, how many symbols to remember.
      alphabet: A, how many different symbols there are.
      one_hot: inputs one-hot [.., A + 2], or one number, the class index, as 'tcn'
        and some codes have it; None is the layout's own.
      shortest: lengths are uniform from it to `length`; None: all have `length`.

    Loss: mean cross-entropy in nats, over all steps ('s4': over the last M only).
    Memoryless baseline: the blank is certain until the last M steps, a symbol is
    guessed: M ln A / steps ('s4': ln A). Metrics: recall_accuracy over the last M
    steps, with chance 1/A, and recall_loss, with baseline ln A. Accuracy over all
    steps is not reported: it is above 0.9 without any memory.
    """
    lengths = ranges.check(length, shortest)
    check_size(symbols=symbols)
    check_size(least=2, alphabet=alphabet)
    check_option("layout", layout, tuple(LAYOUTS))
    if one_hot is not None:
        check_flags(one_hot=one_hot)
    form = LAYOUTS[layout]
    one_hot = form.one_hot if one_hot is None else one_hot
    cues, after = form.cues(symbols), form.after(symbols)

    def first_cue(n):
        return symbols + n + form.extra_blanks

    def steps(n):
        return first_cue(n) + cues + after

    def example(key, n):
        string = jax.random.randint(key, (symbols,), 1, alphabet + 1)
        none = jnp.zeros(steps(length), string.dtype)
        classes = none.at[:symbols].set(string)
        classes = classes.at[first_cue(n) + jnp.arange(cues)].set(alphabet + 1)
        targets = none.at[steps(n) - symbols + jnp.arange(symbols)].set(string)
        if one_hot:
            return base.Example(jax.nn.one_hot(classes, alphabet + 2), targets)
        return base.Example(classes[:, None].astype(jnp.zeros(()).dtype), targets)

    guess = math.log(alphabet)
    share = 1 if form.recall_only else symbols / np.mean([steps(n) for n in lengths])
    baseline = share * guess
    network = base.Network(alphabet + 2 if one_hot else 1, alphabet + 1)
    return base.Task(
        **ranges.fields(example, network, lengths, steps),
        score=scored(recall_only=form.recall_only),
        network=network,
        references={
            "loss": {WITHOUT_MEMORY: baseline},
            "recall_accuracy": {WITHOUT_MEMORY: 1 / alphabet},
            "recall_loss": {WITHOUT_MEMORY: guess},
        },
        solved_at=baseline / 10,
        thresholds=tuple(baseline * share for share in (0.5, 0.1, 0.01)),
    )


def scored(*, recall_only: bool = False):
    """The score: cross-entropy, and recall where a symbol is due, not the blank."""

    def score(outputs, batch):
        due = batch.targets > 0
        recall = scores.cross_entropy(outputs, batch, there=due)
        return {
            "loss": recall if recall_only else scores.cross_entropy(outputs, batch),
            "recall_accuracy": scores.accuracy(outputs, batch, there=due),
            "recall_loss": recall,
        }

    return score
