"""Engines: how a recurrence is evaluated. `__all__` is the list of engines."""

from rnn_research.engines.adjoint import adjoint
from rnn_research.engines.associative import associative
from rnn_research.engines.auto import auto
from rnn_research.engines.checkpointed import checkpointed
from rnn_research.engines.sequential import sequential

__all__ = ["adjoint", "associative", "auto", "checkpointed", "sequential"]
