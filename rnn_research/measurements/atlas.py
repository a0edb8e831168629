"""The atlas: every cell on eight small tasks at equal parameters and equal updates."""

import functools
import itertools
import math
import pathlib
import statistics
from typing import NamedTuple

import jax

from rnn_research import cells, engines, errors, files, models, waiting
from rnn_research.cells.base import Cell
from rnn_research.layers import architectures
from rnn_research.resolve import resolve


class Asked(NamedTuple):
    """A task of the atlas, small enough for some ten seconds a run on 2 cores.

    Attributes:
      metric: from which the score is computed; None: the loss.
      asks: what a network has to hold, in a few words.
    """

    task: str
    length: int | None
    num_steps: int
    metric: str | None
    asks: str
    batch_size: int = 32


TASKS = {
    "copy": Asked(
        "copy_memory(symbols=5)", 20, 600, "recall_accuracy", "five symbols, in order"
    ),
    "adding": Asked("adding", 50, 600, None, "two numbers among many"),
    "recall": Asked(
        "mqar(pairs=2, vocabulary=16)",
        16,
        600,
        "recall_accuracy",
        "what goes with what",
    ),
    "parity": Asked("parity(head=step)", 20, 600, "accuracy", "a bit that flips"),
    "walk mod 3": Asked(
        "cycle_navigation(positions=3, head=step)",
        20,
        600,
        "accuracy",
        "a place of three",
    ),
    "noisy recall": Asked(
        "noisy_recall", 31, 600, "recall_accuracy", "what goes with what, among noise"
    ),
    "chaos": Asked(
        "mackey_glass(horizon=6)", 100, 400, None, "the past of an equation"
    ),
    "digits": Asked(
        "sequential_images(dataset=digits)", None, 600, "accuracy", "an image"
    ),
}
FAMILIES = {
    "gated": "gates on a dense state",
    "plain": "a dense state, without gates",
    "orthogonal": "a dense state that keeps its norm",
    "independent": "units on their own, nonlinear",
    "selective": "linear in the state, gated by the input",
    "invariant": "linear, the same at every step",
    "layer": "layers that are no cell",
}


@functools.cache
def family(name: str) -> str:
    """What kind of recurrence a cell is, by what it declares; a key of FAMILIES."""
    value = _made(name, 8)
    if not isinstance(value, Cell):
        return "layer"
    declared = value.structure
    if declared.linear_map:
        return "invariant"
    if not engines.associative().refusal(value):
        return "selective"
    if {"orthogonal", "volume-preserving"} & set(declared.properties):
        return "orthogonal"
    if declared.jacobian != "dense":
        return "independent"
    return "gated" if value.gates is not None else "plain"


def every_cell() -> list[str]:
    """Cells and layers by family, those that need no option."""
    names = [*cells.__all__, *architectures.__all__]
    return sorted(names, key=lambda name: (list(FAMILIES).index(family(name)), name))


@functools.cache
def _made(name: str, size: int):
    return resolve("cell", name, hidden_size=size)


# --------------------------------------------------------------- equal parameters

WIDTHS = 4, 1024  # of a network, the least and the most
STEP = 4  # widths that are tried: heads divide them
FIRST = 64


IN_BLOCKS = "independent", "selective", "invariant"


def block(cell: str) -> str:
    """The block around a cell: units that do not meet in the state meet there."""
    return "glu" if family(cell) in IN_BLOCKS else "none"


def width(cell: str, task, parameters: int, near: int = FIRST) -> int:
    """The width at which the network has nearest to so many parameters.

    Args:
      near: where it is looked for first.

    Raises:
      errors.UsageError: no width that was tried fits the cell.
    """
    widths = range(WIDTHS[0], WIDTHS[1] + 1, STEP)
    last = len(widths) - 1

    @functools.cache
    def count(index: int) -> float:
        return count_of(cell, task, widths[index])

    def fitting(index: int) -> int | None:
        """The first from there on that fits the cell."""
        return next((i for i in range(index, last + 1) if count(i) < math.inf), None)

    def is_small(index: int) -> bool:  # parameters grow with the width
        fits = fitting(index)
        return fits is not None and count(fits) < parameters

    low = high = widths.index(near)
    ahead = 1
    while high < last and is_small(high):
        low, high, ahead = high, min(last, high + ahead), 2 * ahead
    ahead = 1
    while low > 0 and not is_small(low):
        low, high, ahead = max(0, low - ahead), low, 2 * ahead
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_small(middle) else (low, middle)
    found = {fitting(low), fitting(high)} - {None}
    if not found:
        raise errors.UsageError(f"{cell}: no width from {WIDTHS[0]} on fits it")
    return widths[min(found, key=lambda i: abs(math.log(count(i) / parameters)))]


