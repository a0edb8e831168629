"""The denoise problem, and what of it no predictor can know."""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research.errors import check_flags, check_size
from rnn_research.tasks import base, draws, ranges
from rnn_research.tasks.copy_memory import WITHOUT_MEMORY, scored

MOST_LOST = (
    6  # symbols of a sequence; where more are lost, its limit is taken as perfect
)


@base.task
def denoise(
    length: int,
    *,
    replacement=False,
    symbols=10,
    alphabet=9,
    shortest: int | None = None,
) -> base.Task:
    """Recall symbols that lie scattered among blanks, after a cue.

    Jing et al. 2019 (Gated Orthogonal Recurrent Units, arXiv 1706.02761), in the layout
    of the authors' code. Input classes, one-hot: 0 the blank, 1 ... alphabet the
    symbols, alphabet + 1 the cue (the code has no channel for it: zeros). Target
    classes: 0 the blank, 1 ... alphabet the symbols, due in the last `symbols` steps.

    With T = length, M = symbols: T + M - 1 steps with the symbols in order at random
    steps, one cue, M blanks; T + 2M steps. Two examples with T = 3, M = 2 (`c` cue):

        inputs    _5_7c__        inputs    82__c__
        targets   _____57        targets   _____82

    replacement=False: the M steps differ, and every symbol is there.
    replacement=True: as in the authors' code each step is drawn for itself. Of symbols
    that fall on one step the last is there and the others are lost, but asked for all
    the same: with T = 200 only 80 % of sequences hold all ten. `limits` has what is
    left to the best predictor, exact up to 6 lost symbols in a sequence.

    Args:
      length: T, the delay.
      replacement: whether symbols may fall on the same step.
      symbols: M, how many symbols to remember.
      alphabet: A, how many different symbols there are.
      shortest: lengths are uniform from it to `length`; None: all have `length`.

    Loss: mean cross-entropy in nats over all steps. Memoryless baseline: the blank is
    certain until the last M steps, a symbol is guessed: M ln A / (T + 2M). Metrics:
    recall_accuracy over the last M steps, with chance 1/A, and recall_loss, with
    baseline ln A.
    """
    lengths = ranges.check(length, shortest)
    check_size(symbols=symbols)
    check_size(least=2, alphabet=alphabet)
    check_flags(replacement=replacement)

    def steps(n):
        return n + 2 * symbols

    def example(key, n):
        span = n + symbols - 1
        key_string, key_places = jax.random.split(key)
        string = jax.random.randint(key_string, (symbols,), 1, alphabet + 1)
        if replacement:
            places = jax.random.randint(key_places, (symbols,), 0, span)
            places = jnp.sort(places)
        else:
            places = draws.subset(key_places, span, symbols)
        return lay_out(string, places, span, steps(length), alphabet)

    guess = math.log(alphabet)
    share = symbols / float(np.mean([steps(n) for n in lengths]))
    baseline = share * guess
    limits, floor = {}, 0.0
    if replacement:
        spans = [n + symbols - 1 for n in lengths]
        best = [known_at_best(span, symbols, alphabet) for span in spans]
        lost, right = (float(np.mean(each)) for each in zip(*best, strict=True))
        floor = share * lost
        limits = {
            "loss": {LIMIT: floor},
            "recall_accuracy": {LIMIT: right},
            "recall_loss": {LIMIT: lost},
        }
    network = base.Network(alphabet + 2, alphabet + 1)
    marks = [floor + (baseline - floor) * share for share in (0.5, 0.1, 0.01)]
    return base.Task(
        **ranges.fields(example, network, lengths, steps),
        score=scored(),
        network=network,
        references={
            "loss": {WITHOUT_MEMORY: baseline},
            "recall_accuracy": {WITHOUT_MEMORY: 1 / alphabet},
            "recall_loss": {WITHOUT_MEMORY: guess},
        },
        limits=limits,
        solved_at=marks[1],
        thresholds=tuple(marks),
        monitor="recall_accuracy",
        larger_is_better=True,
    )


LIMIT = "knowing all but the lost symbols"


