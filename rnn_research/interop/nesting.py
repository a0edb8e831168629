"""The nested mappings in which flax has the weights of layers.

`RNN` has its cell's under `cell`, `Bidirectional` those of two under `forward_rnn` and
`backward_rnn`; how a stack has those of its parts is the library's own.
"""

from collections.abc import Callable, Mapping
from typing import Any

from rnn_research import errors
from rnn_research.interop import levels

WAYS = "forward_rnn", "backward_rnn"


def unnested(layer, weights: Mapping, parts: Callable, library: str) -> list[Mapping]:
    """The weights of each of `levels.ways_of`.

    Args:
      parts: (weights) -> those of the parts of a stack by index.
    """

    def chosen(part, weights, names) -> list:
        if not isinstance(weights, Mapping) or set(weights) != set(names):
            is_nested = isinstance(weights, Mapping)
            given = ", ".join(map(str, weights)) if is_nested else "no mapping"
            raise errors.UsageError(
                f"{library} weights for {part}: {', '.join(map(str, names))} needed, "
                f"{given or 'nothing'} given"
            )
        return [weights[name] for name in names]

    def unnest(part, weights) -> list:
        if levels.is_stack(part):
            inner = levels.parts_of(part)
            given = parts(weights) if isinstance(weights, Mapping) else weights
            each = chosen(part, given, [index for index, _ in inner])
            pairs = zip(inner, each, strict=True)
            return [own for (_, one), given in pairs for own in unnest(one, given)]
        if levels.both_of(part):
            return [_of_cell(own) for own in chosen(part, weights, WAYS)]
        return [_of_cell(weights)]

    return unnest(layer, weights)


def nested(layer, each: list, stack: Callable) -> Any:
    """The weights of a layer from those of each of `levels.ways_of`.

    Args:
      stack: ({index: weights of a part}) -> those of the stack.
    """
    in_turn = iter(each)

    def nest(part):
        if levels.is_stack(part):
            return stack({index: nest(one) for index, one in levels.parts_of(part)})
        if levels.both_of(part):
            return {name: {"cell": next(in_turn)} for name in WAYS}
        return {"cell": next(in_turn)}

    whole = nest(layer)
    return whole["cell"] if set(whole) == {"cell"} else whole


def _of_cell(weights):
    """Without the `RNN` around them."""
    is_rnn = isinstance(weights, Mapping) and set(weights) == {"cell"}
    return weights["cell"] if is_rnn else weights
