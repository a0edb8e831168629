"""The identity of a value, as text that another process understands.

`text(value)` is the call that made it, with every default and the import path of every
function: `cells.gru:gru(hidden_size=128, reset='after', ...)`. `code(value)` has a hash
of every function of the user's that it reaches, with what that closes over and the
globals it reads. Two values with equal text and code compute the same, today and in
another process. Something of which that cannot be said, such as an object that prints
its address, has no identity.
"""

import collections
import contextlib
import dataclasses
import enum
import functools
import hashlib
import re
import sys
import types
from collections.abc import Iterator

import jax
import numpy as np

from rnn_research import errors, imports, source, users, values

LITERALS = (bool, int, float, complex, str, bytes, type(None), type(...))


def text(thing) -> str:
    """The call that made a value, the same in every process.

    Raises:
      errors.UsageError: something in it has no identity; the message says what, and
        what to do.
    """
    return _Reader().describe(thing)


def code(*things) -> dict[str, str]:
    """`my_cells:leaky` -> hash, of each function and class of the user's they reach.

    A function counts with its source (without blank lines and comments), its defaults,
    what it closes over, the modules it imports and the globals it reads: numbers,
    strings, arrays, containers and objects by value; functions, classes and modules of
    the user's by their own code in turn. This library, Python's own and installed
    packages are left out.

    Raises:
      errors.UsageError: as for `text`; or a source cannot be read.
    """
    reader = _Reader()
    for thing in things:
        reader.describe(thing)
    while reader.pending:
        reader.follow(*reader.pending.popleft())
    return {
        name: _hash("".join(parts))[:16] for name, parts in sorted(reader.found.items())
    }


class _Reader:
    """Describes things without their addresses, and notes what code is the user's.

    Attributes:
      found: name -> descriptions of what has it; closures of one function share it.
      pending: code of the user's that was met, for `follow`; at once it would nest as
        deeply as its functions call each other.
    """

    def __init__(self):
        self.found: dict[str, list[str]] = {}
        self.pending: collections.deque[tuple] = collections.deque()
        self._seen: dict[int, tuple] = {}  # id -> (thing, kept alive; description)
        self._inside: list[str] = []  # where we are, for messages
        self._loose = False  # whether what nothing tells from another will do

    def describe(self, thing) -> str:
        if isinstance(thing, enum.Enum):
            return f"{_name(type(thing))}.{thing.name}({self.describe(thing.value)})"
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
            self._follow_later(thing)
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
        if isinstance(thing, property):
            return "property" + self.describe((thing.fget, thing.fset, thing.fdel))
        name = self.describe(type(thing))
        fields = _fields(thing)
        if hasattr(thing, "__wrapped__") and not _is_users(type(thing)):
            # What jax.jit or functools.cache notes for itself: where the source stands.
            fields = {name: own for name, own in fields.items() if name[0] != "_"}
        of_fields = (
            callable(thing)
            or dataclasses.is_dataclass(thing)
            or hasattr(type(thing), "__get__")  # a descriptor, such as cached_property
            or _is_users(thing)
        )
        if of_fields and (fields or hasattr(thing, "__dict__")):
            return f"{name}({self._members(fields)})"
        shown = repr(thing)
        if not shown.startswith("<") and not re.search(r"\b0x[0-9a-fA-F]+", shown):
            return shown
        if not self._loose:
            raise errors.UsageError(
                f"{' of '.join(self._inside[::-1])} is an object of {name}, which "
                "cannot be compared with another; use numbers, strings, tuples, "
                "functions, or a class of your own"
            )
        return name

    def _function(self, function: types.FunctionType) -> str:
        own = _is_users(function)
        names = function.__code__.co_freevars
        cells = zip(names, function.__closure__ or (), strict=True)
        content = {name: _content(cell) for name, cell in cells}
        with self._loosely(not own and hasattr(function, "__wrapped__")):
            closed_over = self._members(content)
        if own:
            self._follow_later(function)
        return _name(function) + (f"[{closed_over}]" if names else "")

    def _follow_later(self, thing):
        self.pending.append((thing, self._loose, list(self._inside)))

    def follow(self, thing, loose: bool, inside: list[str]):
        """Note the code of a function, class or module, and what it reads."""
        self._loose, self._inside = loose, inside
        if isinstance(thing, types.FunctionType):
            given = self.describe((thing.__defaults__, thing.__kwdefaults__))
            with self._loosely():  # among them are loggers, locks, open files
                read = self._members(source.read(thing))
            self._note(_name(thing), source.text(thing, _name(thing)), given, read)
            return
        written, bases, members = "", (), vars(thing)
        if isinstance(thing, type):
            written = source.text(thing, _name(thing))
            bases, members = thing.__bases__, _written(members)
        with self._loosely():
            described = self.describe(bases), self._members(members)
        self._note(_name(thing), written, *described)

    @contextlib.contextmanager
    def _loosely(self, loosely: bool = True):
        before, self._loose = self._loose, self._loose or loosely
        yield
        self._loose = before

    def _members(self, members: dict) -> str:
        return ", ".join(
            self._member(name, item)
            for name, item in members.items()
            if not _is_dunder(name) or isinstance(item, types.FunctionType)
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
    if users.is_own(getattr(sys.modules.get(module), "__file__", None) or "<none>"):
        module = module.rpartition(".")[2]  # the rest says from where it was named
    return f"{module}:{qualname}".removeprefix("rnn_research.")


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _fields(thing) -> dict:
    """What an object holds: of a dataclass its fields, else all, also in slots."""
    if dataclasses.is_dataclass(thing):
        names = [field.name for field in dataclasses.fields(thing)]
    else:
        slots = (getattr(kind, "__slots__", ()) for kind in type(thing).__mro__)
        names = [n for own in slots for n in ((own,) if type(own) is str else own)]
        names += getattr(thing, "__dict__", {})
    return {name: getattr(thing, name) for name in names if hasattr(thing, name)}


def _written(members: dict) -> dict:
    """Those of a class without the functions that a decorator generated."""

    def is_generated(item) -> bool:
        codes = (getattr(each, "__code__", None) for each in _wrapped(item))
        return any(code and code.co_filename.startswith("<") for code in codes)

    return {name: item for name, item in members.items() if not is_generated(item)}


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
