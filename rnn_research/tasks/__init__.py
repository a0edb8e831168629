"""Tasks. `__all__` is the list of tasks: a new task adds its name there."""

from rnn_research.tasks.adding import adding
from rnn_research.tasks.anomalies import anomaly_detection
from rnn_research.tasks.arithmetic import bracket_arithmetic, modular_arithmetic
from rnn_research.tasks.associative_recall import associative_recall
from rnn_research.tasks.audio import spoken_words
from rnn_research.tasks.automata import regular_language
from rnn_research.tasks.captions import captioning
from rnn_research.tasks.compression import compression
from rnn_research.tasks.continuous_delay import continuous_delay
from rnn_research.tasks.copy_memory import copy_memory
from rnn_research.tasks.counted_blocks import counted_blocks
from rnn_research.tasks.counting import (
    cycle_navigation,
    even_pairs,
    mod_counting,
    parity,
)
from rnn_research.tasks.delayed_xor import delayed_xor
from rnn_research.tasks.denoise import denoise
from rnn_research.tasks.dictation import spoken_sequences
from rnn_research.tasks.dyck import dyck
from rnn_research.tasks.failures import failure_prediction
from rnn_research.tasks.fitzhugh_nagumo import fitzhugh_nagumo
from rnn_research.tasks.flip_flop import flip_flop
from rnn_research.tasks.fuzzy_recall import fuzzy_recall
from rnn_research.tasks.group_words import group_words
from rnn_research.tasks.images import sequential_images
from rnn_research.tasks.induction_heads import induction_heads
from rnn_research.tasks.limited import limited
from rnn_research.tasks.linear_system import linear_system
from rnn_research.tasks.listops import listops
from rnn_research.tasks.lorenz import lorenz63, lorenz96
from rnn_research.tasks.mackey_glass import mackey_glass
from rnn_research.tasks.memorisation import memorisation
from rnn_research.tasks.mqar import mqar
from rnn_research.tasks.multiplication import multiplication
from rnn_research.tasks.noisy_recall import noisy_recall
from rnn_research.tasks.pieces import music
from rnn_research.tasks.recordings import time_series_classification
from rnn_research.tasks.register_recall import register_recall
from rnn_research.tasks.repeat_previous import repeat_previous
from rnn_research.tasks.reverse_string import reverse_string
from rnn_research.tasks.selective_copying import selective_copying
from rnn_research.tasks.sentences import text_classification
from rnn_research.tasks.series import forecasting
from rnn_research.tasks.short_series import global_forecasting
from rnn_research.tasks.spoken import spoken_digits
from rnn_research.tasks.temporal_order import temporal_order
from rnn_research.tasks.text import characters
from rnn_research.tasks.tomita import tomita
from rnn_research.tasks.translating import translation
from rnn_research.tasks.two_sequence import two_sequence

__all__ = [
    "adding",
    "anomaly_detection",
    "associative_recall",
    "bracket_arithmetic",
    "captioning",
    "characters",
    "compression",
    "continuous_delay",
    "copy_memory",
    "counted_blocks",
    "cycle_navigation",
    "delayed_xor",
    "denoise",
    "dyck",
    "even_pairs",
    "failure_prediction",
    "fitzhugh_nagumo",
    "flip_flop",
    "forecasting",
    "fuzzy_recall",
    "global_forecasting",
    "group_words",
    "induction_heads",
    "limited",
    "linear_system",
    "listops",
    "lorenz63",
    "lorenz96",
    "mackey_glass",
    "memorisation",
    "mod_counting",
    "modular_arithmetic",
    "mqar",
    "multiplication",
    "music",
    "noisy_recall",
    "parity",
    "register_recall",
    "regular_language",
    "repeat_previous",
    "reverse_string",
    "selective_copying",
    "sequential_images",
    "spoken_digits",
    "spoken_sequences",
    "spoken_words",
    "temporal_order",
    "text_classification",
    "time_series_classification",
    "tomita",
    "translation",
    "two_sequence",
]
