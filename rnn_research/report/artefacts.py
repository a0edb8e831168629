"""What applications left in the folders of their runs, read with care, and shown."""

import base64
import html
import os
import pathlib
from typing import NamedTuple

from rnn_research import errors, files
from rnn_research.report import records
from rnn_research.runs.artefacts import (
    FILE,
    KINDS,
    LINK,
    PICTURE,
    SOUND,
    TABLE,
)
from rnn_research.web import markup

MOST = 50  # artefacts of a run
READ = 100_000  # bytes of a text, of which the beginning is shown
LINES, COLUMNS, CELL = 30, 12, 300  # of a table; letters of its cells
LETTERS = 4000  # of a text
CAPTION = 1500  # letters of a caption
LARGEST = 4_000_000  # bytes of a picture or a sound inside of the page
ALL = 10_000_000  # bytes of all of them; what is beyond is shown from its place
DOTS = 2  # of a picture on a pixel of the page: figures are fine
FORMATS = {  # kind -> name, media type, and the bytes that it begins with
    PICTURE: ("PNG", "image/png", {0: b"\x89PNG\r\n\x1a\n"}),
    SOUND: ("WAV", "audio/wav", {0: b"RIFF", 8: b"WAVE"}),
}


class Artefact(NamedTuple):
    """A file that a program declared, and that is what it was declared to be."""

    name: str  # relative to the folder
    kind: str
    caption: str
    content: bytes  # of texts the beginning; of what is too large, or a link, nothing
    is_whole: bool


def read(folder: pathlib.Path) -> tuple[list[Artefact], list[str]]:
    """The artefacts of a run, in the order of their kinds, and what is left out."""
    try:
        known = files.read_json(folder / FILE) or {}
    except errors.RunError as error:
        return [], [errors.cut(str(error))]
    found, notes = [], []
    for name, entry in list(known.items())[:MOST]:
        try:
            found.append(_read(folder, name, entry))
        except errors.RunError as error:
            notes.append(
                errors.cut(f"{folder / FILE}: {records.plain(name)!r} {error}")
            )
    if len(known) > MOST:
        notes.append(f"{folder / FILE}: only the first {MOST} are shown")
    return sorted(found, key=lambda one: KINDS.index(one.kind)), notes


def _read(folder: pathlib.Path, name: str, entry) -> Artefact:
    """The artefact of an entry; errors.RunError says why there is none."""
    kind = entry.get("kind") if isinstance(entry, dict) else None
    if kind not in KINDS:
        raise errors.RunError(f"is of no kind that is known ({', '.join(KINDS)})")
    caption = entry.get("caption")
    caption = records.plain(caption, CAPTION) if isinstance(caption, str) else ""
    try:
        path, inside = (
            pathlib.Path(os.path.realpath(each)) for each in (folder / name, folder)
        )
        if not path.is_relative_to(inside):
            raise errors.RunError("is outside of the run's folder")
        if not path.is_file():
            raise errors.RunError("is missing")
        content, is_whole = _content(path, kind)
    except (OSError, ValueError) as error:  # a name may be none
        raise errors.RunError(f"cannot be read: {errors.one_line(error)}") from None
    return Artefact(name, kind, caption, content, is_whole)


def _content(path: pathlib.Path, kind: str) -> tuple[bytes, bool]:
    """What is to be shown of a file, and whether that is all of it."""
    if kind == LINK:
        return b"", True
    with path.open("rb") as file:
        content = file.read((LARGEST if kind in FORMATS else READ) + 1)
    if not content:
        raise errors.RunError("is empty")
    if kind not in FORMATS:
        return content[:READ], len(content) <= READ
    name, _, beginning = FORMATS[kind]
    if any(not content.startswith(own, at) for at, own in beginning.items()):
        raise errors.RunError(f"is no {name}")
    return (content, True) if len(content) <= LARGEST else (b"", False)


# ---------------------------------------------------------------------------- showing


def section(folders: dict[pathlib.Path, tuple[str, list]], page: pathlib.Path) -> str:
    """The section of the page; nothing where there are no artefacts.

    Pictures and sounds are inside of the page, up to 10 MB together. What is beyond is
    shown from its place in the folder of the run.

    Args:
      folders: of each run's folder, what it is called and its artefacts.
    """
    parts, left = [], ALL
    for folder, (name, artefacts) in folders.items():
        if artefacts:
            parts.append(f"<h3>{html.escape(name)}</h3>")
        for one in artefacts:
            address = markup.address(markup.relative(folder / one.name, page.parent))
            inside = one.kind in FORMATS and 0 < len(one.content) <= left
            left -= len(one.content) * inside
            parts.append(_figure(one, address, inside))
    if not parts:
        return ""
    return (
        '<section aria-labelledby="made">\n<h2 id="made">What was made</h2>\n'
        + "\n".join(parts)
        + "\n</section>\n"
    )


def _figure(one: Artefact, address: str, inside: bool) -> str:
    file = f'<a href="{address}">{html.escape(records.plain(one.name))}</a>'
    caption = html.escape(one.caption)
    if one.kind == LINK:
        return f'<p class="small">{file}: {caption}</p>'
    shown, said = _of_kind(one, address, inside)
    return (
        f'<figure class="made">{shown}<figcaption>{caption} {said}{file}</figcaption>'
        "</figure>"
    )


def _of_kind(one: Artefact, address: str, inside: bool) -> tuple[str, str]:
    """The artefact as HTML, and what is said of the part that is shown."""
    if one.kind in FORMATS:
        source = address
        if inside:
            coded = base64.b64encode(one.content).decode()
            source = f"data:{FORMATS[one.kind][1]};base64,{coded}"
        label = html.escape(one.caption)
        if one.kind == PICTURE:
            size = int.from_bytes(one.content[16:20]) // DOTS
            width = f' width="{size}"' * (size > 0)
            drawn = f'<img src="{source}" alt="{label}"{width} loading="lazy">'
            return f'<a href="{address}">{drawn}</a>', ""
        return f'<audio controls preload="none" src="{source}"></audio>', ""
    text = _clean(one.content.decode("utf-8", errors="replace"))
    if one.kind == TABLE:
        return _table(text, one.is_whole)
    said = "" if one.is_whole and len(text) <= LETTERS else "The beginning of "
    return f'<pre dir="auto">{html.escape(text[:LETTERS])}</pre>', said


def _table(text: str, is_whole: bool) -> tuple[str, str]:
    lines = text.rstrip("\n").split("\n")
    head, *rows = (
        [cell[:CELL] for cell in line.split("\t")[:COLUMNS]]
        for line in lines[: LINES + 1]
    )
    even = [(row + [""] * len(head))[: len(head)] for row in rows]
    said, more = "", len(lines) - 1 > len(rows)
    if more or not is_whole:
        count = f"of {len(lines) - 1} " * is_whole
        said = f"The first {len(rows)} {count}lines of "
    return markup.table(head, even), said


def _clean(text: str) -> str:
    """The text without what has no place in a page; ends of lines are '\\n'."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        c if c >= " " and c != "\x7f" or c in "\n\t" else "\ufffd" for c in text
    )
