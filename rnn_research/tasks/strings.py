"""Strings of symbols: their classes, and what guessing comes to."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research.errors import check_option
from rnn_research.tasks import asked, base, ranges, scores

HEADS = ("last", "step")
GUESSING = "guessing from the length alone"
SHARES = (0.5, 0.1, 0.01)  # of the baseline: thresholds, and the last one is solved


def classified(
    draw: Callable,
    references: dict[str, dict[str, float]],
    *,
    lengths,
    symbols: int,
    classes: int,
    head: str,
    tokens: bool = False,
) -> base.Task:
    """The task to give the class of a string, or of each of its beginnings.

    Args:
      draw: (key, n) -> symbols [T], classes [T], of each beginning of the string; what
        is behind the first n does not count.
      references: baselines, such as of `guesses`.
      lengths: that may be drawn, ascending.
      symbols, classes: how many different ones there are.
      head: 'last', one class a string; 'step', one a symbol.
      tokens: symbols are embedded; else they are one-hot.
    """
    check_option("head", head, HEADS)

    def example(key, length):
        string, labels = draw(key, length)
        inputs = string if tokens else jax.nn.one_hot(string, symbols)
        return base.Example(inputs, labels[length - 1] if head == "last" else labels)

    network = base.Network(symbols, classes, head=head, tokens=tokens)
    return of_strings(
        example,
        network,
        references,
        lengths=lengths,
        score=score if head == "last" else by_step,
    )


def of_strings(
    example: Callable,
    network: base.Network,
    references: dict[str, dict[str, float]],
    *,
    lengths,
    score: Callable,
    steps: Callable | None = None,
) -> base.Task:
    """The endless task of examples as of `ranges.fields`."""
    loss = min(references["loss"].values())
    return base.Task(
        **ranges.fields(example, network, lengths, steps),
        score=score,
        network=network,
        references=references,
        solved_at=loss * SHARES[-1],
        thresholds=tuple(loss * share for share in SHARES),
    )


def score(outputs, batch):
    return {
        "loss": scores.cross_entropy(outputs, batch),
        "accuracy": scores.accuracy(outputs, batch),
    }


def by_step(outputs, batch):
    right = jnp.argmax(outputs, axis=-1) == batch.targets
    return score(outputs, batch) | {"sequence_accuracy": all_right(right, batch)}


def of_asked(outputs, batch):
    """As `asked.score`, and the share of strings with every answer right."""
    right = jnp.argmax(outputs, axis=-1) == batch.targets
    whole = all_right(right | (batch.targets == asked.NOT_ASKED), batch)
    return asked.score(outputs, batch) | {"sequence_accuracy": whole}


def all_right(right, batch) -> base.Mean:
    """The share of sequences whose every step that is there is right [T, B]."""
    if batch.mask is not None:
        right = right | ~batch.mask
    return scores.mean(jnp.all(right, axis=0), batch, by_step=False)


def guesses(
    chances: np.ndarray, lengths, head: str, whole: float | None = None
) -> dict[str, dict[str, float]]:
    """Baselines of whoever knows how long a string is, and no more.

    Args:
      chances: [T, C], how likely each class is after t symbols, t = 1, ..., T.
      whole: how likely it is to guess all classes of a string; None: not known.
    """
    share = shares(len(chances), lengths, head)
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.sum(np.where(chances > 0, chances * np.log(chances), 0), axis=1)
    found = {"loss": share @ entropy, "accuracy": share @ chances.max(axis=1)}
    if head == "step" and whole is not None:
        found["sequence_accuracy"] = whole
    return {name: {GUESSING: float(value)} for name, value in found.items()}


def shares(steps: int, lengths, head: str) -> np.ndarray:
    """[T], how much of a metric is of step t: strings end there, or reach it."""
    count = np.bincount(np.asarray(lengths) - 1, minlength=steps).astype(float)
    if head == "step":
        count = np.cumsum(count[::-1])[::-1]
    return count / np.sum(count)
