"""A sentence read without the loop and with it; the loop unrolled with its numbers."""

import inspect
import math
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import cells, diagnostics, models, tasks, training
from rnn_research.cells.base import Cell, cell
from rnn_research.tasks.base import Batch
from rnn_research.tour import svg, trainings, unrolled
from rnn_research.tour.base import Code, Command, Figure, Prose, Section, Seen, Work

SENTENCE = "Dictionaries preserve insertion order."  # of the test split
SIZE, WINDOW, UPDATES = 32, 64, 1500
DRAWN = 4  # steps of the unrolled loop
LOOP, ALONE = "with the loop", "each letter alone"


@cell
def without_loop(hidden_size: int) -> Cell:
    """An Elman cell that forgets its state before every step."""
    elman = cells.elman(hidden_size)
    return elman.replace(step=lambda w, h, u: elman.step(w, 0 * h, u))


def compute(work: Work) -> dict:
    """Both networks trained on the same text, and what each knows of the sentence."""
    task = tasks.characters(WINDOW)
    own = training.TrainConfig(
        num_steps=UPDATES, batch_size=32, learning_rate=5e-3, eval_every=250
    )
    found = {}
    for name, each in ((ALONE, without_loop(SIZE)), (LOOP, cells.elman(SIZE))):
        work.say(f"reading {name}")
        result = trainings.of_cell(each, task, own, work, each.name)
        found[name] = {
            "bits": result.runs[0].summary["test"]["bits_per_character"],
            "updates": result.runs[0].summary["steps"],
            **_of_sentence(models.as_model(each, task), result.params, task.vocabulary),
        }
    return {"sentence": SENTENCE, "networks": found}


def _of_sentence(model, params, letters) -> dict:
    tokens = jnp.asarray(letters.encode(SENTENCE))[:, None]
    inside = diagnostics.look_inside(model, params, Batch(tokens[:-1], tokens[1:]))
    shares = np.asarray(jax.nn.softmax(inside.outputs, axis=-1))
    right = shares[np.arange(len(shares)), np.asarray(tokens[1:, 0])]
    best = np.argsort(-shares, axis=-1)[:, :3]
    (state,) = inside.recurrences[0].states.values()
    same = [place for place, letter in enumerate(SENTENCE[:-1]) if letter == "e"]
    apart = [
        float(np.abs(shares[one] - shares[other]).sum() / 2)
        for one in same
        for other in same
    ]
    return {
        "right": right.tolist(),
        "best": [
            [[letters.decode([token]), float(own[token])] for token in top]
            for own, top in zip(shares, best, strict=True)
        ],
        "state": np.round(state, 3).tolist(),
        "apart": max(apart),
        "places": len(same),
    }


# ------------------------------------------------------------------------- the story


def tell(numbers: Mapping) -> list:
    """Blocks."""
    alone, loop = (numbers["networks"][name] for name in (ALONE, LOOP))
    fewer = alone["bits"] - loop["bits"]
    return [
        Prose(
            "Two networks learn to guess the next letter of Python's manual. They have "
            f"the same {SIZE} units and {loop['updates']:,} updates each. One reads "
            "every letter **alone**. The other has a **loop**: its state after one "
            "letter is an input of the next, so the state sums up what it has read.\n\n"
            f"On text that neither has seen, the network without the loop needs "
            f"{alone['bits']:.2f} bits per letter, the one with the loop "
            f"{loop['bits']:.2f}. Below, both read one sentence of it. Pale means that "
            "the letter was no surprise."
        ),
        _surprise(numbers),
        Prose(
            f"The letter e is read {alone['places']} times here. Without the "
            "loop the guesses after it are always the same: they differ by "
            f"{alone['apart']:.0%}. With the loop they differ by up to "
            f"{loop['apart']:.0%}, since the letters before count too. That is all the "
            "difference between the two programs:"
        ),
        Code(_source()),
        Prose(
            "Unrolled in time, the loop is a chain. Each step takes a letter x[t] and "
            "the state h[t-1], makes a new state h[t], and gives out a guess y[t]. The "
            "numbers are those of the trained network: three units of its state."
        ),
        _chain(numbers),
        Prose(
            "The whole state, step by step, is a heat map. Move through it: below each "
            "letter stands the guess for the next."
        ),
        _states(numbers),
        Command(
            f"python -m experiments.char_lm --cell=elman --hidden_size={SIZE} --sample"
        ),
        Seen(
            1,
            alone["apart"] < 1e-3 < loop["apart"],
            f"After the same letter the network without a loop guesses the same (apart "
            f"{alone['apart']:.0%}), the one with it by what came before "
            f"({loop['apart']:.0%}).",
        ),
        Seen(
            2,
            fewer > 0,
            f"Context saves {fewer:.2f} of {alone['bits']:.2f} bits per letter.",
        ),
        Seen(
            3,
            loop["bits"] < alone["bits"],
            "The state is handed from step to step, and the guesses become better.",
        ),
    ]


