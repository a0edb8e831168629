"""Tasks. `__all__` is the list of tasks: a new task adds its name there."""

from rnn_research.tasks.adding import adding
from rnn_research.tasks.copy_memory import copy_memory
from rnn_research.tasks.temporal_order import temporal_order

__all__ = ["adding", "copy_memory", "temporal_order"]
