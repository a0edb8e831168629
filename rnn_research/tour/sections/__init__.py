"""The sections of the tour, each a file that says its place in the story.

A new one adds its import line.
"""

import types

from rnn_research.tour import base
from rnn_research.tour.sections import anomaly as anomaly
from rnn_research.tour.sections import attention as attention
from rnn_research.tour.sections import caption as caption
from rnn_research.tour.sections import equations as equations
from rnn_research.tour.sections import forecast as forecast
from rnn_research.tour.sections import gates as gates
from rnn_research.tour.sections import memory as memory
from rnn_research.tour.sections import music as music
from rnn_research.tour.sections import reach as reach
from rnn_research.tour.sections import sentiment as sentiment
from rnn_research.tour.sections import speech as speech
from rnn_research.tour.sections import text as text
from rnn_research.tour.sections import translation as translation
from rnn_research.tour.sections import vanishing as vanishing

MODULES = {
    name: own
    for name, own in list(globals().items())
    if isinstance(own, types.ModuleType) and "SECTION" in vars(own)
}


def sections() -> list[base.Section]:
    """All of them, in the order in which they are told."""
    return sorted((own.SECTION for own in MODULES.values()), key=lambda own: own.place)
