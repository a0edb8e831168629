"""Settings: fields of frozen dataclasses, read from the command line and files.

A setting is defined once, as a field with its default, help and range:

    @dataclasses.dataclass(frozen=True)
    class TrainConfig(config.Settings):
        batch_size: int = config.setting(50, "sequences in one update", low=1)

`run(main, TrainConfig(), ...)` turns the fields into flags and calls
`main(TrainConfig(...), ...)`. A program that wants another default passes an
instance that holds it. Order of strength: field default < instance < config file
(`--config=configs/x.py`, whose `get_config()` returns a dict of fields) < command
line. Every mistake is one line on stderr and exit code 2.
"""

from rnn_research.config.command_line import (
    as_flags,
    called,
    parse,
    replaced,
    run,
    split_list,
)
from rnn_research.config.settings import LARGEST, MOST_SEEDS, Seeds, Settings, setting

__all__ = [
    "LARGEST",
    "MOST_SEEDS",
    "Seeds",
    "Settings",
    "as_flags",
    "called",
    "parse",
    "replaced",
    "run",
    "setting",
    "split_list",
]
