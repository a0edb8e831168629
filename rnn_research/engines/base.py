"""What an engine is: a way to evaluate a recurrence, as a value.

`run(recurrence, state, inputs)` gets a `unroll.Recurrence` (a cell with weights,
masks and resets in place), h_0, and inputs with leading axes [T, B], and returns
(outputs, final_state, record). It decides where `project` and `readout` run.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax

from rnn_research import values

Tree = Any


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Engine(values.Value):
    """How a recurrence is evaluated.

    Attributes:
      run: (recurrence, state, inputs) -> (outputs, final_state, record).
      complaint: (cell) -> why the cell does not qualify and what to use, or ''.
    """

    run: Callable[[Any, Tree, Tree], tuple[Tree, Tree, "Record"]]
    complaint: Callable[[Any], str] = lambda cell: ""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Record:
    """What ran.

    Attributes:
      engine: the engine that did the work (what `auto` picked).
      solver: arrays that an iterative engine reports, else None.
    """

    engine: Engine = dataclasses.field(metadata={"static": True})
    solver: Tree = None


engine = values.factory


def size_in_bytes(tree: Tree) -> int:
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def length_of(inputs: Tree) -> int:
    """T of inputs with leading axes [T, B]."""
    return jax.tree.leaves(inputs)[0].shape[0]
