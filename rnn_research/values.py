"""Values made by factories, and their spelling on the command line.

A cell, an engine, a task, a layer, an optimizer is a frozen record of pure
functions. Its identity is the factory that made it and the arguments given, so
two equal calls are equal values, `jit` takes them as static arguments and
compiles once, and a run logs what it ran. The same calls are written as text on
the command line: `gru`, `gru(reset='before')`, `my_cells:leaky(alpha=0.3)`.
"""

import dataclasses
import functools
import inspect
import itertools
from collections.abc import Callable
from typing import Any

from rnn_research import calls, errors, imports, signatures, users


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

    def replace(self, **changes) -> "Value":
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


def factory(make: Callable[..., Value]) -> Callable[..., Value]:
    """Decorator: the value made by `make(*args, **kwargs)` remembers that call."""
    signature = inspect.signature(make)

    @functools.wraps(make)
    def made(*args, **kwargs):
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


def _is_made(function) -> bool:
    """Whether `factory` made it."""
    return getattr(function, "makes_values", False) is True


def factories(namespace: dict) -> list[str]:
    """The names of the factories in it, in order: the `__all__` of a list of values."""
    return sorted(name for name, each in namespace.items() if _is_made(each))


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
    made = make if _is_made(make) else factory(make)
    return _called(made, dict(imports.found(arguments)))


# ---------------------------------------------------------------- text -> value


def parse_call(text: str) -> calls.Call:
    """Parse `name` or `name(key=value)`; values are literals or further calls."""
    try:
        return calls.parse(text)
    except ValueError as error:
        raise errors.UsageError(f"cannot read {errors.shown(text)}: {error}") from None


def resolve(
    text: str,
    kind: str,
    modules: tuple,
    *,
    returns: type | tuple[type, ...],
    inside: tuple = (),
    **size,
):
    """The value that `text` names.

    A word is what its parameter takes, by its annotation or its default: of a flag
    true, yes, on or false, no, off; of a text the word itself, also where a cell has
    that name; `none` where None is taken.

    Args:
      text: `name`, `name(key=value)`, `outer(inner, key=value)` or
        `module:name(key=value)`, the last from a file of the user's.
      kind: what is looked for, for messages: 'cell', 'engine', 'task'.
      modules: modules whose `__all__` lists the names known without a path.
      returns: the type of the value, or several.
      inside: further modules, whose names are known as options in the call.
      **size: the one argument that is a setting of its own, such as
        hidden_size=128; it is given first to a factory that takes a size.

    Raises:
      errors.UsageError: one line that names the nearest right thing.
    """
    known, options = (
        {name: module for module in each for name in module.__all__}
        for each in (modules, inside)
    )
    return _resolve(parse_call(text), kind, known, options, size, returns)


def _resolve(call: calls.Call, kind: str, known: dict, options: dict, size, returns):
    make = _find(call.name, kind, known)
    label = f"{kind} {errors.cut(call.name, 80)}"
    parameters = inspect.signature(make).parameters

    def inner(given, parameter):
        kinds = signatures.kinds(parameter) if parameter else set()
        if not isinstance(given, calls.Call):
            is_flag = kinds - {"None"} == {"bool"} and type(given) is int
            return signatures.BOOLEANS.get(str(given), given) if is_flag else given
        word = given.name.lower() if given.is_word else ""
        if word in signatures.BOOLEANS and kinds - {"None"} == {"bool"}:
            return signatures.BOOLEANS[word]
        if word == "none" and "None" in kinds:
            return None
        if word and "str" in kinds:
            return given.name
        if given.name in options:
            return _resolve(given, "option", options, {}, {}, Value)
        if word and given.name not in known:
            return given.name  # activation=relu is activation='relu'
        return _resolve(given, kind, known, options, size, Value)

    in_order = [each for each in parameters.values() if each.kind is not _BY_NAME]
    arguments = tuple(
        inner(given, parameter)
        for given, parameter in itertools.zip_longest(
            call.arguments, in_order[: len(call.arguments)]
        )
    )
    chosen = {key: inner(value, parameters.get(key)) for key, value in call.options}
    for name in size:
        if name in chosen or any(not isinstance(given, Value) for given in arguments):
            raise errors.UsageError(
                f"{label}: {name} is set by --{name}, not in the call; "
                "the other options are given by name"
            )
    if not in_order and not arguments and size:
        (name,) = size
        raise errors.UsageError(f"{label} takes no {name}; give --{name}=none")
    arguments = arguments or tuple(size.values())
    for key in chosen:
        if key not in parameters:
            names = [each.name for each in parameters.values() if each.kind is _BY_NAME]
            raise errors.UsageError(
                f"{label} has no option {errors.shown(key)}"
                f"{errors.nearest(key, names)} "
                f"(options: {', '.join(names) or 'none'})"
            )
    try:
        value = make(*arguments, **chosen)
    except errors.UsageError as error:
        raise errors.UsageError(f"{label}: {error}") from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also one that calls sys.exit
        raise errors.UsageError(
            f"{label}: cannot be made from these options: {errors.one_line(error)}"
        ) from error
    if not isinstance(value, returns):
        kinds = returns if isinstance(returns, tuple) else (returns,)
        wanted = " or ".join(each.__name__.lower() for each in kinds)
        article = "an" if wanted[0] in "aeiou" else "a"
        raise errors.UsageError(
            f"{label}: returns {errors.shown(value)}, not {article} {wanted}"
        )
    return value


_BY_NAME = inspect.Parameter.KEYWORD_ONLY


def _find(name: str, kind: str, known: dict) -> Callable:
    label = f"{kind} {errors.cut(name, 80)}"
    if ":" in name:
        named, _, attribute = name.rpartition(":")
        try:
            make = users.find(named, attribute, _is_made)
        except users.Refused as error:
            cause = error.__cause__
            why = f": {errors.one_line(cause)}" if cause else ""
            why += errors.nearest(attribute, error.names, prefix=f"{named}:")
            raise errors.UsageError(f"{label}: {error}{why}") from cause
        return make if _is_made(make) else factory(make)
    if name in known:
        return getattr(known[name], name)
    if len(known) > 8:
        near = ", ".join(errors.most_like(name, known, count=3, cutoff=0.0))
        there = f"nearest: {near}; all: python -m experiments.adding_problem --help"
    else:
        there = f"known: {', '.join(known)}"
    raise errors.UsageError(
        f"unknown {kind} {errors.shown(name)}{errors.nearest(name, known)} "
        f"({there}; your own: my_file:name)"
    )


def check_read(text: str, trusted: tuple[str, ...]):
    """Raise unless a text that was read from a file may be resolved.

    It names values of this library, and of the user's files those that are trusted.

    Raises:
      errors.UsageError: it names another file, or is no call.
    """
    allowed = {users.module_name(named) for named in trusted}
    for named in calls.files_named(parse_call(text)):
        module = users.module_name(named)
        if module not in allowed and not users.is_library(named):
            raise errors.UsageError(
                f"{errors.cut(text, 80)} is code outside this library, which is "
                f"imported only if trusted: add --trust={errors.cut(module, 60)} (in "
                "Python, allow=)"
            )
