"""The two equations, the code beside them, and one rule for every place."""

import inspect
import math
import re
import textwrap
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import cells, models, tasks, training, unroll
from rnn_research.tour import svg, trainings
from rnn_research.tour.base import (
    Code,
    Command,
    Figure,
    Prose,
    Section,
    Seen,
    Table,
    Work,
)

LAG, SIZE, INPUTS, SEQUENCES = 3, 48, 4, 64
SHORT, LONG, UPDATES = 20, 200, 1500


def compute(work: Work) -> dict:
    """A small check by hand; a rule learned on short sequences, asked in long ones."""
    task = tasks.repeat_previous(SHORT, lag=LAG, alphabet=INPUTS)
    cell = cells.elman(SIZE)
    own = training.TrainConfig(num_steps=UPDATES, learning_rate=3e-3, eval_every=250)
    work.say(f"learning to say what came {LAG} steps before, on {SHORT} steps")
    result = trainings.of_cell(cell, task, own, work, "rule")
    return {
        "by_hand": _by_hand(),
        "shapes": _shapes(models.as_model(cell, task).init(jax.random.key(0))),
        "heads": _heads(),
        "right": _right(models.as_model(cell, task), result.params),
    }


def _by_hand() -> dict:
    """The library beside eight lines of NumPy, on random inputs."""
    cell = cells.elman(SIZE)
    params = cell.init(jax.random.key(1), INPUTS)
    x = jax.random.normal(jax.random.key(2), (LONG, 1, INPUTS))
    library = unroll(cell, params, x).outputs[:, 0]
    W_hh, W_xh, b_h = map(np.asarray, params)
    h, states = np.zeros(SIZE), []
    for x_t in np.asarray(x[:, 0]):
        h = np.tanh(h @ W_hh + x_t @ W_xh + b_h)
        states.append(h)
    apart = float(np.abs(np.stack(states) - library).max())
    logits = np.asarray(jax.random.normal(jax.random.key(3), (INPUTS,)))
    shares = np.exp(logits) / np.exp(logits).sum()
    ours = np.asarray(jax.nn.softmax(logits))
    return {
        "apart": apart,
        "steps": LONG,
        "logits": logits.tolist(),
        "shares": ours.tolist(),
        "softmax_apart": float(np.abs(shares - ours).max()),
        "sum": float(ours.sum()),
    }


def _shapes(params) -> dict:
    inner = params.body if hasattr(params, "body") else params
    (cell,) = [
        leaf
        for leaf in jax.tree.leaves(inner, is_leaf=lambda own: hasattr(own, "W_hh"))
        if hasattr(leaf, "W_hh")
    ]
    shapes = {name: list(own.shape) for name, own in cell._asdict().items()}
    return shapes | {"count": int(sum(leaf.size for leaf in jax.tree.leaves(params)))}


def _heads() -> dict:
    """The shape of what a model gives out, for each head."""
    found = {}
    for head in ("step", "last", "pooled"):
        model = models.model(
            cells.elman(SIZE), input_size=INPUTS, output_size=INPUTS, head=head
        )
        x = jax.ShapeDtypeStruct((SHORT, SEQUENCES, INPUTS), jnp.float32)
        given = jax.eval_shape(model.init, jax.random.key(0))
        found[head] = list(jax.eval_shape(model.outputs, given, x).shape)
    return found


def _right(model, params) -> list[float]:
    """How often each place of long sequences is answered right, [LONG - LAG]."""
    tokens = jax.random.randint(jax.random.key(4), (LONG, 512), 0, INPUTS)
    answers = jnp.argmax(model.outputs(params, tokens), axis=-1)
    return jnp.mean(answers[LAG:] == tokens[:-LAG], axis=1).tolist()


# ------------------------------------------------------------------------- the story


