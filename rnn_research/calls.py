"""Calls as text: `gru`, `lru(r_min=0.1)`, `zoneout(my_cells:leaky(alpha=0.3))`.

Read by Python's parser and never evaluated: a call holds literals and further calls.
"""

import ast
import dataclasses
import math
import re
import warnings
from collections.abc import Iterator
from typing import Any

LONGEST = 10_000  # letters; the parser's own limits are in the nesting

# A quoted text, which stays as it is, or `path/to/my_file.py:name`.
_PATH = re.compile(
    r"""('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")|[\w./~-]+:[^\W\d]\w*""", re.DOTALL
)


@dataclasses.dataclass(frozen=True)
class Call:
    """`name(arguments, key=value)` as text, parsed but not yet resolved."""

    name: str
    arguments: tuple = ()
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def is_word(self) -> bool:
        """Whether it is a name alone, such as `relu`."""
        return not (self.arguments or self.options or ":" in self.name)

    def __str__(self) -> str:
        """As it is written."""
        given = [_text(value) for value in self.arguments]
        given += [f"{key}={_text(value)}" for key, value in self.options]
        return f"{self.name}({', '.join(given)})" if given else self.name


def _text(value) -> str:
    return str(value) if isinstance(value, Call) else repr(value)


def parse(text: str) -> Call:
    """The call that `text` writes.

    Raises:
      ValueError: there is none; the message says why.
    """
    if len(text) > LONGEST:
        raise ValueError(f"it has {len(text):,} letters, {LONGEST:,} are the most")
    stem, paths = "_path", {}
    while stem in text:
        stem += "_"

    def hide(match):  # module:name is not Python; hide it from the parser
        if match.group(1):
            return match.group(0)
        stand_in = f"{stem}{len(paths)}"
        paths[stand_in] = match.group(0)
        return stand_in

    try:
        with warnings.catch_warnings():  # of odd escapes, which nobody asked about
            warnings.simplefilter("ignore")
            tree = ast.parse(_PATH.sub(hide, text.strip()), mode="eval").body
            call = _to_call(tree, paths)
    except (SyntaxError, TypeError, RecursionError, MemoryError):
        call = None
    if not isinstance(call, Call):
        raise ValueError(
            "write name, name(option=value) or my_file:name(option=value), with "
            "numbers, 'strings' or tuples as values"
        )
    return call


def _to_call(node: ast.AST, paths: dict[str, str]):
    if isinstance(node, ast.Name):
        return Call(paths.get(node.id, node.id))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        names = [keyword.arg for keyword in node.keywords]
        if None in names:
            raise TypeError("**options")
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ValueError(f"option {twice[0]!r} is given twice")
        return Call(
            paths.get(node.func.id, node.func.id),
            tuple(_to_call(argument, paths) for argument in node.args),
            tuple((key.arg, _to_call(key.value, paths)) for key in node.keywords),
        )
    for part in ast.walk(node):
        number = getattr(part, "value", None)
        if isinstance(number, float) and math.isinf(number):
            raise ValueError("a number in it is beyond the range of floating point")
    try:
        return ast.literal_eval(node)
    except ValueError as error:
        raise TypeError("no literal") from error


def files_named(call: Call) -> Iterator[str]:
    """`my_cells` of each `my_cells:leaky` in the call."""
    if ":" in call.name:
        yield call.name.rpartition(":")[0]
    for given in (*call.arguments, *(value for _, value in call.options)):
        if isinstance(given, Call):
            yield from files_named(given)
