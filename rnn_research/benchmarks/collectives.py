"""What devices exchange in an update: computed from sizes, and read from a program.

    data parallel       one all-reduce of P + 1 numbers, the gradient and the loss
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
      arrays: that travel together; XLA's CPU back end sends each for itself.
    """

    kind: str
    bytes: int
    arrays: int


# ------------------------------------------------------------------- from sizes


def data_parallel(gradient, *, on_data: bool = False, context=()) -> list[Collective]:
    """What an update exchanges whose batch is divided over the devices.

    Args:
      gradient: arrays, or their shapes, of what is trained.
      on_data: the task reads rows, not fresh sequences; see `tasks.base`.
      context: what the whole batch carries into the next update, likewise.
    """
    number = gradient[0].dtype.itemsize  # of the loss
    size = number + sum(map(_bytes, gradient))
    found = [Collective(ALL_REDUCE, size, len(gradient) + 1)]
    if on_data:
        found.append(Collective(ALL_REDUCE, number, 1))
    if context:
        found.append(Collective(ALL_REDUCE, len(context), len(context)))
    return found + [Collective(ALL_GATHER, _bytes(leaf), 1) for leaf in context]


def of_training(trainer) -> list[Collective]:
    """What an update of a `training.trainer.Trainer` exchanges.

    Not counted is what penalties, scheduled sampling and the engine newton add.
    """
    state = jax.eval_shape(lambda: trainer.init())
    params, context = (
        [jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype) for leaf in leaves]
        for leaves in map(jax.tree.leaves, (state.params, state.context))
    )
    labels = jax.tree.leaves(trainer.labels)
    trained = [
        leaf for leaf, label in zip(params, labels, strict=True) if label != "fixed"
    ]
    on_data = not trainer.task.is_endless
    return data_parallel(trained, on_data=on_data, context=context)


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
        Collective(ALL_REDUCE, times * sum(map(_bytes, leaves)), len(leaves))
        for tree, times in ((element, devices), (state, devices), (summed, 1))
        for leaves in _by_type(tree).values()
    ]


def _by_type(tree: Tree) -> dict[str, list]:
    """The leaves that hold real or complex numbers, by their type."""
    found = collections.defaultdict(list)
    for leaf in jax.tree.leaves(tree):
        if jnp.issubdtype(leaf.dtype, jnp.inexact):
            found[str(leaf.dtype)].append(leaf)
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
            own[name].append(Collective(exchange[2], *_sizes(exchange[1])))
        turns = _TRIPS.search(line)
        for role, one, several in _CALLED.findall(line):
            times = int(turns[1]) if turns and role == "body" else 1
            names = (one or several).split(", ")
            calls[name] += [(each.lstrip("%"), times) for each in names]
    return own, calls, entry


def _sizes(shapes: str) -> tuple[int, int]:
    """Bytes and number of the arrays `(f32[16,48]{1,0}, pred[])`."""
    sizes = [
        math.prod(int(size) for size in axes.split(",") if size)
        * (1 if kind == "pred" else int(bits) // 8)
        for kind, bits, axes in _ARRAY.findall(shapes)
    ]
    return sum(sizes), len(sizes)
