"""Sets of tensorflow-datasets in small folders, prepared and read without TensorFlow.

A test prepares a set of its own that has the features of a known one; of those known
ones whose code needs no TensorFlow, tensorflow-datasets itself also makes random rows.
"""

import importlib.util
import io
import json
import pathlib
import sys

import jax
import numpy as np
import pytest

from experiments import captioning, prepare_data, speech
from rnn_research import config, errors, models, runs, runtime, tasks, training
from rnn_research.data import clips, images, parallel, pictures, prepared, sentences
from rnn_research.data import sets as all_sets
from rnn_research.models import fit

tfds = pytest.importorskip("tensorflow_datasets")
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture
def sets(tmp_path, monkeypatch):
    """(name, features, {split: rows}, format) -> the folder of the set."""
    from tensorflow_datasets.core import constants

    monkeypatch.setattr(constants, "DATA_DIR", str(tmp_path))
    made = []

    def prepare(name, features, splits, file_format="array_record"):
        def _info(self):
            known = tfds.features.FeaturesDict(features)
            return tfds.core.DatasetInfo(builder=self, features=known)

        def _split_generators(self, manager):
            return {split: enumerate(rows) for split, rows in splits.items()}

        own = {"VERSION": tfds.core.Version("1.0.0"), "_info": _info, "name": name}
        own |= {"_split_generators": _split_generators, "_generate_examples": None}
        made.append(name)
        builder = type(name, (tfds.core.GeneratorBasedBuilder,), own)(
            data_dir=str(tmp_path), file_format=file_format
        )
        builder.download_and_prepare()
        return tmp_path / name / "1.0.0"

    yield prepare
    for name in made:
        tfds.core.registered._DATASET_REGISTRY.pop(name, None)


def encoded(pixels: np.ndarray) -> io.BytesIO:
    image, content = pytest.importorskip("PIL.Image"), io.BytesIO()
    image.fromarray(pixels).save(content, "PNG")
    content.seek(0)
    return content


def train(program, name: str, own, tmp_path, *argv: str) -> dict:
    """Two updates of the program on tfds:name; the test metrics."""
    settings = [
        models.ModelConfig(hidden_size=4),
        *own,
        training.TrainConfig(num_steps=2, eval_every=1, batch_size=4),
        *(runs.OptimizerConfig(), runs.FolderConfig(), runtime.RunConfig()),
        runtime.ProcessConfig(),
    ]
    folder = tmp_path / "run"
    argv = [f"--dataset=tfds:{name}", f"--workdir={folder}", *argv]
    program.main(*config.parse(argv, *settings))
    record = json.loads((folder / "config.json").read_text())
    assert record["provenance"][0]["package"] == f"tfds:{name}"
    (one,) = json.loads((folder / "summary.json").read_text())["runs"]
    return one["test"]


# ------------------------------------------------------------------------- images


def tiny_images(sets, **form):
    """Pixels equal to the row's number."""

    def rows(count):
        for row in range(count):
            pixels = np.full((4, 5, 3), row, np.uint8)
            yield {"image": encoded(pixels), "label": row % 2}

    features = {
        "image": tfds.features.Image(shape=(4, 5, 3)),
        "label": tfds.features.ClassLabel(names=["even", "odd"]),
    }
    return sets("tiny_images", features, {"train": rows(20), "test": rows(7)}, **form)


def test_prepared_sets_are_read_whole_or_not_at_all(sets, monkeypatch):
    folder = tiny_images(sets)
    found = images.of_tensorflow_datasets("tiny_images")
    rows = [found.splits[split] for split in ("train", "validation", "test")]
    assert [len(part[1]) for part in rows] == [18, 2, 7]
    for all_pixels, labels in rows:
        assert (all_pixels[:, 0, 0, 0] % 2 == labels).all()
    seen = np.concatenate([part[0][:, 3, 4, 2] for part in rows[:2]])
    assert sorted(seen.tolist()) == list(range(20)), "each row once"
    monkeypatch.setattr(prepared, "IN_MEMORY", 1)
    source = images.of_tensorflow_datasets("tiny_images").splits["train"]
    assert len(source) == 18 and (source[3][0] == rows[0][0][3]).all()
    info = json.loads((folder / "dataset_info.json").read_text())
    for split in info["splits"]:
        split["shardLengths"] = [str(int(split["shardLengths"][0]) + 1)]
    (folder / "dataset_info.json").write_text(json.dumps(info))
    with pytest.raises(errors.UsageError, match="holds 20 rows and its record says 21"):
        images.of_tensorflow_datasets("tiny_images")
    (folder / "features.json").write_text("{")
    with pytest.raises(errors.UsageError, match="cannot be read: .*prepare it again"):
        images.of_tensorflow_datasets("tiny_images")


