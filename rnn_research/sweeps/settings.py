"""How a sweep is run: the settings of every program that is one."""

import dataclasses

from rnn_research import config


@dataclasses.dataclass(frozen=True)
class SweepConfig(config.Settings):
    """Sweep:"""

    run: str = config.setting(
        "local",
        "where: in processes of this machine; in jobs of SLURM; or one after the other "
        "in this process, for a debugger",
        choices=("local", "slurm", "debug"),
    )
    dry_run: bool = config.setting(False, "check and show the runs, and do none")
    only: tuple[str, ...] | None = config.setting(
        None, "conditions on the settings of runs, such as 'cell=gru,length>=50'"
    )
    failed: bool = config.setting(False, "the runs that failed, again, and no others")
    limit: int | None = config.setting(None, "do at most so many jobs", low=1)
    at_once: int | None = config.setting(
        None,
        "jobs at once; default: one a GPU, or one a core where there is none; in SLURM "
        "as many as it lets run",
        low=1,
        high=10_000,
    )
    together: int = config.setting(
        8, "runs in one job that differ in seed or learning rate alone, at most", low=1
    )
    workdir: str | None = config.setting(
        None, "folder of it all; default: in runs/, with the name of the sweep"
    )
    partition: str | None = config.setting(
        None, "SLURM: partition of the jobs; what is not given is the cluster's default"
    )
    account: str | None = config.setting(
        None, "SLURM: account that they are charged to"
    )
    qos: str | None = config.setting(None, "SLURM: quality of service")
    time: int = config.setting(
        60,
        "SLURM: minutes of a job; one that needs more saves and is queued again",
        low=1,
    )
    mem: str | None = config.setting(None, "SLURM: memory per node, such as 16G")
    cpus_per_task: int | None = config.setting(None, "SLURM: cores per process", low=1)
    gpus_per_node: int | None = config.setting(None, "SLURM: GPUs per node", low=1)
    nodes: int = config.setting(1, "SLURM: nodes of one job", low=1)
    ntasks_per_node: int = config.setting(
        1, "SLURM: processes per node that train one model together", low=1
    )
    array_limit: int = config.setting(500, "SLURM: jobs in one array, at most", low=1)
    max_timeouts: int = config.setting(
        20,
        "SLURM: how often a job may run out of its time before it has failed",
        low=0,
    )
    setup: str | None = config.setting(
        None, "SLURM: shell line that runs first, such as 'module load cuda'"
    )
    sbatch: str | None = config.setting(
        None, "SLURM: further options of sbatch, as in its own command"
    )
