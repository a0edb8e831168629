"""Values made by factories.

A cell, an engine, a task, a layer, an optimizer is a frozen record of pure
functions. Its identity is the factory that made it and the arguments given, so
two equal calls are equal values, `jit` takes them as static arguments and
compiles once, and a run logs what it ran. `texts` reads such calls as they are
written on the command line.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, Self, TypeVar

from rnn_research import errors, imports, signatures


@dataclasses.dataclass(frozen=True, eq=False)
class Origin:
    """The call that made a value: its factory and its arguments, in order.

    Arguments are compared with their types: 1, 1.0 and True are three, as are 0.0
    and -0.0, since a compiled program has one of them built in.
    """

    factory: Callable
    arguments: tuple[tuple[str, Any], ...]

    @functools.cached_property
    def _key(self):
        return self.factory, _typed(self.arguments)

    def __eq__(self, other) -> bool:
        return isinstance(other, Origin) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


def _typed(given):
    if isinstance(given, tuple):
        return type(given), tuple(map(_typed, given))
    if isinstance(given, (float, complex)):
        return type(given), repr(given)
    return type(given), given


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Value:
    """A record whose equality, hash and repr are those of the call that made it."""

    origin: Origin | None = dataclasses.field(default=None, kw_only=True)

    @property
    def name(self) -> str:
        return self.origin.factory.__name__ if self.origin else type(self).__name__

    def replace(self, **changes) -> Self:
        """A copy with other fields; its identity includes the changes."""
        origin = self.origin and Origin(
            self.origin.factory, (*self.origin.arguments, *changes.items())
        )
        return dataclasses.replace(self, **changes, origin=origin)

    def __reduce__(self):
        """Pickled as the call that made it."""
        if self.origin is None:
            raise errors.UsageError(
                f"{self} cannot be pickled: it was made by a function without a "
                "decorator; decorate that function, as a cell's with @cell"
            )
        try:
            call = self.origin.factory, self.origin.arguments
            return _again, imports.by_name(call)
        except LookupError as error:
            raise errors.UsageError(f"{self} cannot be pickled: {error}") from None

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __eq__(self, other) -> bool:
        if self is other:
            return True
        return (
            type(self) is type(other)
            and self.origin is not None
            and self.origin == other.origin
        )

    def __hash__(self) -> int:
        return id(self) if self.origin is None else hash(self.origin)

    def __repr__(self) -> str:
        """The whole call, for records: `gru(128, reset='after', ...)`."""
        if self.origin is None:
            return f"{self.name}(...)"
        return f"{self.name}({_arguments_text(self.origin)})"

    def __str__(self) -> str:
        """The call without what is as usual, for people: `gru(128)`."""
        if self.origin is None:
            return f"{self.name}(...)"
        return f"{self.name}({_arguments_text(self.origin, only_unusual=True)})"


def _arguments_text(origin: Origin, only_unusual: bool = False) -> str:
    kinds = inspect.signature(origin.factory).parameters
    show = str if only_unusual else repr
    texts = []
    for name, value in origin.arguments:
        if only_unusual and name in kinds and kinds[name].default == value:
            continue
        kind = kinds[name].kind if name in kinds else inspect.Parameter.KEYWORD_ONLY
        if kind is inspect.Parameter.VAR_POSITIONAL:
            texts.extend(_argument_text(item, show) for item in value)
        elif kind is inspect.Parameter.KEYWORD_ONLY:
            texts.append(f"{name}={_argument_text(value, show)}")
        else:
            texts.append(_argument_text(value, show))
    return ", ".join(texts)


def _argument_text(value, show: Callable) -> str:
    if inspect.isfunction(value):
        return value.__name__
    return show(value) if isinstance(value, Value) else repr(value)


Options = ParamSpec("Options")
Made = TypeVar("Made", bound=Value)


def factory(make: Callable[Options, Made]) -> Callable[Options, Made]:
    """Decorator: the value made by `make(*args, **kwargs)` remembers that call.

    The signature stays, for `help`, editors and type checkers.
    """
    signature = inspect.signature(make)

    @functools.wraps(make)
    def made(*args: Options.args, **kwargs: Options.kwargs) -> Made:
        args, kwargs = signatures.plain((args, kwargs))
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        origin = Origin(make, tuple(bound.arguments.items()))
        try:
            hash(origin)
        except TypeError:
            raise errors.UsageError(
                f"the arguments of {make.__name__} must be hashable: numbers, strings "
                f"or tuples, not lists or arrays; got {_arguments_text(origin)}"
            ) from None
        value = make(*args, **kwargs)
        for name, given in origin.arguments:
            if wanted := signatures.wanted(given, signature.parameters[name]):
                raise errors.UsageError(
                    f"{name} must be {wanted}, not {errors.shown(given)}"
                )
        if not isinstance(value, Value):
            return value  # for whoever asked to complain of
        return dataclasses.replace(value, origin=origin)

    made.makes_values = True
    return made


def is_made(function) -> bool:
    """Whether `factory` made it."""
    return getattr(function, "makes_values", False) is True


def factories(namespace: dict) -> list[str]:
    """The names of the factories in it, in order: the `__all__` of a list of values."""
    return sorted(name for name, each in namespace.items() if is_made(each))


def remade(value: Value, **changes) -> Value:
    """The value made again by its factory, with some arguments changed."""
    if value.origin is None:
        return value
    arguments = dict(value.origin.arguments) | changes
    return _called(factory(value.origin.factory), arguments)


def _called(made: Callable[..., Value], arguments: dict) -> Value:
    """`made` of what `Origin.arguments` holds: arguments, then replaced fields."""
    parameters = inspect.signature(made).parameters
    positional, named, replaced = [], {}, {}
    for name, given in arguments.items():
        kind = parameters[name].kind if name in parameters else None
        if kind is None:
            replaced[name] = given
        elif kind is inspect.Parameter.VAR_POSITIONAL:
            positional.extend(given)
        elif kind is inspect.Parameter.KEYWORD_ONLY:
            named[name] = given
        else:
            positional.append(given)
    value = made(*positional, **named)
    return value.replace(**replaced) if replaced else value


def _again(make: imports.Named, arguments: tuple) -> Value:
    """The value that was pickled."""
    make = imports.found(make)
    made = make if is_made(make) else factory(make)
    return _called(made, dict(imports.found(arguments)))
