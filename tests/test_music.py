"""Music: notes, piano rolls, MusicXML, MIDI, sound, and the task on them."""

import io
import sys
import wave
import zipfile
from xml.etree import ElementTree

import jax
import jax.numpy as jnp
import mido
import numpy as np
import pytest
from left_behind import made_for_people
from sklearn import metrics

from experiments import music as experiment
from rnn_research import (
    cells,
    config,
    errors,
    models,
    runs,
    runtime,
    synthesizer,
    tasks,
)
from rnn_research import training as training_of
from rnn_research.checks import check_task
from rnn_research.data import archives, chorales, midi, music
from rnn_research.data import four_parts as voices
from rnn_research.data.music import Note, Piece
from rnn_research.tasks import base, four_parts, piano_rolls, pieces

needs_chorales = pytest.mark.skipif(
    not archives.is_present("bach_chorales", chorales.BACH),
    reason="python -m experiments.prepare_data --dataset=bach_chorales",
)


def tune(number: int, up: int = 0) -> tuple[Note, ...]:
    """Sixteen quarter notes over a held bass, other ones for each number."""
    draw = np.random.default_rng(number)
    upper = [
        Note(at, at + 1, int(pitch) + up)
        for at, pitch in enumerate(draw.integers(60, 72, 16))
    ]
    return (Note(0, 16, 48 + up, 1), *upper)


@pytest.fixture
def folder(tmp_path):
    """Ten MIDI files."""
    kept = tmp_path / "midi"
    kept.mkdir()
    for number in range(10):
        content = midi.written(tune(number), 80)
        (kept / f"tune{number}.mid").write_bytes(content)
    return kept


def test_a_roll_has_the_keys_that_sound_at_the_beginning_of_each_sixteenth():
    held, short, triplet = Note(0, 1, 21), Note(0.25, 0.4, 108), Note(1 / 3, 2 / 3, 60)
    found = music.roll([held, short, triplet, Note(0, 4, 109)])
    assert found.shape == (16, 88)
    assert np.argwhere(found).tolist() == [
        *([0, 0], [1, 0], [1, 87], [2, 0], [2, 39], [3, 0]),
    ]
    again = music.notes(found)
    assert again == (held, Note(0.25, 0.5, 108), Note(0.5, 0.75, 60))
    np.testing.assert_array_equal(music.roll(again), found[:4])
    assert music.roll([]).shape == (0, 88)


def test_versions_of_a_piece_are_in_one_split():
    given = {Piece(f"{number}", tune(number)): f"{number}" for number in range(20)}
    given[Piece("one higher", tune(3, up=1))] = "another"
    given[Piece("another still", tune(50))] = "another"
    found = music.split(given, "mine")
    of = {piece.name: split for split, own in found.items() for piece in own}
    assert of["3"] == of["one higher"] == of["another still"] and len(of) == 22
    assert [len({*found[split]} - {*given}) for split in found] == [0, 0, 0]
    assert len(found["validation"]) >= 2 and len(found["test"]) >= 4


SCORE = """<score-partwise><part id="P1"><measure>
<attributes><divisions>2</divisions></attributes>
<note><grace/><pitch><step>C</step><octave>5</octave></pitch></note>
<note><pitch><step>F</step><alter>1</alter><octave>4</octave></pitch>
<duration>3</duration></note>
<note><rest/><duration>1</duration></note>
<backup><duration>4</duration></backup><forward><duration>1</duration></forward>
<note><pitch><step>B</step><alter>-1</alter><octave>3</octave></pitch>
<duration>1</duration></note>
</measure><measure>
<attributes><divisions>1</divisions></attributes>
<note><pitch><step>A</step><octave>4</octave></pitch><duration>2</duration></note>
</measure></part>%s</score-partwise>"""


def test_musicxml_is_read_with_its_rests_voices_and_divisions():
    part = ElementTree.fromstring(SCORE % "").find("part")
    assert chorales.read_part(part, 2) == [
        *(Note(0, 1.5, 66, 2), Note(0.5, 1, 58, 2), Note(2, 4, 69, 2)),
    ]


