"""LEM adds over 2,000 and 5,000 steps, after as many updates."""

import math

from rnn_research.reproductions import base
from rnn_research.sweeps import each, product

SEEDS = 3
MOST = 4000  # updates
SOLVED = 0.01  # MSE
LENGTHS = 2000, 5000
PUBLISHED = 1900, 2000  # updates, in the authors' logs


def panel(length: int) -> str:
    return f"T = {length}"


def runs():
    return each(
        "adding_problem",
        product(length=list(LENGTHS), seed=range(SEEDS)),
        cell="lem(dt=0.0242)",
        hidden_size=128,
        batch_size=50,
        learning_rate=2.6e-3,
        grad_clip=0.0,
        num_steps=MOST,
        eval_every=100,
    )


def measure(trained: list[base.Trained]) -> base.Found:
    updates = {
        length: base.by_seed(
            base.of(trained, length=length), lambda own: base.updates_to(own, SOLVED)
        )
        for length in LENGTHS
    }
    short, long = LENGTHS
    ratios = {
        seed: updates[long][seed] / own if math.isfinite(own) else math.inf
        for seed, own in updates[short].items()
    }
    return base.Found(
        gates={
            "solved": base.Measured.median(updates[short]),
            "ratio": base.Measured.median(ratios),
        },
        lines=[
            line
            for length in LENGTHS
            for line in base.curves(
                base.of(trained, length=length), panel(length), lambda own: "LEM"
            )
        ],
        panels=[base.adding_panel(panel(length)) for length in LENGTHS],
        notes=base.told({f"T = {length}": own for length, own in updates.items()}),
    )


ENTRY = base.Reproduction(
    number=21,
    name="lem_long_adding",
    claim="LEM learns to add over 5,000 steps in as many updates as over 2,000",
    source="Rusch, Mishra, Erichson & Mahoney 2021, arXiv 2110.04744, section 5, and "
    "the authors' logs",
    protocol=f"""
Adding (Arjovsky's form), fresh sequences, 128 units, dt = 0.0242, batches of 50, Adam
at 2.6e-3, no clipping, tested on 1,000 sequences every 100 updates: all as in the
authors' script, but for at most {MOST:,} updates (there 30,000) and an end at an MSE of
{SOLVED}; {SEEDS} seeds (there one), T = {LENGTHS[0]:,} and {LENGTHS[1]:,} (there 10,000
as well).
""",
    gates={
        "solved": base.Gate(
            f"updates to an MSE below {SOLVED} at T = 2,000, the median over seeds",
            f"{PUBLISHED[0]:,}",
            high=MOST,
        ),
        "ratio": base.Gate(
            "updates at T = 5,000 over those at T = 2,000, the median over seeds",
            f"{PUBLISHED[1] / PUBLISHED[0]:.2f}",
            high=1.5,
        ),
    },
    measure=measure,
    minutes=60,
    runs=runs,
    needs_gpu=True,
)
