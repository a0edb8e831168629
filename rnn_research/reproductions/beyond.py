"""Trained runs at lengths that training had not."""

import functools
import pathlib

from rnn_research import runs
from rnn_research.measurements import lengths
from rnn_research.reproductions import base

BATCH = 100


def by_length(
    trained: list[base.Trained], at: tuple[int, ...], *, count: int, metric="accuracy"
) -> list[list[float]]:
    """Of each run the metric on fresh sequences of each length.

    Args:
      at: the lengths, rising.
      count: sequences of each length, a multiple of 100.
    """
    of_folder = functools.cache(
        lambda folder: lengths.rows(
            runs.load_all(pathlib.Path(folder)), at, count=count, batch_size=BATCH
        )
    )
    found = []
    for own in trained:
        rate = own.end["learning_rate"]
        rows = {
            row["length"]: row["value"]
            for row in of_folder(own.folder)
            if (row["seed"], row["learning_rate"]) == (own.seed, rate)
            and row["metric"] == metric
        }
        found.append([rows[length] for length in at])
    return found