def mxl(score: str) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as made:
        text = '<container xmlns="urn:x"><rootfiles><rootfile full-path="a.musicxml"/>'
        made.writestr("mimetype", "application/vnd.recordare.musicxml")
        made.writestr("META-INF/container.xml", f"{text}</rootfiles></container>")
        made.writestr("a.musicxml", score)
    return whole.getvalue()


def test_pieces_of_four_parts_are_taken(monkeypatch):
    part = "<part><measure><note><pitch><step>C</step><octave>{}</octave></pitch>"
    part += "<duration>{}</duration></note></measure></part>"
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as made:
        for number in range(1, 5):
            parts = [part.format(octave, number) for octave in (number + 1, 4, 3)]
            made.writestr(f"bwv{number}.7.mxl", mxl(SCORE % "".join(parts)))
        made.writestr("bwv9.mxl", mxl(SCORE % ""))
    record = ("music21", "1", "", "", "", "")
    content = {"bach.zip": whole.getvalue()}, record
    monkeypatch.setattr(archives, "read", lambda *given: content)
    found = chorales.bach_chorales.__wrapped__().splits
    names = {piece.name for own in found.values() for piece in own}
    assert names == {"bwv1.7", "bwv2.7", "bwv3.7", "bwv4.7"}
    assert all(len(piece.notes) == 6 for own in found.values() for piece in own)


@needs_chorales
@pytest.mark.slow
def test_the_chorales_are_those_of_the_corpus():
    found = chorales.bach_chorales().splits
    pieces = [piece for own in found.values() for piece in own]
    assert {split: len(own) for split, own in found.items()} == {
        **{"train": 251, "validation": 37, "test": 76},
    }
    assert sum(len(piece.notes) for piece in pieces) == 85_553
    (one,) = [piece for piece in pieces if piece.name == "bwv66.6"]
    first = [(note.part, note.pitch) for note in one.notes if note.start == 0]
    assert sorted(first) == [(0, 73), (1, 64), (2, 57), (3, 57)]  # as music21 reads it


# --------------------------------------------------------------------------- MIDI


def test_midi_is_read_as_mido_wrote_it():
    file = mido.MidiFile(ticks_per_beat=96)
    track = file.add_track()
    for kind, channel, note, velocity, time in (
        ("note_on", 0, 60, 64, 0),
        ("note_on", 9, 35, 64, 0),  # a drum
        ("note_on", 0, 60, 64, 96),  # struck again
        ("note_on", 0, 64, 64, 0),
        ("note_on", 0, 60, 0, 48),  # no loudness: let go
        ("note_off", 0, 62, 0, 0),  # was never struck
    ):
        given = {"channel": channel, "note": note, "velocity": velocity, "time": time}
        track.append(mido.Message(kind, **given))
    content = io.BytesIO()
    file.save(file=content)
    assert midi.read(content.getvalue(), "a.mid") == (
        *(Note(0, 1, 60), Note(1, 1.5, 60), Note(1, 1.5, 64)),
    )


def test_written_midi_is_read_again():
    notes = tuple(sorted((*tune(0), Note(16, 17, 60), Note(17, 18, 60))))
    content = midi.written(notes, 90)
    assert midi.read(content, "a.mid") == notes
    file = mido.MidiFile(file=io.BytesIO(content))
    assert file.length == pytest.approx(18 * 60 / 90)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no MIDI file: "),
        (b"MThd\0\0\0\6\0\1\0\1\0\x60MTrk\0\0\0\x09", "is no MIDI file: "),
        (b"a text", "is no MIDI file: "),
        (midi.written((), 80), "has no notes"),
        (midi.written([Note(0, 20_001, 60)], 80), "lasts 20001 quarter notes"),
        (b"MThd\0\0\0\6\0\0\0\0\xe7\x28", "counts seconds"),
    ],
)
def test_what_is_no_music_is_one_line_that_names_the_file(folder, content, said):
    (folder / "odd.mid").write_bytes(content)
    with pytest.raises(errors.UsageError, match=rf"odd\.mid {said}") as error:
        midi.from_folder(str(folder))
    assert "\n" not in str(error.value)


