"""Pictures with captions: what is drawn, read, looked at and written."""

import pathlib
import unicodedata

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import pytest
from left_behind import made_for_people

from experiments import captioning as experiment
from rnn_research import (
    cells,
    config,
    errors,
    models,
    resolve,
    runs,
    runtime,
    tasks,
    training,
)
from rnn_research.checks import check_task
from rnn_research.data import glyphs, pictures
from rnn_research.layers import Call
from rnn_research.models import readers
from rnn_research.tasks import caption_references, captions

FONTS = pathlib.Path(matplotlib.get_data_path()) / "fonts" / "ttf"
SMALL = str(FONTS / "cmr10.ttf")  # 128 characters


@pytest.fixture(scope="module")
def task():
    return tasks.captioning(8, file=SMALL)


def test_words_put_together_are_the_caption():
    caption = "BRAILLE PATTERN DOTS-145"
    words = [*(" BRAILLE", " PATTERN", " DOTS"), "-", "1", "4", "5"]
    assert glyphs.pieces(caption) == words
    known = glyphs.vocabulary([caption, "DOTS-1", "DOTS-1", "DIGIT ONE"], at_least=2)
    assert known.words == (" DOTS", "-", "1")  # DOTS-1 is one caption
    assert known.encode("DOTS-51") == [0, 1, known.unknown, 2]
    assert known.decode([0, 1, 3, 2, known.end, 0]) == "DOTS- \ufffd1"
    assert glyphs.pieces("A \ufffd") == [" A", " \ufffd"]  # as an unknown one is shown
    assert known.size == 5 and known.begin == 5


def test_pictures_show_the_characters_of_the_font():
    found = glyphs.from_file(SMALL)
    assert found.shape == (32, 32, 1)
    by_name = {
        caption: picture[..., 0] / 255
        for pictures, all_captions in found.splits.values()
        for picture, caption in zip(pictures, all_captions, strict=True)
    }
    assert len(by_name) == sum(len(own) for _, own in found.splits.values())
    assert all(unicodedata.lookup(name) for name in by_name)
    inked = {name: np.flatnonzero(of.any(1)) for name, of in by_name.items()}
    small, capital = (inked[f"LATIN {size} LETTER O"] for size in ("SMALL", "CAPITAL"))
    assert capital[0] < small[0] and capital[-1] == small[-1]  # they stand on one line
    assert inked["LATIN SMALL LETTER P"][-1] > small[-1]
    ring = by_name["LATIN CAPITAL LETTER O"]
    columns = np.flatnonzero(ring.any(0))
    assert abs(columns.mean() - 15.5) <= 1 and ring[16, 15] == 0  # in the middle, open


def test_the_default_has_its_counts():
    found = glyphs.glyphs()
    names = {split: set(own) for split, (_, own) in found.splits.items()}
    assert sum(map(len, names.values())) == len(set.union(*names.values()))
    assert 6400 < sum(map(len, names.values())) < 6700  # 6,520 with Unicode 14
    assert sum(len(own) for own, _ in found.splits.values()) > 34_000
    assert len(found.provenance) == 8


