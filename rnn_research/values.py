"""Values made by factories, and their spelling on the command line.

A cell, an engine, a task, a layer, an optimizer is a frozen record of pure
functions. Its identity is the factory that made it and the arguments given, so
two equal calls are equal values, `jit` takes them as static arguments and
compiles once, and a run logs what it ran. The same calls are written as text on
the command line: `gru`, `gru(reset='before')`, `my_cells:leaky(alpha=0.3)`.
"""

import ast
import dataclasses
import difflib
import functools
import importlib
import inspect
import pathlib
import re
import sys
import traceback
from collections.abc import Callable
from typing import Any


class UsageError(ValueError):
    """Something the user gave cannot be used; the message says what to do."""


class RunError(RuntimeError):
    """A run that was set up rightly could not go on; the message says why."""


class Diverged(RunError):
    """No run of a training has a finite loss and gradient any more."""


class Interrupted(KeyboardInterrupt):
    """A run was asked to stop; if it has a folder, it has saved there."""


@dataclasses.dataclass(frozen=True)
class Origin:
    """The call that made a value: its factory and its arguments, in order."""

    factory: Callable
    arguments: tuple[tuple[str, Any], ...]


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
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        origin = Origin(make, tuple(bound.arguments.items()))
        try:
            hash(origin)
        except TypeError:
            raise UsageError(
                f"the arguments of {make.__name__} must be hashable: numbers, strings "
                f"or tuples, not lists or arrays; got {_arguments_text(origin)}"
            ) from None
        value = make(*args, **kwargs)
        if not isinstance(value, Value):
            return value  # for whoever asked to complain of
        return dataclasses.replace(value, origin=origin)

    return made


def remade(value: Value, **changes) -> Value:
    """The value made again by its factory, with some arguments changed."""
    if value.origin is None:
        return value
    parameters = inspect.signature(value.origin.factory).parameters
    positional, named, replaced = [], {}, {}
    for name, given in (dict(value.origin.arguments) | changes).items():
        kind = parameters[name].kind if name in parameters else None
        if kind is None:
            replaced[name] = given
        elif kind is inspect.Parameter.VAR_POSITIONAL:
            positional.extend(given)
        elif kind is inspect.Parameter.KEYWORD_ONLY:
            named[name] = given
        else:
            positional.append(given)
    made = factory(value.origin.factory)(*positional, **named)
    return made.replace(**replaced) if replaced else made


# ---------------------------------------------------------------- text -> value


@dataclasses.dataclass(frozen=True)
class Call:
    """`name(arguments, key=value)` as text, parsed but not yet resolved."""

    name: str
    arguments: tuple = ()
    options: tuple[tuple[str, Any], ...] = ()


def parse_call(text: str) -> Call:
    """Parse `name` or `name(key=value)`; values are literals or further calls."""
    paths = {}

    def hide(match):  # module:name is not Python; hide it from the parser
        stand_in = f"_path_{len(paths)}"
        paths[stand_in] = match.group(0)
        return stand_in

    try:
        tree = ast.parse(re.sub(r"[\w./]+:\w+", hide, text.strip()), mode="eval").body
        call = _to_call(tree, paths)
    except (SyntaxError, ValueError):
        call = None
    if not isinstance(call, Call):
        raise UsageError(
            f"cannot read {text!r}; write name, name(option=value) or "
            "my_file:name(option=value), with numbers, 'strings' or tuples as values"
        )
    return call


def _to_call(node: ast.AST, paths: dict[str, str]):
    if isinstance(node, ast.Name):
        return Call(paths.get(node.id, node.id))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if any(keyword.arg is None for keyword in node.keywords):
            raise ValueError("**options")
        return Call(
            paths.get(node.func.id, node.func.id),
            tuple(_to_call(argument, paths) for argument in node.args),
            tuple((key.arg, _to_call(key.value, paths)) for key in node.keywords),
        )
    return ast.literal_eval(node)


def nearest(word: str, candidates, *, prefix: str = "") -> str:
    """`; did you mean gru?` for the candidate most like `word`, or nothing."""
    close = difflib.get_close_matches(word, list(candidates), n=1, cutoff=0.5)
    return f"; did you mean {prefix}{close[0]}?" if close else ""


