"""The class of a recording: what a sensor measured while something happened."""

import functools

import jax.numpy as jnp
import numpy as np

from rnn_research import data, errors
from rnn_research.data import sequences
from rnn_research.data.provenance import Provenance
from rnn_research.tasks import base, classification, normal


@base.task
def time_series_classification(
    *,
    dataset="basic_motions",
    file: str | None = None,
    test_file: str | None = None,
    chunk=1,
    head="pooled",
) -> base.Task:
    """Say what class a recording is of after reading it.

        0.1  0.4  1.2  0.9  0.3      gesture 1
        0.2  0.5  1.1  ·    ·        gesture 2      · is masked

    T is the steps of the longest recording, divided by `chunk`. Each variable is
    normalised by its mean and standard deviation within 'train'. Where a recording has
    gaps, inputs are [T, B, 2V]: values, 0 (the mean) where one is missing, and whether
    it is; the cell `decayed` is made for such.

    Args:
      dataset: 'basic_motions', 'gun_point' or another one of the UCR and UEA archives
        with its official test; see `data.SETS`.
      file: a file of your own, a class and the values of one variable in each line, or
        a .ts file; see `data.sequences`.
      test_file: another one, for test; without it every fifth of each class is test.
      chunk: how many successive values a step reads, so that D is as many times as
        large and T as many times as short.
      head: 'last' reads the class off the last state, 'pooled' off their mean.

    Metrics: loss, the cross-entropy in nats, by which the best weights are chosen,
    since the validation has few recordings; accuracy. References, on test: always the
    commonest class of train; the nearest neighbour, by Euclidean distance, among train
    and validation; see `neighbour`.
    """
    errors.check_size(chunk=chunk)
    errors.check_option("head", head, classification.HEADS)
    if test_file is not None and file is None:
        raise errors.UsageError("test_file is for a file of your own; give file too")
    own = read(dataset, file, test_file)
    if chunk > own.longest:
        raise errors.UsageError(
            f"chunk={chunk} is longer than the longest recording, {own.longest} steps"
        )
    mean, std = _normal(own)
    length, observed = -(-own.longest // chunk), len(mean) * chunk
    gaps = any(np.isnan(x).any() for each, _ in own.splits.values() for x in each)
    rows = {
        split: {
            "values": _chunked(values, mean, std, length, chunk, gaps),
            "lengths": np.array([-(-len(x) // chunk) for x in values], np.int32),
            "labels": labels,
        }
        for split, (values, labels) in own.splits.items()
    }
    unequal = any((each["lengths"] < length).any() for each in rows.values())
    return base.Task(
        batch=functools.partial(_batch, masked=bool(unequal)),
        score=classification.score,
        network=base.Network(
            observed * (1 + gaps),
            len(own.classes),
            head=head,
            observed=observed * gaps,
        ),
        length=length,
        data=lambda: rows,
        references=_references(dataset, file, test_file, own.provenance),
        provenance=(own.provenance,),
    )


def read(dataset: str, file: str | None, test_file: str | None) -> sequences.Sequences:
    """The recordings that a task is made of."""
    if file is None:
        return data.sets.read(dataset, "time_series_classification")
    return sequences.from_files(file, test_file)


def classes(task: base.Task) -> tuple[str, ...]:
    """The names of the classes of such a task."""
    given = dict(task.origin.arguments)
    return read(given["dataset"], given["file"], given["test_file"]).classes


def _normal(own: sequences.Sequences) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation [D] of all steps of train."""
    steps = np.concatenate(own.splits["train"][0])
    names = [f"variable {number}" for number in range(1, 1 + steps.shape[1])]
    return normal.of_train(steps, names, own.provenance.package)


def _chunked(values, mean, std, length: int, chunk: int, gaps: bool) -> np.ndarray:
    """[N, T, D chunk], 0, the mean, where a value is missing or a recording has ended.

    With gaps [N, T, 2 D chunk], the second half of which says where.
    """
    found = np.full((len(values), length * chunk, len(mean)), np.nan, np.float32)
    for at, x in enumerate(values):
        found[at, : len(x)] = (x - mean) / std
    found = found.reshape(len(values), length, -1)
    missing = np.isnan(found)
    found[missing] = 0
    return np.concatenate([found, missing], axis=2) if gaps else found


def _batch(rows, keys, *, masked: bool) -> base.Batch:
    del keys
    inputs = jnp.swapaxes(rows["values"], 0, 1).astype(jnp.zeros(()).dtype)
    mask = None
    if masked:
        mask = jnp.arange(len(inputs))[:, None] < rows["lengths"]
    return base.Batch(inputs, rows["labels"], mask=mask)


@functools.cache
def _references(
    dataset: str, file: str | None, test_file: str | None, of: Provenance
) -> dict:
    """What the commonest class and the nearest neighbour give on test.

    `of` is where the data come from, which tells one content of a file from another.
    """
    del of
    own = read(dataset, file, test_file)
    train, wanted = own.splits["train"][1], own.splits["test"][1]
    found = classification.references(train, wanted, len(own.classes))
    right = (neighbour(own) == wanted).mean()
    found["accuracy"]["the nearest neighbour"] = float(right)
    return found


def neighbour(own: sequences.Sequences) -> np.ndarray:
    """The class of the nearest recording of train and validation, for each of test.

    By the Euclidean distance of the values as they are given; recordings of different
    lengths are stretched to the longest, by linear interpolation, which fills gaps too.
    A variable that a recording lacks has its mean in train.
    """
    known = [*own.splits["train"][0], *own.splits["validation"][0]]
    labels = np.concatenate([own.splits["train"][1], own.splits["validation"][1]])
    asked = own.splits["test"][0]
    mean, _ = _normal(own)
    near, far = (_stretched(each, own.longest, mean) for each in (known, asked))
    apart = [((near - x) ** 2).sum(axis=1).argmin() for x in far]
    return labels[apart]


def _stretched(values, length: int, mean: np.ndarray) -> np.ndarray:
    """[N, length D]"""
    found = []
    for x in values:
        at, there = np.linspace(0, len(x) - 1, length), ~np.isnan(x)
        found.append(
            [
                np.interp(at, np.flatnonzero(known), each[known])
                if known.any()
                else np.full(length, of_train)
                for each, known, of_train in zip(x.T, there.T, mean, strict=True)
            ]
        )
    return np.array(found).reshape(len(values), -1)
