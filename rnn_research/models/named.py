"""Whole models by the texts that name them, and back."""

import inspect

from rnn_research import calls, cells, errors, imports, layers, texts, values
from rnn_research.cells import initializers, wrappers
from rnn_research.cells.base import Cell
from rnn_research.interop import flax_cells
from rnn_research.models import base, from_source, readers


def only_cell(value) -> Cell:
    """The value, if it is a cell and not a layer."""
    if not isinstance(value, Cell):
        raise errors.UsageError(f"{value} is a layer; this needs a cell")
    return value


# Where two have a name the last is meant, and an initial value before all.
PARTS = (cells, wrappers, flax_cells, layers, base, from_source, readers)


def resolve_model(text: str) -> base.Model:
    """The model that `text_of` has written, or the user's own, `my_models:name`."""
    return texts.resolve(
        text, "model", PARTS, returns=base.Model, inside=(initializers,)
    )


def text_of(value: values.Value) -> str:
    """The call that makes a value, to be read back: `stack(gru(8, reset='after'))`.

    Raises:
      errors.UsageError: no call can be written that makes it.
    """
    return str(_call(value))


def _call(value: values.Value) -> calls.Call:
    if value.origin is None:
        raise errors.UsageError(
            f"{value} cannot be written as a text: it was made by a function without a "
            "decorator; decorate that function, as a cell's with @cell"
        )
    kinds = inspect.signature(value.origin.factory).parameters
    arguments, options = [], []
    for name, given in value.origin.arguments:
        kind = kinds[name].kind if name in kinds else None
        if kind is None:
            raise errors.UsageError(
                f"{value.name} cannot be written as a text: its {name} was replaced; "
                "make it by a function of its own with a decorator"
            )
        if kind is inspect.Parameter.VAR_POSITIONAL:
            arguments += [_argument(value, name, each) for each in given]
        elif kind is inspect.Parameter.KEYWORD_ONLY:
            options.append((name, _argument(value, name, given)))
        else:
            arguments.append(_argument(value, name, given))
    return calls.Call(_name(value), tuple(arguments), tuple(options))


def _argument(value: values.Value, name: str, given):
    if isinstance(given, values.Value):
        return _call(given)
    if not _is_literal(given):
        raise errors.UsageError(
            f"{value.name} cannot be written as a text: {name}={errors.shown(given)} "
            "is no number, text or value"
        )
    return given


def _is_literal(given) -> bool:
    if isinstance(given, tuple):
        return all(map(_is_literal, given))
    literals = bool, int, float, complex, str, bytes
    return given is None or isinstance(given, literals)


def _name(value: values.Value) -> str:
    """A name that is known without a path, or `module:name`."""
    factory, name = value.origin.factory, value.name
    known = [each for each in (*PARTS, initializers) if name in each.__all__]
    if known and inspect.unwrap(getattr(known[-1], name)) is factory:
        return name
    path = imports.path(factory)
    if path is None or path.startswith("__main__:"):
        raise errors.UsageError(
            f"{name} cannot be written as a text: no import finds it; define it at the "
            "top of a file of its own"
        )
    return path
