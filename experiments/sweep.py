"""Many runs from one file: a grid, on this machine or on a cluster.

    python -m experiments.sweep --config=configs/sweep_adding.py --dry_run
    python -m experiments.sweep --config=configs/sweep_adding.py
    python -m experiments.sweep --config=my_grid.py --only='cell=gru,length>50'

The file's `get_config()` returns a list of (experiment, settings), which
`rnn_research.sweeps` has the words for: each, product, zip_, chain, when. All runs are
checked before the first begins. Each job is a process with a folder; runs that differ
in seed or learning rate alone share one. The same command goes on where it was stopped,
however that was: finished runs are skipped, and runs that are new in the file added.
A run that fails costs no other; --failed runs those that failed again.

Writes sweep.json (every job and its command), and at the end the tables, the figure and
the page of `experiments.results`.
"""

import dataclasses
import pathlib

from rnn_research import config, errors
from rnn_research.sweeps import settings, sweep


@dataclasses.dataclass(frozen=True)
class FileConfig(config.Settings):
    """Runs:"""

    config: str | None = config.setting(
        None, "Python file whose get_config() returns a list of (experiment, settings)"
    )


def main(file: FileConfig, how: settings.SweepConfig):
    if file.config is None:
        raise errors.UsageError("give --config=FILE, such as configs/sweep_adding.py")
    _, content = config.called(file.config)
    sweep.run(content, pathlib.Path(file.config).stem, how)


SETTINGS = (
    FileConfig(),
    settings.SweepConfig(),
)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
