"""What devices exchange in an update: computed from sizes, and read from a program.

    data parallel       one all-reduce of P + 1 numbers: gradient and loss
                        on data one number more, how many targets count
                        of a context that is carried, an all-gather of each leaf, and
                        a byte a leaf that says whether it is finite
    sequence parallel   all-reduces of D elements, of D states, of weights and loss

with P trained parameters, D devices, an element of `cells.base.Associative` and a state
of all B sequences. Neither depends on the length T. Nothing else is exchanged: norm,
clipping and optimizer are computed by every device for itself.
"""

import collections
import math
import re
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_research.unroll import set_up

Tree = Any
ALL_REDUCE, ALL_GATHER = "all-reduce", "all-gather"
KINDS = (
    ALL_REDUCE,
    ALL_GATHER,
    "reduce-scatter",
    "all-to-all",
    "collective-permute",
)


class Collective(NamedTuple):
    """One exchange between devices.

    Attributes:
      kind: of KINDS.
      bytes: of the result that each device holds behind it.
    """

    kind: str
    bytes: int


# ------------------------------------------------------------------- from sizes


def data_parallel(
    parameters: int, *, number: int = 4, on_data: bool = False, context=()
) -> list[Collective]:
    """What an update exchanges whose batch is divided over the devices.

    Args:
      parameters: numbers that are trained.
      number: bytes of each.
      on_data: the task reads rows, not fresh sequences; see `tasks.base`.
      context: bytes of each leaf that the whole batch carries into the next update.
    """
    found = [Collective(ALL_REDUCE, number * (parameters + 1))]
    if on_data:
        found.append(Collective(ALL_REDUCE, number))
    if context:
        found.append(Collective(ALL_REDUCE, len(context)))
    return found + [Collective(ALL_GATHER, size) for size in context]


def of_training(trainer) -> list[Collective]:
    """What an update of a `training.trainer.Trainer` exchanges.

    Not counted is what penalties, scheduled sampling and the engine newton add.
    """
    state = jax.eval_shape(lambda: trainer.init())
    labels = jax.tree.leaves(trainer.labels)
    leaves = jax.tree.leaves(state.params)
    trained = [
        leaf for leaf, label in zip(leaves, labels, strict=True) if label != "fixed"
    ]
    runs = len(trainer.runs.seed)
    return data_parallel(
        sum(leaf.size for leaf in trained) // runs,
        number=trained[0].dtype.itemsize,
        on_data=not trainer.task.is_endless,
        context=[_bytes(leaf) // runs for leaf in jax.tree.leaves(state.context)],
    )


def sequence_parallel(
    cell, input_size: int, batch_size: int, devices: int
) -> list[Collective]:
    """What a gradient exchanges whose sequence is divided over the devices.

    By `engines.associative(mesh_axis=...)`, with a loss that is a mean over all
    outputs. Numbers of one type travel together.

    Raises:
      errors.UsageError: sizes that the cell does not take.
    """

    def exchanged():
        params = cell.init(jax.random.key(0), input_size)
        x = jnp.zeros((1, batch_size, input_size))
        recurrence, state, inputs = set_up(cell, params, x)
        element = recurrence.associative.element(recurrence.project(inputs))
        weights, _ = recurrence.weights
        return element, state, (weights, jnp.zeros(()))

    element, state, summed = jax.eval_shape(exchanged)
    return [
        Collective(ALL_REDUCE, times * size)
        for tree, times in ((element, devices), (state, devices), (summed, 1))
        for size in _by_type(tree).values()
    ]


def _by_type(tree: Tree) -> dict[str, int]:
    """Bytes of the real and complex numbers of each type."""
    found = collections.Counter()
    for leaf in jax.tree.leaves(tree):
        if jnp.issubdtype(leaf.dtype, jnp.inexact):
            found[str(leaf.dtype)] += _bytes(leaf)
    return found


def _bytes(leaf) -> int:
    return leaf.size * leaf.dtype.itemsize


# -------------------------------------------------------------- from a program

_HEAD = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
_CALLED = re.compile(r"(\w+)=(?:%([\w.\-]+)|\{(%[\w.\-]+(?:, %[\w.\-]+)*)\})")
_EXCHANGE = re.compile(rf" = (.*?) ({'|'.join(KINDS)})\(")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')
_ARRAY = re.compile(r"\b(pred|[a-z]+?(\d+))(?:e\w+)?\[([\d,]*)\]")


def compiled(text: str) -> list[Collective]:
    """What a program exchanges, read from the text of `jax.stages.Compiled`.

    Those in a loop count as often as it turns; where the program does not say how
    often, once: such a loop is the one over the updates of a training.

    Raises:
      ValueError: it is no text of a compiled program.
    """
    own, calls, entry = _computations(text)
    if entry is None:
        raise ValueError("expected the text of a compiled program, with its ENTRY")

    def inside(name: str) -> list[Collective]:
        found = list(own[name])
        for callee, times in calls[name]:
            found += times * inside(callee)
        return found

    return inside(entry)


def _computations(text: str) -> tuple[dict, dict, str | None]:
    """The exchanges and the calls (name, times) of each computation; the entry."""
    own, calls = collections.defaultdict(list), collections.defaultdict(list)
    name = entry = None
    for line in text.splitlines():
        if head := _HEAD.match(line):
            name = head[2]
            entry = name if head[1] else entry
            continue
        if exchange := _EXCHANGE.search(line):
            own[name].append(Collective(exchange[2], _size(exchange[1])))
        turns = _TRIPS.search(line)
        for role, one, several in _CALLED.findall(line):
            times = int(turns[1]) if turns and role == "body" else 1
            names = (one or several).split(", ")
            calls[name] += [(each.lstrip("%"), times) for each in names]
    return own, calls, entry


def _size(shapes: str) -> int:
    """Bytes of `(f32[16,48]{1,0}, pred[])`."""
    return sum(
        math.prod(int(size) for size in sizes.split(",") if size)
        * (1 if kind == "pred" else int(bits) // 8)
        for kind, bits, sizes in _ARRAY.findall(shapes)
    )
