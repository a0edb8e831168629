"""A chorale continued, to be played."""

import jax

from experiments import music as program
from rnn_research import data, synthesizer
from rnn_research.data.music import Note
from rnn_research.tour import base, drawings, trainings

DATASET = "bach_chorales"
OPENING, ADDED, TEMPO = 32, 64, 96  # sixteenths, sixteenths, quarter notes a minute
COMMAND = (
    "python -m experiments.music --cell=gru --hidden_size=96 --num_steps=250 "
    "--eval_every=50 --learning_rate=0.005 --temperature=0.8 "
    f"--opening={OPENING} --sample={ADDED} --tempo={TEMPO}"
)
SMALL = "--hidden_size=8", "--num_steps=1", "--batch_size=2", "--sample=4"
RATE = 11_025  # samples a second: the page has to stay small
SIMPLE = "each part after itself"


def compute(work: base.Work) -> dict:
    made = trainings.trained(COMMAND, work.folder, small=SMALL if work.small else ())
    settings = made.settings[program.MusicConfig]
    piece = program.chosen(settings)
    work.say(f"continuing {piece.name}")
    notes = program.continued_parts(
        made.model, made.result.params, piece, settings, jax.random.key(0)
    )
    known = made.result.summary["references"]
    return {
        "piece": piece.name,
        "notes": [list(note) for note in notes],
        "test": made.test,
        "baselines": {name: known[name][SIMPLE] for name in ("loss", "accuracy")},
        "pieces": len(data.sets.read(DATASET, "music").splits["train"]),
        "updates": made.result.runs[0].summary["kept_step"],
        "seconds": made.result.summary["seconds"]["run"],
        "licence": made.task.provenance[0].licence,
    }


def tell(found) -> list[base.Block]:
    test, simple, given = found["test"], found["baselines"], OPENING / 4
    notes = [Note(*own) for own in found["notes"]]
    sound = synthesizer.wav(synthesizer.sound(notes, TEMPO, RATE), RATE)
    return [
        base.Prose(
            "Music is a sequence whose notes build on each other. Each sixteenth the "
            "network reads what soprano, alto, tenor and bass do, one after the other, "
            "and says what the next will do.\n\n"
            f"It learned from {found['pieces']} chorales by Bach in {found['updates']} "
            f"updates, {found['seconds']:.0f} seconds of computing. It is given the "
            f"first {given:.0f} quarter notes of a chorale that it never read "
            f"({found['piece']}), and goes on alone."
        ),
        base.Figure(
            "roll",
            drawings.notes(found["notes"], given, "The notes, as a piano roll."),
            "Time from left to right, a colour for each part. Left of the line: Bach. "
            "Right of it: the network.",
        ),
        base.Audio(
            sound,
            f"The same to listen to; the network's part begins after "
            f"{given * 60 / TEMPO:.0f} seconds.",
        ),
        base.Command(COMMAND),
        base.Prose(
            f"On chorales of test {test['accuracy']:.1%} of the steps of all parts are "
            f"guessed right, at {test['loss']:.2f} nats a frame. Knowing of each part "
            f"what it just did gives {simple['accuracy']:.1%} and {simple['loss']:.2f}."
            f" Music: {found['licence']}."
        ),
        base.Seen(
            20,
            test["loss"] < simple["loss"],
            f"A chorale is continued in four parts; {test['loss']:.2f} nats a frame, "
            f"where each part after itself has {simple['loss']:.2f}.",
        ),
    ]


def needs() -> str | None:
    return trainings.lacking(lambda: data.sets.read(DATASET, "music"))


SECTION = base.Section(
    "music", 12, "A chorale continued", (20,), 0.8, compute, tell, needs
)
