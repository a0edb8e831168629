"""From a list of runs to jobs: all is checked, equal runs are found, seeds merged.

A run is one training of the list. A job is a process and a folder: runs that differ in
their seed or learning rate alone are trained side by side in one, which compiles once.
"""

import hashlib
import json
from typing import NamedTuple

from rnn_research import config, errors, models, runs, training, waiting
from rnn_research.index import query
from rnn_research.models import fit
from rnn_research.runs import loading, run_folder
from rnn_research.sweeps import programs

BESIDE = "seed", "learning_rate"  # side by side in one process, where they are given
NAMED = 80  # letters of the settings in a job's name


class Run(NamedTuple):
    """A run of the list.

    Attributes:
      given: its settings, as the file has them.
      changed: those that are not the program's defaults.
    """

    experiment: str
    given: dict
    changed: dict

    @property
    def key(self) -> str:
        """The same for the same run, however it is spelled."""
        return _digest([self.experiment, self.changed])


class Job(NamedTuple):
    """What one process does, in a folder of its own.

    Attributes:
      label: the settings by which it differs from the others, for people.
      given: its settings, all that the program gets but the folder.
      runs: the keys of its runs.
    """

    name: str
    label: str
    experiment: str
    given: dict
    runs: tuple[str, ...]

    def arguments(self, folder) -> list[str]:
        """What follows `python -m`."""
        own = {**self.given, "workdir": str(folder)}
        return [programs.module(self.experiment), *config.as_flags(own)]


def read(content) -> list[Run]:
    """The runs of a list of (experiment, settings).

    Raises:
      errors.UsageError: it is no such list, a setting is wrong, or a run is there
        twice.
    """
    if not isinstance(content, list) or not content:
        raise errors.UsageError(
            "get_config() must return a list of (experiment, settings), at least one; "
            "rnn_research.sweeps.each makes it"
        )
    found: dict[str, int] = {}
    made = []
    with waiting.bar(len(content), "reading settings") as bar:
        for number, item in enumerate(content, 1):
            bar.update(number - 1)
            run = _read(number, item)
            if first := found.get(run.key):
                raise errors.UsageError(
                    f"runs {first} and {number} are the same: {_said(run)}"
                )
            found[run.key] = number
            made.append(run)
    return made


def _read(number: int, item) -> Run:
    is_pair = isinstance(item, (tuple, list)) and len(item) == 2
    if not (is_pair and isinstance(item[0], str) and isinstance(item[1], dict)):
        raise errors.UsageError(
            f"run {number} is {errors.shown(item)}, not (experiment, settings)"
        )
    experiment, given = item
    given = {str(name): value for name, value in given.items()}
    try:
        groups = programs.parsed(experiment, given)
    except errors.UsageError as error:
        raise errors.UsageError(f"run {number}, {experiment}: {error}") from None
    return Run(experiment, given, programs.changed(experiment, groups))


def _said(run: Run) -> str:
    settings = " ".join(config.as_flags(run.given))
    return f"{run.experiment} {settings}".strip()