def tell(numbers: Mapping) -> list:
    """Blocks."""
    hand, shapes, right = numbers["by_hand"], numbers["shapes"], numbers["right"]
    within = float(np.mean(right[: SHORT - LAG]))
    beyond = float(np.mean(right[SHORT - LAG :]))
    return [
        Prose(
            "All of it is two equations. `f` is tanh or ReLU. The first makes the "
            "new state of the old one and the input. The second makes the output."
        ),
        Code("h[t] = f(W_hh h[t-1] + W_xh x[t] + b_h)\ny[t] = W_hy h[t] + b_y", "text"),
        _symbols(shapes),
        Prose("This is the cell of the library, whole, from its own file:"),
        Code(_source()),
        Prose(
            f"Beside it, a loop of plain NumPy over {hand['steps']} steps gives the "
            f"same states, up to {_apart(hand)}. Where a "
            "probability is wanted, a softmax makes shares of y[t]. They sum to "
            f"{hand['sum']:.4f}."
        ),
        Prose(
            "**The same weights serve every step.** A network learned to say which "
            f"symbol came {LAG} steps before, on sequences of {SHORT} steps. It was "
            f"then asked in sequences of {LONG}. What it learned at one place holds "
            f"at all: {within:.1%} right where it was trained, {beyond:.1%} beyond."
        ),
        _places(right),
        Command(
            f"python -m experiments.train --cell=elman --hidden_size={SIZE} "
            f"--task='repeat_previous(lag={LAG})' --length={SHORT}"
        ),
        Prose(
            "One state can answer **once**, at the end, such as what a sentence "
            "feels like, or **at every step**, such as what word is next."
        ),
        _heads_table(numbers["heads"]),
        *_seen(numbers, within, beyond),
    ]


def _apart(hand: Mapping) -> str:
    """The difference as a power of ten."""
    return svg.power(math.ceil(math.log10(max(hand["apart"], 1e-16))))


def _seen(numbers: Mapping, within: float, beyond: float) -> list[Seen]:
    hand, heads = numbers["by_hand"], numbers["heads"]
    return [
        Seen(
            4,
            hand["apart"] < 1e-4,
            f"The cell and a NumPy loop agree up to {_apart(hand)}.",
        ),
        Seen(
            5,
            beyond > 0.95 * within,
            f"A rule learned on {SHORT} steps is right {beyond:.1%} of the time up "
            f"to {LONG} steps.",
        ),
        Seen(
            6,
            hand["softmax_apart"] < 1e-5,
            f"The shares of a softmax sum to {hand['sum']:.4f}.",
        ),
        Seen(
            7,
            len(heads["step"]) == len(heads["last"]) + 1,
            f"The same cell gives y {heads['step']} or y {heads['last']}.",
        ),
    ]


def _symbols(shapes: Mapping) -> Table:
    def shown(name: str) -> str:
        return " x ".join(map(str, shapes[name]))

    width = shapes["W_hh"][0]
    rows = [
        ("x[t]", "the input of step t, embedded", str(shapes["W_xh"][0])),
        ("h[t]", "the state after step t", str(width)),
        ("W_xh", "from input to state", shown("W_xh")),
        ("W_hh", "from state to state: the loop", shown("W_hh")),
        ("b_h", "a bias for each unit", shown("b_h")),
        ("W_hy, b_y", "from state to output", f"{width} x {INPUTS}, {INPUTS}"),
    ]
    caption = (
        f"In all {shapes['count']:,} numbers to learn, for a sequence of any length."
    )
    return Table(("symbol", "what it is", "size here"), rows, caption)


def _places(right: list[float]) -> Figure:
    places = list(range(LAG + 1, LONG + 1))
    edge = SHORT - LAG
    return Figure(
        "places",
        svg.lines(
            [
                svg.Curve(
                    f"trained: up to {SHORT}",
                    places[:edge],
                    right[:edge],
                    color=svg.POSITIVE,
                ),
                svg.Curve(
                    "never seen in training",
                    places[edge - 1 :],
                    right[edge - 1 :],
                    color=svg.NEGATIVE,
                ),
            ],
            x="place in the sequence",
            y="share of right answers",
            say="Right answers at each place, within and beyond the trained length",
            levels=[svg.Level(1 / INPUTS, "guessing")],
            y_range=(0.0, 1.05),
        ),
        "How often the answer is right, by its place in the sequence.",
    )


def _heads_table(heads: Mapping) -> Table:
    told = {
        "step": "an output at every step",
        "last": "one output, from the last state",
        "pooled": "one output, from the mean of all states",
    }
    rows = [
        (f'head="{name}"', told[name], " x ".join(map(str, own)))
        for name, own in heads.items()
    ]
    caption = f"Of {SEQUENCES} sequences of {SHORT} steps, {INPUTS} outputs."
    return Table(("head", "what it gives", "shape of y"), rows, caption)


def _source() -> str:
    """`project` and `step` of the Elman cell, as its file has them."""
    text = inspect.getsource(cells.elman.__wrapped__)
    parts = re.findall(r"( +def (?:project|step)\(.*?)\n\n", text, re.DOTALL)
    return "\n\n".join(map(textwrap.dedent, parts))


SECTION = Section(
    name="equations",
    place=2,
    title="Two equations, the same at every step",
    claims=(4, 5, 6, 7),
    minutes=0.3,
    compute=compute,
    tell=tell,
)
