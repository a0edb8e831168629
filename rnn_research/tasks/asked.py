"""What tasks share that ask for a symbol at some steps, or at the last one."""

import math

from rnn_research.tasks import base, ranges, scores

NOT_ASKED = -1  # a target that does not count


def score(outputs, batch):
    """Of the steps that are asked: loss, cross-entropy in nats, and recall_accuracy."""
    asked = batch.targets != NOT_ASKED
    return {
        "loss": scores.cross_entropy(outputs, batch, there=asked),
        "recall_accuracy": scores.accuracy(outputs, batch, there=asked),
    }


def task(
    example,
    network: base.Network,
    lengths,
    choices: int,
    *,
    steps=None,
    guess: str = "guessing every symbol",
    score=score,
    thresholds: tuple[float, ...] = (),
) -> base.Task:
    """The endless task of examples whose targets are classes, or NOT_ASKED.

    `example`, `lengths` and `steps` are those of `ranges.fields`.

    Without memory each of `choices` symbols is as likely: ln(choices) and 1 / choices.

    Args:
      score: gives loss and recall_accuracy, where they are not of single steps.
      thresholds: further losses whose first crossing a run reports.
    """
    baseline = math.log(choices)
    shares = [baseline * share for share in (0.5, 0.1, 0.01)]
    return base.Task(
        **ranges.fields(example, network, lengths, steps),
        score=score,
        network=network,
        references={
            "loss": {guess: baseline},
            "recall_accuracy": {guess: 1 / choices},
        },
        solved_at=baseline / 10,
        thresholds=tuple(sorted({*shares, *thresholds}, reverse=True)),
        monitor="recall_accuracy",
        larger_is_better=True,
    )
