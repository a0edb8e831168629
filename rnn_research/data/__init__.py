"""Where rows come from: arrays, files, installed packages, tensorflow-datasets.

provenance  what a run's record says of its data
packages    members of installed packages, without importing them
arrays      splits in time, windows
text        characters as tokens
texts       sources of text
images      sources of images
prepared    data sets of tensorflow-datasets
sets        all sets by name
"""

from rnn_research.data.arrays import in_order, windows
from rnn_research.data.packages import member
from rnn_research.data.provenance import Provenance

__all__ = [
    "Provenance",
    "in_order",
    "member",
    "windows",
]
