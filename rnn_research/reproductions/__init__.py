"""Published claims, each a file: the one line that a new one adds is its import."""

from rnn_research.reproductions import gradient_decay, gru_adding, task_baselines
from rnn_research.reproductions.base import Reproduction

MODULES = gradient_decay, gru_adding, task_baselines


def entries() -> list[Reproduction]:
    """All of them, by number."""
    return sorted((module.ENTRY for module in MODULES), key=lambda entry: entry.number)
