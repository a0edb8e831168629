"""Gradients that vanish or explode: the gain of the loop decides."""

import functools
import math
from collections.abc import Mapping

import jax
import numpy as np

from rnn_research import cells, diagnostics, errors, tasks, training
from rnn_research.cells import initializers
from rnn_research.runs import metrics
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
from rnn_research.training import optimizers

GAINS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.5, 1.7, 2.0)
SHOWN = GAINS.index(0.9)
UNITS, STEPS, SEQUENCES, INPUTS, SEEDS = 128, 200, 16, 8, 3
STRENGTH = 0.1  # of the inputs
WORDS_A_PAGE, FROM_PAGE, TO_PAGE = 300, 5, 500
WORDS = WORDS_A_PAGE * (TO_PAGE - FROM_PAGE)  # between them
LENGTH, UPDATES = 50, 300
WILD = 1.7
LEAST, GREATEST = 1e-12, 1e6  # of the gradient that is drawn
WORST = 0.1, 1e4  # of the losses that are drawn
CODE = f"""
cell = cells.elman({UNITS}, recurrent=initializers.normal(gain={GAINS[SHOWN]}))
params = cell.init(key, {INPUTS})
logs = diagnostics.state_loss_log_norms(cell, params, x)  # log ||dL/dh[t]||
"""


def compute(work: Work) -> dict:
    """The gradient by lag at each gain, and trainings with and without a clip."""
    steps = 30 if work.small else STEPS
    work.say(f"gradients at {len(GAINS)} gains")
    by_gain = [_log10_by_lag(gain, steps) for gain in GAINS]
    return {
        "gains": list(GAINS),
        "log10": [own.tolist() for own in by_gain],
        "rates": [_rate(own) for own in by_gain],
        "training": _trainings(work),
    }


def _log10_by_lag(gain: float, steps: int) -> np.ndarray:
    """log10 of ||dL/dh_{T-k}|| / ||dL/dh_T|| at lag k, the median over sequences."""
    seeds = [_logs(gain, jax.random.key(seed), steps) for seed in range(SEEDS)]
    found = np.concatenate(seeds, axis=1)
    middle = np.median(found, axis=1)[::-1] / math.log(10)
    return middle[:steps] - middle[0]


@functools.partial(jax.jit, static_argnums=2)
def _logs(gain, key, steps: int):
    """Of a matrix that starts normal with this gain: one of gain 1, times it."""
    cell = cells.elman(UNITS, recurrent=initializers.normal())
    ours, theirs = jax.random.split(key)
    x = STRENGTH * jax.random.normal(theirs, (steps, SEQUENCES, INPUTS))
    params = cell.init(ours, INPUTS)
    params = params._replace(W_hh=gain * params.W_hh)
    return diagnostics.state_loss_log_norms(cell, params, x)


def _rate(log10: np.ndarray) -> float:
    """By how much a step changes the gradient, as a factor."""
    return float(10 ** np.polyfit(np.arange(len(log10)), log10, 1)[0])


def _trainings(work: Work) -> dict:
    """The same training three times: a wild start, without a clip and with one."""
    task = tasks.adding(LENGTH)
    found = {}
    for name, gain, clip in (("plain", 1.0, 0), ("wild", WILD, 0), ("clip", WILD, 1)):
        cell = cells.elman(UNITS, recurrent=initializers.normal(gain=gain))
        own = training.TrainConfig(
            num_steps=UPDATES, eval_every=10, learning_rate=0.03, grad_clip=clip
        )
        work.say(f"training at gain {gain:g}" + f", clipped at {clip}" * bool(clip))
        diverged, sgd = False, optimizers.sgd()
        try:
            trainings.of_cell(cell, task, own, work, name, optimizer=sgd)
        except errors.RunError:  # a loss or a gradient is no longer finite
            diverged = True
        rows = metrics.read(work.folder / name)
        found[name] = {
            "steps": [row["step"] for row in rows],
            "loss": [row["loss"] for row in rows],
            "diverged": diverged,
        }
    return found


# ------------------------------------------------------------------------- the story


def tell(numbers: Mapping) -> list:
    """Blocks."""
    gains, rates = numbers["gains"], numbers["rates"]
    power = _after(rates[SHOWN], WORDS)
    blocks = [
        Prose(
            "To learn, a network asks how its loss would change if an early state had "
            "been another. The answer, a **gradient**, runs back through the loop and "
            "is multiplied at every step. The **gain** is the size of W_hh at the "
            "start.\n\n"
            f"At gain {gains[SHOWN]} one step back keeps {rates[SHOWN]:.0%} of the "
            f"gradient. A name on page {FROM_PAGE} of a book is wanted on page "
            f"{TO_PAGE}: at {WORDS_A_PAGE} words a page that is {WORDS:,} steps, and "
            f"{svg.power(power)} of the gradient is left. No number of a computer is "
            "as small. Move the gain."
        ),
        _by_lag(numbers),
        Code(CODE),
        Command(
            "python -m experiments.gradient_norms "
            f"--cells='elman(recurrent=normal(gain={gains[SHOWN]})),"
            f"elman(recurrent=normal(gain={WILD})),lstm,gru'"
        ),
        Prose(
            "Above a gain of about 1 the gradient **explodes** instead: one update "
            "throws the weights far away. Below, three networks try to add two "
            f"numbers. One starts at gain 1, two start at {WILD}; one of these has "
            "its gradient clipped to length 1 at every update."
            + _told(numbers["training"]["wild"])
        ),
        _losses(numbers),
        Command("python -m experiments.exploding"),
    ]
    if rates[-1] < 0.9 * gains[-1]:
        blocks.append(
            Note(
                f"The gain is not the factor of a step. At gain {gains[-1]:g} it is "
                f"{rates[-1]:.2f}, because tanh flattens as its units fill up, and a "
                "flat tanh lets less of the gradient through."
            )
        )
    return blocks + _seen(numbers, power)


