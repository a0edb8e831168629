"""Trained runs at lengths that training had not."""

import functools
import pathlib
from collections.abc import Iterator, Mapping

from rnn_research import runs
from rnn_research.measurements import lengths
from rnn_research.reproductions import base

BATCH = 100


def cases(
    trained: list[base.Trained], cells: Mapping[str, str], at: tuple[int, ...], *, count
) -> Iterator[tuple[str, str, int, list[float]]]:
    """(task, name of the cell, seed, accuracy at each length) of each run.

    Args:
      cells: {name: the cell as the settings have it}.
    """
    names = {cell: name for name, cell in cells.items()}
    accuracies = by_length(trained, at, count=count)
    for own, scores in zip(trained, accuracies, strict=True):
        task, _, _ = own.settings["task"].partition("(")
        yield task, names[own.settings["cell"]], own.seed, scores


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