def test_a_set_in_another_format_is_refused(sets):
    tiny_images(sets, file_format="parquet")
    with pytest.raises(errors.UsageError, match="format other than array_record"):
        images.of_tensorflow_datasets("tiny_images")


def test_names_of_sets_never_reach_the_network(monkeypatch):
    """A name with a colon would be looked up in an index of others' sets."""
    with pytest.raises(errors.UsageError, match="no name of a data set"):
        prepared.read("somebody:their_set")
    with pytest.raises(errors.UsageError, match="did you mean tfds:mnist"):
        prepared.read("mnits")
    with pytest.raises(errors.UsageError, match="--dataset=tfds:mnist"):
        prepared.read("mnist", "/no/such/folder")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(errors.UsageError, match="requirements-tfds.txt"):
        prepared.prepare("mnist", "/no/such/folder")


def test_the_list_of_sets_is_nothing_else(capfd, sets):
    """Some sets' code would print that TensorFlow is missing, in its midst."""
    prepare_data.main(prepare_data.PrepareConfig(list=True))
    said = capfd.readouterr()
    assert said.err == "" and len(said.out.splitlines()) == 3 * len(all_sets.SETS)
    assert "tfds:coco_captions: is not here" in said.out


# -------------------------------------------------------------------------- texts

NAMES = tfds.features.ClassLabel(names=["bad", "good"])
TEXTS = {"text": tfds.features.Text(), "label": NAMES}
LANGUAGES = {"en": tfds.features.Text(), "pt": tfds.features.Text()}


def reviews(count):
    each = ("só good", "bad bad")
    return [{"text": f"{each[n % 2]} {n}", "label": 1 - n % 2} for n in range(count)]


def test_texts_keep_their_classes_and_the_test_split(sets):
    rows = reviews(40)
    sets("tiny_texts", TEXTS, {"train": rows, "test": rows[:6], "unsupervised": rows})
    found = sentences.of_tensorflow_datasets("tiny_texts")
    assert found.classes == ("bad", "good") and len(found.splits["test"][0]) == 6
    every = [found.splits[split] for split in ("train", "validation")]
    assert sorted(text for own, _ in every for text in own) == sorted(
        row["text"] for row in rows
    )
    for texts, labels in found.splits.values():
        assert [text.startswith("só good") for text in texts] == labels.tolist()
    sets("lacks_test", TEXTS, {"train": rows})
    with pytest.raises(errors.UsageError, match="tfds:lacks_test has no split test"):
        sentences.of_tensorflow_datasets("lacks_test")


def test_translations_keep_their_splits(sets):
    rows = [{"en": "a cat", "pt": "um gato"}, {"en": "bread", "pt": "pão"}]
    features = tfds.features.Translation(languages=["en", "pt"])
    splits = {"train": rows, "validation": rows[:1], "test": rows[1:]}
    sets("tiny_pairs", features, splits)
    pairs = parallel.of_tensorflow_datasets("tiny_pairs").pairs("pt", "en")
    assert pairs["test"] == (("pão",), ("bread",))
    assert sorted(pairs["train"][0]) == ["pão", "um gato"]
    sets("lacks_a_split", features, {"train": rows})
    with pytest.raises(errors.UsageError, match="tfds:lacks_a_split has no split"):
        parallel.of_tensorflow_datasets("lacks_a_split")
    sets("of_one_language", TEXTS, dict.fromkeys(splits, reviews(2)))
    with pytest.raises(errors.UsageError, match="hold texts in two languages; it hol"):
        parallel.of_tensorflow_datasets("of_one_language")


