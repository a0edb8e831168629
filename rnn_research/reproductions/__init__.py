"""Published claims, each a file: the one line that a new one adds is its import."""

import types

from rnn_research.reproductions import angle_learning as angle_learning
from rnn_research.reproductions import base
from rnn_research.reproductions import chrono_adding as chrono_adding
from rnn_research.reproductions import cudnn_speed as cudnn_speed
from rnn_research.reproductions import curse_of_memory as curse_of_memory
from rnn_research.reproductions import eigenvalue_range as eigenvalue_range
from rnn_research.reproductions import fitzhugh_nagumo as fitzhugh_nagumo
from rnn_research.reproductions import gradient_decay as gradient_decay
from rnn_research.reproductions import gru_adding as gru_adding
from rnn_research.reproductions import hessian_spectrum as hessian_spectrum
from rnn_research.reproductions import hochreiter_adding as hochreiter_adding
from rnn_research.reproductions import indrnn_adding as indrnn_adding
from rnn_research.reproductions import irnn_adding as irnn_adding
from rnn_research.reproductions import lem_adding as lem_adding
from rnn_research.reproductions import lem_adding_2000 as lem_adding_2000
from rnn_research.reproductions import lem_long_adding as lem_long_adding
from rnn_research.reproductions import linear_identification as linear_identification
from rnn_research.reproductions import min_gru_speed as min_gru_speed
from rnn_research.reproductions import mqar_recall as mqar_recall
from rnn_research.reproductions import newton_gru_speed as newton_gru_speed
from rnn_research.reproductions import nonlinear_lengths as nonlinear_lengths
from rnn_research.reproductions import orthogonal_copy as orthogonal_copy
from rnn_research.reproductions import regular_languages as regular_languages
from rnn_research.reproductions import scan_equivalence as scan_equivalence
from rnn_research.reproductions import selective_copying as selective_copying
from rnn_research.reproductions import state_tracking_data as state_tracking_data
from rnn_research.reproductions import structural_invariants as structural_invariants
from rnn_research.reproductions import task_baselines as task_baselines
from rnn_research.reproductions import temporal_order as temporal_order

MODULES = tuple(
    own
    for own in list(globals().values())
    if isinstance(own, types.ModuleType) and "ENTRY" in vars(own)
)


def entries() -> list[base.Reproduction]:
    """All of them, by number."""
    return sorted((module.ENTRY for module in MODULES), key=lambda entry: entry.number)