def resolve(text: str, kind: str, modules: tuple, *, inside: tuple = (), **size):
    """The value that `text` names.

    Args:
      text: `name`, `name(key=value)`, `outer(inner, key=value)` or
        `module:name(key=value)`, the last from a file of the user's.
      kind: what is looked for, for messages: 'cell', 'engine', 'task'.
      modules: modules whose `__all__` lists the names known without a path.
      inside: further modules, whose names are known as options in the call.
      **size: the one argument that is a setting of its own, such as
        hidden_size=128; it is given first to a factory that takes a size.

    Raises:
      UsageError: one line that names the nearest right thing.
    """
    known, options = (
        {name: module for module in each for name in module.__all__}
        for each in (modules, inside)
    )
    return _resolve(parse_call(text), kind, known, options, size)


def _resolve(call: Call, kind: str, known: dict, options: dict, size: dict):
    make = _find(call.name, kind, known)

    def inner(given):
        if not isinstance(given, Call):
            return given
        if given.name in options:
            return _resolve(given, "option", options, {}, {})
        is_word = not (given.arguments or given.options or ":" in given.name)
        if is_word and given.name not in known:
            return given.name  # activation=relu is activation='relu'
        return _resolve(given, kind, known, options, size)

    arguments = tuple(inner(argument) for argument in call.arguments)
    chosen = {key: inner(value) for key, value in call.options}
    for name in size:
        if name in chosen or any(not isinstance(given, Value) for given in arguments):
            raise UsageError(
                f"{kind} {call.name}: {name} is set by --{name}, not in the call; "
                "the other options are given by name"
            )
    arguments = arguments or tuple(size.values())
    parameters = inspect.signature(make).parameters
    for key in chosen:
        if key not in parameters:
            names = [
                name
                for name, parameter in parameters.items()
                if parameter.kind is parameter.KEYWORD_ONLY
            ]
            raise UsageError(
                f"{kind} {call.name} has no option {key!r}{nearest(key, names)} "
                f"(options: {', '.join(names) or 'none'})"
            )
    try:
        return make(*arguments, **chosen)
    except UsageError as error:
        raise UsageError(f"{kind} {call.name}: {error}") from None
    except Exception as error:
        raise UsageError(
            f"{kind} {call.name}: cannot be made from these options: {one_line(error)}"
        ) from error


def _find(name: str, kind: str, known: dict) -> Callable:
    if ":" not in name:
        if name not in known:
            raise UsageError(
                f"unknown {kind} {name!r}{nearest(name, known)} "
                f"(known: {', '.join(known)}; your own: my_file:name)"
            )
        return getattr(known[name], name)
    path, attribute = name.split(":")
    path = path.removesuffix(".py").replace("/", ".").strip(".")
    if path.split(".")[0] in sys.stdlib_module_names:
        raise UsageError(
            f"{kind} {name}: {path} is a module of Python's own; give a file of yours "
            "another name"
        )
    if "" not in sys.path:
        sys.path.insert(0, "")
    importlib.invalidate_caches()
    try:
        users = importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name and (path == error.name or path.startswith(error.name + ".")):
            raise UsageError(
                f"{kind} {name}: there is no {path.replace('.', '/')}.py in this "
                "folder or on the Python path"
            ) from None
        raise UsageError(f"{kind} {name}: {path} {one_line(error)}") from error
    except Exception as error:
        raise UsageError(
            f"{kind} {name}: {path} does not import: {one_line(error)}"
        ) from error
    make = getattr(users, attribute, None)
    if not callable(make):
        names = [key for key in vars(users) if not key.startswith("_")]
        raise UsageError(
            f"{kind} {name}: {path} has no function {attribute!r}"
            f"{nearest(attribute, names, prefix=path + ':')}"
        )
    return make if hasattr(make, "__wrapped__") else factory(make)


def one_line(error: BaseException) -> str:
    """`TypeError: the first line of the message (my_cells.py, line 12)`."""
    message = (str(error).strip() or "no message").splitlines()[0]
    place = ""
    ours = str(pathlib.Path(__file__).parent)
    for frame in traceback.extract_tb(error.__traceback__):
        users = not frame.filename.startswith((ours, "<", sys.base_prefix))
        if users and "site-packages" not in frame.filename:
            place = f" ({pathlib.Path(frame.filename).name}, line {frame.lineno})"
    if isinstance(error, SyntaxError):
        place = f" ({pathlib.Path(str(error.filename)).name}, line {error.lineno})"
        message = error.msg
    return f"{type(error).__name__}: {message}{place}"
