"""Pieces of HTML: tables and addresses."""

import html
import os
import pathlib
import urllib.parse


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table, of which the first cell of each row is its head."""
    top = "".join(f'<th scope="col">{html.escape(text)}</th>' for text in head)
    body = "".join(
        f'<tr><th scope="row" dir="auto">{html.escape(row[0])}</th>'
        + "".join(f'<td dir="auto">{html.escape(text)}</td>' for text in row[1:])
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll" tabindex="0"><table><thead><tr>{top}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def relative(path: pathlib.Path, folder: pathlib.Path) -> str:
    """The path as seen from a folder."""
    return pathlib.Path(os.path.relpath(path, folder)).as_posix()


def address(path: str) -> str:
    """The address of a relative path, fit for an attribute."""
    quoted = urllib.parse.quote(
        path, errors="surrogateescape"
    )  # bytes that are no text
    return html.escape("./" * (path[0] not in "./") + quoted)