@pytest.mark.parametrize(
    ("name", "splits", "read"),
    [
        ("imdb_reviews/plain_text", ("train", "test"), sentences),
        ("ted_hrlr_translate/pt_to_en", ("train", "validation", "test"), parallel),
        ("mnist", ("train", "test"), images),
    ],
)
def test_known_sets_are_read_as_they_are(name, splits, read, tmp_path, monkeypatch):
    """Random rows that tensorflow-datasets makes of their features."""
    from tensorflow_datasets.core import splits as splits_of

    builder = tfds.builder(name, data_dir=str(tmp_path), file_format="array_record")
    place = pathlib.Path(builder.data_dir)
    named = builder.info, builder.info.features
    shards = [
        splits_of.SplitInfo(name=split, shard_lengths=[30], num_bytes=0)
        for split in splits
    ]
    named[0].set_splits(splits_of.SplitDict(shards))
    place.mkdir(parents=True)
    named[0].write_to_directory(place)
    named[1].save_config(place)
    monkeypatch.setattr(prepared, "_check_whole", lambda *given: None)  # there are none
    monkeypatch.setattr(prepared, "_root", lambda folder: tmp_path)
    monkeypatch.setattr(prepared, "IN_MEMORY", 1)  # so that images stay a source
    with tfds.testing.mock_data(num_examples=30, data_dir=str(place)):
        found = read.of_tensorflow_datasets(name)
        first = found.splits["test"][0] if read is images else None
    assert {"train", "validation", "test"} == found.splits.keys()
    if read is parallel:
        assert set(found.languages) == {"pt", "en"}
    elif read is sentences:
        texts, labels = found.splits["test"]
        assert len(texts) == len(labels) == 30 and found.classes == ("neg", "pos")
    else:
        assert first[0].shape == (28, 28, 1) and len(found.classes) == 10


# -------------------------------------------------------------------------- audio


def tiny_words(sets, rate=4000):
    """Stored as the feature of audio stores it, which itself needs TensorFlow."""
    rows = [
        {"audio": np.arange(n + 200, dtype=np.int16), "label": n % 2} for n in range(12)
    ]
    samples = tfds.features.Tensor(shape=(None,), dtype=np.int16)
    features = {"audio": samples, "label": NAMES}
    folder = sets("tiny_words", features, dict.fromkeys(clips.SPLITS, rows))
    path = folder / "features.json"
    described = json.loads(path.read_text())
    audio = described["featuresDict"]["features"]["audio"]
    del audio["tensor"]
    audio["pythonClassName"] = "tensorflow_datasets.core.features.audio_feature.Audio"
    audio["audio"] = {
        "dtype": "int16",
        "encoding": "NONE",
        "fileFormat": "wav",
        "sampleRate": str(rate),
        "shape": {"dimensions": ["-1"]},
    }
    path.write_text(json.dumps(described))
    return folder


def test_audio_is_read_without_tensorflow(sets):
    tiny_words(sets)
    found = clips.of_tensorflow_datasets("tiny_words", seconds=0.0505)
    assert (found.rate, found.classes) == (4000, ("bad", "good"))
    for at in range(12):
        row = found.splits["test"][at]
        assert row["audio"].dtype == np.int16 and len(row["audio"]) == 202
        assert row["audio"][: row["samples"]].tolist() == [*range(row["samples"])]
        assert row["samples"] in (200, 201, 202) and row["labels"] < 2
    assert "tensorflow" not in sys.modules or importlib.util.find_spec("tensorflow")
    sets("not_heard", TEXTS, {"train": reviews(2)})
    with pytest.raises(errors.UsageError, match="does not hold labelled audio"):
        clips.of_tensorflow_datasets("not_heard")


# ----------------------------------------------------------------------- pictures


def tiny_photographs(sets):
    """Black in the middle and white to the sides, of different sizes."""

    def rows(count, low=0):
        for n in range(low, low + count):
            pixels = np.full((40 + n, 140, 3), 255, np.uint8)
            pixels[:, 50 - n : 90 + n] = n
            said = [f" A Dog\tno {n % 3} .\n", "something else"]
            captions = [{"text": text, "id": n} for text in said]
            yield {"image": encoded(pixels), "captions": captions}

    captions = {"text": np.str_, "id": np.int64}
    features = {
        "image": tfds.features.Image(encoding_format="png"),
        "captions": tfds.features.Sequence(captions),
    }
    splits = {"train": rows(6), "restval": rows(3, 6), "val": rows(4), "test": rows(5)}
    return sets("tiny_photographs", features, splits)


