"""How a sweep is run: the settings of every program that is one."""

import dataclasses

from rnn_research import config


@dataclasses.dataclass(frozen=True)
class SweepConfig(config.Settings):
    """Sweep:"""

    run: str = config.setting(
        "local",
        "where: in processes of this machine; or one after the other in this process, "
        "for a debugger",
        choices=("local", "debug"),
    )
    dry_run: bool = config.setting(False, "check and show the runs, and do none")
    only: tuple[str, ...] | None = config.setting(
        None, "conditions on the settings of runs, such as 'cell=gru,length>=50'"
    )
    failed: bool = config.setting(False, "the runs that failed, again, and no others")
    limit: int | None = config.setting(None, "do at most so many jobs", low=1)
    at_once: int | None = config.setting(
        None,
        "jobs at once; default: one a GPU, or one a core where there is none",
        low=1,
        high=10_000,
    )
    together: int = config.setting(
        8, "runs in one job that differ in seed or learning rate alone, at most", low=1
    )
    workdir: str | None = config.setting(
        None, "folder of it all; default: in runs/, with the name of the sweep"
    )
