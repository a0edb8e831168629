"""The experiments on data, for two steps, as a user runs them."""

import importlib.util
import json

import jax.numpy as jnp
import numpy as np
import pytest

from experiments import char_lm, prepare_data, sequential_images
from rnn_research import config, errors, models, plotting, runs, runtime, training
from rnn_research.runs import writing
from rnn_research.tasks import base, confusion, scores

SMALL = training.TrainConfig(
    num_steps=2, batch_size=4, eval_every=1, checkpoint_every=1
)
needs_digits = pytest.mark.skipif(
    importlib.util.find_spec("sklearn") is None, reason="scikit-learn is not installed"
)


def run(program, own, *argv, hidden_size=6):
    settings = [models.ModelConfig(hidden_size=hidden_size), own[0], SMALL]
    settings += [runs.OptimizerConfig(), *own[1:], runs.FolderConfig()]
    argv = ["--precision=float64", *argv]
    config.run(program.main, *settings, runtime.RunConfig(), argv=argv)


@pytest.mark.slow
def test_char_lm_trains_and_writes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = tmp_path / "own.txt"
    text.write_text("to be or not to be, " * 60)
    own = char_lm.TextConfig(length=12), writing.WritingConfig()
    given = f"--text_file={text.name}", "--workdir=run"
    asked = "--sample", "--prompt=to be", "--characters=9"
    run(char_lm, own, *given, *asked)
    folder = tmp_path / "run"
    assert {path.name for path in (folder / "plots").iterdir()} >= {
        "bits_per_character.png",
        "learning_curve.png",
    }
    (record,) = json.loads((folder / "config.json").read_text())["provenance"]
    assert record["package"] == str(text) and len(record["sha256"]) == 64
    first = (folder / "sample.txt").read_text()
    assert first.startswith("to be") and len(first) == len("to be") + 9 + 1
    capsys.readouterr()
    run(char_lm, own, "--runs=run", *asked)  # from its folder the same is written
    assert first.strip() in capsys.readouterr().out
    assert (folder / "sample.txt").read_text() == first
    text.write_text(text.read_text() + "!")
    with pytest.raises(SystemExit) as caught:  # other data
        run(char_lm, own, *given)
    assert caught.value.code == 2
    assert "holds a run with data=" in capsys.readouterr().err


def test_what_cannot_be_written_is_said_before_a_training(tmp_path, capsys):
    own = char_lm.TextConfig(length=12), writing.WritingConfig()
    for argv, message in (
        (("--sample", "--prompt=\u0416"), "does not occur in the text"),
        (("--runs=run",), "add --sample"),
        (("--dataset=python_manul",), "did you mean python_manual"),
    ):
        with pytest.raises(SystemExit) as caught:
            run(char_lm, own, f"--workdir={tmp_path / 'run'}", *argv)
        error = capsys.readouterr().err
        assert caught.value.code == 2 and message in error, error
        assert error.count("\n") == 1 and not (tmp_path / "run").exists()


@pytest.mark.slow
@needs_digits
def test_sequential_images_trains_and_shows_its_confusion(tmp_path, monkeypatch):
    tables = []

    def keep(rows, path, *, title):
        tables.append((rows, title))

    monkeypatch.setattr(plotting, "confusion", keep)
    own = (sequential_images.ImagesConfig(form="rows"),)
    run(sequential_images, own, f"--workdir={tmp_path / 'run'}")
    ((rows, title),) = tables
    assert len(rows) == 100 and sum(row["count"] for row in rows) == 359
    right = sum(row["count"] for row in rows if row["class"] == row["predicted"])
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    (one,) = summary["runs"]
    np.testing.assert_allclose(one["test"]["accuracy"], right / 359)
    assert f"{right} of 359" in title
    assert (tmp_path / "run" / "plots" / "accuracy.png").exists()


def test_confusion_counts_every_row_of_test_once():
    """With a batch size that does not divide them, against plain counting."""
    labels = np.random.default_rng(0).integers(0, 3, 11)
    rows = {split: (np.eye(3)[labels], labels) for split in base.SPLITS}

    def batch(own, keys):
        return base.Batch(jnp.asarray(own[0])[None], jnp.asarray(own[1]))

    task = base.Task(
        batch=batch,
        score=lambda outputs, own: {"loss": scores.cross_entropy(outputs, own)},
        network=base.Network(3, 3, head="last"),
        length=1,
        data=lambda: rows,
    )

    class Echo:
        def outputs(self, params, x, call):
            return jnp.roll(x[0], params, axis=-1)

    found = confusion.table(Echo(), 1, task, 4, names=("a", "b", "c"))
    counts = {(row["class"], row["predicted"]): row["count"] for row in found}
    often = np.bincount(labels, minlength=3)
    for at, name in enumerate("abc"):
        assert counts[name, "abc"[(at + 1) % 3]] == often[at]
    assert sum(counts.values()) == 11


def test_the_confusion_figure_shows_shares_and_counts():
    counts = [[3, 1], [0, 5]]
    rows = [
        {"class": one, "predicted": other, "count": counts[i][j]}
        for i, one in enumerate(("$a", "b"))
        for j, other in enumerate(("$a", "b"))
    ]
    axes = plotting.confusion(rows, title="8 of 9").axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.75, 0.25], [0, 1]])
    assert [text.get_text() for text in axes.texts] == ["3", "1", "", "5"]


def test_only_sets_that_are_not_here_are_fetched():
    with pytest.raises(errors.UsageError, match="needs no fetching"):
        prepare_data.main(prepare_data.PrepareConfig(dataset=("fsdd", "digits")))
