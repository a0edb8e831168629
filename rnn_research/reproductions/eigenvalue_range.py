"""Which eigenvalues a linear recurrence needs for parity, and for counting mod 3."""

import statistics

from rnn_research.reproductions import base, beyond
from rnn_research.sweeps import each, product

SEEDS = 3
MOST = 4000  # updates
LONGEST = 40  # of training
LENGTHS = tuple(range(40, 257, 24))
COUNT = 500  # sequences of each length
CHANCE = {"parity": 1 / 2, "mod_counting": 1 / 3}
CELLS = {
    "diagonal, [0, 1]": "delta_net(heads=32, key_size=1)",
    "diagonal, [-1, 1]": ("delta_net(heads=32, key_size=1, negative_eigenvalues=True)"),
    "rotations": "delta_product(heads=4, steps=2)",
}


def runs():
    tasks = [f"{task}(shortest=3)" for task in CHANCE]
    return each(
        "train",
        product(task=tasks, cell=list(CELLS.values()), seed=range(SEEDS)),
        length=LONGEST,
        block="glu",
        hidden_size=32,
        num_steps=MOST,
        batch_size=256,
        learning_rate=1e-3,
        eval_every=500,
    )


def measure(trained: list[base.Trained]) -> base.Found:
    found, lines = {}, []
    for task, name, seed, accuracies in beyond.cases(
        trained, CELLS, LENGTHS, count=COUNT
    ):
        chance = CHANCE[task]
        scaled = (statistics.mean(accuracies) - chance) / (1 - chance)
        found.setdefault((task, name), {})[seed] = scaled
        lines.append(base.Line(task, name, LENGTHS, accuracies))
    diagonal, wide, turning = CELLS
    return base.Found(
        gates={
            "parity_narrow": base.Measured.largest(found["parity", diagonal]),
            "parity_wide": base.Measured.median(found["parity", wide]),
            "three_real": base.Measured.largest(found["mod_counting", wide]),
            "three_turning": base.Measured.median(found["mod_counting", turning]),
        },
        lines=lines,
        panels=[
            base.Panel(task, "length", "accuracy", level=(chance, "guessing"))
            for task, chance in CHANCE.items()
        ],
        notes=[
            f"{task}, {name}: scaled accuracy "
            f"{', '.join(f'{score:.3f}' for score in scores.values())}."
            for (task, name), scores in found.items()
        ],
    )


def _gate(what: str, published: str, **limits) -> base.Gate:
    return base.Gate(
        f"{what}, scaled accuracy at lengths 40 to 256", published, **limits, firm=False
    )


ENTRY = base.Reproduction(
    number=10,
    name="eigenvalue_range",
    claim="A diagonal linear recurrence learns parity if its eigenvalues may be "
    "negative; to count modulo 3 they must be complex",
    source="Grazzi et al. 2024, arXiv 2411.12537, theorems 1 and 2, section 5.1",
    protocol=f"""
Parity and counting ones modulo 3, asked at the end, lengths uniform from 3 to
{LONGEST}, batches of 256, Adam at 1e-3, at most {MOST:,} updates or the task's
threshold, {SEEDS} seeds; scored at ten lengths from 40 to 256, {COUNT} sequences of
each, 0 for guessing and 1 for all right. A delta net whose keys have one entry is a
diagonal recurrence, h = (1 - beta) h + beta k v, with 32 units: beta in (0, 1), or in
(0, 2) for [-1, 1]. Two delta steps a symbol (DeltaProduct, 4 heads, keys of 8) make
rotations, whose eigenvalues are complex. All in a gated block. The paper has Mamba and
DeltaNet of two layers, 128 wide, 20,000 updates, and is at 1.00 from about 4,000 with
[-1, 1] on parity; a first run here, of one seed, was at 1.00 after 600.
""",
    gates={
        "parity_narrow": _gate(
            "parity, eigenvalues in [0, 1], the largest over seeds",
            "0.00",
            high=0.2,
        ),
        "parity_wide": _gate(
            "parity, eigenvalues in [-1, 1], the median over seeds", "1.00", low=0.98
        ),
        "three_real": _gate(
            "mod 3, eigenvalues in [-1, 1], the largest over seeds",
            "cannot be solved",
            high=0.4,
        ),
        "three_turning": _gate(
            "mod 3, rotations, the median over seeds", "can be solved", low=0.98
        ),
    },
    measure=measure,
    minutes=40,
    runs=runs,
)
