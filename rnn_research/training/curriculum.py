"""A curriculum: the sequences of the first updates are short, then become longer.

In update i = 0, 1, ... of S = --curriculum_steps each sequence draws its length,
uniform among the first k of the K lengths of the task, the shortest first:

    k = 1 + floor((K - 1) min(1, i / S))

From update S on training draws what the task draws. Validation and test always do.
Short sequences stay in the batches: mixtures helped where growth alone did not
(Zaremba & Sutskever 2014, arXiv 1410.4615, the 'combined' strategy of section 4).
The lengths follow from seed and update, so a run resumes exactly. Sequences are padded
to the longest, so one program is compiled.
"""

import jax.numpy as jnp

from rnn_research import errors
from rnn_research.tasks import ranges
from rnn_research.tasks.base import Task


def check(task: Task, steps: int):
    """Raise errors.UsageError unless there is none, or the task has several lengths."""
    if not steps:
        return
    if task.of_length is None or not task.lengths:
        raise errors.UsageError(
            f"--curriculum_steps={steps}: {task} makes no sequences of a given length; "
            "leave it out; only tasks with `shortest` have one, see docs/tasks.md"
        )
    if len(task.lengths) == 1:
        shorter = f"{task.name}(shortest={max(1, task.lengths[0] // 4)})"
        raise errors.UsageError(
            f"--curriculum_steps={steps}: all sequences of {task} have one length; "
            f"give it a range, as --task='{shorter}' does"
        )


def count(task: Task, steps: int, step):
    """How many of the task's lengths, the shortest first, the next update draws from.

    Args:
      steps: S, at least 1.
      step: i, the updates made before; may be traced.
    """
    share = jnp.minimum(step, steps) / steps
    return 1 + jnp.floor((len(task.lengths) - 1) * share).astype(jnp.int32)


def batch_at(task: Task, steps: int, step):
    """(rows, keys) -> Batch as of update `step`; the task's own where there is none."""
    if not steps:
        return task.batch

    def batch(no_rows, keys):
        del no_rows
        return task.of_length(
            *ranges.drawn(keys, task.lengths, count(task, steps, step))
        )

    return batch