def test_photographs_are_squares_with_their_captions(sets):
    tiny_photographs(sets)
    found = pictures.of_tensorflow_datasets("tiny_photographs")
    sizes = {split: len(own[1]) for split, own in found.splits.items()}
    assert sizes == {"train": 9, "validation": 4, "test": 5}
    assert found.shape == (64, 64, 3)
    for squares, said in found.splits.values():
        numbers = squares[:, 32, 32, 0]
        assert (squares == numbers[:, None, None, None]).all(), "the middle alone"
        assert list(said) == [f"a dog no {n % 3} ." for n in numbers]
    assert found.further == (("something else",),) * 9
    sets("no_pictures", TEXTS, {"train": reviews(2)})
    with pytest.raises(errors.UsageError, match="does not hold pictures with captions"):
        pictures.of_tensorflow_datasets("no_pictures")


def test_all_captions_of_a_photograph_are_asked_for(sets):
    pytest.importorskip("sacrebleu")
    tiny_photographs(sets)
    task = tasks.captioning(5, dataset="tfds:tiny_photographs", at_least=1)
    known, rows = task.vocabulary, task.splits["train"]
    taken = {name: leaf[[0] * 32] for name, leaf in rows.items()}
    batch = task.batch(taken, jax.random.split(jax.random.key(0), 32))
    said = {known.decode(line) for line in np.asarray(batch.targets).T}
    assert said == {
        f"a dog no {rows['pictures'][0, 32, 32, 0] % 3} .",
        "something else",
    }
    assert task.splits["test"]["captions"].tolist() == [1] * 5


# ------------------------------------------------------------- tasks and programs


def test_tasks_are_made_of_them(sets):
    pytest.importorskip("sacrebleu")
    rows = reviews(40)
    sets("tiny_texts", TEXTS, {"train": rows, "test": rows[:6]})
    pairs = [{"en": f"cat {n}", "pt": f"gato {n}"} for n in range(12)]
    splits = dict.fromkeys(("train", "validation", "test"), pairs)
    sets("tiny_pairs", tfds.features.Translation(languages=["en", "pt"]), splits)
    tiny_images(sets)
    for task, count in (
        (tasks.text_classification(5, dataset="tfds:tiny_texts"), 6),
        (tasks.sequential_images(dataset="tfds:tiny_images"), 7),
        (
            tasks.translation(4, dataset="tfds:tiny_pairs", source="pt", target="en"),
            12,
        ),
    ):
        assert task.size("test") == count and fit.check_batch(task)
        asked = dict(task.origin.arguments)["dataset"]
        assert task.provenance[0].package == asked


@pytest.mark.slow
def test_words_are_trained_on(sets, tmp_path):
    tiny_words(sets, rate=16_000)
    own = (speech.SpeechConfig(),)
    assert "accuracy" in train(speech, "tiny_words", own, tmp_path)


@pytest.mark.slow
def test_captions_are_trained_on(sets, tmp_path):
    pytest.importorskip("sacrebleu")
    tiny_photographs(sets)
    own = (captioning.PicturesConfig(length=5, at_least=1),)
    found = train(captioning, "tiny_photographs", own, tmp_path)
    assert {"chrf", "bleu", "exact_match"} <= found.keys()
    names = {path.name for path in (tmp_path / "run" / "plots").iterdir()}
    assert {"captions.png", "looked_at.png"} <= names


def test_pairs_that_cannot_be_read_are_one_line():
    with pytest.raises(errors.UsageError, match="is empty"):
        prepared.pairs([], "image", "label", (2, 2))
    with pytest.raises(errors.UsageError, match="of several sizes"):
        prepared.pairs([{}], "image", "label", (None, None, 3))


def test_what_is_decoded_into_memory_is_counted_in_bytes(monkeypatch):
    class Rows(list):
        def __getitems__(self, places):
            return [self[at] for at in places]

    row = {"image": np.ones(4, np.int64), "label": np.int64(1)}  # 40 bytes
    found = prepared.pairs(Rows([row] * 10), "image", "label", (4,))
    monkeypatch.setattr(prepared, "IN_MEMORY", 400)
    assert isinstance(found.rows(), tuple)
    monkeypatch.setattr(prepared, "IN_MEMORY", 399)
    assert found.rows() is found
