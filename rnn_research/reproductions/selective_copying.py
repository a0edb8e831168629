"""Selective copying: what does not look at its input cannot; nor one gated layer."""

from rnn_research.reproductions import base
from rnn_research.sweeps import each

SEEDS = 3
UPDATES = 5000
LENGTH = 256
SYMBOLS = 8
PANEL = f"T = {LENGTH}"
NETWORKS = {
    "LRU, 2 layers": {"cell": "lru", "num_layers": 2},
    "S6, 2 layers": {"cell": "s6(state_size=4)", "num_layers": 2},
    "minGRU, 1 layer": {"cell": "min_gru", "num_layers": 1},
    "minGRU, 3 layers": {"cell": "min_gru", "num_layers": 3},
}


def runs():
    grid = [{**own, "seed": seed} for own in NETWORKS.values() for seed in range(SEEDS)]
    return each(
        "train",
        grid,
        task=f"selective_copying(symbols={SYMBOLS})",
        length=LENGTH,
        hidden_size=64,
        block="glu",
        engine="adjoint",
        num_steps=UPDATES,
        batch_size=32,
        learning_rate=3e-3,
        eval_every=250,
        stop_at=0.0,
    )


def _name(own: base.Trained) -> str:
    kind = own.settings["cell"], own.settings["num_layers"]
    return next(
        name
        for name, other in NETWORKS.items()
        if kind == (other["cell"], other["num_layers"])
    )


def _recall(own: base.Trained) -> float:
    """At the end; 0 where the run diverged before it was evaluated."""
    return own.record[-1]["recall_accuracy"] if own.record else 0.0


def measure(trained: list[base.Trained]) -> base.Found:
    recall = {
        name: base.by_seed([own for own in trained if _name(own) == name], _recall)
        for name in NETWORKS
    }
    lti, selective, shallow, deep = NETWORKS
    return base.Found(
        gates={
            "lti": base.Measured.largest(recall[lti]),
            "selective": base.Measured.median(recall[selective]),
            "shallow": base.Measured.largest(recall[shallow]),
            "deep": base.Measured.median(recall[deep]),
        },
        lines=[
            base.Line(
                PANEL,
                _name(own),
                [row["step"] for row in own.record],
                [row["recall_accuracy"] for row in own.record],
            )
            for own in trained
            if own.record
        ],
        panels=[
            base.Panel(PANEL, "updates", "recall accuracy", level=(1 / 15, "guessing"))
        ],
    )


ENTRY = base.Reproduction(
    number=19,
    name="selective_copying",
    claim="Only recurrences whose gates see the input copy selectively, and minGRU "
    "needs more than one layer for it",
    source="Gu & Dao 2023, arXiv 2312.00752, table 1; Feng et al. 2024, arXiv "
    "2410.01201, table 1",
    protocol=f"""
Selective copying as of Mamba, T = {LENGTH} (there 4,096), {SYMBOLS} symbols (there 16)
of 15, 64 features, batches of 32, Adam at 3e-3, {UPDATES:,} updates (Mamba: 400,000),
{SEEDS} seeds. All cells stand in the same gated blocks: LRU, which is time-invariant,
for S4; S6 with a state of 4 for each feature, without Mamba's convolution and gate, as
the paper also shows it; minGRU, whose paper has blocks of its own. The score is the
share of symbols recalled, of 1,000 fresh sequences. The sizes were chosen after tries
with one seed: with 16 symbols three layers of minGRU recalled 52 % after 2,500 updates,
with 8 symbols 71 % after 1,500, and S6 47 % after 800.
""",
    gates={
        "lti": base.Gate(
            "recall of the LRU, the largest over seeds",
            "S4 18.3 %",
            high=0.5,
            firm=False,
        ),
        "selective": base.Gate(
            "recall of S6, the median over seeds",
            "97.0 %",
            low=0.95,
            firm=False,
        ),
        "shallow": base.Gate(
            "recall of one layer of minGRU, the largest over seeds",
            "37.0 +- 2.3 %",
            high=0.6,
            firm=False,
        ),
        "deep": base.Gate(
            "recall of three layers of minGRU, the median over seeds",
            "99.5 +- 0.2 %",
            low=0.95,
            firm=False,
        ),
    },
    measure=measure,
    minutes=50,
    runs=runs,
)
