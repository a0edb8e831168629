"""LEM adds over 2,000 steps, as far as two CPU cores allow."""

from rnn_research.reproductions import base
from rnn_research.sweeps import each, product

SEEDS = 2
MOST = 3000  # updates
SOLVED = 0.01  # MSE
LENGTH = 2000
PUBLISHED = 1900  # updates, in the authors' log
PANEL = f"T = {LENGTH:,}"


def runs():
    return each(
        "adding_problem",
        product(seed=range(SEEDS)),
        length=LENGTH,
        cell="lem(dt=0.0242)",
        hidden_size=128,
        batch_size=50,
        learning_rate=2.6e-3,
        grad_clip=0.0,
        num_steps=MOST,
        eval_every=100,
    )


def measure(trained: list[base.Trained]) -> base.Found:
    updates = base.by_seed(trained, lambda own: base.updates_to(own, SOLVED))
    losses = base.by_seed(trained, base.final_loss)
    ends = ", ".join(f"{loss:.3g} (seed {seed})" for seed, loss in losses.items())
    return base.Found(
        gates={"solved": base.Measured.least(updates)},
        lines=base.curves(trained, PANEL, lambda own: "LEM"),
        panels=[base.adding_panel(PANEL)],
        notes=[*base.told({PANEL: updates}), f"The MSE at the end: {ends}."],
    )


ENTRY = base.Reproduction(
    number=28,
    name="lem_adding_2000",
    claim="LEM learns to add over 2,000 steps in about 2,000 updates",
    source="Rusch, Mishra, Erichson & Mahoney 2021, arXiv 2110.04744, section 5, and "
    "the authors' logs",
    protocol=f"""
Adding (Arjovsky's form), fresh sequences, 128 units, dt = 0.0242, batches of 50, Adam
at 2.6e-3, no clipping, tested on 1,000 sequences every 100 updates: all as in the
authors' script, but for at most {MOST:,} updates (there 30,000) and an end at an MSE of
{SOLVED}; {SEEDS} seeds (there one). The claim holds if one of them is there in time.
This is what two cores allow. T = 5,000 and 10,000 are not run, so that the number of
updates hardly grows with T is not tested here: lem_long_adding does, on a GPU.
""",
    gates={
        "solved": base.Gate(
            f"updates to an MSE below {SOLVED} at T = 2,000, the better of {SEEDS} "
            "seeds",
            f"{PUBLISHED:,}",
            high=MOST,
        )
    },
    measure=measure,
    minutes=110,
    runs=runs,
)
