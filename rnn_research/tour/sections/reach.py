"""How far back can a network learn? Success against length, over seeds."""

from collections.abc import Mapping

from rnn_research import cells, tasks, training
from rnn_research.cells import initializers
from rnn_research.plotting import colors
from rnn_research.tour import svg, trainings
from rnn_research.tour.base import Command, Figure, Note, Prose, Section, Seen, Work

LENGTHS = 10, 20, 40, 80, 160
GAINS = 0.5, 0.8, 1.1
UNITS, UPDATES, SEEDS, BATCH, RATE = 32, 600, 3, 32, 0.005
RIGHT = 0.9  # accuracy that counts as learned; guessing has a quarter
LOOPS = tuple(f"tanh, gain {gain}" for gain in GAINS)
GATED = "lstm", "gru"


def _cells() -> dict:
    plain = {
        name: cells.elman(UNITS, recurrent=initializers.normal(gain=gain))
        for name, gain in zip(LOOPS, GAINS, strict=True)
    }
    return plain | {"lstm": cells.lstm(UNITS), "gru": cells.gru(UNITS)}


def compute(work: Work) -> dict:
    """Each network on ever longer sequences, until no seed learns any more."""
    lengths = LENGTHS[:1] if work.small else LENGTHS
    found = {}
    for name, cell in _cells().items():
        found[name] = []
        for length in lengths:
            if found[name] and not found[name][-1]:
                break  # the shorter one was not learned
            work.say(f"{name}, {length} steps")
            found[name].append(_learned(name, cell, length, work))
    return {"lengths": list(lengths), "learned": found}


def _learned(name: str, cell, length: int, work: Work) -> int:
    """How many seeds learn to tell the order of two symbols."""
    own = training.TrainConfig(
        num_steps=UPDATES,
        batch_size=BATCH,
        learning_rate=RATE,
        eval_every=100,
        num_seeds=SEEDS,
    )
    folder = f"{name.replace(', gain ', '-')}-{length}"
    result = trainings.of_cell(cell, tasks.temporal_order(length), own, work, folder)
    return sum(run.summary["test"]["accuracy"] >= RIGHT for run in result.runs)


# ------------------------------------------------------------------------- the story


def reach(numbers: Mapping, name: str) -> int:
    """The greatest length that most seeds learned; 0: none."""
    pairs = zip(numbers["lengths"], numbers["learned"][name], strict=False)
    return max((length for length, own in pairs if 2 * own > SEEDS), default=0)


def tell(numbers: Mapping) -> list:
    """Blocks."""
    plain = max(reach(numbers, name) for name in LOOPS)
    gated = max(reach(numbers, name) for name in GATED)
    longest = numbers["lengths"][-1]
    blocks = [
        Prose(
            "Does a gradient that vanishes really keep a network from learning? Each "
            "reads a row of letters and is asked at the end in which order two of "
            "them came. The two are near the beginning and in the middle, so the "
            "longer the row, the longer it must remember.\n\n"
            f"Each of {SEEDS} seeds gets {UPDATES} updates. Counted is how many tell "
            "the order."
        ),
        _success(numbers),
        Prose(
            "Most seeds of the plain network learn rows of up to "
            f"**{plain}** steps, at the best of {len(GAINS)} gains. With gates, it is "
            f"**{gated}**, with the same number of units and of updates. The next "
            "section shows why."
        ),
        Command(
            "python -m experiments.train --task=temporal_order --length=40 --cell=lstm "
            f"--hidden_size={UNITS} --num_seeds={SEEDS} --num_steps={UPDATES} "
            f"--learning_rate={RATE} --batch_size={BATCH}"
        ),
        Command("python -m experiments.memory_span --cells=elman,irnn,gru,lstm,lru"),
    ]
    if gated <= plain:
        blocks.append(
            Note(
                f"Here the gates did not help: {gated} steps with them, {plain} "
                "without."
            )
        )
    reached = {name: reach(numbers, name) for name in LOOPS}
    if len(set(reached.values())) == 1:
        blocks.append(
            Note(
                f"The gain at the start made no difference: all {len(GAINS)} reached "
                f"{plain} steps. Training changes the weights, and so the gain."
            )
        )
    return blocks + [
        Seen(
            8,
            plain < longest,
            f"No plain network learned the order in {longest} steps; the best "
            f"reached {plain}.",
        ),
        Seen(
            11,
            gated > plain,
            f"LSTM or GRU learned up to {gated} steps, the plain network up to "
            f"{plain}.",
        ),
        Seen(
            21,
            gated < longest,
            f"With {UPDATES} updates, gated networks too reached {gated} steps of "
            f"{longest}.",
        ),
    ]


def _success(numbers: Mapping) -> Figure:
    lengths, shades = numbers["lengths"], iter(("#56B4E9", "#0072B2", "#332288"))
    curves = []
    for name, own in numbers["learned"].items():
        padded = [*own, *[0] * (len(lengths) - len(own))]
        plain = name in LOOPS
        curves.append(
            svg.Curve(
                name if plain else name.upper(),
                lengths,
                [count / SEEDS for count in padded],
                color=next(shades) if plain else colors.color_of(name),
                points=True,
                dashes="6 4" if plain else "",
            )
        )
    return Figure(
        "success",
        svg.lines(
            curves,
            x="length of the row, in steps",
            y="share of seeds that learn",
            say="The share of seeds that learn the task against its length",
            log_x=True,
            y_range=(0.0, 1.05),
        ),
        f"The share of {SEEDS} seeds that tell the order in {RIGHT:.0%} of rows or "
        "more. Longer rows than the first that no seed learned were not tried, and "
        "count as not learned.",
    )


SECTION = Section(
    name="reach",
    place=4,
    title="How far back a network can learn",
    claims=(8, 11, 21),
    minutes=2.5,
    compute=compute,
    tell=tell,
)
