"""All commands, a line each: what `python -m experiments` prints."""

import ast
import importlib.util
import itertools
import pathlib

from rnn_research import errors, waiting
from rnn_research.config import help_page

FOLDER = pathlib.Path(__file__).parent.parent / "experiments"
GROUPS = {
    "Train a network": ("train", "adding_problem", "copy_memory"),
    "Applications on real data": (
        "anomaly_detection",
        "captioning",
        "char_lm",
        "compare_applications",
        "failure_prediction",
        "forecasting",
        "global_forecasting",
        "music",
        "sequential_images",
        "speech",
        "text_classification",
        "time_series_classification",
        "translation",
    ),
    "Many runs": ("sweep", "compare", "atlas", "reproduce"),
    "Speed and memory": (
        "engine_speed",
        "fused_speed",
        "gpu_day",
        "gradient_floor",
        "kernel_resources",
        "long_sequences",
        "newton_speed",
        "scaling",
        "training_speed",
    ),
    "Check and prepare": ("check_cell", "check_task", "prepare_data"),
}
OTHERS = "Look inside and measure"  # the group of all that the table does not name


def groups() -> dict[str, dict[str, str]]:
    """{group: {program: the first line of its docstring}}, read and not imported."""
    files = sorted(FOLDER.glob("[!_]*.py"))
    titles = {path.stem: title(path) for path in files}
    grouped = set(itertools.chain(*GROUPS.values()))
    others = tuple(name for name in titles if name not in grouped)
    named = list(GROUPS.items())
    named.insert(2, (OTHERS, others))
    return {
        group: {name: titles[name] for name in names if name in titles}
        for group, names in named
    }


def title(path: pathlib.Path) -> str:
    """The first paragraph of the docstring of a file in one line; '' if it has none."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split())


def text() -> str:
    """All commands by group, as wide as the terminal."""
    head = "python -m experiments.NAME, and --help for its settings"
    return help_page.listing(groups(), head)


def main():
    """What `python -m experiments` and `python -m rnn_research` do.

    Raises:
      errors.UsageError: `experiments` is another package, which Python finds first.
    """
    found = importlib.util.find_spec(FOLDER.name)
    if pathlib.Path(found.origin or "").parent != FOLDER:
        other = pathlib.Path(found.origin or FOLDER).parent
        raise errors.UsageError(
            f"python -m {FOLDER.name}.NAME runs another package of that name, {other}; "
            "rename that, start in another folder, or install this library in an "
            "environment of its own"
        )
    waiting.show(text())
