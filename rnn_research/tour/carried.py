"""Weights that come with the tour, of trainings that take longer than a reader waits.

    python -m rnn_research.tour.carried --name=manual

trains them again, in runs/tour_weights/NAME, and puts them in place of those that are
there: a model and its weights as `models.save` writes them, and provenance.json.
"""

import dataclasses
import datetime
import pathlib
from typing import Any, NamedTuple

from rnn_research import config, errors, files, models
from rnn_research.data import glyphs, text, words
from rnn_research.tour import trainings

FOLDER = pathlib.Path(__file__).parent / "weights"
PROVENANCE = "provenance.json"
CHARACTERS = "python -m experiments.char_lm --config=configs/char_manual_gru.py"
COMMANDS = {
    "manual": CHARACTERS,
    "verse": f"{CHARACTERS} --dataset=kjv",
    "code": f"{CHARACTERS} --dataset=stdlib",
    "mood": "python -m experiments.text_classification --cell=gru --hidden_size=32 "
    "--nobidirectional --vocabulary=4000 --num_steps=800",
    "glyphs": "python -m experiments.captioning --config=configs/glyphs_gru.py "
    "--hidden_size=64 --dropout=0.05",
}
VOCABULARIES = text.Vocabulary, words.Words, glyphs.Pieces


class Carried(NamedTuple):
    """A trained model that comes with the tour."""

    model: models.Model
    params: Any
    vocabulary: Any  # that of the data it was trained on
    provenance: dict  # made_by, again, data, date, updates, validation, test, baselines


def read(name: str) -> Carried:
    """The weights of that name; nothing that is read is run.

    Raises:
      errors.UsageError: there are none, or they are damaged.
    """
    folder = FOLDER / name
    saved = models.load(folder)
    provenance = files.read_json(folder / PROVENANCE)
    kinds = {kind.__name__: kind for kind in VOCABULARIES}
    try:
        kind, items = kinds[saved.notes["vocabulary"]], saved.notes["items"]
        vocabulary = kind(tuple(map(str, items)))
    except (KeyError, TypeError) as error:
        raise errors.UsageError(f"{folder} is damaged: it lacks a {error}") from None
    if provenance is None:
        raise errors.UsageError(f"{folder} is damaged: it lacks {PROVENANCE}")
    return Carried(saved.model, saved.params, vocabulary, provenance)


def keep(name: str, made: trainings.Trained, folder: pathlib.Path):
    """Write the weights of the first run of a training, with where they are from."""
    (own, *_), task = made.result.runs, made.task
    kind, (items,) = type(task.vocabulary).__name__, task.vocabulary
    notes = {"vocabulary": kind, "items": list(items)}
    models.save(folder, made.model, own.params, notes=notes, rounded="float16")
    files.write_json(
        folder / PROVENANCE,
        {
            "made_by": COMMANDS[name],
            "again": f"python -m rnn_research.tour.carried --name={name}",
            "data": [each._asdict() for each in task.provenance],
            "date": datetime.date.today().isoformat(),
            "updates": own.summary["kept_step"],
            "rounded": "to float16, after the scores were taken",
            "parameters": made.result.summary["parameters"],
            "validation": own.summary["validation"],
            "test": own.summary["test"],
            "baselines": made.result.summary["references"],
            "versions": made.result.summary["versions"],
        },
    )


@dataclasses.dataclass(frozen=True)
class CarriedConfig(config.Settings):
    """Weights:"""

    name: str = config.setting("manual", ", ".join(COMMANDS), choices=tuple(COMMANDS))
    workdir: str = config.setting("runs/tour_weights", "folder of the trainings")


def main(settings: CarriedConfig):
    name = settings.name
    folder = pathlib.Path(settings.workdir) / name
    keep(name, trainings.trained(COMMANDS[name], folder), FOLDER / name)
    print(f"weights: {FOLDER / name}")


if __name__ == "__main__":
    config.run(main, CarriedConfig())
