"""Many runs read back: an index of run folders, tables and a figure of them."""

from rnn_research.index.formats import terminal
from rnn_research.index.reading import read
from rnn_research.index.table import Table, table
from rnn_research.index.writing import write

__all__ = ["Table", "read", "table", "terminal", "write"]
