"""Texts with a class each."""

import functools
from typing import NamedTuple

import numpy as np

from rnn_research.data import archives
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


class Texts(NamedTuple):
    """Texts in three splits, with the number of each one's class."""

    splits: dict[str, tuple[tuple[str, ...], np.ndarray]]
    classes: tuple[str, ...]
    provenance: Provenance


@functools.cache
def movie_sentences() -> Texts:
    """10,568 sentences of movie reviews that people rate above or below 0.

    The 37 of exactly 0 are left out. A tenth each is validation and test, by the hash
    of the sentence's number.
    """
    return _rated("movies.txt", "movie_sentences", by=lambda number: number)


@functools.cache
def product_sentences() -> Texts:
    """Sentences of product reviews, above or below 0, split by whole reviews."""
    return _rated("products.txt", "product_sentences", lambda n: n.partition("_")[0])


def _rated(kept: str, name: str, by) -> Texts:
    content, record = archives.read(name, RATED)
    found = {"train": ([], []), "validation": ([], []), "test": ([], [])}
    for line in content[kept].decode("utf-8", errors="replace").splitlines():
        number, rating, text = line.split("\t", 2)
        if float(rating) == 0:
            continue
        texts, labels = found[split_of(by(number))]
        texts.append(text.strip())
        labels.append(int(float(rating) > 0))
    splits = {split: (tuple(t), np.array(y)) for split, (t, y) in found.items()}
    return Texts(splits, ("negative", "positive"), record)


def split_of(key: str) -> str:
    """'test' and 'validation' of a tenth of all keys each, by their hash."""
    return {0: "test", 1: "validation"}.get(int(digest(key)[:8], 16) % 10, "train")
