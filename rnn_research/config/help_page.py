"""What `--help` prints, in a terminal of any width."""

import dataclasses
import inspect
import shutil
import textwrap

from rnn_research import waiting

CONFIG = "Python file whose get_config() returns a dict of the settings above"
NARROW = 60  # columns, below which the help of a flag stands under it


def text(description: str, *settings) -> str:
    """What `--help` prints: the program's docstring, then every setting by group."""
    width = min(shutil.get_terminal_size().columns, 96)
    lines = [*_prose(inspect.cleandoc(description), width), ""]
    for group in settings:
        lines.append(inspect.getdoc(type(group)).splitlines()[0])
        for field in dataclasses.fields(group):
            lines += _lines(
                field.name, getattr(group, field.name), _said_of(field), width
            )
        lines.append("")
    if not any("config" in type(group).__dataclass_fields__ for group in settings):
        lines.append("Files of settings:")
        lines += _lines("config", None, CONFIG, width)
    return "\n".join(lines)


def listing(groups: dict[str, dict[str, str]], end: str) -> str:
    """{group: {name: what it is}}, a line each; on a terminal no wider than that."""
    width = waiting.width()
    indent = 4 + max(len(name) for rows in groups.values() for name in rows)
    lines = []
    for group, rows in groups.items():
        lines.append(f"{group}:")
        lines += [cut(f"  {name:<{indent - 2}}{rows[name]}", width) for name in rows]
        lines.append("")
    return "\n".join([*lines, end])


def cut(line: str, width: int | None) -> str:
    """The line without what goes beyond a width; None: all of it."""
    if width is None or len(line) <= width:
        return line
    return f"{line[: width - 1].rstrip()}…"


def _prose(text: str, width: int) -> list[str]:
    """The lines of a docstring; paragraphs wider than the terminal are filled anew."""
    lines = []
    for paragraph in text.split("\n\n"):
        own = paragraph.splitlines()
        if any(len(line) > width for line in own) and "\n    " not in f"\n{paragraph}":
            own = textwrap.wrap(
                paragraph,
                max(20, width),
                break_long_words=False,
                break_on_hyphens=False,
            )
        lines += [*own, ""]
    return lines[:-1]


def _said_of(field: dataclasses.Field) -> str:
    text = field.metadata["help"]
    if field.metadata["positional"]:
        text += "; also as arguments without the flag"
    if field.metadata["choices"]:
        text += f" ({', '.join(field.metadata['choices'])})"
    if field.metadata["names"]:
        text += f"; --list_{field.metadata['names']} shows all"
    return text


def _lines(name: str, default, text: str, width: int) -> list[str]:
    if isinstance(default, tuple):
        default = ",".join(str(item) for item in default)
    head = f"  --{name}" if default is None else f"  --{name}={default}"
    indent = 34 if width >= NARROW else 6
    lines = textwrap.wrap(text, max(20, width - indent))
    body = [" " * indent + line for line in lines]
    if len(head) > indent - 2:
        return [head, *body]
    return [head + body[0][len(head) :], *body[1:]]
