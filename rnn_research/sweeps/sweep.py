"""A sweep from its file to its table: plan, check, run what is left."""

import contextlib
import pathlib
from collections.abc import Callable
from typing import NamedTuple

import jax

from rnn_research import errors, index, waiting
from rnn_research.sweeps import in_process, local, plan, shown, slurm, slurm_submission
from rnn_research.sweeps.folder import End, SweepFolder
from rnn_research.sweeps.settings import SweepConfig

SHOWN = 40  # jobs that a dry run lists

Engine = Callable[[list[plan.Job], SweepFolder], None]
Ends = dict[str, End | None]  # of every job by name; None: it has not ended


def run(content, name: str, how: SweepConfig):
    """Do the runs that are not done, and write the tables, the figure and the page.

    Args:
      content: a list of (experiment, settings), as `sweeps.each` makes it.
      name: of the folder in runs/, where `how` gives none.

    Raises:
      errors.UsageError: of a run; then none is begun.
      errors.RunError: some have failed.
    """
    swept = carried_out(content, name, how)
    if swept.jobs:
        results(swept)
        swept.check()


class Swept(NamedTuple):
    """What there is of a sweep.

    Attributes:
      runs: of the list, in its order.
      jobs: of these runs; none after a dry run.
    """

    runs: list[plan.Run]
    jobs: list[plan.Job]
    folder: SweepFolder

    def folders(self) -> list[pathlib.Path | None]:
        """The folder of each run of the list; None: it is not done."""
        done = {}
        for job in self.jobs:
            end = self.folder.end_of(job)
            if end is not None and not end.failed:
                done |= dict.fromkeys(job.runs, self.folder.run(job))
        return [done.get(run.key) for run in self.runs]

    def check(self):
        """Say what is left.

        Raises:
          errors.RunError: jobs have failed.
        """
        ends = {job.name: self.folder.end_of(job) for job in self.jobs}
        left = sum(end is None for end in ends.values())
        if left:
            waiting.say(f"{left} jobs are left; the same command goes on")
        failed = [job for job in self.jobs if (end := ends[job.name]) and end.failed]
        if failed:
            written = self.folder.path / "jobs"
            raise errors.RunError(
                f"{len(failed)} of {len(self.jobs)} jobs failed, such as "
                f"{failed[0].label}; what they wrote is in {written}; mend that, and "
                "--failed runs them again"
            )


def carried_out(
    content, name: str, how: SweepConfig, path: pathlib.Path | None = None
) -> Swept:
    """As `run`, without what is made of the results; no jobs after a dry run.

    Args:
      path: of the folder, whatever `how` says.
    """
    slurm_submission.check(how)
    wanted = plan.read(content)
    folder = SweepFolder(path or pathlib.Path(how.workdir or f"runs/{name}"))
    spread = how.at_once or (1 if how.run == "slurm" else None)
    places = local.places(spread)
    engines: dict[str, Engine] = {
        "local": lambda jobs, folder: local.Local(folder, places).run(jobs),
        "slurm": lambda jobs, folder: slurm.Slurm(folder, how).run(jobs),
        "debug": in_process.run,
    }
    with contextlib.ExitStack() as held:
        if not how.dry_run:
            held.callback(folder.held().close)
            slurm.check_engine(folder, how.run)
        before = folder.read()
        jobs = plan.jobs(wanted, before, how.together, len(places))
        removed = [job for job in before if job not in jobs]
        ends = {job.name: folder.end_of(job) for job in jobs}
        todo = _selected(how, jobs, wanted, ends)
        _say(wanted, ends, removed, todo, folder)
        if todo and how.dry_run:
            _show(todo, jobs, ends, folder, len(places))
        if how.run != "debug":
            jax.config.update("jax_platforms", "cpu")  # a GPU is for the runs
        plan.check([job for job in todo if not folder.run(job).exists()])
        if how.dry_run:
            return Swept(wanted, [], folder)
        folder.write([*jobs, *removed])
        for job in todo:
            folder.forget_end(job)
        if todo:
            engines[how.run](todo, folder)
    return Swept(wanted, jobs, folder)


def _selected(how, jobs, wanted, ends: Ends) -> list[plan.Job]:
    """The jobs that are to be done now."""
    if how.failed:
        todo = [job for job in jobs if (end := ends[job.name]) and end.failed]
    else:
        todo = [job for job in jobs if ends[job.name] is None]
    if how.only is not None:
        keys = plan.meeting(how.only, wanted)
        todo = [job for job in todo if keys.intersection(job.runs)]
    return todo[: how.limit]


def _say(wanted, ends: Ends, removed, todo, folder: SweepFolder):
    """What there is, what is done, and what is done now."""
    ended = [end for end in ends.values() if end]
    failed = sum(end.failed for end in ended)
    parts = [f"{len(wanted)} runs in {len(ends)} jobs", f"{len(ended) - failed} done"]
    parts += [f"{failed} failed (--failed runs them again)"] * (failed > 0)
    waiting.say(waiting.folded(f"{', '.join(parts)}, {len(todo)} to do: {folder.path}"))
    if removed:
        names = ", ".join(job.label for job in removed[:3]) + ", ..." * (
            len(removed) > 3
        )
        waiting.say(
            waiting.folded(
                f"{len(removed)} jobs are no longer in the file; their results are "
                f"kept: {names}"
            )
        )


def _show(todo, jobs, ends: Ends, folder: SweepFolder, places: int):
    """What a dry run shows: the jobs, a command, the time that they may take."""
    rows = [
        (job.label, len(job.runs), _state(job, ends[job.name], folder))
        for job in todo[:SHOWN]
    ]
    waiting.say(waiting.table(("job", "runs", "state"), rows))
    if len(todo) > SHOWN:
        waiting.say(f"and {len(todo) - SHOWN} more")
    waiting.say(f"the first: {folder.command(todo[0])}")
    ended = [(job, end) for job in jobs if (end := ends[job.name])]
    waiting.say(estimate(todo, ended, places))


def _state(job: plan.Job, end: End | None, folder: SweepFolder) -> str:
    if end:
        return shown.said(end)
    step = folder.step_of(job)
    return f"begun, update {step}" if step else ""


def estimate(
    todo: list[plan.Job], ends: list[tuple[plan.Job, End]], places: int
) -> str:
    """How long the jobs may take, from those that are done."""
    done = [(job, end) for job, end in ends if end.code == 0]
    if not done:
        return "time: not known until a job is done"
    spent = sum(end.seconds for _, end in done)
    rate = spent / sum(plan.work(job) for job, _ in done)
    seconds = rate * sum(map(plan.work, todo)) / places
    return (
        f"time: at most about {waiting.clock(seconds)}, {places} at once, as the "
        f"{len(done)} done took (their updates times T)"
    )


def results(swept: Swept):
    """Write tables and figure of what is done, of the runs of the list alone."""
    folders = {str(swept.folder.run(job)) for job in swept.jobs}
    with waiting.doing("reading the runs back"):
        found = index.read([swept.folder.path], left_out=waiting.say)
    rows = [row for row in found if row["folder"] in folders]
    if not rows:  # no trainings: each folder has a table of its own
        return
    own = swept.folder.path / "results"
    command = f"python -m experiments.results {swept.folder.path}"
    with waiting.doing("drawing"):
        table = index.write(rows, own, command=command)
    waiting.say(index.terminal(table, waiting.width()))
    waiting.say(f"tables, figure: {own}\nothers: {command} --help")
