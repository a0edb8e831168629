"""Music: the next of what sounds, of pieces as piano rolls or in four parts."""

from rnn_research import data, errors
from rnn_research.data import midi
from rnn_research.data.music import Music
from rnn_research.tasks import base, four_parts, piano_rolls

FORMS = {"roll": piano_rolls, "parts": four_parts}
FURTHEST = 11  # semitones: an octave less one


@base.task
def music(
    length: int,
    *,
    dataset="bach_chorales",
    midi_folder: str | None = None,
    form="roll",
    shift=0,
) -> base.Task:
    """Predict what sounds next in a piece of music, a frame each sixteenth.

        roll     target    keys that sound in   frame 1   frame 2   frame 3 ...
                 input                          silence   frame 1   frame 2 ...
        parts    target    of frame 1: soprano  alto      tenor     bass  of 2: soprano
                 input                 silence  soprano   alto      tenor       bass

    A frame of a piano roll is 88 keys, 1 where one sounds, 0 elsewhere. In four parts a
    step is what one part does: it rests, strikes a key, or holds it. A row is a piece,
    or up to T steps of it, of which the first is preceded by the step before it.

    Args:
      length: T, the steps of a row; of four parts a multiple of four.
      dataset: 'bach_chorales'; see `data.SETS`.
      midi_folder: a folder of MIDI files, in place of a data set.
      form: 'roll' or 'parts'.
      shift: rows of 'train' are moved by up to so many semitones up or down, each time
        they are read by others.

    Metrics: loss, -ln p of a frame in nats. Of a roll each key is independent of the
    others of its frame given the past (Boulanger-Lewandowski et al. 2012,
    arXiv:1206.6392); a part knows the parts above it. As four parts say more than which
    keys sound, their loss bounds from above what the same network would give the rolls.
    accuracy: of a roll TP / (TP + FP + FN) of all keys and frames, where p > 1/2 is
    'sounds' (Bay et al. 2009); of parts the share of steps that are right. References,
    with the counts of train, on test: see `references` of `tasks.piano_rolls` and of
    `tasks.four_parts`.
    """
    errors.check_size(length=length)
    errors.check_option("form", form, tuple(FORMS))
    errors.check_between("shift", shift, 0, FURTHEST)
    found, of = read(dataset, midi_folder), FORMS[form]
    rows = {
        split: of.rows(pieces, length, int(shift) if split == "train" else 0)
        for split, pieces in found.splits.items()
    }
    return base.Task(
        batch=of.batch,
        score=of.score,
        network=of.network(),
        length=length,
        data=lambda: rows,
        references=of.references(rows["train"], rows["test"]),
        provenance=(found.provenance,),
    )


def read(dataset: str, midi_folder: str | None) -> Music:
    """The pieces that a task is made of."""
    if midi_folder is None:
        return data.sets.read(dataset, "music")
    return midi.from_folder(midi_folder)
