"""The frame of every page: one file, light or dark, for a phone and for paper."""

import html
import pathlib
import string

HERE = pathlib.Path(__file__).parent


def page(
    title: str, body: str, *, styles: tuple[pathlib.Path, ...] = (), more=""
) -> str:
    """A page as HTML.

    Args:
      title: of the window, as text.
      body: HTML.
      styles: CSS files of its own, after the style of all pages.
      more: CSS that was made for it.
    """
    every = (HERE / "base.css", *styles)
    style = "".join(path.read_text(encoding="utf-8") for path in every) + more
    frame = (HERE / "frame.html").read_text(encoding="utf-8")
    return string.Template(frame).substitute(
        title=html.escape(title), style=style, body=body.strip()
    )
