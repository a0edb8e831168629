"""What docs/ says of the code, read from the code: tables, and the map of the tree.

    python -m rnn_research.checks.pages

A page marks such a part with `<!-- generated: cells -->` and `<!-- end -->`; this
command writes what stands between them. A test fails where a page is out of date.
"""

import inspect
import pathlib
import re

from rnn_research import (
    commands,
    config,
    data,
    diagnostics,
    engines,
    errors,
    reproductions,
    tasks,
)
from rnn_research.cells import initializers, wrappers
from rnn_research.checks import catalogue
from rnn_research.markdown import table
from rnn_research.reproductions import page as of_claims
from rnn_research.training import optimizers, penalties, scheduled_sampling

ROOT = pathlib.Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
RESULTS = ROOT / "RESULTS.md"
MARKED = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def written(page: str) -> str:
    """The text of a page with its generated parts as the code has them now.

    Raises:
      errors.UsageError: a mark names no part.
    """

    def fill(found):
        errors.check_option("generated", found[2], tuple(PARTS))
        return f"{found[1]}\n{PARTS[found[2]]()}\n\n{found[3]}"

    return MARKED.sub(fill, page)


# ------------------------------------------------------------------------- tables


def named(module, kind: str, names: list[str] | None = None) -> str:
    """A row for each of these names, or all, of a module: its call and what it is."""
    names = names or module.__all__
    makers = [(name, getattr(module, name)) for name in names]
    rows = [(f"`{call(name, make)}`", first(make.__doc__)) for name, make in makers]
    return table((kind, "what it is"), rows)


def call(name: str, make) -> str:
    """`adding(form=arjovsky)`: the name with its options, as on a command line."""
    options = [
        _option(parameter)
        for parameter in inspect.signature(make).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    ]
    return f"{name}({', '.join(options)})" if options else name


def _option(parameter: inspect.Parameter) -> str:
    default = parameter.default
    if default is parameter.empty:
        return f"{parameter.name}=..."
    said = f"{default:.4g}" if isinstance(default, float) else str(default)
    return f"{parameter.name}={said.lower() if default is None else said}"


def first(text: str) -> str:
    """The first paragraph of a docstring, for a cell of a table."""
    paragraph = inspect.cleandoc(text).split("\n\n")[0]
    return " ".join(paragraph.split()).replace("|", "\\|")


def sets() -> str:
    """The data sets by name."""
    rows = [
        (f"`{name}`", f"`{each.task}`", each.source, each.size, each.licence)
        for name, each in data.SETS.items()
    ]
    return table(("set", "task", "source", "size", "licence"), rows)


def measurements() -> str:
    """The functions of `diagnostics`, a table for each file."""
    files = {}
    for name in diagnostics.__all__:
        files.setdefault(inspect.getmodule(getattr(diagnostics, name)), []).append(name)
    parts = []
    for module in sorted(files, key=lambda module: module.__name__):
        rows = [
            (f"`{name}`", first(getattr(diagnostics, name).__doc__))
            for name in files[module]
        ]
        about = first(module.__doc__).rstrip(".")
        listed = table(("in `diagnostics`", "what it gives"), rows)
        parts.append(f"**{about}**\n\n{listed}")
    return "\n\n".join(parts)


def experiments() -> str:
    """The programs in experiments/ by group, each with its question."""
    parts = []
    for group, titles in commands.groups().items():
        rows = [
            (f"`python -m experiments.{name}`", first(text))
            for name, text in titles.items()
        ]
        parts.append(f"## {group}\n\n{table(('command', 'question'), rows)}")
    return "\n\n".join(parts)


def claims() -> str:
    """The claims of papers, with what results/reproductions holds of them."""
    link = "results/reproductions"
    return of_claims.table(reproductions.entries(), ROOT / link, link).rstrip()


# ------------------------------------------------------------------------ the map

FOLDERS = "rnn_research", "experiments", "configs"


def tree() -> str:
    """A table for each folder: its files and the first line of their docstrings."""
    folders = {}
    for path in (path for folder in FOLDERS for path in modules(folder, "**/")):
        folders.setdefault(path.parent, []).append(path)
    return "\n\n".join(_folder(folder, folders[folder]) for folder in sorted(folders))


def _folder(folder: pathlib.Path, files: list[pathlib.Path]) -> str:
    about = [f"{title(path)}\n" for path in files if path.stem == "__init__"]
    rows = [
        (f"[{path.name}](../{path.relative_to(ROOT)})", title(path))
        for path in files
        if path.stem != "__init__"
    ]
    heading = f"## {folder.relative_to(ROOT)}/\n"
    return "\n".join([heading, *about, table(("file", "what it holds"), rows)])


def modules(folder: str, below: str = "") -> list[pathlib.Path]:
    return sorted((ROOT / folder).glob(f"{below}*.py"))


def title(path: pathlib.Path) -> str:
    """The first paragraph of the docstring of a file."""
    text = commands.title(path)
    if not text:
        raise errors.UsageError(f"{path} has no docstring; say in a line what it holds")
    return first(text)


PARTS = {
    "cells": catalogue.table,
    "wrappers": lambda: named(wrappers, "wrapper"),
    "initializers": lambda: named(initializers, "initial value"),
    "engines": lambda: named(engines, "engine"),
    "sets": sets,
    "tasks": lambda: named(tasks, "task"),
    "optimizers": lambda: named(optimizers, "optimizer", optimizers.OPTIMIZERS),
    "schedules": lambda: named(optimizers, "schedule", optimizers.SCHEDULES),
    "penalties": lambda: named(penalties, "penalty"),
    "samplings": lambda: named(scheduled_sampling, "sampling"),
    "measurements": measurements,
    "experiments": experiments,
    "map": tree,
    "reproductions": claims,
}


def main():
    if not DOCS.is_dir():
        raise errors.UsageError(
            f"there is no {DOCS}; run this in a clone of the project"
        )
    for path in [*sorted(DOCS.glob("*.md")), RESULTS]:
        page = path.read_text(encoding="utf-8")
        if (new := written(page)) != page:
            path.write_text(new, encoding="utf-8")
            print(f"{path.relative_to(ROOT)} is up to date again")


if __name__ == "__main__":
    config.run(main)