def _seen(numbers: Mapping, power: float) -> list[Seen]:
    gains, rates = numbers["gains"], numbers["rates"]
    plain, wild, clip = (
        _steady(numbers["training"][name]) for name in ("plain", "wild", "clip")
    )
    return [
        Seen(
            8,
            rates[SHOWN] < 1,
            f"At gain {gains[SHOWN]} a step back keeps {rates[SHOWN]:.0%}; of page "
            f"{FROM_PAGE} {svg.power(power)} reaches page {TO_PAGE}.",
        ),
        Seen(
            9,
            rates[-1] > 1 and wild > 2 * max(plain, clip),
            f"At gain {gains[-1]:g} each step back multiplies the gradient by "
            f"{rates[-1]:.2f}. At gain {WILD} training "
            + ("diverged" if wild == math.inf else f"swung up to a loss of {wild:.2g}")
            + f"; with a clip its loss stayed below {clip:.2g}.",
        ),
    ]


def _told(own: Mapping) -> str:
    """How the wild training ended, if it did."""
    rows = zip(own["steps"], own["loss"], strict=True)
    rows = [(step, loss) for step, loss in rows if math.isfinite(loss)]
    if not own["diverged"] or not rows:
        return ""
    last, loss = rows[-1]
    return (
        f" Without the clip the loss is {_plain(loss)} after {last} updates, and soon "
        "no number at all: that training has stopped."
    )


def _steady(own: Mapping) -> float:
    """The worst loss of the second half of a training; inf if it diverged."""
    if own["diverged"]:
        return math.inf
    loss = own["loss"][len(own["loss"]) // 2 :] or own["loss"]
    return max(value if math.isfinite(value) else math.inf for value in loss)


def _plain(value: float) -> str:
    """0.0052, 340 or 10³²: as a sentence has it."""
    if value == 0:
        return "0"
    if 1e-4 <= value < 1e5:
        return f"{value:.2g}" if value < 100 else f"{value:,.0f}"
    return f"about {svg.power(math.log10(value))}"


def _after(rate: float, steps: int) -> float:
    """log10 of what so many steps leave."""
    return steps * math.log10(rate)


def _by_lag(numbers: Mapping) -> Figure:
    curves, steps = [], []
    for place, gain in enumerate(numbers["gains"]):
        logs, rate = numbers["log10"][place], numbers["rates"][place]
        kept = [10**own if LEAST <= 10**own <= GREATEST else None for own in logs]
        shade = svg.POSITIVE if rate < 1 else svg.NEGATIVE
        lags = list(range(len(logs)))
        curves.append(svg.Curve("", lags, kept, color=shade, step=place))
        pages = _after(rate, WORDS)
        told = (
            f"A step back multiplies the gradient by {rate:.2f}, fifty steps by "
            f"{_plain(rate**50)}. From page {TO_PAGE} back to page {FROM_PAGE}: "
            f"{svg.power(pages)}."
        )
        steps.append({"name": f"gain {gain:g}", "told": told})
    return Figure(
        "gain",
        svg.lines(
            curves,
            x="steps back",
            y="gradient left",
            say="The gradient against steps back, a line for each gain of the loop",
            log_y=True,
            levels=[svg.Level(1.0, "nothing lost")],
            y_range=(LEAST, GREATEST),
        ),
        "How much of the gradient is left so many steps back, of an untrained network "
        f"of {UNITS} units (median of {SEEDS} seeds and {SEQUENCES} sequences). A line "
        f"for each gain from {numbers['gains'][0]:g} (left) to "
        f"{numbers['gains'][-1]:g}; blue vanishes, red explodes.",
        {"label": "gain", "steps": steps, "start": SHOWN},
        "slider",
    )


def _losses(numbers: Mapping) -> Figure:
    names = {
        "plain": ("gain 1", svg.POSITIVE, ""),
        "wild": (f"gain {WILD}", svg.NEGATIVE, ""),
        "clip": (f"gain {WILD}, clipped", svg.NEGATIVE, "6 4"),
    }
    curves = [
        svg.Curve(
            label,
            numbers["training"][name]["steps"],
            numbers["training"][name]["loss"],
            color=shade,
            dashes=dashes,
        )
        for name, (label, shade, dashes) in names.items()
    ]
    return Figure(
        "losses",
        svg.lines(
            curves,
            x="updates",
            y="validation loss",
            say="The loss of three trainings: calm, wild, and wild but clipped",
            log_y=True,
            y_range=WORST,
        ),
        f"Learning to add two numbers among {LENGTH}, by plain gradient descent with "
        "the same learning rate.",
    )


SECTION = Section(
    name="vanishing",
    place=3,
    title="Gradients that vanish, and that explode",
    claims=(8, 9),
    minutes=0.6,
    compute=compute,
    tell=tell,
)
