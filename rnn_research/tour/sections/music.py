"""A chorale continued, to be played."""

import jax

from experiments import music as program
from rnn_research import data, synthesizer
from rnn_research.data import music, words
from rnn_research.tour import base, drawings, trainings