def jobs(wanted: list[Run], before: list[Job], together: int, places: int) -> list[Job]:
    """The jobs of a list of runs: those there were, and new ones for new runs.

    Args:
      before: the jobs that the sweep has had, whose folders stay what they are.
      together: the most runs in one job.
      places: jobs that can run at once; there are at least so many, if there are runs.
    """
    known = {key: job for job in before for key in job.runs}
    kept = dict.fromkeys(
        known[run.key].name for run in wanted if run.key in known
    )  # in the order of the list
    new = [run for run in wanted if run.key not in known]
    varying = _varying(wanted)
    size = max(1, min(together, len(new) // max(1, places)))
    of_name = {job.name: job for job in before}
    made = [_job(group, varying) for group in _groups(new, size)]
    return [*(of_name[name] for name in kept), *made]


def _groups(new: list[Run], size: int) -> list[list[Run]]:
    """Runs that can share a process, at most `size`; in the order of their first."""
    alike: dict[str, list[Run]] = {}
    for run in new:
        alone = {name: v for name, v in run.changed.items() if name not in BESIDE}
        shared = _trains(run.experiment) and not run.given.keys() & {
            "seeds",
            "num_seeds",
            "learning_rates",
        }
        key = _digest([run.experiment, alone]) if shared else run.key
        alike.setdefault(key, []).append(run)
    groups = []
    for own in alike.values():
        for rectangle in _rectangles(own):
            step = _share(rectangle, size)
            groups += [rectangle[i : i + step] for i in range(0, len(rectangle), step)]
    return groups


def _rectangles(alike: list[Run]) -> list[list[Run]]:
    """The runs in groups that are all seeds with all rates: all, or those of a rate."""
    pairs = [_pair(run) for run in alike]
    seeds = {seed for seed, _ in pairs}
    rates = {rate for _, rate in pairs}
    if len(alike) == len(seeds) * len(rates):
        return [alike]
    return [
        [run for run, pair in zip(alike, pairs, strict=True) if pair[1] == rate]
        for rate in dict.fromkeys(rate for _, rate in pairs)
    ]


def _share(rectangle: list[Run], size: int) -> int:
    """How many of a group go into one process: all, or equal parts of few."""
    if len({_pair(run)[1] for run in rectangle}) > 1 and len(rectangle) > size:
        return 1  # a part of a rectangle need not be one
    return -(-len(rectangle) // -(-len(rectangle) // size))


def _pair(run: Run) -> tuple:
    return tuple(_value(run, name) for name in BESIDE)


def _value(run: Run, name: str):
    return run.changed.get(name, programs.usual(run.experiment).get(name))


def _trains(experiment: str) -> bool:
    return _of(programs.settings(experiment), training.TrainConfig) is not None


def _job(group: list[Run], varying: list[str]) -> Job:
    first = group[0]
    given = dict(first.given)
    if len(group) > 1:
        for name in BESIDE:
            values = tuple(dict.fromkeys(_value(run, name) for run in group))
            if len(values) > 1:
                given.pop(name, None)
                given[f"{name}s"] = values
    label = _label(first.experiment, given, varying)
    digest = _digest([run.key for run in group])[:6]
    short = run_folder.named(label.replace(", ", "-"))[:NAMED].strip("-")
    name = f"{short}-{digest}"
    return Job(name, label, first.experiment, given, tuple(run.key for run in group))


def _varying(wanted: list[Run]) -> list[str]:
    """The settings in which the runs differ, in the order in which they come."""
    names = dict.fromkeys(name for run in wanted for name in run.given)
    missing = object()

    def values(name):
        return {repr(run.given.get(name, missing)) for run in wanted}

    found = [name for name in names if len(values(name)) > 1]
    found.sort(key=lambda name: name in BESIDE)  # what a job has several of, last
    several = len({run.experiment for run in wanted}) > 1
    return ["experiment"] * several + found


def _label(experiment: str, given: dict, varying: list[str]) -> str:
    """`gru, length=50, seeds=0,1,2`: by what a job differs."""
    parts = [experiment] if "experiment" in varying else []
    for name in varying:
        for own in (name, f"{name}s"):
            if own in given:
                (flag,) = config.as_flags({own: given[own]})
                parts.append(flag.removeprefix("--").removeprefix("cell="))
    return ", ".join(parts) or experiment


def check(wanted: list[Job]):
    """See by shapes alone that each training's cell, task and options fit together.

    Raises:
      errors.UsageError: one does not, with its label.
    """
    seen = set()
    with waiting.bar(len(wanted), "checking shapes") as bar:
        for number, job in enumerate(wanted):
            bar.update(number)
            try:
                _check(programs.parsed(job.experiment, job.given), seen)
            except errors.UsageError as error:
                raise errors.UsageError(f"{job.label}: {error}") from None


def _check(groups, seen: set):
    """Raise what does not fit; settings that were seen are not looked at again."""
    model = _of(groups, models.ModelConfig)
    task = _of(groups, runs.TaskConfig)
    if task is None:
        task = next(
            (g.task() for g in groups if callable(getattr(g, "task", None))), None
        )
    optimizer = _of(groups, runs.OptimizerConfig)
    if model is None or task is None or optimizer is None:
        return
    if (asked := (model, task, optimizer)) in seen:
        return
    values = loading.resolved(model, task, optimizer)
    fit.check_fit(values.model, values.task, values.options["engine"])
    train = _of(groups, training.TrainConfig)
    if train is not None:
        train.counted(values.task)
    seen.add(asked)


def _of(groups, kind: type[config.Settings]):
    return next((each for each in groups if isinstance(each, kind)), None)


def _digest(content) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def as_json(job: Job) -> dict:
    """As `from_json` reads it."""
    return json.loads(json.dumps(job._asdict()))


def from_json(content: dict) -> Job:
    given = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in content["given"].items()
    }
    return Job(**{**content, "given": given, "runs": tuple(content["runs"])})


def work(job: Job) -> float:
    """How much there is to do, in steps of sequences: times are in this proportion."""
    known = _known(job)
    length = known.get("length") or 1
    return float(_steps(known) * length * len(job.runs))


def steps(job: Job) -> int:
    """The most updates of a training; 1 of another program."""
    return _steps(_known(job))


def _known(job: Job) -> dict:
    """All settings of a job, those included that are the program's defaults."""
    return programs.fields(programs.parsed(job.experiment, job.given))


def _steps(known: dict) -> int:
    return known.get("num_steps") or 1


def meeting(conditions: tuple[str, ...], wanted: list[Run]) -> set[str]:
    """The keys of the runs whose settings meet the conditions.

    Raises:
      errors.UsageError: a condition cannot be read, or no run has such a setting.
    """
    rows = [
        programs.usual(run.experiment)
        | {**run.changed, "experiment": run.experiment, "digest": run.key}
        for run in wanted
    ]
    try:
        found = query.meeting(rows, query.conditions(conditions))
    except errors.UsageError as error:
        raise errors.UsageError(f"--only: {error}") from None
    return {row["digest"] for row in found}
