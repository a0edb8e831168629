"""Multi-query associative recall: many keys, each asked for its value once."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import errors
from rnn_research.errors import check_between, check_option, check_size
from rnn_research.tasks import asked, base, draws, ranges

FILLERS = ("own", "blank", "any")
OWN = 16  # tokens that are neither keys nor values


@base.task
def mqar(
    length: int,
    *,
    pairs=4,
    vocabulary=8192,
    fillers="own",
    power=0.01,
    passes=1,
    shortest: int | None = None,
) -> base.Task:
    """Give each key of a list its value when it comes again (multi-query recall).

    Arora et al. 2023 (Zoology), arXiv 2312.04927, as its code generates it. Tokens: 0
    the blank, 1 ... V/2 - 1 keys, V/2 ... V - 1 values, with V = vocabulary. First
    `pairs` different keys, each followed by its value; the values differ too. Then each
    key once more, at the even steps of what is left, and fillers elsewhere. Output
    class c is the value V/2 + c, asked at the step of a key's second coming.

    The gap in pairs of steps between the list and a key is g = 1, 2, ..., drawn with
    probability in proportion to g^(power - 1) from those that are free, by one key
    after the other. Two examples with T = 12, pairs=2, V = 8, fillers='blank' (`.` not
    asked):

        inputs    1 5 3 7 3 0 0 0 1 0 0 0        inputs    2 4 1 6 2 0 1 0 0 0 0 0
        targets   . . . . 3 . . . 1 . . .        targets   . . . . 0 . 2 . . . . .

    Args:
      length: T, an even number of at least 2 pairs (passes + 1).
      pairs: D, how many keys there are.
      vocabulary: V.
      fillers: what stands at the other steps: 'own', any of 16 further tokens that are
        neither keys nor values; 'blank', token 0; 'any', any of the V, as published by
        default: such a filler may look like a key that is not asked.
      power: 1 is a uniform gap; the published 0.01 favours short ones.
      passes: how often the list is read out (Arora et al. 2024, arXiv 2407.05483).
      shortest: lengths are uniform, even, from it to `length`; None: all have `length`.

    Published: V = 8192 and (T, D) = (64, 4), (128, 8), (256, 16), (512, 64). There the
    outputs are all V tokens; here they are the values.

    Loss: cross-entropy in nats over the D asked steps. Memoryless baseline ln(V/2);
    with memory of which values are there, but not of whose they are, ln D, a threshold
    that runs report. Metric: recall_accuracy over the asked steps, with chance 2/V.
    """
    check_size(length=length, pairs=pairs, vocabulary=vocabulary, passes=passes)
    check_option("fillers", fillers, FILLERS)
    check_between("power", power, math.nextafter(0, 1), math.inf)
    half = vocabulary // 2
    if half - 1 < pairs:
        raise errors.UsageError(
            f"vocabulary must be at least {2 * pairs + 2} for {pairs} different keys "
            f"and values, not {vocabulary}"
        )
    listed = 2 * pairs * passes
    if length % 2 or length < listed + 2 * pairs:
        raise errors.UsageError(
            f"length must be an even number of at least {listed + 2 * pairs} for "
            f"pairs={pairs} and passes={passes}, not {length}"
        )
    lengths = ranges.check(length, shortest, least=listed + 2 * pairs, every=2)
    places = np.arange((length - listed) // 2)
    log_weights = (power - 1) * np.log(places + 1)
    first, end = {
        "own": (vocabulary, vocabulary + OWN),
        "blank": (0, 1),
        "any": (0, vocabulary),
    }[fillers]

    def example(key, n):
        key_keys, key_values, key_gaps, key_fillers = jax.random.split(key, 4)
        keys = 1 + draws.distinct(key_keys, half - 1, pairs)
        values = draws.distinct(key_values, vocabulary - half, pairs)
        free = jnp.where(places < (n - listed) // 2, log_weights, -jnp.inf)
        gaps = draws.weighted(key_gaps, free, pairs)
        tokens = jax.random.randint(key_fillers, (length,), first, end)
        pairs_of = jnp.stack([keys, half + values], axis=1).reshape(-1)
        tokens = tokens.at[:listed].set(jnp.tile(pairs_of, passes))
        again = listed + 2 * gaps
        targets = jnp.full(length, asked.NOT_ASKED, values.dtype)
        return base.Example(tokens.at[again].set(keys), targets.at[again].set(values))

    tokens = vocabulary + OWN if fillers == "own" else vocabulary
    network = base.Network(tokens, vocabulary - half, tokens=True)
    marks = (math.log(pairs),) if pairs > 1 else ()
    return asked.task(
        example,
        network,
        lengths,
        vocabulary - half,
        guess="guessing any value",
        thresholds=marks,
    )
