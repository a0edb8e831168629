"""What the documentation site is made of beside docs/: hooks of mkdocs.

README.md is its first page, results/ a page with its figures, and the reference is
written from the docstrings. Links to files that are not on the site lead to the
reference of their package, or are left out.
"""

import pathlib
import posixpath
import re

from rnn_research.checks import notebooks, reference
from rnn_research.checks.pages import DOCS, ROOT

LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#]+)(#[^)]*)?\)")
PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)]+)\)")
ELSEWHERE = {
    "README.md": "index.md",
    "RESULTS.md": "claims.md",
    "results/README.md": "results.md",
}
CLAIMS = "results/reproductions"  # a page each, at its own place


def on_config(config):
    """The pages of the reference, in the navigation."""
    index = [{"Overview": "reference/index.md"}]
    pages = [{pathlib.PurePath(page).stem: page} for page in reference.pages()]
    config.nav = [
        {"Reference": index + pages} if entry == {"Reference": "reference/"} else entry
        for entry in config.nav
    ]
    return config


def on_files(files, config):
    """The pages and pictures that are not in docs/."""
    from mkdocs.structure.files import File

    def add(uri, **content):
        files.append(File.generated(config, uri, **content))

    for source, uri in ELSEWHERE.items():
        add(uri, content=(ROOT / source).read_text(encoding="utf-8"))
    for path in sorted((ROOT / CLAIMS).glob("*/*.md")):
        add(path.relative_to(ROOT).as_posix(), content=path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "results").rglob("*.png")):
        add(path.relative_to(ROOT).as_posix(), abs_src_path=str(path))
    for path in sorted(DOCS.glob("*.ipynb")):
        files.remove(files.get_file_from_path(path.name))
        add(_page_of(path), content=notebooks.markdown(path))
    for uri, content in reference.pages().items():
        add(uri, content=content)
    add("reference/index.md", content=_overview())
    return files


def _page_of(notebook: pathlib.Path) -> str:
    """What becomes of a notebook; beside a page of its name it has another."""
    beside = "_notebook" * notebook.with_suffix(".html").exists()
    return f"{notebook.stem}{beside}.md"


def _overview() -> str:
    rows = [
        f"- [{pathlib.PurePath(uri).stem}]({pathlib.PurePath(uri).name}): {title}"
        for uri, title in reference.titles().items()
    ]
    return "\n".join(["# Reference", "", "Every public name, by package.", "", *rows])


def on_page_markdown(markdown, page, files, **_):
    """Links as the site has them."""
    uri = page.file.src_uri
    sources = {there: here for here, there in ELSEWHERE.items()}
    source = sources.get(uri, uri if uri.startswith(CLAIMS) else f"docs/{uri}")
    folder = posixpath.dirname(source)

    def at(target: str) -> str:
        return posixpath.normpath(posixpath.join(folder, target))

    def relative(there: str) -> str:
        return posixpath.relpath(there, posixpath.dirname(uri) or ".")

    def link(found):
        text, target, anchor = found[1], found[2], found[3] or ""
        if "://" in target:
            return found[0]
        path = at(target)
        there = _on_site(path)
        if files.get_file_from_path(there):
            return f"[{text}]({relative(there)}{anchor})"
        return text if "`" in text else f"`{text}`" if text == path else text

    def picture(found):
        if ":" in found[2]:  # within the page, of a notebook
            return found[0]
        return f"![{found[1]}]({relative(at(found[2]).removeprefix('docs/'))})"

    return PICTURE.sub(picture, LINK.sub(link, markdown))


def _on_site(path: str) -> str:
    """Where the site has a file of the project."""
    if path.endswith(".ipynb"):
        path = f"docs/{_page_of(DOCS.parent / path)}"
    return ELSEWHERE.get(path) or reference.page_of(path) or path.removeprefix("docs/")
