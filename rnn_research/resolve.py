"""Texts of the command line as values: `resolve("cell", "gru(reset=before)", ...)`."""

import types
from collections.abc import Callable
from typing import Any, NamedTuple

from rnn_research import cells, engines, errors, tasks, texts
from rnn_research.cells import initializers, wrappers
from rnn_research.cells.base import Cell
from rnn_research.engines.base import Engine
from rnn_research.fit import check_fit
from rnn_research.interop import flax_cells
from rnn_research.layers import Layer, architectures
from rnn_research.tasks.base import Task
from rnn_research.training import optimizers, penalties, scheduled_sampling


class Kind(NamedTuple):
    """What a text of a kind may name.

    Attributes:
      modules: those whose `__all__` has the names known without a path.
      returns: the type of the value, or several.
      inside: modules whose names are known as options in the call.
      check: (value, the sizes given) -> raises where the value does not fit together.
    """

    modules: tuple
    returns: type | tuple[type, ...]
    inside: tuple = ()
    check: Callable[..., Any] = lambda value, **size: None


def _some(module, names: list[str]):
    """Some names of a module that has two kinds."""
    found = types.SimpleNamespace(**{name: getattr(module, name) for name in names})
    found.__all__, found.__name__ = names, module.__name__
    return found


def _check_cell(value, *, hidden_size: int):
    if isinstance(value, Cell):
        check_fit(value, input_size=hidden_size + 1)  # no two sizes alike


KINDS = {
    "cell": Kind(
        (cells, architectures, wrappers, flax_cells),
        (Cell, Layer),
        (initializers,),
        _check_cell,
    ),
    "engine": Kind((engines,), Engine),
    "task": Kind((tasks,), Task),
    "optimizer": Kind(
        (_some(optimizers, optimizers.OPTIMIZERS),), optimizers.Optimizer
    ),
    "schedule": Kind((_some(optimizers, optimizers.SCHEDULES),), optimizers.Schedule),
    "penalty": Kind((penalties,), penalties.Penalty),
    "sampling": Kind((scheduled_sampling,), scheduled_sampling.Sampling),
}


def resolve(kind: str, text: str, **size):
    """The value of a kind that `text` names.

    Args:
      kind: one of KINDS.
      text: `name`, `name(key=value)`, `my_file:name(key=value)`.
      size: the one argument that is a setting of its own, such as hidden_size=128;
        None: the value takes none.

    Raises:
      errors.UsageError: one line that names the nearest right thing.
    """
    known = KINDS[kind]
    size = {name: given for name, given in size.items() if given is not None}
    value = texts.resolve(
        text,
        kind,
        known.modules,
        returns=known.returns,
        inside=known.inside,
        **size,
    )
    known.check(value, **size)
    return value


def resolve_penalties(names: tuple[str, ...] | None) -> tuple[penalties.Penalty, ...]:
    """The penalties that `--penalties` names, each kind once."""
    found = tuple(resolve("penalty", text) for text in names or ())
    what = [_acts_on(term) for term in found]
    for term in found:
        if what.count(_acts_on(term)) > 1:
            raise errors.UsageError(
                f"--penalties: {term.name} is given twice; give it one weight"
            )
    return found


def resolve_sampling(text: str | None) -> scheduled_sampling.Sampling | None:
    """The sampling that `--scheduled_sampling` names."""
    return None if text is None else resolve("sampling", text)


def _acts_on(term: penalties.Penalty):
    """The kind of a penalty and, for `near`, the parameter."""
    arguments = dict(term.origin.arguments)
    return term.origin.factory, arguments.get("parameter")
