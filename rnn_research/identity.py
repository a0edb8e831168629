"""What a value is, in words that another process understands.

`text(value)` is the call that made it, with every default and the import path of every
function: `cells.gru:gru(hidden_size=128, reset='after', ...)`. `code(value)` has a hash
of every function of the user's that it reaches, with what that closes over and the
globals it reads. Two values with equal text and code compute the same, today and in
another process. Something of which that cannot be said, such as an object that prints
its address, has no identity.
"""

import dataclasses
import dis
import enum
import functools
import hashlib
import inspect
import re
import sys
import types
from collections.abc import Iterator

import jax
import numpy as np

from rnn_research import imports, users, values

LITERALS = (bool, int, float, complex, str, bytes, type(None), type(...))


def text(thing) -> str:
    """The call that made a value, the same in every process.

    Raises:
      values.UsageError: something in it has no identity; the message says what, and
        what to do.
    """
    return _Reader().describe(thing)


def code(*things) -> dict[str, str]:
    """`my_cells:leaky` -> hash, of each function and class of the user's they reach.

    A function counts with its source (without blank lines and comments), its defaults,
    what it closes over, and the globals it reads: numbers, strings, arrays, containers
    and objects by value; functions, classes and modules of the user's by their own code
    in turn. This library, Python's own and installed packages are left out.

    Raises:
      values.UsageError: as for `text`; or a source cannot be read.
    """
    reader = _Reader()
    for thing in things:
        reader.describe(thing)
    return {
        name: _hash("".join(parts))[:16] for name, parts in sorted(reader.found.items())
    }


class _Reader:
    """Describes things without their addresses, and notes what code is the user's.

    Attributes:
      found: name -> descriptions of what has it; closures of one function share it.
    """

    def __init__(self):
        self.found: dict[str, list[str]] = {}
        self._seen: dict[int, tuple] = {}  # id -> (thing, kept alive; description)
        self._inside: list[str] = []  # where we are, for messages
        self._in_globals = 0  # how deep

    def describe(self, thing) -> str:
        if isinstance(thing, enum.Enum):
            return f"{_name(type(thing))}.{thing.name}"
        if isinstance(thing, (*LITERALS, np.generic, np.dtype)):
            return repr(thing)
        if isinstance(thing, (np.ndarray, jax.Array)):
            return _array(thing)
        if isinstance(thing, values.Value):
            return self._value(thing)
        if id(thing) not in self._seen:
            self._seen[id(thing)] = thing, _name(thing)  # of what contains itself
            self._seen[id(thing)] = thing, self._described(thing)
        return self._seen[id(thing)][1]

    def _described(self, thing) -> str:
        if isinstance(thing, (tuple, list, set, frozenset, dict)):
            return self._container(thing)
        chain = list(_wrapped(thing))
        is_users = any(map(_is_users, chain))
        if is_users and _is_code(thing):
            source = _source(thing) if isinstance(thing, type) else ""
            self._note(_name(thing), source, self._members(vars(thing)))
        elif is_users or not (_is_code(thing) or imports.path(thing)):
            return ", wrapping ".join(map(self._describe_inside, chain))
        return _name(thing)  # of an installed package, it says what it is

    def _value(self, value: values.Value) -> str:
        if value.origin is None:
            name, given = _name(type(value)), vars(value)
        else:
            name = self.describe(value.origin.factory)
            given = dict(value.origin.arguments)
        return f"{name}({self._members(given)})"

    def _container(self, container) -> str:
        is_dict = isinstance(container, dict)
        described = [*map(self.describe, container.items() if is_dict else container)]
        if isinstance(container, (set, frozenset)):
            described.sort()
        name = "" if type(container) is tuple else type(container).__name__
        return f"{name}({', '.join(described)})"

    def _describe_inside(self, thing) -> str:
        if isinstance(thing, types.FunctionType):
            return self._function(thing)
        if isinstance(thing, functools.partial):
            return "partial" + self.describe((thing.func, thing.args, thing.keywords))
        if isinstance(thing, types.MethodType):
            return "method" + self.describe((thing.__func__, thing.__self__))
        name = self.describe(type(thing))
        of_fields = callable(thing) or dataclasses.is_dataclass(thing)
        if hasattr(thing, "__dict__") and (of_fields or _is_users(thing)):
            return f"{name}({self._members(vars(thing))})"
        shown = repr(thing)
        if not shown.startswith("<") and not re.search(r"\b0x[0-9a-fA-F]+", shown):
            return shown
        if not self._in_globals:  # among them are loggers, locks, open files
            raise values.UsageError(
                f"{' of '.join(self._inside[::-1])} is an object of {name}, which "
                "nothing tells from another; use numbers, strings, tuples, functions, "
                "or a class of your own"
            )
        return name

    def _function(self, function: types.FunctionType) -> str:
        own = _is_users(function)
        if not own and hasattr(function, "__wrapped__"):
            return _name(function)
        names = function.__code__.co_freevars
        cells = zip(names, function.__closure__ or (), strict=True)
        closed_over = self._members({name: _content(cell) for name, cell in cells})
        if own:
            given = self.describe((function.__defaults__, function.__kwdefaults__))
            read = {
                name: function.__globals__[name]
                for name in sorted(_globals_read(function.__code__))
                if name in function.__globals__
            }
            self._in_globals += 1
            read = self._members(read)
            self._in_globals -= 1
            self._note(_name(function), _source(function), given, read)
        return _name(function) + (f"[{closed_over}]" if names else "")

    def _members(self, members: dict) -> str:
        return ", ".join(
            self._member(name, item)
            for name, item in members.items()
            if not (name.startswith("__") and name.endswith("__"))
        )

    def _member(self, name: str, item) -> str:
        self._inside.append(name)
        described = self.describe(item)
        self._inside.pop()
        return f"{name}={described}"

    def _note(self, name: str, *descriptions: str):
        self.found.setdefault(name, []).append("\n".join(descriptions))


