"""LEM's updates to add hardly depend on the length; coRNN and an LSTM beside it."""

import math

from rnn_research.reproductions import base
from rnn_research.sweeps import each, product

SEEDS = 3
MOST = 5000  # updates
SOLVED = 0.01  # MSE
LENGTHS = 200, 400
CELLS = {
    "LEM": {"cell": "lem(dt=0.1)", "learning_rate": 2.6e-3},
    "coRNN": {"cell": "cornn", "learning_rate": 2e-2},
    "LSTM": {"cell": "lstm", "learning_rate": 2.6e-3},
}


def panel(length: int) -> str:
    return f"T = {length}"


def runs():
    return [
        run
        for own in CELLS.values()
        for run in each(
            "adding_problem",
            product(length=list(LENGTHS), seed=range(SEEDS)),
            **own,
            hidden_size=64,
            batch_size=50,
            num_steps=MOST,
            grad_clip=0.0,
            eval_every=100,
        )
    ]


def measure(trained: list[base.Trained]) -> base.Found:
    updates = {
        (name, length): base.by_seed(
            base.of(trained, cell=own["cell"], length=length),
            lambda run: base.updates_to(run, SOLVED),
        )
        for name, own in CELLS.items()
        for length in LENGTHS
    }
    short, long = LENGTHS
    ratios = {
        seed: updates["LEM", long][seed] / own if math.isfinite(own) else math.inf
        for seed, own in updates["LEM", short].items()
    }
    names = {own["cell"]: name for name, own in CELLS.items()}
    return base.Found(
        gates={
            "lem": base.Measured.median(updates["LEM", long]),
            "ratio": base.Measured.median(ratios),
            "cornn": base.Measured.median(updates["coRNN", long]),
            "lstm": base.solved(updates["LSTM", long]),
        },
        lines=[
            line
            for length in LENGTHS
            for line in base.curves(
                base.of(trained, length=length),
                panel(length),
                lambda own: names[own.settings["cell"]],
            )
        ],
        panels=[base.adding_panel(panel(length)) for length in LENGTHS],
        notes=base.told(
            {f"{name}, T = {length}": own for (name, length), own in updates.items()}
        ),
    )


ENTRY = base.Reproduction(
    number=16,
    name="lem_adding",
    claim="The updates that LEM and coRNN take to add hardly grow with the length; an "
    "LSTM does not learn",
    source="Rusch, Mishra, Erichson & Mahoney 2021, arXiv 2110.04744, section 5, and "
    "Rusch & Mishra 2020, arXiv 2010.00951, section 4",
    protocol=f"""
Adding (Arjovsky's form), fresh sequences, 64 units, batches of 50, Adam, no clipping,
at most {MOST:,} updates, 3 seeds, T = {LENGTHS[0]} and {LENGTHS[1]}. LEM: 2.6e-3 as the
authors' script, dt = 0.1 (there 0.0242, for T = 2,000 and more). coRNN: 2e-2, dt =
0.06, gamma = 66, epsilon = 15, all as in its script. LSTM: the rate of LEM. The authors
have 128 units and T = 2,000 to 10,000, where LEM takes 1,900 to 2,000 updates to an MSE
of 0.01. That an LSTM does not learn is the claim; at these lengths it may be wrong.
""",
    gates={
        "lem": base.Gate(
            "updates of LEM to an MSE below 0.01 at T = 400, the median over seeds",
            "1,900 at T = 2,000, 2,000 at T = 5,000",
            high=MOST,
            firm=False,
        ),
        "ratio": base.Gate(
            "LEM's updates at T = 400 over those at T = 200, the median over seeds",
            "1.05 from T = 2,000 to 5,000",
            high=2.0,
            firm=False,
        ),
        "cornn": base.Gate(
            "updates of coRNN to an MSE below 0.01 at T = 400, the median over seeds",
            "solved up to T = 5,000",
            high=MOST,
            firm=False,
        ),
        "lstm": base.Gate(
            "seeds of which the LSTM came to an MSE below 0.01 at T = 400",
            "none",
            high=1,
            firm=False,
        ),
    },
    measure=measure,
    minutes=30,
    runs=runs,
)
