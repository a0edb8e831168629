"""The LSTM of cuDNN beside a loop that XLA compiles."""

from rnn_research import cells, engines
from rnn_research.reproductions import base, speed

LENGTH, BATCH = 500, 64
WIDTHS = 256, 512, 1024
PANEL = f"gradient, T = {LENGTH}"
LOOP, CUDNN = "lax.scan", "cuDNN"


def seconds(width: int) -> dict[str, float]:
    return {
        LOOP: speed.of_cell(cells.lstm(width), LENGTH, BATCH, engines.sequential()),
        CUDNN: speed.of_cudnn_lstm(width, LENGTH, BATCH),
    }


def measure(trained: list[base.Trained]) -> base.Found:
    del trained
    taken = {width: seconds(width) for width in WIDTHS}
    gains = {width: own[LOOP] / own[CUDNN] for width, own in taken.items()}
    return base.Found(
        gates={"gain": base.Measured.least(gains)},
        lines=[
            base.Line(PANEL, name, WIDTHS, [1000 * taken[w][name] for w in WIDTHS])
            for name in (LOOP, CUDNN)
        ],
        panels=[base.Panel(PANEL, "units", "milliseconds", True, True)],
    )


ENTRY = base.Reproduction(
    number=23,
    name="cudnn_speed",
    claim="The LSTM of cuDNN is several times faster than a loop that XLA compiles",
    source="Chetlur et al. 2014, arXiv 1410.0759 (cuDNN); keras-team/keras, pull "
    "request 22399, for the number",
    protocol=f"""
Milliseconds of a gradient of mean(y_T^2), one layer, T = {LENGTH}, batches of {BATCH},
float32 with products in full precision: `lax.scan` over a step of the library's LSTM
beside `jax.experimental.rnn`. The published number is that of the pull request, which
does not give its sizes.
""",
    gates={
        "gain": base.Gate(
            "the loop's time over cuDNN's, the least over widths",
            "about 5",
            low=3.0,
            firm=False,
        )
    },
    measure=measure,
    minutes=3,
    needs_gpu=True,
)
