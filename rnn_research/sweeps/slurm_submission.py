"""Jobs of a sweep given to SLURM by submitit, in an array of tasks."""

import contextlib
import dataclasses
import io
import os
import shlex
import shutil

from rnn_research import errors, processes
from rnn_research.sweeps import plan, slurm_task, worker
from rnn_research.sweeps.folder import SweepFolder
from rnn_research.sweeps.plan import Job
from rnn_research.sweeps.settings import SweepConfig

SIGNAL_DELAY = 120  # seconds before the end of its time in which a job saves
OURS = "array", "error", "job-name", "open-mode", "output", "signal"
FROM_VARIABLES = "account", "partition", "qos"  # as SBATCH_ACCOUNT, where not given
OF_SBATCH = (  # the settings that are options of it
    *("partition", "account", "qos", "time", "mem", "nodes", "ntasks_per_node"),
    *("cpus_per_task", "gpus_per_node"),
)
OF_SLURM = *OF_SBATCH, "array_limit", "max_timeouts", "sbatch", "setup"


def check(settings: SweepConfig):
    """See that a sweep can begin here, and its jobs be submitted if they are to be.

    Raises:
      errors.UsageError: srun started this as one of several tasks, there is no SLURM,
        or settings of it are given to another engine.
    """
    if (tasks := processes.step_tasks()) > 1:
        raise errors.UsageError(
            f"srun started this command {tasks} times; a sweep is started once: leave "
            "srun out, and it starts what it needs"
        )
    own, usual = dataclasses.asdict(settings), dataclasses.asdict(SweepConfig())
    if settings.run != "slurm":
        if given := [name for name in OF_SLURM if own[name] != usual[name]]:
            raise errors.UsageError(f"--{given[0]} is for --run=slurm")
        return
    _further(settings)
    library()
    for name in ("sbatch", "srun", "squeue"):
        if shutil.which(name) is None:
            raise errors.UsageError(
                f"--run=slurm finds no {name} on PATH; run it on a login node of a "
                "SLURM cluster, or leave --run=slurm out"
            )


def library():
    """submitit, which submits; what a task does is pickled with its code.

    Raises:
      errors.UsageError: it is not installed.
    """
    try:
        import cloudpickle
        import submitit
    except ModuleNotFoundError:
        raise errors.UsageError(
            "jobs are submitted by submitit, which is not installed: "
            "pip install -e '.[slurm]'"
        ) from None
    for module in (slurm_task, worker):
        cloudpickle.register_pickle_by_value(module)
    return submitit


def logs(folder: SweepFolder):
    """Where submitit leaves its files, and what the shell of a task writes."""
    return folder.path / "jobs" / "slurm"


def submit(
    jobs: list[Job], folder: SweepFolder, settings: SweepConfig, name: str, at_once: int
) -> str:
    """Submit jobs as one array, or one job alone.

    Args:
      name: by which the queue knows it.
      at_once: tasks of it that may run at a time.

    Returns:
      Its number.

    Raises:
      errors.RunError: sbatch refuses it.
    """
    submitit = library()
    delay = min(SIGNAL_DELAY, 30 * settings.time)
    executor = submitit.SlurmExecutor(logs(folder), settings.max_timeouts)
    executor.update_parameters(
        job_name=name,
        array_parallelism=at_once,
        signal_delay_s=delay,
        stderr_to_stdout=True,
        **_parameters(settings),
    )
    tasks = [_task(job, folder, 0.75 * delay) for job in jobs]
    try:
        # What sbatch says is in the error too.
        with _outside_of_jobs(settings), contextlib.redirect_stderr(io.StringIO()):
            made = executor.submit_array(tasks)
    except (RuntimeError, OSError) as error:
        lines = str(error).replace("sbatch: error: ", "").splitlines()
        said = errors.cut("; ".join(filter(None, map(str.strip, lines))))
        raise errors.RunError(f"sbatch refuses the jobs: {said}") from None
    return made[0].job_id.partition("_")[0]


@contextlib.contextmanager
def _outside_of_jobs(settings: SweepConfig):
    """Without variables of a job, in which a shell on a node may be.

    Those that sbatch reads are stronger than what a script says: but for what the user
    has not set otherwise they go too.
    """
    free = [name for name in FROM_VARIABLES if getattr(settings, name) is None]
    names = ["SLURM_CONF", *(f"SBATCH_{name.upper()}" for name in free)]
    kept = {name: os.environ[name] for name in names if name in os.environ}
    with library().helpers.clean_env():
        os.environ.update(kept)
        yield


def _parameters(settings: SweepConfig) -> dict:
    own = {name: getattr(settings, name) for name in OF_SBATCH}
    given = {name: value for name, value in own.items() if value is not None}
    given["additional_parameters"] = _further(settings)
    given["setup"] = [settings.setup] if settings.setup else []
    return given


def _further(settings: SweepConfig) -> dict[str, str | bool]:
    """{name: value} of --sbatch.

    Raises:
      errors.UsageError: it is no list of options, or one is the sweep's own.
    """
    found: dict[str, str | bool] = {}
    try:
        words = shlex.split(settings.sbatch or "")
    except ValueError as error:
        raise errors.UsageError(f"--sbatch: {error}") from None
    for word in words:
        name, given, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or not name:
            raise errors.UsageError(
                f"--sbatch: {errors.shown(word)} is not an option as --name=value"
            )
        if name in OURS:
            raise errors.UsageError(f"--sbatch: the sweep sets --{name} itself")
        found[name] = value if given else True
    return found


def _task(job: Job, folder: SweepFolder, patience: float) -> slurm_task.Task:
    return slurm_task.Task(
        str(folder.path.absolute()),
        plan.as_json(job),
        tuple(job.arguments(folder.run(job).absolute())),
        str(folder.output(job).absolute()),
        str(folder.end_file(job).absolute()),
        patience,
    )
