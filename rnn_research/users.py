"""Files of a user's own, named as `my_cells:leaky` or `path/to/my_cells.py:leaky`.

A name leads to what this library's decorators or a file of the user's own made. A
callable of Python's own, or of an installed package, is refused whatever names it.
"""

import importlib
import importlib.util
import inspect
import os
import pathlib
import re
import sys
import sysconfig
from collections.abc import Callable

OURS = pathlib.Path(__file__).parent
INSTALLED = {"site-packages", "dist-packages"}


class Refused(Exception):
    """What was named cannot be used; the message says why.

    Attributes:
      names: what there is in its place.
    """

    def __init__(self, message: str, names=()):
        super().__init__(message)
        self.names = names


def module_name(named: str) -> str:
    """`a.my_cells` for `a/my_cells.py`, under which a file is trusted."""
    return named.removesuffix(".py").removeprefix("./").replace("/", ".")


def is_library(named: str) -> bool:
    """Whether `named` is a module of this library, such as `rnn_research.cells.gru`."""
    is_name = re.fullmatch(rf"{OURS.name}(\.\w+)*", named, re.ASCII) is not None
    return is_name and not named.endswith(".py")  # that is a file beside it


def find(named: str, attribute: str, is_made: Callable) -> Callable:
    """The function `attribute` of a module or file.

    Args:
      named: `my_cells`, as for `import`, or `path/to/my_cells.py`: that very file.
      is_made: (function) -> whether a decorator of this library made it.

    Raises:
      Refused: there is none, or it is not the user's own.
    """
    is_path = "/" in named or named.endswith(".py")
    module = _load_file(named) if is_path else _load_module(named)
    make = vars(module).get(attribute)
    if is_made(make):
        return make
    file = getattr(module, "__file__", None) or "a folder"
    if not is_own(file):
        raise Refused(
            f"{named} is {file}, not a file of yours; give a file of yours a name of "
            "its own"
        )
    if attribute not in vars(module):
        names = [name for name in vars(module) if not name.startswith("_")]
        raise Refused(f"{named} has no function {attribute!r}", names)
    if inspect.isclass(make):
        raise Refused(f"{attribute} is a class; give a function that returns a value")
    if not inspect.isfunction(make):
        raise Refused(f"{named} has no function {attribute!r}, but a {_kind(make)}")
    if not is_own(make.__code__.co_filename):
        raise Refused(
            f"{attribute} is from {make.__module__}, not from a file of yours; wrap it "
            "in a function of your own"
        )
    return make


def _kind(thing) -> str:
    return f"{type(thing).__module__}.{type(thing).__name__}".removeprefix("builtins.")


def is_own(filename: str) -> bool:
    """Whether code is a user's: not Python's, installed, or of this library."""
    path = pathlib.Path(filename)
    if filename.startswith("<") or INSTALLED & set(path.parts):
        return False
    folders = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), OURS)
    return not any(path.is_relative_to(folder) for folder in folders)


def _load_module(named: str):
    if named.partition(".")[0] in sys.stdlib_module_names:
        raise Refused(
            f"{named} is a module of Python's own; give a file of yours another name"
        )
    if not all(named.split(".")):
        raise Refused(f"{named} is no name of a module")
    if "" not in sys.path:
        sys.path.insert(0, "")
    importlib.invalidate_caches()
    return _executed(named, lambda: importlib.import_module(named))


def _load_file(named: str):
    path = pathlib.Path(os.path.abspath(os.path.expanduser(named)))
    path = path if path.suffix == ".py" else path.with_name(path.name + ".py")
    if not path.is_file():
        raise Refused(f"there is no file {path}; put it there, or name another")
    here = pathlib.Path.cwd()
    inside = path.is_relative_to(here)
    parts = (path.relative_to(here) if inside else path).with_suffix("").parts
    name = ".".join(parts) if inside else parts[-1]
    loaded = sys.modules.get(name)
    if loaded is None and "." not in name:
        found = importlib.util.find_spec(name)
        origin = found and found.origin
    else:
        origin = loaded and getattr(loaded, "__file__", None)
    if name in sys.stdlib_module_names or (origin and not _same(origin, path)):
        raise Refused(
            f"{path} has the name of another module, {origin or name}; rename it"
        )
    if loaded:
        return loaded
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module

    def execute():
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        return module

    return _executed(named, execute)


def _same(one, other) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def _executed(named: str, load: Callable):
    try:
        return load()
    except KeyboardInterrupt:
        raise
    except ModuleNotFoundError as error:
        if error.name and (named == error.name or named.startswith(error.name + ".")):
            raise Refused(
                f"there is no {named.replace('.', '/')}.py in this folder or on the "
                "Python path; put it there"
            ) from None
        raise Refused(f"{named} does not import") from error
    except BaseException as error:  # also a file that calls sys.exit
        raise Refused(f"{named} does not import") from error
