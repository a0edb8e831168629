"""The pages of the API reference: every public name, with its docstring.

A page lists the names of the `__all__` of its modules, so that a new cell, task or
measurement is on it without an edit.
"""

import ast
import dataclasses
import importlib
import inspect
import textwrap

from rnn_research import config
from rnn_research.checks.pages import first
from rnn_research.markdown import table

# The pages, each with the modules that it shows.
PAGES = {
    "rnn_research": ("",),
    "cells": ("cells", "cells.wrappers", "cells.initializers"),
    "layers": ("layers", "layers.base"),
    "engines": ("engines", "engines.base"),
    "models": ("models",),
    "tasks": ("tasks", "tasks.base", "tasks.scores"),
    "data": ("data", "data.arrays"),
    "training": ("training", "training.optimizers", "training.penalties"),
    "runs": ("runs",),
    "diagnostics": ("diagnostics",),
    "measurements": ("measurements.driver", "measurements.driven"),
    "plotting": ("plotting",),
    "report": ("report",),
    "interop": ("interop",),
    "checks": ("checks",),
    "config": ("config", "errors", "values"),
}


def pages() -> dict[str, str]:
    """`reference/cells.md` -> its text, for the handler that reads docstrings."""
    return {f"reference/{name}.md": _page(PAGES[name]) for name in PAGES}


def page_of(path: str) -> str | None:
    """The page on a file or folder of the library, such as `rnn_research/cells/gru.py`.

    None: there is no such page.
    """
    package, _, below = path.partition("/")
    name = below.split("/")[0].removesuffix(".py") or package
    return (
        f"reference/{name}.md" if package == "rnn_research" and name in PAGES else None
    )


def _page(names: tuple[str, ...]) -> str:
    return "\n".join(
        line for depth, name in enumerate(names) for line in _module(name, depth)
    )


ABOUT = """    options:
      members: false
      show_root_heading: false
      show_root_toc_entry: false
      show_source: false"""


def _module(name: str, depth: int) -> list[str]:
    path = f"rnn_research.{name}".rstrip(".")
    module = importlib.import_module(path)
    own = [line for each in _public(module) for line in _entry(module, each)]
    return [f"{'#' * min(depth + 1, 2)} {path}", "", f"::: {path}\n{ABOUT}", "", *own]


def _public(module) -> list[str]:
    """What a module has for others: its `__all__`, or what it defines."""
    return getattr(module, "__all__", None) or [
        name
        for name, each in vars(module).items()
        if getattr(each, "__module__", None) == module.__name__ and name[0] != "_"
    ]


def _entry(module, name: str) -> list[str]:
    """Where it is defined, for the handler; and the fields of a record."""
    thing = getattr(module, name)
    path = f"{module.__name__}.{name}"
    if hasattr(thing, "__qualname__"):
        path = f"{thing.__module__}.{thing.__qualname__}"
    return [f"::: {path}", "", *_fields(thing)]


def _fields(thing) -> list[str]:
    """Settings with their help; the fields of a tuple as its source has them."""
    if not inspect.isclass(thing):
        return []
    if issubclass(thing, config.Settings) and dataclasses.is_dataclass(thing):
        rows = [
            (f"`{each.name}`", f"`{each.default}`", first(each.metadata["help"]))
            for each in dataclasses.fields(thing)
        ]
        return [table(("setting", "default", "what it is"), rows), ""] if rows else []
    if not hasattr(thing, "_fields"):
        return []
    source = textwrap.dedent(inspect.getsource(thing))
    lines, (made,) = source.splitlines(), ast.parse(source).body
    fields = [
        textwrap.dedent("\n".join(lines[node.lineno - 1 : node.end_lineno]))
        for node in made.body
        if isinstance(node, ast.AnnAssign)
    ]
    return ["```python", *fields, "```", ""]


def titles() -> dict[str, str]:
    """`reference/cells.md` -> what the page is about, in a line."""
    modules = {
        name: importlib.import_module(f"rnn_research.{parts[0]}".rstrip("."))
        for name, parts in PAGES.items()
    }
    return {f"reference/{name}.md": first(m.__doc__) for name, m in modules.items()}
