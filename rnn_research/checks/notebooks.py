"""Notebooks as they are read: their text, code and what the code gave.

markdown(path)      a page
code(path)          the program that all cells make
"""

import json
import pathlib


def cells(path: pathlib.Path) -> list[dict]:
    """The cells of a notebook, in order."""
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def code(path: pathlib.Path) -> list[str]:
    """The code of each cell that has code."""
    return ["".join(c["source"]) for c in cells(path) if c["cell_type"] == "code"]


def markdown(path: pathlib.Path) -> str:
    """A notebook as a page, with what its code printed and drew."""
    return "\n\n".join(part for cell in cells(path) for part in _cell(cell))


def _cell(cell: dict) -> list[str]:
    source = "".join(cell["source"])
    if cell["cell_type"] != "code":
        return [source]
    return [f"```python\n{source}\n```", *map(_output, cell["outputs"])]


def _output(output: dict) -> str:
    data = output.get("data", {})
    if "image/png" in data:
        return (
            f"![a figure](data:image/png;base64,{''.join(data['image/png']).strip()})"
        )
    if "text/html" in data:
        return "".join(data["text/html"])
    text = "".join(output.get("text") or data.get("text/plain", ""))
    return f"```text\n{text.rstrip()}\n```"
