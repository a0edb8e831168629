"""Tasks. `__all__` is the list of tasks: a new task adds its name there."""

from rnn_research.tasks.adding import adding
from rnn_research.tasks.copy_memory import copy_memory

__all__ = ["adding", "copy_memory"]
