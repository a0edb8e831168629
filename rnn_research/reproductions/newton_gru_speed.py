"""A GRU solved by Newton's method in parallel, beside the loop."""

import jax
import jax.numpy as jnp

from rnn_research import cells, engines, unroll
from rnn_research.reproductions import base, speed

LENGTHS = 1000, 10_000, 100_000
BATCH, UNITS = 16, 1
PANEL = "Newton over the loop"
PUBLISHED = 41, 289, 816  # times, forward and gradient


def measure(trained: list[base.Trained]) -> base.Found:
    del trained
    cell = cells.gru(UNITS)
    gains = {length: _gain(cell, length) for length in LENGTHS}
    with jax.default_matmul_precision("highest"):
        difference, iterations = _exactness(cell, LENGTHS[0])
    return base.Found(
        gates={
            "gain": base.Measured(
                gains[LENGTHS[-1]], {f"{t}": gains[t] for t in gains}
            ),
            "difference": base.Measured(difference),
            "iterations": base.Measured(iterations),
        },
        lines=[
            base.Line(PANEL, "measured", LENGTHS, [gains[t] for t in LENGTHS]),
            base.Line(PANEL, "published", LENGTHS, PUBLISHED, published=True),
        ],
        panels=[base.Panel(PANEL, "length T", "times faster", True, True)],
    )


def _gain(cell, length: int) -> float:
    loop = speed.of_cell(cell, length, BATCH, engines.sequential())
    return loop / speed.of_cell(cell, length, BATCH, engines.newton())


def _exactness(cell, length: int) -> tuple[float, float]:
    """The largest difference of outputs from the loop's, and Newton's iterations."""
    params = cell.init(jax.random.key(0), speed.INPUTS)
    x = speed.inputs(length, BATCH)

    @jax.jit
    def both(params, x):
        loop = unroll(cell, params, x, engine=engines.sequential())
        own = unroll(cell, params, x, engine=engines.newton())
        gap = jnp.abs(own.outputs - loop.outputs).max()
        return gap, own.record.solver.iterations

    gap, iterations = both(params, x)
    return float(gap), float(iterations)


ENTRY = base.Reproduction(
    number=22,
    name="newton_gru_speed",
    claim="Newton's method in parallel runs a GRU of one unit hundreds of times faster "
    "than the loop",
    source="Lim, Zhu, Selfridge & Kasim 2023, arXiv 2309.12252; its authors' reports",
    protocol=f"""
Seconds of a gradient of mean(y_T^2) of a GRU of one unit, batches of {BATCH}, float32
with products in full precision, T = 1,000, 10,000 and 100,000: a loop of one step after
the other over Newton's method. The authors' reports have one unit, 5 seeds and a V100;
their batch is not recorded. The paper goes on to 64 units, where the gain is smaller.
""",
    gates={
        "gain": base.Gate(
            "the loop's time over Newton's at T = 100,000", "816", low=100
        ),
        "difference": base.Gate(
            "largest difference of outputs at T = 1,000", "5e-7", high=1e-5
        ),
        "iterations": base.Gate(
            "iterations of Newton at T = 1,000", "typically below 20", high=20
        ),
    },
    measure=measure,
    minutes=5,
    needs_gpu=True,
)
