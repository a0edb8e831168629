"""The tour as a notebook: a cell for each section, which computes it and shows it.

    python -m rnn_research.tour.notebook runs/tour docs/tour.ipynb

writes it from what a tour has computed.
"""

import html
import json
import pathlib
import sys
from collections.abc import Sequence

from rnn_research import files
from rnn_research.tour import base, blocks, carrying_out, page
from rnn_research.tour.sections import sections
from rnn_research.web import frame

START = """from rnn_research.tour import notebook

tour = notebook.Tour("runs/tour")"""


class Shown:
    """A section, as a notebook shows it."""

    def __init__(self, told: carrying_out.Told):
        self.told, self.blocks = told, told.blocks

    def __repr__(self) -> str:
        return f"{self.told.section.title}: {len(self.blocks)} blocks"

    def _repr_html_(self) -> str:
        if self.told.missing:
            return f"<p>Left out: {html.escape(self.told.missing)}</p>"
        own = [each for each in self.blocks if not isinstance(each, base.Audio)]
        inner = "".join(blocks.of(each, self.told.section.name) for each in own)
        return f'<div class="tour"><style>{_style(inner)}</style>{inner}</div>'


class Tour:
    """Sections by their names, each computed when it is first shown.

    Args:
      folder: where they are computed; those that are there are read.
    """

    def __init__(self, folder: str, *, small: bool = False):
        self.folder, self.small = pathlib.Path(folder), small

    def show(self, name: str) -> Shown:
        """The section of that name."""
        (section,) = (own for own in sections() if own.name == name)
        options = {"small": self.small, "say": lambda line: None}
        (told,) = carrying_out.carry_out([section], self.folder, **options)
        return Shown(told)


def _style(body: str) -> str:
    """The style of the page, for what is in the cell alone."""
    every = (frame.HERE / "base.css", page.HERE / "page.css")
    text = "".join(path.read_text(encoding="utf-8") for path in every)
    text = (text + page.colors_of(body)).replace(":root", "&")
    return " ".join(f".tour {{ {text} }}".split())


def write(told: Sequence[carrying_out.Told], path: pathlib.Path):
    """Write the notebook with what its cells show."""
    lead = " ".join(page.LEAD.split())
    cells = [
        _cell("begin", f"# {page.TITLE}\n\n{lead}\n\n[The page](tour.html) moves."),
        _cell("start", START, code=True),
    ]
    for own in told:
        name = own.section.name
        cells.append(_cell(f"{name}-title", f"## {own.section.title}"))
        cells.append(_cell(name, f'tour.show("{name}")', code=True, shown=Shown(own)))
    programs = [each for each in cells if each["cell_type"] == "code"]
    for count, cell in enumerate(programs, 1):
        cell["execution_count"] = count
        for output in cell["outputs"]:
            output["execution_count"] = count
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    content = {
        "cells": cells,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    text = json.dumps(content, indent=1, ensure_ascii=False)
    files.write_atomically(path, text + "\n")


def _cell(name: str, text: str, *, code: bool = False, shown: Shown | None = None):
    source = text.splitlines(keepends=True)
    own = {"cell_type": "markdown", "id": name, "metadata": {}, "source": source}
    if not code:
        return own
    outputs = []
    if shown is not None:
        data = {"text/html": [shown._repr_html_()], "text/plain": [repr(shown)]}
        outputs = [{"output_type": "execute_result", "data": data, "metadata": {}}]
    return own | {"cell_type": "code", "outputs": outputs, "execution_count": None}


if __name__ == "__main__":
    write(
        carrying_out.carry_out(sections(), pathlib.Path(sys.argv[1])),
        pathlib.Path(sys.argv[2]),
    )
