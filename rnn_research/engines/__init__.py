"""Engines: how a recurrence is evaluated. `__all__` is the list of engines."""

from rnn_research import errors
from rnn_research.engines import base
from rnn_research.engines.adjoint import adjoint
from rnn_research.engines.associative import associative
from rnn_research.engines.auto import auto
from rnn_research.engines.checkpointed import checkpointed
from rnn_research.engines.fused import fused
from rnn_research.engines.newton import newton
from rnn_research.engines.reversible import reversible
from rnn_research.engines.sequential import sequential
from rnn_research.engines.truncated import truncated

__all__ = [
    "adjoint",
    "associative",
    "auto",
    "checkpointed",
    "fused",
    "newton",
    "reversible",
    "sequential",
    "truncated",
]


def qualifying(cell) -> list[str]:
    """The engines that `cell` qualifies for, by name."""
    return [name for name in __all__ if not globals()[name]().refusal(cell)]


def check(engine, cell):
    """Raise unless `engine` is one and `cell` qualifies for it."""
    base.check_engine("engine", engine)
    refusal = engine.refusal(cell)
    if refusal:
        raise errors.UsageError(
            f"engine {engine.name}: {refusal}; {cell.name} qualifies for "
            f"{', '.join(qualifying(cell))}"
        )
