"""Cells. `__all__` is the list of cells: a new cell adds its name there.

`wrappers.__all__` lists the cells that are made of a cell.
"""

from rnn_research.cells.elman import elman, irnn
from rnn_research.cells.gru import gru
from rnn_research.cells.lru import lru
from rnn_research.cells.lstm import lstm
from rnn_research.cells.min_gru import min_gru

__all__ = ["elman", "gru", "irnn", "lru", "lstm", "min_gru"]
