"""Functions and classes by the names that import them again."""

import dataclasses
import importlib
import operator
import sys


def path(thing) -> str | None:
    """`module:name` by which an import finds `thing` again, or None.

    Of a function that a decorator has replaced it is that of what stands in its place.
    """
    name = getattr(thing, "__qualname__", None) or getattr(thing, "__name__", None)
    module = getattr(thing, "__module__", None)
    if not isinstance(name, str) or not isinstance(module, str):
        return None
    try:
        found = operator.attrgetter(name)(sys.modules[module])
    except (KeyError, AttributeError):
        return None
    while found is not thing:
        if not hasattr(found, "__wrapped__"):
            return None
        found = found.__wrapped__
    return f"{module}:{name}"


@dataclasses.dataclass(frozen=True)
class Named:
    """Stands for what an import finds, some of which does not pickle."""

    path: str


def by_name(given):
    """`given`, also inside tuples, with callables as `Named`.

    Raises:
      LookupError: one that no import finds; the message names it.
    """
    if type(given) is tuple:
        return tuple(map(by_name, given))
    if not callable(given):
        return given
    found = path(given)
    if found is None:
        name = getattr(given, "__qualname__", type(given).__name__)
        raise LookupError(
            f"{name} cannot be found by import; define it at the top of a file"
        )
    return Named(found)


def found(given):
    """What `by_name` was given."""
    if type(given) is tuple:
        return tuple(map(found, given))
    if not isinstance(given, Named):
        return given
    module, _, name = given.path.partition(":")
    return operator.attrgetter(name)(importlib.import_module(module))