def count_of(cell: str, task, size: int) -> float:
    """Parameters of the network; inf where the cell takes no such width."""
    try:
        options = models.ModelConfig(cell=cell, hidden_size=size, block=block(cell))
        value = resolve("cell", cell, hidden_size=size)
        model = models.build(value, task, options)
        shapes = jax.eval_shape(model.init, jax.random.key(0))
    except errors.UsageError:
        return math.inf
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))


def widths(names, tasks, parameters: int, folder: pathlib.Path) -> dict[tuple, int]:
    """{(cell, task): width}, kept in a file: counting takes a while."""
    path = folder / "widths.json"
    kept = files.read_json(path) or {}
    pairs = list(itertools.product(names, tasks))
    found, near = {}, {}
    folder.mkdir(parents=True, exist_ok=True)
    with waiting.bar(len(pairs)) as bar:
        for number, (cell, asked) in enumerate(pairs):
            bar.update(number, f"counting the parameters of {cell}")
            one = TASKS[asked]
            key = f"{cell} on {one.task}, {parameters} parameters"
            if key not in kept:
                task = resolve("task", one.task, length=one.length)
                kept[key] = width(cell, task, parameters, near.get(cell, FIRST))
                files.write_json(path, kept)
            found[cell, asked] = kept[key]
            near[cell] = kept[key]
    return found


# ------------------------------------------------------------------------ scores


def score(metric: float, reference: float, perfect: float) -> float:
    """0 is what the reference reaches without memory, 1 is perfect; from 0 to 1."""
    if not math.isfinite(metric):
        return 0.0
    return min(1.0, max(0.0, (metric - reference) / (perfect - reference)))


def score_of(asked: Asked, task, end: dict) -> float:
    """The score of a run on test, 0 for one that diverged."""
    metric = asked.metric or "loss"
    reached = end["test"].get(metric, math.nan)
    known = task.references.get(metric, {}).values()
    if asked.metric is None:
        return score(reached, min(known), 0.0)
    return score(reached, max(known, default=0.0), 1.0)


class Place(NamedTuple):
    """A cell on a task: the best of its learning rates, over seeds.

    Attributes:
      scores: of the seeds, at that rate.
      seconds: of compute a run, the median.
      done, planned: runs.
    """

    cell: str
    task: str
    width: int
    rate: float
    scores: tuple[float, ...]
    seconds: float
    done: int
    planned: int

    @property
    def score(self) -> float:
        return statistics.median(self.scores)


def place(cell: str, asked: str, size: int, found, planned: int) -> Place | None:
    """What the runs of a cell on a task came to; None: there are none yet.

    The rate is chosen on validation, the score is of test.

    Args:
      found: runs, `atlas_runs.Run`.
    """
    if not found:
        return None
    of_rate: dict[float, list] = {}
    for run in found:
        of_rate.setdefault(run.learning_rate, []).append(run)
    rate = min(
        of_rate, key=lambda r: statistics.median(run.validation for run in of_rate[r])
    )
    return Place(
        cell,
        asked,
        size,
        rate,
        tuple(run.score for run in of_rate[rate]),
        statistics.median(run.seconds for run in found),
        len(found),
        planned,
    )


def sentence(kind: str, places: list[Place]) -> str:
    """What a family holds and what it does not, by the median over its cells."""
    of_family = [each for each in places if family(each.cell) == kind]
    own: dict[str, list[float]] = {}
    for each in of_family:
        own.setdefault(each.task, []).append(each.score)
    middle = {task: statistics.median(scores) for task, scores in own.items()}
    holds = [f"{task} ({score:.2f})" for task, score in middle.items() if score >= 0.8]
    lacks = [f"{task} ({score:.2f})" for task, score in middle.items() if score < 0.2]
    seconds = statistics.median(each.seconds for each in of_family)
    name = FAMILIES[kind]
    count = len({each.cell for each in of_family})
    cells = f"{count} cell{'s' * (count > 1)}"
    none = "nothing of this"
    return (
        f"{name[0].upper()}{name[1:]} ({cells}): holds {', '.join(holds) or none}, "
        f"lacks {', '.join(lacks) or none}; {seconds:.1f} s a run"
    )