def lay_out(string, places, span, steps: int, alphabet: int) -> base.Example:
    """The example of symbols [M] at sorted steps [M]; the last on a step is there."""
    is_last = jnp.append(places[1:] != places[:-1], True)
    none = jnp.zeros(steps, string.dtype)
    classes = none.at[jnp.where(is_last, places, steps)].set(string, mode="drop")
    classes = classes.at[span].set(alphabet + 1)
    targets = none.at[span + 1 + jnp.arange(len(string))].set(string)
    return base.Example(jax.nn.one_hot(classes, alphabet + 2), targets)


# ------------------------------------------------------- what can be known at best


def known_at_best(span: int, symbols: int, alphabet: int) -> tuple[float, float]:
    """(recall_loss, recall_accuracy) of the best predictor, with replacement.

    Of a sequence with k symbols that are there, the j-th is the i-th target if the
    first j steps hold i of the M draws: with onto(n, j) the number of maps of n draws
    onto j steps, w_j = C(M, i) onto(i, j) onto(M - i, k - j) / onto(M, k). With the
    rest of probability the target is a lost symbol, any of A. So the probability of
    symbol a is p_a = (1 - sum w_j) / A + the sum of the w_j of symbols that are a.
    """
    there = _share_with(span, symbols)
    known = [_known_of(k, symbols, alphabet) for k in range(1, symbols + 1)]
    loss, right = there[1:] @ np.array(known)
    return float(loss), min(float(right), 1.0)


@functools.cache
def _known_of(k: int, symbols: int, alphabet: int) -> tuple[float, float]:
    """(recall_loss, recall_accuracy) where k symbols are there."""
    if symbols - k > MOST_LOST:
        return 0.0, 1.0
    onto, loss, right = _onto(symbols), 0.0, 0.0
    for i in range(1, symbols + 1):
        weights = [
            math.comb(symbols, i) * onto[i][j] * onto[symbols - i][k - j]
            for j in range(max(0, i - symbols + k), min(i, k) + 1)
        ]
        exact = np.array([weight / onto[symbols][k] for weight in weights])
        loss += _entropy(exact, alphabet) / symbols
        right += _largest(exact, alphabet) / symbols
    return loss, right


def _onto(most: int) -> list[list[int]]:
    """onto[n][k]: in how many ways n draws fall on k steps, all of them hit."""
    table = [[0] * (most + 1) for _ in range(most + 1)]
    table[0][0] = 1
    for n in range(1, most + 1):
        for k in range(1, n + 1):
            table[n][k] = k * (table[n - 1][k] + table[n - 1][k - 1])
    return table


def _share_with(span: int, symbols: int) -> np.ndarray:
    """[M + 1], the probability that M draws of `span` steps hit k of them."""
    share, k = np.zeros(symbols + 1), np.arange(symbols + 1)
    share[0] = 1.0
    for _ in range(symbols):
        again, anew = share * k / span, share * (span - k).clip(0) / span
        share = again + np.append(0.0, anew[:-1])
    return share


def _entropy(weights: np.ndarray, alphabet: int) -> float:
    """The mean over symbols of -sum_a p_a ln p_a, by what one symbol's p may be."""
    is_it = np.array(list(itertools.product((0, 1), repeat=len(weights))))
    chance = np.where(is_it, 1 / alphabet, 1 - 1 / alphabet).prod(axis=1)
    p = is_it @ weights + max(0.0, 1 - weights.sum()) / alphabet
    p = np.where(p > 0, p, 1.0)
    return float(-alphabet * (chance * p * np.log(p)).sum())


def _largest(weights: np.ndarray, alphabet: int) -> float:
    """The mean over symbols of max_a p_a, by which of them are equal."""
    total = max(0.0, 1 - weights.sum()) / alphabet
    for groups in _partitions(len(weights)):
        number = max(groups) + 1
        chance = math.perm(alphabet, number) / alphabet ** len(weights)
        total += chance * np.bincount(groups, weights).max()
    return float(total)


def _partitions(count: int):
    """All ways to put things in groups: the group of each, new ones in turn."""
    found = [[0]]
    for _ in range(count - 1):
        found = [[*each, group] for each in found for group in range(max(each) + 2)]
    return found
