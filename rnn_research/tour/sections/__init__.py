"""The sections of the tour, each a file: the one line that a new one adds is its import.

Each says its place in the story.
"""

import types

from rnn_research.tour import base

MODULES = {
    name: own
    for name, own in list(globals().items())
    if isinstance(own, types.ModuleType) and "SECTION" in vars(own)
}


def sections() -> list[base.Section]:
    """All of them, in the order in which they are told."""
    return sorted((own.SECTION for own in MODULES.values()), key=lambda own: own.place)
