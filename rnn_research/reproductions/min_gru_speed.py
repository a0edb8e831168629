"""A minGRU in parallel beside a GRU step by step, and beside a fused LSTM."""

from rnn_research import cells, engines
from rnn_research.reproductions import base, speed

LENGTHS = 512, 4096
BATCH, UNITS = 64, 64
PANEL = "gradient"
NAMES = "minGRU, associative scan", "GRU, a step after the other", "LSTM of cuDNN"


def seconds(length: int) -> dict[str, float]:
    parallel, loop, fused = NAMES
    return {
        parallel: speed.of_cell(
            cells.min_gru(UNITS), length, BATCH, engines.associative()
        ),
        loop: speed.of_cell(cells.gru(UNITS), length, BATCH, engines.sequential()),
        fused: speed.of_cudnn_lstm(UNITS, length, BATCH),
    }


def measure(trained: list[base.Trained]) -> base.Found:
    del trained
    taken = {length: seconds(length) for length in LENGTHS}
    parallel, loop, fused = NAMES
    short, long = LENGTHS

    def gain(over: str, length: int) -> base.Measured:
        own = taken[length]
        milliseconds = {name: 1000 * own[name] for name in (parallel, over)}
        return base.Measured(own[over] / own[parallel], milliseconds)

    return base.Found(
        gates={
            "short": gain(loop, short),
            "long": gain(loop, long),
            "fused": gain(fused, long),
        },
        lines=[
            base.Line(PANEL, name, LENGTHS, [1000 * taken[t][name] for t in LENGTHS])
            for name in NAMES
        ],
        panels=[base.Panel(PANEL, "length T", "milliseconds", True, True)],
    )


ENTRY = base.Reproduction(
    number=24,
    name="min_gru_speed",
    claim="A minGRU trains hundreds of times faster than a GRU",
    source="Feng et al. 2024, arXiv 2410.01201, section 4.1",
    protocol=f"""
Milliseconds of a gradient of mean(y_T^2), batches of {BATCH}, {UNITS} units, float32:
the minGRU by an associative scan, a GRU by a loop of one step after the other, as the
paper's baseline is, and beside both the LSTM of cuDNN, since JAX has no GRU of cuDNN.
The paper measures training steps on a T4. Others have a plain minGRU ten times slower
than a fused GRU (github.com/cheind/mingru, issue 3). The claim holds whole only if it
holds beside a fused network, too.
""",
    gates={
        "short": base.Gate(
            "the GRU's time over the minGRU's at T = 512", "175", low=20, firm=False
        ),
        "long": base.Gate(
            "the GRU's time over the minGRU's at T = 4,096", "1,324", low=50, firm=False
        ),
        "fused": base.Gate(
            "the time of cuDNN's LSTM over the minGRU's at T = 4,096",
            "not by the paper; by others 0.1 over a fused GRU",
            low=1.0,
            firm=False,
        ),
    },
    measure=measure,
    minutes=3,
    needs_gpu=True,
)
