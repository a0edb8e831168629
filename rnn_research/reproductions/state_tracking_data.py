"""How many sequences a transformer and an LSTM need to track a state, by length."""

import math

from rnn_research.reproductions import base
from rnn_research.sweeps import each, product

SEEDS = 2
MOST = 2000  # updates
SIZES = {  # of the training set, by the longest sequence
    6: (25, 100, 400, 800),
    12: (25, 100, 400, 1600, 6400),
    24: (25, 100, 400, 1600, 6400),
}
GUESSING = math.log(3)
LEARNED = 0.22  # a fifth of it
NETWORKS = {
    "transformer": {"cell": "transformer", "num_layers": 2, "learning_rate": 1e-3},
    "LSTM": {"cell": "lstm", "learning_rate": 3e-3},
}
NEEDED = "needed"


def task(rows: int) -> str:
    return f"limited(group_words(group=Z3, shortest=2), rows={rows})"


def panel(length: int) -> str:
    return f"up to {length} steps"


def runs():
    grid = [
        {**own, "length": length, "task": task(rows)}
        for own in NETWORKS.values()
        for length, sizes in SIZES.items()
        for rows in sizes
    ]
    return each(
        "train",
        product(grid, seed=range(SEEDS)),
        hidden_size=64,
        num_steps=MOST,
        batch_size=64,
        stop_at=LEARNED,
        keep="last",
        eval_every=100,
    )


def least_loss(own: base.Trained) -> float:
    """Of all evaluations on what was held out; inf where there is none."""
    losses = [row["loss"] for row in own.record if math.isfinite(row["loss"])]
    return min(losses, default=math.inf)


def fits_its_own(own: base.Trained) -> bool:
    """Whether it learned the sequences that it had, and those alone."""
    last = own.record[-1].get("train_loss") if own.record else None
    return least_loss(own) >= LEARNED and last is not None and last < LEARNED


def needed(by_size: dict[int, list[base.Trained]]) -> float:
    """The fewest sequences with which a seed has learned; inf: none has."""
    return min(
        (size for size, own in by_size.items() if min(map(least_loss, own)) < LEARNED),
        default=math.inf,
    )


def growth(short: float, long: float, unknown: float) -> base.Measured:
    """How many times as many the longest need; `unknown` if none sufficed for short."""
    value = long / short if math.isfinite(short) else unknown
    shortest, *_, longest = SIZES
    return base.Measured(value, {f"T = {shortest}": short, f"T = {longest}": long})


def measure(trained: list[base.Trained]) -> base.Found:
    runs_of = {
        (name, length): {
            rows: base.of(trained, cell=own["cell"], length=length, task=task(rows))
            for rows in sizes
        }
        for name, own in NETWORKS.items()
        for length, sizes in SIZES.items()
    }
    least = {pair: needed(by_size) for pair, by_size in runs_of.items()}
    shortest, *_, longest = SIZES
    transformer = [least["transformer", length] for length in (shortest, longest)]
    lstm = [least["LSTM", length] for length in (shortest, longest)]
    ends = {"transformer": transformer[1], "LSTM": lstm[1]}
    ratio = transformer[1] / lstm[1] if math.isfinite(lstm[1]) else 0.0
    return base.Found(
        gates={
            "transformer": growth(*transformer, unknown=0.0),
            "lstm": growth(*lstm, unknown=math.inf),
            "ratio": base.Measured(ratio, ends),
        },
        lines=lines_of(runs_of, least),
        panels=[
            base.Panel(NEEDED, "longest sequence", "sequences", log_y=True),
            *(
                base.Panel(
                    panel(length),
                    "sequences to train on",
                    "held-out loss",
                    True,
                    True,
                    level=(GUESSING, "guessing"),
                )
                for length in SIZES
            ),
        ],
        notes=[said(name, runs_of, least) for name in NETWORKS],
    )


def lines_of(runs_of: dict, least: dict) -> list[base.Line]:
    lines = []
    for name in NETWORKS:
        known = [(n, least[name, n]) for n in SIZES if math.isfinite(least[name, n])]
        lines.append(
            base.Line(NEEDED, name, [n for n, _ in known], [own for _, own in known])
        )
        for length, sizes in SIZES.items():
            for seed in range(SEEDS):
                losses = [
                    least_loss(own)
                    for rows in sizes
                    for own in runs_of[name, length][rows]
                    if own.seed == seed
                ]
                lines.append(base.Line(panel(length), name, sizes, losses))
    return lines


def said(name: str, runs_of: dict, least: dict) -> str:
    """Of a network how many sequences it needed, and what those lacked that failed."""
    each_length = [
        f"{least[name, length]:,} up to {length} steps"
        if math.isfinite(least[name, length])
        else f"more than {max(sizes):,} up to {length} steps"
        for length, sizes in SIZES.items()
    ]
    every = [
        run
        for length in SIZES
        for own in runs_of[name, length].values()
        for run in own
        if least_loss(run) >= LEARNED
    ]
    fitted = sum(map(fits_its_own, every))
    failed = f"; of {len(every)} runs that did not learn it, {fitted} had learned"
    return f"{name}: {', '.join(each_length)}{failed} their own sequences."


ENTRY = base.Reproduction(
    number=27,
    name="state_tracking_data",
    claim="The sequences that a transformer needs to track a state grow much faster "
    "with length than those of a recurrent network",
    source="Ebrahimi, Defferrard, Panchal & Memisevic 2026, arXiv 2602.18333, "
    "sections 2 and 3",
    protocol=f"""
Addition modulo 3, every partial sum asked for at its step (there 'aligned chain of
thought'; there modulo 2 to 100, asked also at the end alone, or after the sequence).
Lengths uniform from 2 to 6, 12 or 24 (there 5, 10, 20 or 30), no sequence twice, a
fifth of all that there are held out. For each length a few sizes N of the training set,
25 to 6,400 (there a search up to 16 million). N suffices if one of {SEEDS} seeds comes
to a held-out loss below {LEARNED}, a fifth of guessing's, within {MOST:,} updates of 64
(there 1e-4, three learning rates, five seeds and 250,000 updates). So a failure may be
one of updates rather than of data; a note counts those that had learned their own
sequences. Transformer: 2 layers, 64 wide, rotary positions, Adam at 1e-3 (there GPT-2
with 6 layers of 256, or 2). LSTM: one layer of 64 at 3e-3 (there 768 or 256). The paper
has a dense state-space model as well. It gives 2 million sequences for its transformer
at modulus 5 and lengths up to 20.
""",
    gates={
        "transformer": base.Gate(
            "sequences of the transformer at lengths to 24 over those at lengths to 6",
            "grows rapidly",
            low=4,
            firm=False,
        ),
        "lstm": base.Gate(
            "sequences of the LSTM at lengths to 24 over those at lengths to 6",
            "fewer as sequences grow longer",
            high=1,
            firm=False,
        ),
        "ratio": base.Gate(
            "sequences of the transformer over those of the LSTM at lengths to 24",
            "orders of magnitude",
            low=10,
            firm=False,
        ),
    },
    measure=measure,
    minutes=28,
    runs=runs,
)
