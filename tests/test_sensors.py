"""Recorded sequences with classes: files, splits, the task and its experiment."""

import jax
import numpy as np
import pytest

from experiments import time_series_classification as experiment
from rnn_research import config, errors, models, runs, runtime, tasks, training
from rnn_research.checks import check_task
from rnn_research.data import archives, sensors, sequences
from rnn_research.tasks import confusion, recordings

TS = b"""# what it is
@problemName Tiny
@timeStamps false
@classLabel true up down
@data

1,2,3:4,5,6:up
1.5,2.5:4,5:down
0,0,?:1,1,NaN:up
"""


def test_both_forms_of_file_are_read():
    found = sequences.parsed(TS, "tiny.ts")
    assert found.labels == ("up", "down", "up")
    np.testing.assert_array_equal(found.values[0], [[1, 4], [2, 5], [3, 6]])
    assert [x.shape for x in found.values] == [(3, 2), (2, 2), (2, 2)]
    for mark in "\t", ",":
        lines = (mark.join(each) for each in ("1.0 3 4 NaN".split(), "2 5 6 7".split()))
        found = sequences.parsed("\n".join(lines).encode(), "tiny.tsv")
        assert found.labels == ("1", "2")
        np.testing.assert_array_equal(found.values[0], [[3], [4]])


def test_every_fourth_of_a_class_is_validation():
    names = [*"aaaaaaaa", *"bbbbb", *"cc"]
    whole = sequences.Labelled(
        tuple(np.full((2, 1), at) for at in range(len(names))), tuple(names)
    )
    made = sequences.official(whole, whole, None)
    values, labels = made.splits["validation"]
    assert [int(x[0, 0]) for x in values] == [3, 7, 11, 14]
    np.testing.assert_array_equal(labels, [0, 0, 1, 2])
    assert [len(labels) for _, labels in made.splits.values()] == [11, 4, 15]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe", "is not a UTF-8 text: byte 0"),
        (b"", "holds no sequence"),
        (b"1\t2\n1\tx\n", "line 2: value 1 is 'x', which is no number"),
        (b"1\t2\n1\tinf\n", "line 2: value 1 is 'inf'"),
        (b"1\n", "line 1: give a class and then values"),
        (b"1\tnan\n", "line 1 holds no value"),
        (b"1\tnan\t?\n", "line 1 holds no value"),
        (b"1\t2\n" * 9, "all sequences are of one class"),
        (b"1\t2\n2\t3\n1\t2\n1\t2\n", "gets no sequence of class 2; give more of it"),
        (b"@data\n1,2\n", "line 2: give variables and then a class"),
        (b"@data\n1,2:1:a\n", "line 2: the variables are of different lengths"),
        (b"@data\n1:2:a\n1:a\n", "line 3 has 1 variables where the first .* has 2"),
        (b"@timeStamps true\n@data\n", "gives a time with each value"),
        (b"@classLabel false\n@data\n", "has no classes"),
    ],
)
def test_files_that_are_none_are_one_line(tmp_path, content, said):
    path = tmp_path / "mine"
    path.write_bytes(content)
    with pytest.raises(errors.UsageError, match=said) as error:
        sequences.from_files(str(path))
    assert "\n" not in str(error.value)


def test_a_file_for_test_fits_that_of_train(tmp_path):
    train, test = tmp_path / "train.tsv", tmp_path / "test.ts"
    train.write_text("1\t5\t6\n2\t7\t8\n" * 4)
    test.write_text("@data\n5,6:1\n")
    made = sequences.from_files(str(train), str(test))
    assert [len(labels) for _, labels in made.splits.values()] == [6, 2, 1]
    for content, said in (
        ("@data\n5,6:3\n", "train gets no sequence of class 3"),
        ("@data\n5,6:1,2:1\n", "test has 2 variables, train 1"),
    ):
        test.write_text(content)
        with pytest.raises(errors.UsageError, match=said):
            sequences.from_files(str(train), str(test))
    with pytest.raises(errors.UsageError, match="cannot be read: No such file"):
        sequences.from_files(str(tmp_path / "none"))


COUNTS = {  # of train with validation, test, steps, variables, classes
    "basic_motions": (40, 40, 100, 6, 4),
    "gun_point": (50, 150, 150, 1, 2),
    "italy_power_demand": (67, 1029, 24, 1, 2),
    "osu_leaf": (200, 242, 427, 1, 6),
    "arrow_head": (36, 175, 251, 1, 3),
    "acsf1": (100, 100, 1460, 1, 10),
    "pickup_gesture_wiimote_z": (50, 50, 361, 1, 10),
    "japanese_vowels": (270, 370, 29, 12, 9),
}


@pytest.mark.parametrize("name", COUNTS)
def test_the_sets_are_as_they_are_published(name):
    if not archives.is_present(name, sensors.ARCHIVES[name]):
        pytest.skip(f"{name} is not fetched")
    found = sensors.read(name)
    sizes = {split: len(labels) for split, (_, labels) in found.splits.items()}
    assert COUNTS[name] == (
        sizes["train"] + sizes["validation"],
        sizes["test"],
        found.longest,
        found.splits["train"][0][0].shape[1],
        len(found.classes),
    )


