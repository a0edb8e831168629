"""Images with labels, as arrays or as a source that is read on demand."""

import gzip
from typing import Any, NamedTuple

import numpy as np

from rnn_research import errors
from rnn_research.data import packages, prepared
from rnn_research.data.arrays import in_order
from rnn_research.data.provenance import Provenance


class Images(NamedTuple):
    """Labelled images in three splits."""

    splits: dict[str, Any]  # {split: (images [N, H, W, C] of uint8, labels [N])}
    shape: tuple[int, int, int]  # H, W, C
    classes: tuple[str, ...]  # their names
    largest: int  # what the brightest pixel may be
    provenance: Provenance


def digits() -> Images:
    """1,797 hand-written digits of 8 x 8 pixels from 0 to 16, of scikit-learn.

    They lie in the order in which they were written, writer after writer. The last
    tenths are validation and test, so those are mostly of other hands than train.
    """
    content, record = packages.member(
        "scikit-learn",
        "sklearn/datasets/data/digits.csv.gz",
        licence="BSD-3-Clause; the digits: CC BY 4.0",
        source="UCI, Optical Recognition of Handwritten Digits (Alpaydin & Kaynak "
        "1998), the part that is the test set there",
    )
    try:
        table = np.loadtxt(
            gzip.decompress(content).decode().splitlines(), np.uint8, delimiter=","
        )
        images, labels = table[:, :-1].reshape(-1, 8, 8, 1), table[:, -1]
    except (OSError, EOFError, ValueError, IndexError) as error:
        raise errors.UsageError(
            f"{record.package} {record.version}: {record.member} cannot be read: "
            f"{errors.one_line(error)}"
        ) from None
    splits = in_order(np.arange(len(table)), validation=0.1, test=0.2)
    return Images(
        splits={name: (images[at], labels[at]) for name, at in splits.items()},
        shape=(8, 8, 1),
        classes=tuple("0123456789"),
        largest=16,
        provenance=record,
    )


def of_tensorflow_datasets(name: str, folder: str | None = None) -> Images:
    """Images that tensorflow-datasets has prepared, such as 'mnist', 'cifar10'.

    The last tenth of its train split is the validation; its test split is the test. A
    set of at most a gigabyte is decoded once, into arrays; a larger one is read as it
    is needed.

    Raises:
      errors.UsageError: see `prepared.read`; or it does not hold labelled images of
        one size, or lacks a train or a test split.
    """
    found = prepared.read(name, folder)
    features = dict(found.features.items())
    shape = getattr(features.get("image"), "shape", None) or (None,)
    names = getattr(features.get("label"), "names", None)
    if names is None or len(shape) != 3 or None in shape:
        raise errors.UsageError(
            f"tfds:{name} does not hold labelled images of one size; it holds "
            f"{errors.cut(', '.join(features), 80)}"
        )
    if missing := {"train", "test"} - found.splits.keys():
        raise errors.UsageError(
            f"tfds:{name} has no split {min(missing)}; it has {', '.join(found.splits)}"
        )
    parts = {
        split: prepared.pairs(found.splits[split], "image", "label", shape)
        for split in ("train", "test")
    }
    whole = parts["train"]
    last = max(1, len(whole) // 10)
    splits = {
        "train": whole[: len(whole) - last],
        "validation": whole[len(whole) - last :],
        "test": parts["test"],
    }
    return Images(
        splits={split: part.rows() for split, part in splits.items()},
        shape=tuple(shape),
        classes=tuple(names),
        largest=255,
        provenance=found.provenance,
    )
