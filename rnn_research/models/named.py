"""Cells, layers and engines by the texts that the command line takes."""

from rnn_research import blocks, cells, engines, errors, values
from rnn_research.cells import initializers, wrappers
from rnn_research.cells.base import Cell
from rnn_research.engines.base import Engine
from rnn_research.fit import check_fit
from rnn_research.interop import flax_cells
from rnn_research.layers import Layer


def resolve_cell(text: str, hidden_size: int):
    """The cell or layer that `--cell` names, checked to fit together."""
    value = values.resolve(
        text,
        "cell",
        (cells, blocks, wrappers, flax_cells),
        returns=(Cell, Layer),
        inside=(initializers,),
        hidden_size=hidden_size,
    )
    if isinstance(value, Cell):
        check_fit(value, input_size=hidden_size + 1)  # no two sizes alike
    return value


def only_cell(value) -> Cell:
    """The value, if it is a cell and not a layer."""
    if not isinstance(value, Cell):
        raise errors.UsageError(f"{value} is a layer; this needs a cell")
    return value


def resolve_engine(text: str):
    """The engine that `--engine` names."""
    return values.resolve(text, "engine", (engines,), returns=Engine)
