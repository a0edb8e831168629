"""The memory span of cells: the longest T at which each learns a task."""

import math
import pathlib
import statistics
from typing import NamedTuple

from rnn_research import errors, hardware, models, report, runs, runtime, training
from rnn_research.runs import side_by_side
from rnn_research.training.outcomes import SOLVED


class Tried(NamedTuple):
    """A cell at a length.

    Attributes:
      solved: the seeds that solved the task.
    """

    cell: str
    length: int
    folder: pathlib.Path
    solved: frozenset[int]
    seeds: frozenset[int]


def search(
    settings, folder: pathlib.Path, run_config: runtime.RunConfig
) -> list[Tried]:
    """Each cell at doubled lengths up to the first that no seed solves, then between.

    Args:
      settings: with cells, task, shortest, longest, bisections and those of a training.

    Raises:
      errors.UsageError: what is asked does not fit together.
    """
    if settings.shortest > settings.longest:
        raise errors.UsageError(
            f"--shortest={settings.shortest} is more than --longest="
            f"{settings.longest}; lower it"
        )
    lengths = [settings.shortest]
    while 2 * lengths[-1] <= settings.longest:
        lengths.append(2 * lengths[-1])
    found: list[Tried] = []
    doubled = [(cell, length) for length in lengths for cell in settings.cells]
    _try(doubled, settings, folder, run_config, found)
    for _ in range(settings.bisections):
        halved = [(cell, _between(cell, found)) for cell in settings.cells]
        halved = [(cell, length) for cell, length in halved if length]
        if halved:
            _try(halved, settings, folder, run_config, found)
    return found


def _try(asked, settings, folder, run_config, found: list[Tried]):
    """Add what came of each (cell, length), but for those beyond one not learned."""

    def wanted(plan) -> bool:
        failed = [one.length for one in _of(plan.model.cell, found) if not one.solved]
        return plan.task.length < min(failed, default=math.inf)

    plans = [_plan(cell, length, settings) for cell, length in asked]
    given = "memory_span", plans, folder, run_config
    for plan, _, result in side_by_side.trained(*given, wanted=wanted):
        every = {run.seed for run in result.runs}
        solved = {run.seed for run in result.runs if run.summary["outcome"] == SOLVED}
        found.append(
            Tried(
                plan.model.cell,
                plan.task.length,
                result.folder,
                frozenset(solved),
                frozenset(every),
            )
        )


def _plan(cell: str, length: int, settings) -> side_by_side.Plan:
    return side_by_side.Plan(
        labels={"cell": cell, "length": f"T{length}"},
        model=models.ModelConfig(cell=cell, hidden_size=settings.hidden_size),
        task=runs.TaskConfig(task=settings.task, length=length),
        train=training.TrainConfig(
            seeds=settings.all_seeds(),
            num_steps=settings.num_steps,
            batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            eval_every=min(100, settings.num_steps),
            diagnose_every=settings.num_steps,
        ),
    )


def _of(cell: str, found: list[Tried]) -> list[Tried]:
    return [one for one in found if one.cell == cell]


def _between(cell: str, found: list[Tried]) -> int | None:
    """The T in the middle of what a cell learned and what it did not."""
    own = _of(cell, found)
    high = min((one.length for one in own if not one.solved), default=None)
    low = max((one.length for one in own if one.solved), default=None)
    if high is None or low is None or high - low < 2:
        return None
    return (low + high) // 2


def spans(own: list[Tried]) -> list[int]:
    """Of each seed the T up to which it solved all that were tried; 0: none."""
    ordered = sorted(own, key=lambda one: one.length)
    found = []
    for seed in sorted(ordered[0].seeds):
        longest = 0
        for one in ordered:
            if seed not in one.solved:
                break
            longest = one.length
        found.append(longest)
    return found


def rows(tried: list[Tried], networks: list[report.Network]) -> list[dict]:
    """A row a cell, the longest memory first.

    Columns: cell, span (the median over seeds), least, greatest, tried (the longest T),
    and before training, at that T: reach (the lag at which 1 % of the gradient is left)
    and exponent (ln of what a step leaves of it).
    """
    known = {folder: one for one in networks for folder in one.folders}
    found = []
    for cell in dict.fromkeys(one.cell for one in tried):
        own = _of(cell, tried)
        each, network = spans(own), known[own[0].folder]
        found.append(
            {
                "cell": cell,
                "span": statistics.median(each),
                "least": min(each),
                "greatest": max(each),
                "seeds": len(each),
                "tried": max(one.length for one in own),
                "updates": network.updates,
                "reach": network.reach,
                "exponent": network.exponent,
            }
        )
    return sorted(found, key=lambda row: (-row["span"], row["updates"]))


def page(said: str, rows: list[dict], settings) -> str:
    """The sentence, and the table with what it was measured on."""
    lines = [
        "# Memory span",
        "",
        said,
        "",
        f"The longest T of {settings.task} that each cell learns in "
        f"{settings.num_steps:,} updates: the median over {rows[0]['seeds']} seeds "
        f"(least to greatest). {settings.hidden_size} units, learning rate "
        f"{settings.learning_rate:g}. Reach: the lag at which 1 % of the gradient is "
        "left before training, at the longest T tried. Exponent: ln of what a step "
        "leaves of it.",
        "",
        "| cell | span | tried up to | updates at the span | reach | exponent |",
        "|---" * 6 + "|",
    ]
    for row in rows:
        spread = f"{row['span']:g} ({row['least']} to {row['greatest']})"
        updates = "-" if math.isinf(row["updates"]) else f"{row['updates']:g}"
        reach = "all lags" if math.isinf(row["reach"]) else _known(row["reach"])
        lines.append(
            f"| {row['cell']} | {spread} | {row['tried']} | {updates} "
            f"| {reach} | {_known(row['exponent'])} |"
        )
    return "\n".join([*lines, "", hardware.machine(["jax"])]) + "\n"


def _known(number: float) -> str:
    return "-" if math.isnan(number) else f"{number:.3g}"
