"""What a trained network does over one sequence, before and after training.

looks = inside.of_run(runs.load("runs/mine"))
figure = plotting.inside(looks[0])
"""

import math
from typing import NamedTuple

import jax
import numpy as np

from rnn_research import diagnostics, runs
from rnn_research.diagnostics.inside import Inside, Recurrent
from rnn_research.tasks.base import Batch, Sourced, Task

BEFORE, AFTER = "before training", "after training"
MOST_UNITS = 64  # of a part of the state or a gate
MOST_LAYERS = 4  # of a network
UNBOUNDED = -math.inf, math.inf
KINDS = 3  # the most different values of a channel that marks steps
RARE = 0.15  # the share of the steps that it marks at most


class Panel(NamedTuple):
    """A part of the state, a gate, or the attention, over the sequence.

    Attributes:
      kind: 'state', 'gate' or 'attention'.
      low, high: the range of the values.
      values: before or after -> [n, T].
    """

    kind: str
    name: str
    low: float
    high: float
    values: dict[str, np.ndarray]


class Answers(NamedTuple):
    """What the network says, and what is right.

    Attributes:
      asked: the steps after which it is asked, [P].
      kind: 'classes', probabilities [P, O]; 'numbers', [P, O]; or 'outputs', of which
        the task alone knows what they mean.
      values: before or after -> [P, O].
      right: of classes [P], of numbers [P, O]; None where it is not known.
    """

    asked: np.ndarray
    kind: str
    values: dict[str, np.ndarray]
    right: np.ndarray | None


class Look(NamedTuple):
    """All that is drawn of a recurrence; of a network without one no `panels`.

    Attributes:
      title, caption: what is seen.
      name: of the recurrence, for a file.
      x: the inputs [T, D]; None of tokens.
      texts: what the tokens are, [T]; None of numbers.
      marked: the steps that a channel of the inputs marks.
      moves: gate -> before or after -> [T], how far its units are from where each is in
        the median over the sequence, their mean, as a share of the gate's range.
      sensitivity: before or after -> log10 ||dy/dx_t|| [T].
      of_source: whether `panels` are over the source and not over the steps.
    """

    title: str
    caption: str
    name: str
    x: np.ndarray | None
    texts: list[str] | None
    marked: list[int]
    panels: list[Panel]
    moves: dict[str, dict[str, np.ndarray]]
    answers: Answers
    sensitivity: dict[str, np.ndarray]
    of_source: bool


def of_run(
    one: runs.Loaded, *, sequence: int = 0, asked: int = -1, task: Task | None = None
) -> list[Look]:
    """A look at each recurrence of a trained run, at most four, evenly spread.

    Args:
      sequence: the seed that draws the sequence, of the validation split.
      asked: as of `diagnostics.look_inside`.
      task: in place of the run's, such as one of another length.

    Raises:
      errors.UsageError: there is no such step; or the two tasks are of other shapes.
    """
    task = task or one.task
    batch = task.sample(jax.random.key(sequence), 1)
    weights = {BEFORE: one.initial_params, AFTER: one.params}
    title = f"{task.name}, T = {task.length}, update {one.step}"
    return of_weights(one.model, task, batch, weights, title=title, asked=asked)


def of_weights(
    model, task: Task, batch: Batch, weights: dict, *, title: str, asked: int = -1
) -> list[Look]:
    """A look at each recurrence, as `of_run`, of weights by what they are."""
    found = {
        name: diagnostics.look_inside(model, params, batch, asked=asked)
        for name, params in weights.items()
    }
    last = next(reversed(found.values()))
    count = len(last.recurrences)
    chosen = np.unique(np.linspace(0, count - 1, min(count, MOST_LAYERS)).round())
    x, texts, marked = _inputs(batch, task, len(last.sensitivity))
    shared = {
        "x": x,
        "texts": texts,
        "marked": marked,
        "answers": _answers(found, batch),
        "sensitivity": {name: own.sensitivity for name, own in found.items()},
    }
    if not count:
        caption = _caption(None, list(found), marked, [], {})
        return [
            Look(
                title, caption, "inside", panels=[], moves={}, of_source=False, **shared
            )
        ]
    looks = []
    for index in map(int, chosen):
        own = {name: each.recurrences[index] for name, each in found.items()}
        one = own[next(reversed(own))]
        which = f", {_named(one, index, count)}" if count > 1 else ""
        panels = _panels(own)
        moves = _moves(panels)
        if one.reads == "steps":
            panels += _attention(found)
        looks.append(
            Look(
                title + which,
                _caption(one, list(found), marked, panels, moves),
                f"inside_{index + 1}" if count > 1 else "inside",
                panels=panels,
                moves=moves,
                of_source=one.reads == "source",
                **shared,
            )
        )
    return looks


def _named(one: Recurrent, index: int, count: int) -> str:
    text = f"recurrence {index + 1} of {count}"
    text += ", of the source" * (one.reads == "source")
    return text + ", from the end" * one.backward


def _inputs(batch: Batch, task: Task, steps: int):
    """(x [T, D], texts of tokens, steps that are marked), up to the last step."""
    given = batch.inputs
    tokens = np.asarray(given.steps if isinstance(given, Sourced) else given)[:steps, 0]
    if not task.network.tokens:
        return tokens, None, marked(tokens)
    texts = list(map(str, tokens))
    begins = task.network.inputs - 1 if task.network.source else None
    if task.vocabulary is not None:
        texts = [
            "(begin)" if token == begins else task.vocabulary.decode([token])
            for token in tokens.tolist()
        ]
    return None, texts, []