@pytest.fixture
def waves(tmp_path):
    """A file of slow and fast waves of different lengths and phases."""
    draw, lines = np.random.default_rng(0), []
    for number in range(60):
        steps, phase = draw.integers(12, 21), draw.uniform(0, 6)
        x = np.sin((0.4 if number % 2 else 1.2) * np.arange(steps) + phase) + 5
        name = "slow" if number % 2 else "fast"
        lines.append("\t".join([name, *map(str, x)]))
    path = tmp_path / "waves.tsv"
    path.write_text("\n".join(lines))
    return path


def made(file, **given):
    return tasks.time_series_classification(file=str(file), **given)


def test_a_step_reads_a_chunk_of_what_is_there(waves):
    task, apart = made(waves, chunk=3), made(waves)
    assert (task.length, task.network.inputs) == (7, 3) and apart.length == 20
    rows, singly = task.splits["test"], apart.splits["test"]
    np.testing.assert_array_equal(
        rows["values"].reshape(len(rows["values"]), -1)[:, :20],
        singly["values"][..., 0],
    )
    np.testing.assert_array_equal(rows["lengths"], np.ceil(singly["lengths"] / 3))
    train = apart.splits["train"]
    there = np.arange(20) < train["lengths"][:, None]
    values = train["values"][..., 0]
    assert values[there].mean() == pytest.approx(0, abs=1e-5)
    assert values[there].std() == pytest.approx(1, abs=1e-5)
    assert not values[~there].any()
    batch = apart.sample(jax.random.key(0), 5)
    assert batch.inputs.shape == (20, 5, 1) and batch.mask.shape == (20, 5)


def test_recordings_of_one_length_need_no_mask(tmp_path):
    path = tmp_path / "equal.tsv"
    path.write_text("a\t1\t2\nb\t2\t1\n" * 6)
    assert made(path).sample(jax.random.key(0), 3).mask is None
    path.write_text("a\t1\t1\nb\t1\t1\n" * 6)
    with pytest.raises(errors.UsageError, match="variable 1 is always 1 in train"):
        made(path)


@pytest.mark.slow  # scikit-learn's import
def test_the_neighbour_is_that_of_scikit_learn(waves):
    from sklearn.neighbors import KNeighborsClassifier

    own = sequences.from_files(str(waves))
    grid = np.linspace(0, 1, own.longest)
    x, y = {}, {}
    for split, (values, labels) in own.splits.items():
        x[split] = [np.interp(grid, np.linspace(0, 1, len(v)), v[:, 0]) for v in values]
        y[split] = list(labels)
    known = KNeighborsClassifier(1)
    known.fit(x["train"] + x["validation"], y["train"] + y["validation"])
    np.testing.assert_array_equal(recordings.neighbour(own), known.predict(x["test"]))


PUBLISHED = {  # 1 - the error of 'ED (w=0)', UCR archive 2018, to four digits
    "gun_point": 0.9133,
    "italy_power_demand": 0.9553,
    "osu_leaf": 0.5207,
    "arrow_head": 0.8,
    "acsf1": 0.54,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_neighbour_has_its_published_accuracy(name):
    if not archives.is_present(name, sensors.ARCHIVES[name]):
        pytest.skip(f"{name} is not fetched")
    own = sensors.read(name)
    found = (recordings.neighbour(own) == own.splits["test"][1]).mean()
    assert found == pytest.approx(PUBLISHED[name], abs=6e-5)


@pytest.mark.slow
def test_the_experiment_tells_slow_from_fast(waves, tmp_path):
    argv = [f"--file={waves}", f"--workdir={tmp_path / 'run'}", "--num_steps=80"]
    argv += ["--eval_every=40", "--hidden_size=8", "--learning_rate=0.02"]
    argv += ["--num_seeds=2", "--chunk=2"]
    settings = config.parse(
        argv,
        models.ModelConfig(),
        experiment.RecordingsConfig(),
        training.TrainConfig(),
        runs.OptimizerConfig(),
        runs.FolderConfig(),
        runtime.RunConfig(),
        runtime.ProcessConfig(),
    )
    experiment.main(*settings)
    assert (tmp_path / "run" / "plots" / "confusion.png").stat().st_size > 5_000
    read = runs.load(tmp_path / "run", seed=1)
    assert recordings.classes(read.task) == ("fast", "slow")
    given = read.model, read.params, read.task, 5
    rows = confusion.table(*given, names=("fast", "slow"))
    right = sum(row["count"] for row in rows if row["class"] == row["predicted"])
    assert right >= 10 and sum(row["count"] for row in rows) == 12


@pytest.mark.slow
def test_the_task_keeps_its_laws(waves):
    assert check_task(made(waves, chunk=4)).passed
