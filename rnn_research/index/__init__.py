"""Many runs read back: an index of run folders, tables, a figure and a page of them."""

from rnn_research.index.reading import read

__all__ = ["read"]
