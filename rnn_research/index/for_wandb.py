"""Runs for Weights & Biases, written offline: nothing is sent from here."""

import hashlib
import importlib
import pathlib

from rnn_research import errors, spelling, waiting
from rnn_research.index import columns, of_folder
from rnn_research.runs import metrics
from rnn_research.training.record import scores_of

PROJECT = "rnn_research"
EVERY = "train_loss", "grad_norm"  # of an evaluation, beside the metrics of the task


def package():
    """The module wandb.

    Raises:
      errors.UsageError: it is not installed.
    """
    try:
        return importlib.import_module("wandb")
    except ModuleNotFoundError:
        raise errors.UsageError(
            "--wandb needs the package wandb; pip install 'rnn_research[wandb]'"
        ) from None


def write(rows: list[dict], folder: pathlib.Path):
    """Write a run for each row into `folder`/wandb: settings, evaluations, outcome.

    A run has the same id each time, so that one that is sent twice is there once.

    Raises:
      errors.UsageError: wandb is not installed.
    """
    wandb = package()
    recorded: dict[str, dict] = {}
    with waiting.bar(len(rows), "wandb") as bar:
        for number, row in enumerate(rows):
            bar.update(number)
            place = row["folder"]
            if place not in recorded:
                path = pathlib.Path(place) / metrics.FILE
                recorded = {place: of_folder.recorded(path)}
            pair = row["seed"], row["learning_rate"]
            _write(wandb, row, recorded[place].get(pair, []), folder)


def _write(wandb, row: dict, evaluations: list[dict], folder: pathlib.Path):
    pair = f"{row['digest']} {row['seed']} {row['learning_rate']}"
    told = [name for name in row if name not in columns.INSIDE]
    run = wandb.init(
        project=PROJECT,
        name=f"{pathlib.Path(row['folder']).name} seed {row['seed']}",
        group=pathlib.Path(row["folder"]).name[:128],
        id=hashlib.sha256(pair.encode()).hexdigest()[:16],
        mode="offline",
        dir=str(folder),
        config={
            name: row[name]
            for name in told
            if columns.is_setting(name) or name == "seed"
        },
        settings=wandb.Settings(silent=True),
    )
    for each in evaluations:
        scores = scores_of(each) | {name: each.get(name) for name in EVERY}
        run.log(spelling.read(scores), step=each["step"])
    outcome = {name: row[name] for name in told if not columns.is_setting(name)}
    run.summary.update({name: own for name, own in outcome.items() if own is not None})
    run.finish()