def _is_code(thing) -> bool:
    return isinstance(thing, (type, types.ModuleType))


def _name(thing) -> str:
    if isinstance(thing, types.ModuleType):
        return thing.__name__
    qualname = getattr(thing, "__qualname__", None)
    module = getattr(thing, "__module__", None)
    if not (isinstance(qualname, str) and isinstance(module, str)):
        module, qualname = type(thing).__module__, type(thing).__qualname__
    return f"{module}:{qualname}".removeprefix("rnn_research.")


def _content(cell: types.CellType):
    try:
        return cell.cell_contents
    except ValueError:  # of a name that is set later, or never
        return None


def _wrapped(thing) -> Iterator:
    """The thing, what it wraps, and so on inwards."""
    while thing is not None:
        yield thing
        thing = getattr(thing, "__wrapped__", None)


def _globals_read(code: types.CodeType) -> set[str]:
    """The globals that a function reads, those inside it included."""
    loads = ("LOAD_GLOBAL", "LOAD_NAME")
    read = {i.argval for i in dis.get_instructions(code) if i.opname in loads}
    inner = (const for const in code.co_consts if isinstance(const, types.CodeType))
    return read.union(*map(_globals_read, inner))


def _source(thing) -> str:
    """Without what means nothing: blank lines, and lines of comment."""
    code = getattr(thing, "__code__", thing)
    try:
        if isinstance(thing, types.FunctionType) and code.co_name == "<lambda>":
            return _lambda(code)
        source = inspect.getsource(code)
    except Exception as error:  # OSError, or whatever the tokenizer meets
        raise values.UsageError(
            f"the source of {_name(thing)} cannot be read, so nothing tells it from "
            "another; put it into a file"
        ) from error
    lines = [line.rstrip() for line in source.splitlines()]
    return "\n".join(line for line in lines if line.strip(" \t")[:1] not in ("", "#"))


def _lambda(code: types.CodeType) -> str:
    """Its parameters and its body, among whatever stands on these lines."""
    lines = [line.encode() for line in inspect.findsource(code)[0]]
    spots = [spot for spot in code.co_positions() if None not in spot and spot[3]]
    first, begin = min((line, column) for line, _, column, _ in spots)
    last, end = max((line, column) for _, line, _, column in spots)
    body = lines[first - 1 : last]
    body[-1] = body[-1][:end]
    body[0] = body[0][begin:]
    parameters = code.co_argcount + code.co_kwonlyargcount
    return f"{code.co_varnames[:parameters]} {b''.join(body).decode()}"


def _is_users(thing) -> bool:
    """Whether it is defined in a file that is not installed."""
    if isinstance(thing, types.FunctionType):
        file = thing.__code__.co_filename
    else:
        module = thing if isinstance(thing, types.ModuleType) else None
        name = getattr(thing, "__module__", None) or type(thing).__module__
        module = module or sys.modules.get(name)
        main = module is not None and module.__name__ == "__main__"
        file = getattr(module, "__file__", None) or ("<prompt>" if main else None)
    if file is None or file.startswith("<frozen"):
        return False
    return file.startswith("<") or users.is_own(file)


def _array(array) -> str:
    if jax.dtypes.issubdtype(array.dtype, jax.dtypes.prng_key):
        array = jax.random.key_data(array)
    numbers = np.asarray(array)
    content = numbers.tobytes() if numbers.dtype != object else str(numbers).encode()
    return f"{numbers.dtype}{numbers.shape}{hashlib.sha256(content).hexdigest()}"


def _hash(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()