def test_without_mido_one_line_says_how_to_get_it(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "mido", None)
    with pytest.raises(errors.UsageError, match=r"pip install -e '\.\[apps\]'"):
        midi.from_folder(str(folder))


def test_folders_without_music_are_one_line(tmp_path, folder):
    with pytest.raises(errors.UsageError, match="none is no folder"):
        midi.from_folder(str(tmp_path / "none"))
    with pytest.raises(errors.UsageError, match="holds no MIDI files"):
        (tmp_path / "empty").mkdir()
        midi.from_folder(str(tmp_path / "empty"))
    for path in sorted(folder.iterdir())[2:]:
        path.unlink()
    with pytest.raises(errors.UsageError, match="three different pieces at least"):
        midi.from_folder(str(folder))


# -------------------------------------------------------------------------- sound


def test_the_sound_has_the_frequencies_of_its_notes():
    chord = [Note(0, 2, pitch) for pitch in (57, 64, 73)]  # a, e', c#''
    content = synthesizer.wav(synthesizer.sound(chord, 60))
    with wave.open(io.BytesIO(content)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        rate = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert len(samples) / rate == pytest.approx(2, abs=0.2)
    assert 0.8 < np.abs(samples).max() / 32768 < 1  # loud, and not cut off
    held = samples[rate // 10 : rate // 10 + rate]  # a second: bins of 1 Hz
    spectrum = np.abs(np.fft.rfft(held * np.hanning(len(held))))
    peaks = [
        at for at in range(20, 700) if spectrum[at] == spectrum[at - 3 : at + 4].max()
    ]
    loudest = sorted(sorted(peaks, key=lambda at: -spectrum[at])[:3])
    assert np.allclose(loudest, [220.00, 329.63, 554.37], atol=1)


def test_notes_sound_when_they_are_to():
    samples = synthesizer.sound([Note(1, 2, 69)], 120)
    loud = np.abs(samples) > 0.2
    assert loud.argmax() / synthesizer.RATE == pytest.approx(0.5, abs=0.02)
    assert not synthesizer.sound([], 120).any()


# --------------------------------------------------------------------------- task


def test_rows_are_frames_and_those_before_them(folder):
    task = tasks.music(24, midi_folder=str(folder))
    piece = pieces.read("", str(folder)).splits["test"][0]
    whole = music.roll(piece.notes)  # 64 frames: rows of 24, 24 and 16
    first = [leaf[:3] for leaf in jax.tree.leaves(task.splits["test"])]
    rows = jax.tree.unflatten(jax.tree.structure(task.splits["test"]), first)
    batch = task.batch(rows, jax.random.split(jax.random.key(0), 3))
    assert np.asarray(batch.mask).sum(0).tolist() == [24, 24, 16]
    there = np.asarray(batch.mask.T)
    np.testing.assert_array_equal(
        np.asarray(batch.targets.swapaxes(0, 1))[there], whole
    )
    inputs = np.asarray(batch.inputs.swapaxes(0, 1))[there]
    np.testing.assert_array_equal(inputs[1:], whole[:-1])
    assert not inputs[0].any()


def test_a_folder_that_changes_is_read_again(folder):
    before = pieces.read("", str(folder))
    (folder / "tune0.mid").write_bytes(midi.written(tune(77), 80))
    after = pieces.read("", str(folder))
    assert before.provenance != after.provenance
    every = [piece.notes for own in after.splits.values() for piece in own]
    assert tuple(sorted(tune(77))) in every and len(every) == 10


def test_only_training_moves_pieces(folder):
    task = tasks.music(16, midi_folder=str(folder), shift=5)
    plain = tasks.music(16, midi_folder=str(folder))
    keys = jax.random.split(jax.random.key(1), plain.size("train"))
    moved, as_is = (each.batch(each.splits["train"], keys) for each in (task, plain))
    by = [
        {
            int(high) - int(low)
            for high, low in zip(*map(np.flatnonzero, pair), strict=True)
        }
        for pair in zip(moved.targets[0], as_is.targets[0], strict=True)
    ]
    assert all(len(each) == 1 for each in by)  # a chord is moved as a whole
    assert set.union(*by) == set(range(-5, 6))
    test = plain.splits["test"]
    jax.tree.map(np.testing.assert_array_equal, task.splits["test"], test)
    with pytest.raises(errors.UsageError, match="shift"):
        tasks.music(16, midi_folder=str(folder), shift=12)


@pytest.mark.slow
@pytest.mark.parametrize("form", pieces.FORMS)
def test_the_task_keeps_the_laws(four, form):
    given = {"midi_folder": str(four), "form": form, "shift": 5}
    assert check_task(tasks.music(32, **given)).passed


def test_scores_are_those_of_another_library():
    draw = np.random.default_rng(0)
    logits = draw.normal(size=(5, 3, 88))
    sounds = draw.random((5, 3, 88)) < 0.3
    there = np.arange(5)[:, None] < np.array([5, 2, 3])
    batch = base.Batch(jnp.zeros((5, 3, 88)), jnp.asarray(sounds), jnp.asarray(there))
    found = base.means(piano_rolls.score(jnp.asarray(logits), batch))
    p, wanted = 1 / (1 + np.exp(-logits[there])), sounds[there]
    nats = metrics.log_loss(wanted.reshape(-1), p.reshape(-1)) * 88
    assert found["loss"] == pytest.approx(nats, rel=1e-5)
    shared = metrics.jaccard_score(wanted, p > 0.5, average="micro")
    assert found["accuracy"] == pytest.approx(shared)


def test_references_are_those_of_the_test(folder):
    task = tasks.music(64, midi_folder=str(folder))
    train, test = (task.splits[split]["frames"] for split in ("train", "test"))
    often = (train[:, 1:].sum((0, 1)) + 1) / (train[:, 1:, 0].size + 2)
    wanted, last = (
        test[:, own].reshape(-1, 88) for own in (slice(1, 65), slice(0, 64))
    )
    p = np.broadcast_to(often, wanted.shape)
    nats = metrics.log_loss(wanted.reshape(-1), p.reshape(-1)) * 88
    loss, accuracy = task.references["loss"], task.references["accuracy"]
    assert loss["how often each key sounds"] == pytest.approx(nats)
    again = metrics.jaccard_score(wanted, last, average="micro")
    assert accuracy["the last frame again"] == pytest.approx(again)
    now, before = train[:, 1:].reshape(-1), train[:, :-1].reshape(-1)
    stays, comes = now[before].mean(), now[~before].mean()
    p = np.where(last, stays, comes).reshape(-1)
    nats = metrics.log_loss(wanted.reshape(-1), p) * 88
    assert loss["the last frame again"] == pytest.approx(nats, rel=0.01)
    assert loss["each key after itself"] < loss["how often each key sounds"]


# --------------------------------------------------------------------- four parts


def chorale(number: int) -> tuple[Note, ...]:
    """Sixteen quarter notes of four parts each; the last one of the bass is a rest."""
    draw = np.random.default_rng(number)
    found = [
        Note(at, at + 1, int(draw.integers(low, low + 9)), part)
        for part, low in enumerate((65, 59, 53, 43))
        for at in range(16)
    ]
    return tuple(sorted(found[:-1]))


@pytest.fixture
def four(tmp_path):
    kept = tmp_path / "four"
    kept.mkdir()
    for number in range(10):
        (kept / f"{number}.mid").write_bytes(midi.written(chorale(number), 80))
    return kept


def test_four_parts_are_what_each_does():
    notes = Note(0, 0.5, 70, 0), Note(0.5, 1, 70, 0), Note(0.25, 0.75, 40, 3)
    found = voices.encoded(Piece("a", notes))
    struck, held, low = 1 + 70 - 21, 89 + 70 - 21, 40 - 21
    assert found[:, 0].tolist() == [struck, held, struck, held]
    assert found[:, 3].tolist() == [0, 1 + low, 89 + low, 0]
    assert not found[:, 1:3].any()
    assert voices.decoded(found) == tuple(sorted(notes))
    assert voices.decoded([[held, 0, 0, 0]]) == (Note(0, 0.25, 70),)
    assert voices.decoded(voices.encoded(Piece("b", chorale(0)))) == chorale(0)


@pytest.mark.parametrize("odd", [Note(0, 1, 60, 4), Note(3.5, 5, 70), Note(20, 21, 9)])
def test_what_is_not_in_four_parts_is_one_line(odd):
    with pytest.raises(errors.UsageError, match="odd is not in four parts") as error:
        voices.encoded(Piece("odd", (*chorale(0), odd)))
    assert "\n" not in str(error.value)


def test_a_step_is_what_a_part_does_after_those_above(four):
    task = tasks.music(64, midi_folder=str(four), form="parts")
    rows = jax.tree.map(lambda leaf: leaf[:5], task.splits["test"])
    batch = task.batch(rows, jax.random.split(jax.random.key(0), 5))
    assert batch.inputs.shape == (64, 5) and task.network.tokens
    (first, *_) = pieces.read("", str(four)).splits["test"]
    whole = voices.encoded(first)  # 64 frames: rows of 16
    flat = (whole + 177 * np.arange(4)).reshape(4, 64)
    np.testing.assert_array_equal(batch.targets.T[:4], flat)
    np.testing.assert_array_equal(batch.inputs[1:], batch.targets[:-1])
    assert batch.inputs[0].tolist()[:4] == [3 * 177, *flat[:3, -1]]
    np.testing.assert_array_equal(four_parts.does(flat.reshape(64, 4)), whole)
    with pytest.raises(errors.UsageError, match="multiple of four, not 30"):
        tasks.music(30, midi_folder=str(four), form="parts")


def test_parts_are_moved_together(four):
    task = tasks.music(256, midi_folder=str(four), form="parts", shift=5)
    train = task.splits["train"]
    count = task.size("train")
    moved = task.batch(train, jax.random.split(jax.random.key(0), count)).targets.T
    moved = four_parts.does(np.asarray(moved).reshape(count, 64, 4))
    frames = train["frames"][:, 1:]
    by = (moved - frames)[frames > 0].reshape(count, -1)
    assert (by == by[:, :1]).all() and len(set(by[:, 0].tolist())) > 2
    assert not moved[frames == 0].any()


def test_scores_and_references_of_parts_are_of_frames(four):
    task = tasks.music(256, midi_folder=str(four), form="parts")
    batch = task.sample(jax.random.key(0), 3, "test")
    logits = np.random.default_rng(0).normal(size=(256, 3, 708))
    found = base.means(task.score(jnp.asarray(logits), batch))
    targets, flat = np.asarray(batch.targets).reshape(-1), logits.reshape(-1, 708)
    p = np.exp(flat) / np.exp(flat).sum(-1, keepdims=True)
    nats = metrics.log_loss(targets, p, labels=np.arange(708))
    assert found["loss"] == pytest.approx(4 * nats, rel=1e-5)
    right = metrics.accuracy_score(targets, flat.argmax(-1))
    assert found["accuracy"] == pytest.approx(right)
    train, test = (task.splits[name]["frames"][:, 1:] for name in ("train", "test"))
    nats = 0.0
    for part in range(4):
        often = np.bincount(train[..., part].reshape(-1), minlength=177) + 1
        p = np.broadcast_to(often / often.sum(), (test[..., part].size, 177))
        wanted = test[..., part].reshape(-1)
        nats += metrics.log_loss(wanted, p, labels=np.arange(177))
    loss = task.references["loss"]
    assert loss["how often each part does what"] == pytest.approx(nats)
    assert 0.5 < loss["each part after itself"] < nats


# --------------------------------------------------------------------- experiment


def settings_of(*argv):
    return config.parse(
        list(argv),
        models.ModelConfig(),
        experiment.MusicConfig(),
        training_of.TrainConfig(),
        runs.OptimizerConfig(),
        runs.FolderConfig(),
        runtime.RunConfig(),
        runtime.ProcessConfig(),
    )


@pytest.mark.slow
def test_the_experiment_writes_what_can_be_heard_and_seen(folder, tmp_path):
    argv = [f"--midi_folder={folder}", "--num_steps=2", "--eval_every=1", "--length=16"]
    argv += [f"--workdir={tmp_path / 'run'}", "--hidden_size=4", "--opening=20"]
    experiment.main(*settings_of(*argv, "--sample=12", "--batch_size=2"))
    kept = tmp_path / "run"
    given = pieces.read("", str(folder)).splits["test"][0]
    notes = midi.read((kept / "sample.mid").read_bytes(), "sample.mid")
    opening = music.roll(given.notes)[:20]
    np.testing.assert_array_equal(music.roll(notes)[:20], opening)
    with wave.open(str(kept / "sample.wav")) as file:
        assert file.getnframes() / file.getframerate() == pytest.approx(6, abs=0.2)
    assert (kept / "plots" / "piano_roll.png").stat().st_size > 5_000
    assert made_for_people(kept) >= {"sample.mid", "sample.wav", "plots/piano_roll.png"}


@pytest.mark.slow
def test_the_experiment_continues_four_parts(four, tmp_path):
    argv = [f"--midi_folder={four}", "--num_steps=2", "--eval_every=1", "--length=16"]
    argv += [f"--workdir={tmp_path / 'run'}", "--hidden_size=4", "--opening=20"]
    argv += ["--form=parts", "--sample=12", "--batch_size=2", "--temperature=0.5"]
    experiment.main(*settings_of(*argv))
    (given, *_) = pieces.read("", str(four)).splits["test"]
    notes = midi.read((tmp_path / "run" / "sample.mid").read_bytes(), "sample.mid")
    made, wanted = voices.encoded(Piece("a", notes)), voices.encoded(given)
    np.testing.assert_array_equal(made[:20], wanted[:20])
    assert 20 < len(made) <= 32


def test_what_cannot_go_on_is_one_line(folder):
    argv = [f"--midi_folder={folder}", "--length=16", "--hidden_size=4"]
    with pytest.raises(errors.UsageError, match="build it without --bidirectional"):
        experiment.main(*settings_of(*argv, "--bidirectional"))
    with pytest.raises(errors.UsageError, match="no piece of test is 'tune'"):
        experiment.main(*settings_of(*argv, "--piece=tune"))


def test_a_continuation_reads_what_it_has_written():
    """A network that is sure of everything writes what it predicts of its own."""
    model = models.model(cells.gru(8), input_size=88, output_size=88, head="step")
    params = model.init(jax.random.key(0))
    sure = params.head._replace(W=params.head.W * 1e5)
    params = params._replace(head=sure)
    settings = experiment.MusicConfig(opening=10, sample=12)
    given = Piece("a", tune(0)), settings, jax.random.key(1)
    made = music.roll(experiment.continued_roll(model, params, *given))
    opening, added = music.roll(tune(0))[:10], made[10:]
    np.testing.assert_array_equal(made[:10], opening)
    whole = np.concatenate([np.zeros((1, 88), bool), made])
    said = model.outputs(params, jnp.asarray(whole[:-1, None], jnp.float32))[:, 0] > 0
    np.testing.assert_array_equal(added, said[10:])
    assert 0 < added.mean() < 1 and len(added) == 12