def _surprise(numbers: Mapping) -> Figure:
    sentence, networks = numbers["sentence"], numbers["networks"]
    bits = {
        name: [-math.log2(max(share, 1e-9)) for share in own["right"]]
        for name, own in networks.items()
    }
    steps = []
    for place, letter in enumerate(sentence[1:]):
        alone, loop = (networks[name]["right"][place] for name in (ALONE, LOOP))
        told = (
            f"After “{sentence[: place + 1]}” comes “{svg.letter(letter)}”. Alone it "
            f"had {alone:.0%}, with the loop {loop:.0%}. The guesses with the loop:"
        )
        bars = [
            [svg.letter(name), share] for name, share in networks[LOOP]["best"][place]
        ]
        steps.append({"name": f"letter {place + 2}", "told": told, "bars": bars})
    return Figure(
        "surprise",
        svg.heat(
            [bits[ALONE], bits[LOOP]],
            rows=("alone", "loop"),
            columns=[svg.letter(letter) for letter in sentence[1:]],
            say="Bits of surprise at each letter, without the loop and with it",
            shade=svg.NEGATIVE,
            space=52,
            box=(18, 30),
        ),
        "Surprise at each letter, in bits (strong: large): above, each letter alone; "
        "below, with the loop.",
        {"label": "step", "steps": steps, "start": _most_helped(networks)},
        "steps",
    )


def _most_helped(networks: Mapping) -> int:
    """The step at which the loop helps most."""
    loop, alone = (np.asarray(networks[name]["right"]) for name in (LOOP, ALONE))
    return int(np.argmax(loop - alone))


def _chain(numbers: Mapping) -> Figure:
    own = numbers["networks"][LOOP]
    steps = [
        unrolled.Step(
            svg.letter(numbers["sentence"][place]),
            own["state"][place][:3],
            f"{svg.letter(own['best'][place][0][0])} {own['best'][place][0][1]:.0%}",
        )
        for place in range(DRAWN)
    ]
    return Figure(
        "chain",
        unrolled.drawing(steps),
        f"The loop, and the same unrolled over the first {DRAWN} letters. W_xh, W_hh "
        "and W_hy are the same at every step.",
    )


def _states(numbers: Mapping) -> Figure:
    own, sentence = numbers["networks"][LOOP], numbers["sentence"]
    columns = [svg.letter(letter) for letter in sentence[:-1]]
    rows = np.asarray(own["state"]).T
    order = np.argsort(-np.abs(np.diff(rows, axis=1)).mean(axis=1))
    steps = [
        {
            "name": f"t = {place + 1}",
            "told": f"It has read “{sentence[: place + 1]}” and guesses:",
            "bars": [[svg.letter(name), share] for name, share in own["best"][place]],
        }
        for place in range(len(columns))
    ]
    return Figure(
        "state",
        svg.heat(
            rows[order].tolist(),
            rows=[""] * len(rows),
            columns=columns,
            say="The state of the network after each letter",
            largest=1.0,
            below=[svg.letter(top[0][0]) for top in own["best"]],
            space=8,
            box=(18, 9),
        ),
        f"The {len(rows)} units of h[t] after each letter (above): blue positive, red "
        "negative. Below: the most probable next letter.",
        {"label": "time", "steps": steps, "start": len(steps) - 1},
        "steps",
    )


def _source() -> str:
    """The cell without the loop, as it is above."""
    return inspect.getsource(without_loop.__wrapped__)


SECTION = Section(
    name="memory",
    place=1,
    title="Reading with a memory, and without",
    claims=(1, 2, 3),
    minutes=0.6,
    compute=compute,
    tell=tell,
)
