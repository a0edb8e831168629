"""A published claim as a value: what it says, how it is measured, when it holds.

An entry is a file with one `Reproduction`. What it trains is a list of runs, as
`rnn_research.sweeps` takes it; `measure` gets what they came to, and gives numbers and
curves. A gate is a number with the range in which the claim holds. Whether it is firm,
from a closed form or a published curve, or a proposal, is said where it stands.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from rnn_research import errors

REPRODUCED, PARTLY, NOT_REPRODUCED = "reproduced", "partly", "not reproduced"


class Gate(NamedTuple):
    """A number that the claim speaks of.

    Attributes:
      what: it is, with its unit: 'MSE of the GRU, the median of 3 seeds'.
      published: what the source reports of it, in its words' sense.
      low, high: the claim holds from low to high; None: no limit.
      firm: from a closed form or a published number; else a proposal, and the
        protocol says how it was calibrated.
    """

    what: str
    published: str
    low: float | None = None
    high: float | None = None
    firm: bool = True

    def holds(self, value: float) -> bool:
        low = -math.inf if self.low is None else self.low
        high = math.inf if self.high is None else self.high
        return low <= value <= high

    @property
    def range(self) -> str:
        """`at most 0.01`, `0.085 to 0.105`."""
        if self.low is None or self.high is None:
            end, word = (
                (self.high, "at most") if self.low is None else (self.low, "at least")
            )
            return "any" if end is None else f"{word} {end:.4g}"
        return f"{self.low:.4g} to {self.high:.4g}"


class Measured(NamedTuple):
    """The value of a gate, and what it is made of.

    Attributes:
      each: {seed, or another case: its number}.
    """

    value: float
    each: Mapping[str, float] = {}

    @classmethod
    def median(cls, each: Mapping) -> "Measured":
        return cls(statistics.median(each.values()), _texts(each))

    @classmethod
    def count(cls, each: Mapping) -> "Measured":
        """How many of the cases hold, of which each is true or false."""
        return cls(float(sum(each.values())), _texts(each))

    @classmethod
    def largest(cls, each: Mapping) -> "Measured":
        return cls(max(each.values()), _texts(each))

    @classmethod
    def least(cls, each: Mapping) -> "Measured":
        return cls(min(each.values()), _texts(each))


def _texts(each: Mapping) -> dict[str, float]:
    if not each:
        raise errors.RunError("nothing was measured for a gate")
    return {str(name): float(value) for name, value in each.items()}


class Line(NamedTuple):
    """A curve of the figure.

    Attributes:
      panel: which, by its title.
      label: in the legend; the same for the same cell.
      published: it is the source's, or what it predicts; else it was measured.
    """

    panel: str
    label: str
    x: Sequence[float]
    y: Sequence[float]
    published: bool = False


class Panel(NamedTuple):
    """Axes of the figure."""

    title: str
    x: str
    y: str
    log_x: bool = False
    log_y: bool = False
    level: tuple[float, str] | None = None  # a line across, such as a baseline


class Found(NamedTuple):
    """What was measured.

    Attributes:
      gates: {name: its value}, of every gate of the entry.
      lines, panels: of the figure.
      notes: sentences for the page, such as a difference from the paper that was seen.
    """

    gates: dict[str, Measured]
    lines: list[Line]
    panels: list[Panel]
    notes: list[str] = []


class Trained(NamedTuple):
    """What a run of the list came to.

    Attributes:
      settings: as the list has them.
      seed: of this run.
      record: its rows of metrics.jsonl.
      end: of summary.json: outcome, steps, validation and test.
      folder: of it, for `rnn_research.load`.
    """

    settings: dict
    seed: int
    record: list[dict]
    end: dict
    folder: str


class Reproduction(NamedTuple):
    """A claim that can be measured.

    Attributes:
      number: in the list.
      claim: a sentence.
      source: authors, year, arXiv number, and the part of it.
      protocol: what is done, and where it differs from the source.
      gates: {name: gate}.
      measure: (what the runs came to) -> Found.
      minutes: about, on 2 CPU cores.
      runs: () -> a list of (experiment, settings); [] where nothing is trained.
      needs_gpu: it is not run without one.
      precision: the numbers that `measure` makes are float32, or float64; a training
        has the precision of its settings.
    """

    number: int
    name: str
    claim: str
    source: str
    protocol: str
    gates: dict[str, Gate]
    measure: Callable[[list[Trained]], Found]
    minutes: float
    runs: Callable[[], list[tuple[str, dict]]] = list
    needs_gpu: bool = False
    precision: str = "float32"


def verdict(gates: dict[str, Gate], found: Mapping[str, Measured]) -> str:
    """Reproduced if all gates hold, not if none does, else partly.

    Raises:
      errors.RunError: what was measured is not what the gates ask for.
    """
    if gates.keys() != found.keys():
        raise errors.RunError(
            f"the gates are {', '.join(gates)}, measured was {', '.join(found)}"
        )
    held = sum(gate.holds(found[name].value) for name, gate in gates.items())
    if held == len(gates):
        return REPRODUCED
    return PARTLY if held else NOT_REPRODUCED


def of(trained: list[Trained], **settings) -> list[Trained]:
    """Those with these settings."""
    return [own for own in trained if settings.items() <= own.settings.items()]


def by_seed(trained: list[Trained], number: Callable[[Trained], float]) -> dict:
    """{seed: a number of its run}."""
    return {own.seed: number(own) for own in trained}


def solved(updates: Mapping[int, float]) -> Measured:
    """How many seeds were: those of which the updates, by seed, are finite."""
    return Measured.count({seed: math.isfinite(own) for seed, own in updates.items()})


def told(updates: Mapping[str, Mapping[int, float]]) -> list[str]:
    """Sentences for the page: of how many seeds each case was solved, and when."""
    sentences = []
    for name, own in updates.items():
        when = [f"{value:,g}" for value in own.values() if math.isfinite(value)]
        after = f", after {', '.join(when)} updates" * bool(when)
        sentences.append(f"{name}: solved by {len(when)} of {len(own)} seeds{after}.")
    return sentences


def curves(trained: list[Trained], panel: str, label: Callable[[Trained], str]):
    """The validation loss of every run against updates."""
    return [
        Line(
            panel,
            label(own),
            [row["step"] for row in own.record],
            [row["loss"] for row in own.record],
        )
        for own in trained
        if own.record
    ]


def adding_panel(title: str) -> Panel:
    """Axes for the curves of adding."""
    level = (1 / 6, "always predicting 1")
    return Panel(title, "updates", "MSE", log_y=True, level=level)


def updates_to(own: Trained, loss: float) -> float:
    """Updates until the validation loss was below that first; inf: never."""
    return next((row["step"] for row in own.record if row["loss"] < loss), math.inf)


def final_loss(own: Trained) -> float:
    """The validation loss at the end; inf where it is not finite."""
    loss = own.end["validation"]["loss"] if own.end["validation"] else math.nan
    return loss if math.isfinite(loss) else math.inf
