"""Clipping and Omega let a plain tanh network tell in which order symbols came."""

import math

from rnn_research.reproductions import base
from rnn_research.sweeps import each, product

SEEDS = 3
MOST = 30_000  # updates
SOLVED = 0.99  # accuracy
CLIP = 1.0
WAYS = {
    "neither": {"grad_clip": 0.0},
    "clipped": {"grad_clip": CLIP},
    "with Omega": {"grad_clip": CLIP, "penalties": "omega(weight=2.0)"},
}
LENGTHS = 20, 50
CASES = [(20, way) for way in WAYS] + [(50, "clipped"), (50, "with Omega")]


def panel(length: int) -> str:
    return f"T = {length}"


def runs():
    return [
        run
        for length, way in CASES
        for run in each(
            "train",
            product(seed=range(SEEDS)),
            **WAYS[way],
            task="temporal_order",
            length=length,
            cell="elman(recurrent=normal(gain=0.7071))",
            hidden_size=50,
            optimizer="sgd",
            learning_rate=0.01,
            batch_size=20,
            num_steps=MOST,
            eval_every=500,
        )
    ]


def way_of(own: base.Trained) -> str:
    if "penalties" in own.settings:
        return "with Omega"
    return "clipped" if own.settings["grad_clip"] else "neither"


def _updates(own: base.Trained) -> float:
    """Until an accuracy of 99 % was seen first."""
    return next(
        (row["step"] for row in own.record if row["accuracy"] >= SOLVED), math.inf
    )


def _longest_step(own: base.Trained) -> float:
    """The largest norm of a gradient over that which clipping leaves; inf: diverged."""
    norms = [row["largest_grad_norm"] for row in own.record]
    finite = (
        norms and own.end["outcome"] != "diverged" and all(map(math.isfinite, norms))
    )
    return max(norms) / CLIP if finite else math.inf


def measure(trained: list[base.Trained]) -> base.Found:
    found = {
        case: [
            own for own in base.of(trained, length=case[0]) if way_of(own) == case[1]
        ]
        for case in CASES
    }
    updates = {case: base.by_seed(own, _updates) for case, own in found.items()}
    steps = base.by_seed(found[20, "neither"], _longest_step)
    return base.Found(
        gates={
            "clipped": base.solved(updates[20, "clipped"]),
            "omega": base.solved(updates[20, "with Omega"]),
            "omega_50": base.solved(updates[50, "with Omega"]),
            "free": base.Measured.largest(steps),
        },
        lines=[
            base.Line(
                panel(length),
                way_of(own),
                [row["step"] for row in own.record],
                [1 - row["accuracy"] for row in own.record],
            )
            for length in LENGTHS
            for own in base.of(trained, length=length)
            if own.record
        ],
        panels=[
            base.Panel(
                panel(length),
                "updates",
                "share of errors",
                level=(0.75, "guessing"),
            )
            for length in LENGTHS
        ],
        notes=base.told(
            {f"T = {length}, {way}": own for (length, way), own in updates.items()}
        ),
    )


ENTRY = base.Reproduction(
    number=14,
    name="temporal_order",
    claim="With clipping and Omega a plain tanh network learns temporal order by SGD",
    source="Pascanu, Mikolov & Bengio 2013, arXiv 1211.5063, section 4.1",
    protocol=f"""
Temporal order of two symbols, 50 tanh units, plain SGD at 0.01, batches of 20, fresh
sequences, {MOST:,} updates or a loss below 0.01, 3 seeds: with neither help, with the
norm of the gradient clipped at {CLIP:g}, and with Omega of weight 2 beside it; at T =
20, and the last two at T = 50. A seed counts as solved when 99 % of 1,000 fresh
sequences are right. W starts N(0, 0.1^2), the paper's basic initialisation; input
weights have variance 1/6 here, 0.1^2 there. The authors' code sets a gradient that is
not finite to 0.02 W; here it ends the run. The paper trains 5 networks of each length
up to 5 million updates, counts 99.9999 % right as solved, and has lengths of 20 to 200.
""",
    gates={
        "clipped": base.Gate(
            "seeds solved at T = 20 with clipping", "solved up to 20", low=2, firm=False
        ),
        "omega": base.Gate(
            "seeds solved at T = 20 with clipping and Omega", "all", low=2, firm=False
        ),
        "omega_50": base.Gate(
            "seeds solved at T = 50 with clipping and Omega", "all", low=2, firm=False
        ),
        "free": base.Gate(
            "longest gradient without clipping, over the norm that clipping leaves, "
            "the largest over seeds",
            "gradients explode",
            low=10,
            firm=False,
        ),
    },
    measure=measure,
    minutes=30,
    runs=runs,
)
