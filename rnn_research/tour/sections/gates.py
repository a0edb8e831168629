"""Gates as turnstiles: what they do over a sequence, and what each is worth."""

from collections.abc import Mapping

import jax
import numpy as np

from rnn_research import cells, diagnostics, models, tasks, training
from rnn_research.cells.base import Range
from rnn_research.cells.wrappers import forced
from rnn_research.tour import svg, trainings
from rnn_research.tour.base import (
    Code,
    Command,
    Figure,
    Note,
    Prose,
    Section,
    Seen,
    Work,
)

LENGTH, UNITS, UPDATES, SEQUENCES, SHOWN = 30, 24, 1500, 512, 8
GATE = Range(0.0, 1.0)  # what can be forced open or shut
TOLD = {
    "i": "input gate: what to store",
    "f": "forget gate: what to keep of the cell",
    "o": "output gate: what to show",
    "r": "reset gate: what of the past a new value sees",
    "z": "update gate: what to keep of the state",
}
CODE = f"""
held = wrappers.forced(cells.lstm({UNITS}), gate="f", value=1.0)  # never forgets
model = models.as_model(held, task)
model.outputs(trained_params, batch.inputs)
"""


def compute(work: Work) -> dict:
    """An LSTM and a GRU learn to add; their gates, free and forced."""
    task = tasks.adding(LENGTH)
    own = training.TrainConfig(
        num_steps=UPDATES,
        batch_size=64,
        learning_rate=5e-3,
        eval_every=250,
        stop_at=1e-3,
    )
    return {
        cell.name: _of_cell(cell, task, own, work)
        for cell in (cells.lstm(UNITS), cells.gru(UNITS))
    }


def _of_cell(cell, task, own, work: Work) -> dict:
    work.say(f"{cell.name} learns to add two numbers among {LENGTH}")
    result = trainings.of_cell(cell, task, own, work, cell.name)
    keys = jax.random.split(jax.random.key(9), SEQUENCES)
    batch = task.batch(None, keys)
    model = models.as_model(cell, task)

    def loss(cell):
        return _loss(task, cell, result.params, batch)

    one = batch._replace(inputs=batch.inputs[:, :1], targets=batch.targets[:1])
    inside = diagnostics.look_inside(model, result.params, one)
    (inner,) = inside.recurrences
    names = [name for name, own in inner.ranges.items() if own == GATE]
    marks = np.asarray(one.inputs[:, 0, 1])
    gates = {name: _moved(inner.gates[name], marks) for name in names}
    work.say(f"{cell.name}: {len(names)} gates, forced open and shut")
    return {
        "values": np.asarray(one.inputs[:, 0, 0]).round(3).tolist(),
        "marks": marks.tolist(),
        "gates": gates,
        "loss": loss(cell),
        "forced": {
            name: [loss(forced(cell, gate=name, value=value)) for value in (0.0, 1.0)]
            for name in names
        },
        "updates": result.runs[0].summary["kept_step"],
        "baseline": task.baseline,
    }


def _moved(gate: np.ndarray, marks: np.ndarray) -> dict:
    """Of a gate [T, N]: the units that the marks move most, and by how much."""
    away = np.abs(gate - np.median(gate, axis=0))
    at = marks > 0.5
    order = np.argsort(-(away[at].mean(axis=0) - away[~at].mean(axis=0)))
    return {
        "units": np.round(gate[:, order[:SHOWN]].T, 3).tolist(),
        "open": float(gate.mean()),
        "at_marks": float(away[at].mean()),
        "elsewhere": float(away[~at].mean()),
    }


def _loss(task, cell, params, batch) -> float:
    model = models.as_model(cell, task)

    @jax.jit
    def score(params, batch):
        return task.score(model.outputs(params, batch.inputs), batch)["loss"]

    loss = score(params, batch)
    return float(loss.total / loss.count)


# ------------------------------------------------------------------------- the story


def tell(numbers: Mapping) -> list:
    """Blocks."""
    lstm, gru = numbers["lstm"], numbers["gru"]
    store = lstm["gates"]["i"]
    return [
        Prose(
            "A **gate** is a turnstile: at every step and for every unit a number "
            "from 0, shut, to 1, open. An LSTM has three. The forget gate says what "
            "to keep of its memory, the input gate what to store, the output gate what "
            "to show.\n\n"
            f"Here an LSTM has learned to add: of {LENGTH} numbers two are marked (●), "
            "and their sum is asked at the end. So it must store two numbers and "
            "ignore the others. At the marks its input gates move by "
            f"{store['at_marks']:.2f}, elsewhere by {store['elsewhere']:.2f}."
        ),
        _turnstiles("lstm", lstm),
        Prose(
            "A GRU has two gates and no separate memory. Its update gate says what to "
            "keep of the state: shut, a new value comes in."
        ),
        _turnstiles("gru", gru),
        Prose(
            "What is each gate worth? The trained network is run again with one gate "
            f"held open or shut. Always guessing 1 gives a loss of "
            f"{lstm['baseline']:.3f}; the LSTM has {lstm['loss']:.4f}, the GRU "
            f"{gru['loss']:.4f}."
        ),
        Code(CODE),
        _worth("lstm", lstm),
        _worth("gru", gru),
        Command(
            f"python -m experiments.adding_problem --cell=lstm --hidden_size={UNITS} "
            f"--length={LENGTH}"
        ),
        Command("python -m experiments.look_inside runs/adding_problem/*"),
        *_notes(numbers),
        *_seen(numbers),
    ]


