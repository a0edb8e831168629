"""Which cell remembers longest, and why? The longest T that each learns.

    python -m experiments.memory_span
    python -m experiments.memory_span --cells=elman,irnn,gru,lstm,lru --task=copy_memory
    python -m experiments.memory_span --cells='lstm(forget_bias=0),lstm(forget_bias=3)'

Trains each cell at T, 2 T, 4 T, ... as long as a seed solves the task in the updates
that there are. --bisections=2 then halves the gap between what it learned and what it
did not, twice. The first sentence says which remembers longest, and which measurement
orders the cells so: how far the gradient reaches before training, the exponent at which
it vanishes, the forget bias, or the updates. A cell whose gradient reaches and which
does not learn is said to.

Writes memory_span.md, which opens with that sentence, memory_span.csv and
memory_span.png: the span of each cell, the median over seeds from the least to the
greatest. Trainings are kept and resume; `python -m experiments.report` shows them.

Expected of the default: GRU and LSTM learn T = 200, the longest tried, in 500 and 1,300
updates, an Elman network T = 25 at one seed of three. Time: three minutes on 2 cores.

Expected of `--cells=elman,gru --shortest=8 --longest=16 --hidden_size=16
--num_steps=600 --num_seeds=2 --learning_rate=5e-3`: a GRU learns T = 16 in 200 updates,
an Elman network T = 8 in 350, and not T = 16, though 1 % of its gradient is left after
all steps. It took 94 s of processor time, most of it compilation.
"""

import dataclasses
import pathlib

from rnn_research import config, plotting, report, runtime
from rnn_research.diagnostics import table
from rnn_research.files import write_atomically
from rnn_research.measurements import span


@dataclasses.dataclass(frozen=True)
class SpanConfig(config.Seeds):
    """Memory span:"""

    cells: tuple[str, ...] = config.setting(
        ("elman", "gru", "lstm"),
        "cells and layers to compare, as for --cell",
        names="cells",
    )
    task: str = config.setting(
        "adding", "the task, as for --task of experiments.train", names="tasks"
    )
    shortest: int = config.setting(25, "the first T", low=2)
    longest: int = config.setting(200, "the last T that is tried", low=2)
    bisections: int = config.setting(
        0, "halvings of the gap between learned and not learned", low=0, high=10
    )
    hidden_size: int = config.setting(32, "units of each", low=1)
    num_steps: int = config.setting(1500, "updates that each may take", low=1)
    batch_size: int = config.setting(32, "sequences in an update", low=1)
    learning_rate: float = config.setting(3e-3, "of all", above=0)
    workdir: str = config.setting("runs/memory_span", "folder of it all")


def main(settings: SpanConfig, run_config: runtime.RunConfig):
    folder = pathlib.Path(settings.workdir)
    tried = span.search(settings, folder, run_config)
    names = tuple(each.cell for each in tried)
    entries = report.read([each.folder for each in tried], labels=names)
    rows = span.rows(tried, report.networks(entries))
    said = report.sentence(entries)
    table.write_csv(rows, folder / "memory_span.csv", columns=tuple(rows[0]))
    write_atomically(folder / "memory_span.md", span.page(said, rows, settings))
    plotting.memory_span(rows, folder / "memory_span.png")
    print(f"{said}\ntables: {folder / 'memory_span.csv'}, {folder / 'memory_span.md'}")
    print(f"figure: {folder / 'memory_span.png'}")


SETTINGS = (
    SpanConfig(num_seeds=3),
    runtime.RunConfig(),
)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