@pytest.mark.parametrize(
    "content, said", [(b"no font", "is no font"), (None, "No such")]
)
def test_a_file_that_is_no_font_is_one_line(tmp_path, content, said):
    path = tmp_path / "a.ttf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(errors.UsageError, match=said) as error:
        glyphs.from_file(str(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("image", "said", "wrong"),
    [
        (b"no picture", [b"a dog"], "tfds:own: picture 0 of val cannot be read"),
        (b"", [], "tfds:own: picture 0 of val has no caption"),
        (b"", [b" \n"], "tfds:own: picture 0 of val has no caption"),
    ],
)
def test_a_photograph_without_a_caption_or_pixels_is_one_line(image, said, wrong):
    pytest.importorskip("PIL")
    row = {"image": image, "captions": {"text": said}}
    with pytest.raises(errors.UsageError, match=wrong):
        pictures._read("own", {"val": [row]})


def test_a_batch_asks_for_the_next_word_and_the_end(task):
    known = task.vocabulary
    batch = task.sample(jax.random.key(0), 5, "train")
    steps, source, mask = batch.inputs
    assert steps.shape == batch.targets.shape == (8, 5) and mask is None
    assert source.shape == (5, 32, 32, 1) and 0 <= source.min() < source.max() <= 1
    assert (steps[0] == known.begin).all() and (steps[1:] == batch.targets[:-1]).all()
    last = np.asarray(batch.mask).sum(0) - 1
    assert (np.asarray(batch.targets)[last, np.arange(5)] == known.end).all()


def test_references_are_those_of_the_captions():
    from sklearn.neighbors import NearestNeighbors

    draw = np.random.default_rng(0)
    known, asked = draw.random((40, 7)), draw.random((9, 7))
    model = NearestNeighbors(n_neighbors=1).fit(known)
    expected = model.kneighbors(asked, return_distance=False)[:, 0]
    np.testing.assert_array_equal(caption_references.nearest(known, asked), expected)
    after = caption_references._after(["A B", "A B C", "A D", "E"])
    assert caption_references.commonest(after, ()) in ("A B", "A B C")  # equally common
    assert caption_references.commonest(after, (" E",)) == "E"
    assert caption_references.commonest(after, (" F",)) == "F"
    words = glyphs.Pieces((" A", " B"))
    loss = caption_references._pairs([[0, 1, 3], [0, 3]], [[0, 3]], words)
    of_pairs = (2 + 1) / (2 + 4), (1 + 1) / (2 + 4)  # begin -> A, A -> end
    assert loss == pytest.approx(-np.log(of_pairs).mean())


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(8, 8), (5, 7)])
def test_a_convolution_is_that_of_xla(size, stride):
    keys = jax.random.split(jax.random.key(0))
    x, W = (
        jax.random.normal(keys[0], (2, *size, 3)),
        jax.random.normal(keys[1], (27, 4)),
    )
    names = ("NHWC", "HWIO", "NHWC")
    expected = jax.lax.conv_general_dilated(
        x, W.reshape(3, 3, 3, 4), (stride, stride), "SAME", dimension_numbers=names
    )
    np.testing.assert_allclose(readers._squares(x, stride) @ W, expected, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("attention", ["luong", "bahdanau", "none"])
def test_what_is_written_is_the_most_probable_word_each_time(task, attention, tmp_path):
    options = models.ModelConfig(attention=attention, dropout=0.2)
    model = models.build(cells.gru(6), task, options)
    params = jax.tree.map(lambda leaf: 3 * leaf, model.init(jax.random.key(0)))
    pictures, known = task.splits["test"]["pictures"][:3], task.vocabulary
    said = captions.captions(model, params, known, pictures, task.length)
    tokens = [[known.begin, *known.encode(each), known.end] for each in said]
    source = jnp.asarray(pictures, float) / 255
    for at, line in enumerate(tokens):
        steps = np.array(line[:-1])[: task.length, None]
        inputs = tasks.base.Sourced(steps, source[at : at + 1], None)
        outputs = model.outputs(params, inputs)
        wanted = line[1:][: task.length]
        assert "\ufffd" in said[at] or outputs[:, 0].argmax(-1).tolist() == wanted
        if attention != "none":
            share = model.look(params, inputs, Call())
            assert share.shape == (len(steps), 1, 64)  # 8 x 8 places
            np.testing.assert_allclose(share.sum(-1), 1)
    models.save(tmp_path / "model", model, params)
    assert models.load(tmp_path / "model").model == model


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["lstm", "transformer(window=8)"])
def test_any_cell_learns_to_write(task, cell):
    model = models.as_model(resolve.resolve("cell", cell, hidden_size=8), task)
    result = training.train(
        model,
        task,
        training.TrainConfig(num_steps=60, batch_size=20, learning_rate=0.02),
    )
    (run,) = result.summary["runs"]
    assert run["test"]["loss"] < 0.8 * np.log(task.network.outputs)
    assert {"exact_match", "chrf", "bleu"} < run["test"].keys()


@pytest.mark.slow
def test_the_task_keeps_the_laws(task):
    assert check_task(task).passed


@pytest.mark.slow
def test_the_experiment_writes_and_shows(tmp_path):
    argv = [f"--file={SMALL}", "--num_steps=2", "--eval_every=1", "--batch_size=20"]
    argv += [f"--workdir={tmp_path / 'run'}", "--length=8", "--hidden_size=8"]
    settings = config.parse(
        argv,
        models.ModelConfig(attention="luong"),
        experiment.PicturesConfig(),
        training.TrainConfig(),
        runs.OptimizerConfig(),
        runs.FolderConfig(),
        runtime.RunConfig(),
        runtime.ProcessConfig(),
    )
    experiment.main(*settings)
    for name in ("captions.png", "looked_at.png"):
        assert (tmp_path / "run" / "plots" / name).stat().st_size > 10_000
    assert made_for_people(tmp_path / "run") >= {"plots/captions.png"}
    assert runs.load(tmp_path / "run").model.look is not None
