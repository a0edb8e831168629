"""Where rows come from: arrays, files, installed packages, tensorflow-datasets.

provenance  what a run's record says of its data
packages    members of installed packages, without importing them
users_files files of the user's
archives    members of packages that are fetched once, by prepare_data
arrays      splits in time, windows
text        characters as tokens
words       words as tokens
sentences   texts with a class each
failures    records of machines up to their failure
sequences   recorded sequences with a class each
sensors     sources of recorded sequences
monitored   series that are normal at first
short_series  many series that go on
faults      what goes wrong with sensors
speech      recordings with a class each
utterances  recordings in a row
clips       audio with a class each
log_mel     audio as frames
parallel    texts in several languages
texts       sources of text
music       notes, piano rolls, pieces
chorales    Bach's, from MusicXML
midi        MIDI files, read and written
glyphs      pictures with captions
images      sources of images
prepared    data sets of tensorflow-datasets
sets        all sets by name
"""

from rnn_research.data import sets, text
from rnn_research.data.arrays import in_order, windows
from rnn_research.data.packages import member
from rnn_research.data.provenance import Provenance
from rnn_research.data.sets import SETS
from rnn_research.data.text import Text, Vocabulary, vocabulary

__all__ = [
    "SETS",
    "Provenance",
    "Text",
    "Vocabulary",
    "in_order",
    "member",
    "sets",
    "text",
    "vocabulary",
    "windows",
]