def marked(x: np.ndarray) -> list[int]:
    """The steps at which a channel of x [T, D] is not as it mostly is.

    Channels count that have three different values at most, as markers and symbols in
    one-hot have, and that are mostly, at 85 % of the steps, of one of these. Where they
    mark more than the other steps together, as equally likely symbols do, none is.
    """
    found = np.zeros(len(x), bool)
    for channel in x.T:
        values, counts = np.unique(channel, return_counts=True)
        if 1 < len(values) <= KINDS and counts.max() >= (1 - RARE) * len(x):
            found |= channel != values[counts.argmax()]
    return np.flatnonzero(found).tolist() if found.mean() <= 0.5 else []


# ---------------------------------------------------------------------- the panels


def _panels(own: dict[str, Recurrent]) -> list[Panel]:
    """Of each part and gate, its units in the order of the last weights' state.

    That order is by the direction in which the state moves most, so that units that
    move alike lie beside each other; of many units those that move most.
    """
    last = own[next(reversed(own))]
    orders: dict[int, np.ndarray] = {}
    for values in [*last.states.values(), *last.gates.values()]:
        orders.setdefault(values.shape[1], _order(values))
    found = []
    for kind, of in (("state", "states"), ("gate", "gates")):
        for name, example in getattr(last, of).items():
            order = orders[example.shape[1]]
            values = {
                weights: getattr(each, of)[name][:, order].T
                for weights, each in own.items()
            }
            low, high = UNBOUNDED
            if kind == "gate":
                low, high = last.ranges[name]
            if not math.isfinite(high - low):
                high = max(_largest(each) for each in values.values()) or 1.0
                low = -high
            found.append(Panel(kind, name, low, high, values))
    return found


def _moves(panels: list[Panel]) -> dict[str, dict[str, np.ndarray]]:
    """`Look.moves`, of gates; of candidates, which have a sign, if there are none."""
    gates = [panel for panel in panels if panel.kind == "gate"]
    gates = [gate for gate in gates if gate.low == 0] or gates

    def moved(values: np.ndarray, gate: Panel) -> np.ndarray:
        away = np.abs(values - np.median(values, axis=1, keepdims=True))
        return away.mean(axis=0) / (gate.high - gate.low)

    return {
        gate.name: {name: moved(own, gate) for name, own in gate.values.items()}
        for gate in gates
    }


def _attention(found: dict[str, Inside]) -> list[Panel]:
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


# --------------------------------------------------------------------- the answers


def _answers(found: dict[str, Inside], batch: Batch) -> Answers:
    """The outputs as what they mean, where the targets tell it by their shape."""
    values = {name: own.outputs for name, own in found.items()}
    asked = next(iter(found.values())).asked
    count = next(iter(values.values())).shape[1]
    leaves = jax.tree.leaves(batch.targets)
    kind, right = "outputs", None
    if len(leaves) == 1:
        kind, right = _right(np.asarray(leaves[0]), batch, asked, count)
    if kind == "classes":
        values = {name: _softmax(own) for name, own in values.items()}
    return Answers(asked, kind, values, right)


def _right(targets: np.ndarray, batch: Batch, asked, count: int):
    """(kind, what is right at the steps that are asked) of `count` outputs."""
    length = len(jax.tree.leaves(batch.inputs)[0])
    by_step = targets.shape[:2] == (length, 1)
    own = targets[asked, 0] if by_step else targets[[0] * len(asked)]
    if np.issubdtype(own.dtype, np.integer):
        is_class = own.ndim == 1 and count > 1 and 0 <= own.min() <= own.max() < count
        return ("classes", own) if is_class else ("outputs", None)
    if own.shape != (len(asked), count):
        return "outputs", None
    is_binary = np.isin(own, (0, 1)).all()
    if is_binary and count > 1:
        is_class = (own.sum(axis=1) == 1).all()
        return ("classes", own.argmax(axis=1)) if is_class else ("outputs", None)
    return "numbers", own


def _softmax(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


# ---------------------------------------------------------------------- in words


def _caption(one, weights: list, marked, panels: list[Panel], moves) -> str:
    """What is seen, from what was measured."""
    if one is None:
        said = ["The network has no recurrence: no state or gate is shown."]
    elif not one.gates:
        said = ["The state at each step. The cell names no gates, so none are shown."]
    else:
        said = ["The state and the gates at each step."]
    if one is not None:
        shown = len(next(iter(panels[0].values.values())))
        count = next(iter(one.states.values())).shape[1]
        those = "A row is a unit"
        if shown < count:
            those = f"{shown} of {count} units are shown, those that move most"
        said.append(f"{those}; those that move alike lie side by side.")
    said.append(
        "Below, what the network answers (dashed: what is right), and how much its "
        "last answer moves with each input."
    )
    if len(weights) == 2:
        said.append(f"Left {weights[0]}, right {weights[1]}.")
    if marked:
        said.append("Triangles and lines: the steps that the inputs mark.")
    if marked and moves and one.reads == "steps":
        said.append(_response(moves, marked))
    return " ".join(said)


def _response(moves: dict, marked: list[int]) -> str:
    """Which gate moves most at the marked steps, and how far."""

    def at_and_elsewhere(moved: np.ndarray) -> tuple[float, float]:
        there = np.isin(np.arange(len(moved)), marked)
        return moved[there].mean(), moved[~there].mean()

    found = {
        name: [at_and_elsewhere(moved) for moved in own.values()]
        for name, own in moves.items()
    }
    name = max(found, key=lambda name: np.subtract(*found[name][-1]))
    first, *_ = moves[name]
    (before, rest_before), (after, rest_after) = found[name][0], found[name][-1]
    then = f" ({first} by {before:.2f} and {rest_before:.2f})" * (len(found[name]) > 1)
    return (
        f"Gate {name} tells the marked steps best: its units move by {after:.2f} of "
        f"their range there and {rest_after:.2f} elsewhere{then}."
    )
