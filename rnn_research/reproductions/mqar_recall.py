"""Attention recalls what a state of fixed size loses."""

from rnn_research.reproductions import base
from rnn_research.sweeps import each, product

MOST = 12_500  # updates: 64 passes over 100,000 sequences in batches of 512
RATES = 1e-3, 3e-3
WIDTHS = 64, 128
NETWORKS = {
    "attention": {"cell": "transformer"},
    "Mamba-2": {"cell": "mamba2", "block": "glu"},
    "LRU": {"cell": "lru", "block": "glu"},
}
PANEL = "recall by width"


def runs():
    grid = [
        {**own, **sizes}
        for own in NETWORKS.values()
        for sizes in product(hidden_size=list(WIDTHS), learning_rate=list(RATES))
    ]
    return each(
        "train",
        grid,
        seed=0,
        task="mqar(pairs=4, vocabulary=8192, fillers=any)",
        length=64,
        num_layers=2,
        batch_size=512,
        num_steps=MOST,
        eval_every=500,
    )


def _best(trained: list[base.Trained]) -> float:
    """The recall at the end, of the better learning rate; 0: all diverged."""
    ends = [own.record[-1]["recall_accuracy"] for own in trained if own.record]
    return max(ends, default=0.0)


def measure(trained: list[base.Trained]) -> base.Found:
    recall = {
        name: {
            width: _best(base.of(trained, cell=own["cell"], hidden_size=width))
            for width in WIDTHS
        }
        for name, own in NETWORKS.items()
    }
    small, large = WIDTHS
    fixed = {name: of_width for name, of_width in recall.items() if name != "attention"}
    return base.Found(
        gates={
            "attention": base.Measured.least(recall["attention"]),
            "fixed": base.Measured.largest(
                {name: own[small] for name, own in fixed.items()}
            ),
            "width": base.Measured.least(
                {name: own[large] - own[small] for name, own in fixed.items()}
            ),
        },
        lines=[
            base.Line(PANEL, name, WIDTHS, [own[width] for width in WIDTHS])
            for name, own in recall.items()
        ],
        panels=[base.Panel(PANEL, "width", "recall accuracy")],
    )


ENTRY = base.Reproduction(
    number=25,
    name="mqar_recall",
    claim="Attention recalls all associations at width 64; states of fixed size need "
    "more width",
    source="Arora et al. 2023, arXiv 2312.04927, figure 2, sequences of 64",
    protocol=f"""
Multi-query associative recall of 4 pairs in 64 steps, vocabulary 8,192, fillers of any
token, two layers, batches of 512, Adam, {MOST:,} updates (64 passes over 100,000
sequences; here all are fresh) or the task's threshold, rates {RATES[0]} and {RATES[1]},
of which the better counts (there four), one seed, widths {WIDTHS[0]} and {WIDTHS[1]}.
The paper's layers have no feed-forward part; here the transformer has its own, and the
recurrences stand in gated blocks. It measures H3, Hyena, RWKV-4 and a convolution
(0.93, 0.52, 0.76, 0.70 at width 64); here Mamba-2 and the LRU stand for them.
""",
    gates={
        "attention": base.Gate(
            "recall of attention, the least over widths", "1.00", low=0.99
        ),
        "fixed": base.Gate(
            "recall of the better state of fixed size at width 64",
            "0.52 to 0.93",
            high=0.95,
            firm=False,
        ),
        "width": base.Gate(
            "what width 128 adds to recall, the least over networks",
            "all recall more with more width",
            low=0.0,
            firm=False,
        ),
    },
    measure=measure,
    minutes=60,
    runs=runs,
    needs_gpu=True,
)
