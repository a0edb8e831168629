"""Layers as other libraries have them: stacked levels, in one or two directions."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from rnn_research import layers
from rnn_research.layers import BothWays

Tree = Any


class Way(NamedTuple):
    """One cell of a layer, run in one direction.

    Attributes:
      depth: the number of its level, from 0.
      backward: whether it is the second direction of its level.
      width: D, the sizes of the outputs of the level below; None at the first level.
    """

    cell: Any
    depth: int
    backward: bool
    width: int | None


def ways_of(layer) -> list[Way]:
    """The cells of a layer in the order of their levels, forward before backward."""
    found, width = [], None
    for depth, cells in enumerate(_levels(layer)):
        found += [Way(cell, depth, way == 1, width) for way, cell in enumerate(cells)]
        width = sum(_hidden_size(cell) for cell in cells)
    return found


def parts_of(layer) -> list[tuple[int, Any]]:
    """(index, part) of the parts of a stack that have weights, of all but dropout."""
    parts = _arguments(layer)["parts"]
    return [own for own in enumerate(parts) if not _made_by(own[1], layers.dropout)]


def is_stack(layer) -> bool:
    return _made_by(layer, layers.stack)


def both_of(layer) -> tuple | None:
    """(forward, backward) of a bidirectional layer; None of others."""
    if not _made_by(layer, layers.bidirectional):
        return None
    return tuple(_arguments(layer).values())


def joined(layer, each: list) -> Tree:
    """The params of a layer from those of each of `ways_of`."""
    in_turn = iter(each)

    def join(part):
        if is_stack(part):
            there = dict(parts_of(part))
            count = len(_arguments(part)["parts"])
            return tuple(join(there[i]) if i in there else () for i in range(count))
        if both_of(part):
            return BothWays(next(in_turn), next(in_turn))
        return next(in_turn)

    return join(layer)


def apart(layer, params: Tree) -> list:
    """The params of each of `ways_of`."""
    if is_stack(layer):
        return [
            own for index, part in parts_of(layer) for own in apart(part, params[index])
        ]
    return list(params) if both_of(layer) else [params]


def load(layer, weights: list, load_cell: Callable) -> Tree:
    """The params of a layer from the weights of each of `ways_of`.

    Args:
      load_cell: (cell, its weights, Way.width) -> its params.
    """
    pairs = zip(ways_of(layer), weights, strict=True)
    return joined(layer, [load_cell(way.cell, own, way.width) for way, own in pairs])


def export(layer, params: Tree, export_cell: Callable) -> list:
    """export_cell(cell, its params) of each of `ways_of`."""
    pairs = zip(ways_of(layer), apart(layer, params), strict=True)
    return [export_cell(way.cell, own) for way, own in pairs]


def _levels(layer) -> Iterator[tuple]:
    if is_stack(layer):
        for _, part in parts_of(layer):
            yield from _levels(part)
    else:
        yield tuple(_cell_of(way) for way in both_of(layer) or (layer,))


def _cell_of(part):
    return _arguments(part)["cell"] if _made_by(part, layers.recurrent) else part


def _hidden_size(cell) -> int | None:
    return _arguments(cell).get("hidden_size", 0)


def _made_by(value, factory) -> bool:
    return value.origin is not None and value.origin.factory is factory.__wrapped__


def _arguments(value) -> dict:
    return dict(value.origin.arguments) if value.origin else {}
