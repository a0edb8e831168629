"""A task whose sequences are a few, always the same: how many does a network need?"""

import dataclasses
import functools
import hashlib

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import errors
from rnn_research.errors import check_size
from rnn_research.tasks import base

HELD_OUT = 1000  # sequences, at most, to validate and as many to test
SHARES = {"validation": 0, "test": 1}  # of ten parts of all sequences there are
PARTS = 10
CHUNK = 4096  # sequences that are drawn at once
MOST_TRIES = 30  # for each sequence, on average


@base.task
def limited(task: base.Task, *, rows=1000, seed=0) -> base.Task:
    """Keep few sequences of a task to train on: `limited(parity, rows=500)`.

    Sequences are drawn as the task draws them, each once: as in studies of how many are
    needed (Ebrahimi et al. 2026, arXiv 2602.18333). A tenth of all sequences there are,
    by a hash of their inputs, is kept to validate and another to test, so that training
    has none of these; up to 1,000 of each are drawn.

    Args:
      task: one that makes fresh sequences.
      rows: N, how many sequences to train on; with more the first N are the same.
      seed: which ones.

    Loss, metrics and baselines are those of the task.
    """
    check_size(rows=rows)
    if not isinstance(task, base.Task):
        raise errors.UsageError("give a task first, as in limited(parity, rows=500)")
    if not task.is_endless:
        raise errors.UsageError(
            f"limited takes a task that makes fresh sequences; {task} is on data"
        )
    return dataclasses.replace(
        task,
        data=functools.lru_cache(lambda: _drawn(task, rows, seed)),
        batch=lambda keys, _: task.batch(None, jax.random.wrap_key_data(keys)),
        of_length=None,
    )


def _drawn(task: base.Task, rows: int, seed: int) -> dict[str, np.ndarray]:
    """{split: [N, 2]}, the keys of sequences that all differ."""
    most = {"train": rows} | dict.fromkeys(SHARES, HELD_OUT)
    found: dict[str, dict[bytes, np.ndarray]] = {split: {} for split in most}
    of_part = {part: split for split, part in SHARES.items()}

    @jax.jit
    def draw(number):
        key = jax.random.fold_in(jax.random.key(seed), number)
        keys = jax.random.split(key, CHUNK)
        batch = task.batch(None, keys)
        mask = jnp.ones(()) if batch.mask is None else batch.mask
        return jax.random.key_data(keys), batch.inputs, mask

    for number in range(1 + MOST_TRIES * (rows + HELD_OUT) // CHUNK):
        keys, inputs, mask = jax.device_get(draw(number))
        for place, digest in enumerate(_digests(inputs, mask)):
            split = of_part.get(digest[0] % PARTS, "train")
            if len(found[split]) < most[split]:
                found[split].setdefault(digest, keys[place])
        if all(len(found[split]) == most[split] for split in most):
            break
    if len(found["train"]) < rows:
        raise errors.UsageError(
            f"rows={rows:,} are more than were found of {task}: "
            f"{len(found['train']):,} different sequences to train on; take fewer"
        )
    return {split: np.stack(list(own.values())) for split, own in found.items()}


def _digests(inputs, mask) -> list[bytes]:
    """A hash for each sequence, [T, B, ...] each."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(inputs)]
    if np.ndim(mask):
        leaves.append(np.asarray(mask))
    rows = [np.ascontiguousarray(np.swapaxes(leaf, 0, 1)) for leaf in leaves]
    return [
        hashlib.blake2b(b"".join(leaf[at].tobytes() for leaf in rows)).digest()
        for at in range(len(rows[0]))
    ]
