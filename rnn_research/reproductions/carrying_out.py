"""A reproduction from its entry to its page: trained, measured, judged, kept."""

import datetime
import pathlib
import time

import jax

from rnn_research import errors, files, hardware, plotting, source, waiting
from rnn_research.reproductions import base, page
from rnn_research.runs import metrics
from rnn_research.spelling import read as spelled_back
from rnn_research.sweeps import local, sweep
from rnn_research.sweeps.settings import SweepConfig

RESULT = "result.json"


def carry_out(
    entry: base.Reproduction, folder: pathlib.Path, results: pathlib.Path, how
) -> dict | None:
    """Do a reproduction, unless it is done; its result, None after a dry run.

    Args:
      folder: of its trainings, which resume.
      results: where the page, the figure and the numbers go.
      how: of the sweep.

    Raises:
      errors.UsageError: it needs a GPU, and there is none.
      errors.RunError: a training has failed, or was left out.
    """
    if entry.needs_gpu and not how.dry_run and not local.gpus():
        raise errors.UsageError(f"{entry.name} needs a GPU, and there is none here")
    trained = train(entry, folder, how)
    if trained is None:
        return None
    begun = time.monotonic()
    found = measured(entry, trained)
    seconds = _trained_for(trained) / len(local.places(how.at_once))
    seconds += time.monotonic() - begun
    own = results / entry.name
    own.mkdir(parents=True, exist_ok=True)
    result = {
        "name": entry.name,
        "verdict": base.verdict(entry.gates, found.gates),
        "gates": {
            name: _gate(entry.gates[name], found.gates[name]) for name in entry.gates
        },
        "notes": found.notes,
        "minutes": round(seconds / 60, 2),
        "date": datetime.date.today().isoformat(),
        "machine": hardware.machine(["jax"]),
        "entry": identity(entry),
    }
    title = f"{entry.number}. {entry.claim}"
    plotting.reproduction(
        found.panels, found.lines, own / f"{entry.name}.png", title=title
    )
    files.write_atomically(own / f"{entry.name}.md", page.of(entry, result))
    files.write_json(own / RESULT, result)
    return result


def measured(entry: base.Reproduction, trained: list[base.Trained]) -> base.Found:
    """What an entry measures, in its own precision."""
    double = entry.precision == "float64"
    with waiting.doing(f"measuring {entry.name}"), jax.enable_x64(double):
        return entry.measure(trained)


def _gate(gate: base.Gate, measured: base.Measured) -> dict:
    return {
        "value": float(measured.value),  # of NumPy, maybe, which is no JSON
        "each": dict(measured.each),
        "holds": bool(gate.holds(measured.value)),
    }


def _trained_for(trained: list[base.Trained]) -> float:
    """Seconds of the trainings, also of those that were done before."""
    of_folder = {}
    for own in trained:
        summary = files.read_json(pathlib.Path(own.folder) / "summary.json")
        of_folder[own.folder] = sum(
            each for each in summary["seconds"].values() if isinstance(each, float)
        )
    return sum(of_folder.values())


def train(entry: base.Reproduction, folder: pathlib.Path, how: SweepConfig):
    """What the runs of an entry have come to; None after a dry run."""
    content = entry.runs()
    if not content:
        return [] if not how.dry_run else None
    swept = sweep.carried_out(content, entry.name, how, folder)
    if not swept.jobs:
        return None
    swept.check()
    trained = []
    for (_, settings), own in zip(content, swept.folders(), strict=True):
        if own is None:
            raise errors.RunError(
                f"{entry.name}: not all of it is trained; the same command goes on"
            )
        trained += read(settings, own)
    return trained


def read(settings: dict, folder: pathlib.Path) -> list[base.Trained]:
    """The runs of (experiment, settings) in a folder, which may hold others beside."""
    summary = spelled_back(files.read_json(folder / "summary.json"))
    record = metrics.read(folder)
    rate = settings.get("learning_rate")
    found = []
    for end in summary["runs"]:
        pair = end["seed"], end["learning_rate"]
        if settings.get("seed", pair[0]) != pair[0] or rate not in (None, pair[1]):
            continue
        own = [row for row in record if (row["seed"], row["learning_rate"]) == pair]
        found.append(base.Trained(settings, pair[0], own, end, str(folder)))
    return found


def identity(entry: base.Reproduction) -> str:
    """Changes when the file of the entry does: then it is measured again."""
    return source.digest_of_file(entry.measure)[:12]


def done(entry: base.Reproduction, results: pathlib.Path) -> dict | None:
    """The result of an entry that was measured as it is now; else None."""
    result = files.read_json(results / entry.name / RESULT)
    return result if result and result.get("entry") == identity(entry) else None