def _worst(own: Mapping) -> tuple[str, str, float]:
    """(gate, shut or open, loss) where forcing costs most."""
    return max(
        (
            (name, word, loss)
            for name, losses in own["forced"].items()
            for word, loss in zip(("shut", "open"), losses, strict=True)
        ),
        key=lambda each: each[2],
    )


def _notes(numbers: Mapping) -> list[Note]:
    """Gates that the network could do without."""
    found = []
    for name, own in numbers.items():
        for gate, losses in own["forced"].items():
            loss = min(losses)
            word = ("shut", "open")[losses.index(loss)]
            if loss < 10 * own["loss"]:
                found.append(f"{gate} of the {name.upper()} {word} ({loss:.4f})")
    if not found:
        return []
    return [
        Note(
            "Not every gate matters for every task. These could be held for good at "
            f"less than ten times the loss: {', '.join(found)}."
        )
    ]


def _seen(numbers: Mapping) -> list[Seen]:
    lstm, gru = numbers["lstm"], numbers["gru"]
    moved = all(
        own["at_marks"] > own["elsewhere"]
        for each in (lstm, gru)
        for own in each["gates"].values()
    )
    gate, word, loss = _worst(lstm)
    return [
        Seen(
            10,
            moved and loss > 10 * lstm["loss"],
            f"Gates move more at the marks than elsewhere. With {gate} {word} the "
            f"LSTM's loss rises from {lstm['loss']:.4f} to {loss:.2f}.",
        ),
        Seen(
            11,
            max(lstm["loss"], gru["loss"]) < 0.1 * lstm["baseline"],
            f"LSTM and GRU add two numbers among {LENGTH} with losses of "
            f"{lstm['loss']:.4f} and {gru['loss']:.4f}; a constant has "
            f"{lstm['baseline']:.3f}.",
        ),
    ]


def _turnstiles(name: str, own: Mapping) -> Figure:
    gates, marks = own["gates"], own["marks"]
    rows, labels = [], []
    for gate, each in gates.items():
        rows += each["units"]
        labels += [gate] + [""] * (len(each["units"]) - 1)
    steps = []
    for place, mark in enumerate(marks):
        told = f"Reads {own['values'][place]:.2f}"
        told += ", marked." if mark > 0.5 else ", not marked."
        bars = [
            [gate, float(np.mean([unit[place] for unit in each["units"]]))]
            for gate, each in gates.items()
        ]
        steps.append({"name": f"step {place + 1}", "told": told, "bars": bars})
    told = "; ".join(f"{gate}, {TOLD[gate]}" for gate in gates)
    return Figure(
        name,
        svg.heat(
            rows,
            rows=labels,
            columns=["●" if mark > 0.5 else "·" for mark in marks],
            say=f"The gates of the {name.upper()} at each step, open or shut",
            largest=1.0,
            space=24,
            box=(18, 9),
        ),
        f"Gates of the {name.upper()}, full colour is open: {told}. Of each gate the "
        f"{SHOWN} units that the marks move most; their mean as you move.",
        {
            "label": "step",
            "steps": steps,
            "start": int(np.argmax(np.asarray(marks) > 0.5)),
        },
        "steps",
    )


def _worth(name: str, own: Mapping) -> Figure:
    names, values, shades = ["as trained"], [own["loss"]], [svg.POSITIVE]
    for gate, losses in own["forced"].items():
        for word, loss in zip(("shut", "open"), losses, strict=True):
            names.append(f"{gate} held {word}")
            values.append(loss)
            shades.append(svg.NEGATIVE)
    names.append("always guessing 1")
    values.append(own["baseline"])
    shades.append("#999999")
    return Figure(
        f"{name}-forced",
        svg.bars(
            names,
            values,
            say=f"The loss of the {name.upper()} with each gate held shut or open",
            shades=shades,
        ),
        f"Loss of the trained {name.upper()} on {SEQUENCES} new sequences, each gate "
        "held shut or open.",
    )


SECTION = Section(
    name="gates",
    place=5,
    title="Gates are turnstiles",
    claims=(10, 11),
    minutes=1.2,
    compute=compute,
    tell=tell,
)
