"""The panels of a look inside: states, gates, candidates and attentions over time."""

import math
from typing import NamedTuple

import numpy as np

from rnn_research.diagnostics.inside import Inside, Recurrent

MOST_UNITS = 64  # of a part of the state or a gate
MOST_LAYERS = 4  # of a network
UNBOUNDED = -math.inf, math.inf


class Panel(NamedTuple):
    """A part of the state, a gate, a candidate or an attention, over the sequence.

    Attributes:
      kind: 'state', 'gate', 'candidate' or 'attention'.
      low, high: the range of the values.
      values: before or after -> [n, T].
    """

    kind: str
    name: str
    low: float
    high: float
    values: dict[str, np.ndarray]


def spread(count: int) -> list[int]:
    """At most MOST_LAYERS of so many places, evenly spread."""
    found = np.unique(np.linspace(0, count - 1, min(count, MOST_LAYERS)).round())
    return found.astype(int).tolist()


def of_recurrence(own: dict[str, Recurrent]) -> list[Panel]:
    """Of each part and gate, its units in the order of the last weights' state.

    That order is by the direction in which the state moves most, so that units that
    move alike lie beside each other; of many units those that move most.
    """
    last = own[next(reversed(own))]
    orders: dict[int, np.ndarray] = {}
    for values in [*last.states.values(), *last.gates.values()]:
        orders.setdefault(values.shape[1], _order(values))
    found = []
    for of in ("states", "gates"):
        for name, example in getattr(last, of).items():
            order = orders[example.shape[1]]
            values = {
                weights: getattr(each, of)[name][:, order].T
                for weights, each in own.items()
            }
            kind, (low, high) = "state", UNBOUNDED
            if of == "gates":
                low, high, is_candidate = last.ranges[name]
                kind = "candidate" if is_candidate else "gate"
            if not math.isfinite(high - low):
                high = max(_largest(each) for each in values.values()) or 1.0
                low = -high
            found.append(Panel(kind, name, low, high, values))
    return found


def moves(panels: list[Panel]) -> dict[str, dict[str, np.ndarray]]:
    """`Look.moves`, of gates; of those without a sign if there are some."""
    gates = [panel for panel in panels if panel.kind == "gate"]
    gates = [gate for gate in gates if gate.low >= 0] or gates
    gates = gates or [panel for panel in panels if panel.kind == "candidate"]

    def moved(values: np.ndarray, gate: Panel) -> np.ndarray:
        away = np.abs(values - np.median(values, axis=1, keepdims=True))
        return away.mean(axis=0) / (gate.high - gate.low)

    return {
        gate.name: {name: moved(own, gate) for name, own in gate.values.items()}
        for gate in gates
    }


def of_attentions(found: dict[str, Inside]) -> list[Panel]:
    """What of the steps each step looks at, of at most MOST_LAYERS attentions.

    The first steps have few to look at, so their shares are large: what is dark is the
    largest of the second half.
    """
    last = found[next(reversed(found))].attentions
    panels = []
    for index in spread(len(last)):
        values = {name: own.attentions[index].T for name, own in found.items()}
        high = max(own[:, own.shape[1] // 2 :].max() for own in values.values())
        name = f"{index + 1} of {len(last)}" if len(last) > 1 else "to the steps"
        panels.append(Panel("attention", name, 0.0, float(high), values))
    return panels


def to_source(found: dict[str, Inside]) -> list[Panel]:
    """What of the source each step looks at, if there is attention to it."""
    shares = {name: own.shares for name, own in found.items()}
    if any(own is None for own in shares.values()):
        return []
    values = {name: own.T for name, own in shares.items()}
    return [Panel("attention", "to the source", 0.0, 1.0, values)]


def _order(values: np.ndarray) -> np.ndarray:
    """Units [at most MOST_UNITS] of values [T, n]."""
    moved = np.nan_to_num(values - values.mean(axis=0), posinf=0, neginf=0)
    most = np.argsort(-moved.var(axis=0), kind="stable")[:MOST_UNITS]
    direction = np.linalg.svd(moved[:, most], full_matrices=False)[2][0]
    return most[np.argsort(direction, kind="stable")]


def _largest(values: np.ndarray) -> float:
    known = np.abs(values[np.isfinite(values)])
    return float(known.max()) if len(known) else 0.0
