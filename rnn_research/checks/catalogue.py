"""The table of cells in docs/cells.md, read from the cells themselves."""

import inspect
import re

import jax

from rnn_research import cells, engines, markdown
from rnn_research.cells.base import Cell
from rnn_research.layers import architectures, as_layer

SIZE, INPUTS = 128, 2  # of the parameters that are counted: the adding problem's
COLUMNS = ("cell", "equation", "paper", "structure", "parallel in time", "parameters")


def table() -> str:
    """A Markdown table, one row per cell or layer."""
    rows = [
        row(name, getattr(module, name))
        for module in (cells, architectures)
        for name in module.__all__
    ]
    return markdown.table(COLUMNS, rows)


def row(name: str, make) -> tuple[str, ...]:
    """name, equation, paper, structure, engines, parameters at H = 128, D = 2."""
    value = make(SIZE)
    text = inspect.getdoc(make)
    params = jax.eval_shape(
        lambda key: as_layer(value).init(key, INPUTS), jax.random.key(0)
    )
    count = sum(leaf.size for leaf in jax.tree.leaves(params))
    parallel = ""
    if isinstance(value, Cell):
        parallel = "no" if engines.associative().refusal(value) else "yes"
    return (
        f"`{name}`",
        f"`{equation(text)}`".replace("|", "\\|"),
        paper(text),
        structure(value),
        parallel,
        f"{count:,}",
    )


def equation(text: str) -> str:
    """The line of a docstring's first indented block that gives the new state."""
    block = re.search(r"(?:^ {4}.*\n?|^\n)+", text, re.MULTILINE).group()
    spaced = re.sub(r" +(=|:) +", r" \1 ", _joined(block))
    parts = [part for line in spaced.splitlines() for part in re.split(r" {3,}", line)]
    lines = [part.strip(" ,;") for part in parts if " = " in part]
    states = ("h", "c", "S", "C", "s", "m", "z", "y", "v")
    for of_itself in (r".*\b{0}[_^]\S*-1", ""):  # such as h_t of h_{{t-1}}
        for symbol in states:
            for line in lines:
                if re.match(rf"{symbol}[_^]\S* = {of_itself.format(symbol)}", line):
                    return line
    return lines[-1]


def _joined(block: str) -> str:
    """With an equation that goes on in the next line, a bracket being open, in one."""
    text = ""
    for line in block.splitlines():
        goes_on = text.count("(") > text.count(")")
        text += f" {line.strip()}" if goes_on else f"\n{line}"
    return text


def paper(text: str) -> str:
    """`Cho et al. 2014, arXiv 1406.1078` from a docstring's title."""
    title = " ".join(text.split("\n\n")[0].split())
    cited = re.findall(r"\(([^()]*\b(?:19|20)\d\d[^()]*)\)", title)
    return cited[0] if cited else ""


def structure(value) -> str:
    """What is declared of a cell's Jacobian and maps; of a layer that it is one."""
    if not isinstance(value, Cell):
        return "layer"
    declared = value.structure
    said = [declared.jacobian]
    if isinstance(declared.jacobian, tuple):
        size = declared.jacobian[1]
        said = [f"blocks of {size} unit{'s' * (size > 1)}"]
    said += declared.properties
    if declared.linear_map:
        said.append("linear")
    if declared.surrogate:
        said.append("surrogate gradient")
    if value.inverse is not None:
        said.append("invertible")
    return ", ".join(said)
