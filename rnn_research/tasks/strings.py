"""Strings of symbols: lengths uniform in a range, masks, and what guessing comes to."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import errors
from rnn_research.errors import check_option, check_size
from rnn_research.tasks import asked, base, scores

HEADS = ("last", "step")
GUESSING = "guessing from the length alone"
SHARES = (0.5, 0.1, 0.01)  # of the baseline: thresholds, and the last one is solved


def check_lengths(length: int, shortest: int | None, least: int = 1) -> int:
    """The shortest length, checked; None is `length`: all are as long.

    Raises:
      errors.UsageError: one of them is below `least`, or they are in the wrong order.
    """
    check_size(length=length)
    if length < least:
        raise errors.UsageError(f"length must be at least {least}, not {length}")
    if shortest is None:
        return length
    check_size(shortest=shortest)
    if not least <= shortest <= length:
        raise errors.UsageError(
            f"shortest must be in [{least}, {length}], where {length} is the length, "
            f"not {shortest}"
        )
    return shortest


def batches(example: Callable, network: base.Network, lengths):
    """`batch` and `of_length` of a task, from one sequence at a time.

    Args:
      example: (key, n) -> Example with a mask; n, its length, may be traced.
      lengths: that may be drawn, ascending, each as likely as another. Where there is
        one alone a batch has no mask.
    """
    along = 1 if network.head == "step" else 0
    axes = base.Example(inputs=1, targets=along, mask=1)
    lengths = np.asarray(lengths)

    def drawn(key):
        key, key_length = jax.random.split(key)
        at = jax.random.randint(key_length, (), 0, len(lengths))
        return example(key, jnp.asarray(lengths)[at])

    def batch(no_rows, keys):
        del no_rows
        made = base.Batch(*jax.vmap(drawn, out_axes=axes)(keys))
        return made if len(lengths) > 1 else made._replace(mask=None)

    def of_length(keys, length):
        def of_that_length(key):
            return example(jax.random.split(key)[0], length)

        return base.Batch(*jax.vmap(of_that_length, out_axes=axes)(keys))

    return batch, of_length


def classified(
    draw: Callable,
    references: dict[str, dict[str, float]],
    *,
    steps: int,
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
      steps: T.
      lengths: that may be drawn, ascending.
      symbols, classes: how many different ones there are.
      head: 'last', one class a string; 'step', one a symbol.
      tokens: symbols are embedded; else they are one-hot.
    """
    check_option("head", head, HEADS)

    def example(key, length):
        string, labels = draw(key, length)
        there = jnp.arange(steps) < length
        if tokens:
            inputs = jnp.where(there, string, 0)
        else:
            inputs = jax.nn.one_hot(string, symbols) * there[:, None]
        targets = labels[length - 1] if head == "last" else jnp.where(there, labels, 0)
        return base.Example(inputs, targets, there)

    network = base.Network(symbols, classes, head=head, tokens=tokens)
    return of_strings(
        example,
        network,
        references,
        steps=steps,
        lengths=lengths,
        score=score if head == "last" else by_step,
    )


def of_strings(
    example: Callable,
    network: base.Network,
    references: dict[str, dict[str, float]],
    *,
    steps: int,
    lengths,
    score: Callable,
) -> base.Task:
    """The endless task of examples as of `batches`."""
    batch, of_length = batches(example, network, lengths)
    loss = min(references["loss"].values())
    return base.Task(
        batch=batch,
        of_length=of_length,
        score=score,
        network=network,
        length=steps,
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
