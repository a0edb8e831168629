"""What has a name on the command line, a line each: `--list_cells`, `--list_tasks`."""

import inspect

from rnn_research import cells, resolve
from rnn_research.cells import wrappers
from rnn_research.config import help_page
from rnn_research.interop import flax_cells
from rnn_research.layers import architectures

HEADINGS = {
    cells.__name__: "Cells",
    architectures.__name__: "Layers, in the place of a cell",
    wrappers.__name__: "Wrappers of a cell, such as zoneout(gru, rate=0.1)",
    flax_cells.__name__: "Cells of flax",
}
KINDS = {
    "cells": "cell",
    "engines": "engine",
    "optimizers": "optimizer",
    "penalties": "penalty",
    "samplings": "sampling",
    "schedules": "schedule",
    "tasks": "task",
}


def text(names: str) -> str:
    """What there is of a kind, by group, as wide as the terminal.

    Args:
      names: one of KINDS.
    """
    groups = {}
    for module in resolve.KINDS[KINDS[names]].modules:
        heading = HEADINGS.get(module.__name__, names.capitalize())
        groups[heading] = {
            name: title(getattr(module, name).__doc__) for name in module.__all__
        }
    return help_page.listing(groups, "your own: my_file:name, of any folder")


def title(text: str) -> str:
    """The first paragraph of a docstring in one line."""
    return " ".join(inspect.cleandoc(text).split("\n\n")[0].split()).removesuffix(":")
