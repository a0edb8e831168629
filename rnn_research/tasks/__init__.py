"""Tasks. `__all__` is the list of tasks: a new task adds its name there."""

from rnn_research.tasks.adding import adding
from rnn_research.tasks.characters import characters
from rnn_research.tasks.copy_memory import copy_memory
from rnn_research.tasks.sequential_images import sequential_images
from rnn_research.tasks.temporal_order import temporal_order

__all__ = [
    "adding",
    "characters",
    "copy_memory",
    "sequential_images",
    "temporal_order",
]
