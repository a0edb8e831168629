"""What a trained network does over one sequence, before and after training.

looks = inside.of_run(runs.load("runs/mine"))
figure = plotting.inside(looks[0])
"""

from typing import NamedTuple

import jax
import numpy as np

from rnn_research import diagnostics, runs
from rnn_research.diagnostics.inside import Inside, Recurrent
from rnn_research.measurements import panels
from rnn_research.measurements.panels import Panel
from rnn_research.tasks.base import Batch, Sourced, Task

BEFORE, AFTER = "before training", "after training"
KINDS = 3  # the most different values of a channel that marks steps
RARE = 0.15  # the share of the steps that it marks at most


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
        the median over the sequence, their mean, as a share of the gate's range. Of a
        cell that has candidates alone, of these.
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
    x, texts, marked = _inputs(batch, task, len(last.sensitivity))
    shared = {
        "x": x,
        "texts": texts,
        "marked": marked,
        "answers": _answers(found, batch, task.network.head),
        "sensitivity": {name: own.sensitivity for name, own in found.items()},
    }
    attentions = panels.of_attentions(found)
    if not count:
        caption = _caption(None, list(found), marked, attentions, {})
        own = {"panels": attentions, "moves": {}, "of_source": False}
        return [Look(title, caption, "inside", **own, **shared)]
    looks = []
    for index in panels.spread(count):
        own = {name: each.recurrences[index] for name, each in found.items()}
        one = own[next(reversed(own))]
        which = f", {_named(one, index, count)}" if count > 1 else ""
        drawn = panels.of_recurrence(own)
        moves = panels.moves(drawn)
        if one.reads == "steps":
            drawn += panels.to_source(found) + attentions
        looks.append(
            Look(
                title + which,
                _caption(one, list(found), marked, drawn, moves),
                f"inside_{index + 1}" if count > 1 else "inside",
                panels=drawn,
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


# --------------------------------------------------------------------- the answers


def _answers(found: dict[str, Inside], batch: Batch, head: str) -> Answers:
    """The outputs as what they mean, where the targets tell it by their shape."""
    values = {name: own.outputs for name, own in found.items()}
    asked = next(iter(found.values())).asked
    count = next(iter(values.values())).shape[1]
    leaves = jax.tree.leaves(batch.targets)
    kind, right = "outputs", None
    if len(leaves) == 1:
        own = np.asarray(leaves[0])
        length = len(jax.tree.leaves(batch.inputs)[0])
        if head != "step":
            kind, right = _right(own[[0] * len(asked)], count)
        elif own.shape[:2] == (length, 1):
            kind, right = _right(own[asked, 0], count)
    if kind == "classes":
        values = {name: _softmax(own) for name, own in values.items()}
    return Answers(asked, kind, values, right)


def _right(own: np.ndarray, count: int):
    """(kind, what is right) of targets [P, ...] for `count` outputs."""
    if np.issubdtype(own.dtype, np.integer):
        is_class = own.ndim == 1 and count > 1 and 0 <= own.min() <= own.max() < count
        return ("classes", own) if is_class else ("outputs", None)
    if own.shape != (len(own), count):
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


def _caption(one, weights: list, marked, drawn: list[Panel], moves) -> str:
    """What is seen, from what was measured."""
    if one is None:
        said = ["The network has no recurrence: no state or gate is shown."]
    elif not one.gates:
        said = ["The state at each step. The cell names no gates, so none are shown."]
    else:
        kinds = {panel.kind for panel in drawn}
        named = {"gate": "gates", "candidate": "candidates for the state"}
        parts = ["The state", *(named[kind] for kind in named if kind in kinds)]
        said = [f"{', '.join(parts[:-1])} and {parts[-1]} at each step."]
    if one is not None:
        shown = len(next(iter(drawn[0].values.values())))
        count = next(iter(one.states.values())).shape[1]
        those = "A row is a unit"
        if shown < count:
            those = f"{shown} of {count} units are shown, those that move most"
        said.append(f"{those}; those that move alike lie side by side.")
    if any(panel.kind == "attention" for panel in drawn):
        said.append("Attention: above each step, the shares of what it looks at.")
    said.append(
        "Below, what the network answers (dashed: what is right), and how much its "
        "last answer moves with each input."
    )
    if len(weights) == 2:
        said.append(f"Left {weights[0]}, right {weights[1]}.")
    if marked:
        said.append("Triangles and lines: the steps that the inputs mark.")
    if marked and moves and one.reads == "steps":
        kinds = {panel.name: panel.kind for panel in drawn}
        said.append(_response(moves, marked, kinds))
    return " ".join(said)


def _response(moves: dict, marked: list[int], kinds: dict[str, str]) -> str:
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
        f"{kinds[name].capitalize()} {name} tells the marked steps best: its units "
        f"move by {after:.2f} of their range there and {rest_after:.2f} elsewhere"
        f"{then}."
    )
