"""Recorded sequences with classes: files, splits, the task and its experiment."""

import numpy as np
import pytest

from rnn_research import errors
from rnn_research.data import archives, sensors, sequences

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
        (b"1\tnan\t2\n", "line 1: value 1 is missing, and others follow"),
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
