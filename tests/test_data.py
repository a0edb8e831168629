"""Data: texts, splits, sets by name, and what cannot be read."""

import collections
import functools
import importlib.util
import itertools
import math

import numpy as np
import pytest

from rnn_research import data, errors, tasks
from rnn_research.data import images, packages, sets, text, texts
from rnn_research.tasks import rows as rows_of

needs_digits = pytest.mark.skipif(
    importlib.util.find_spec("sklearn") is None, reason="scikit-learn is not installed"
)


def paragraphs(of_text: str) -> list[str]:
    return [" ".join(part.split()) for part in of_text.split("\n\n")]


@pytest.fixture(scope="module")
def manual():
    return texts.python_manual()


# ------------------------------------------------------------------------- splits


@pytest.mark.parametrize("count", [3, 4, 10, 97])
def test_splits_are_all_rows_in_order(count):
    found = data.in_order(list(range(count)), validation=0.2, test=0.1)
    joined = found["train"] + found["validation"] + found["test"]
    assert joined == list(range(count)) and all(found.values())


def test_windows_make_each_element_a_target_once():
    sequence = np.arange(23)
    found = data.windows(sequence, 5)
    assert found.shape == (4, 6) and (found[1:, 0] == found[:-1, -1]).all()
    assert found[:, 1:].reshape(-1).tolist() == list(range(1, 21))
    pairs = np.stack([sequence, -sequence], axis=1)
    assert (data.windows(pairs, 5)[..., 1] == -found).all()


# --------------------------------------------------------------------------- text


def test_a_vocabulary_gives_texts_back_and_knows_what_it_lacks():
    known = data.vocabulary("banana ü\U0001f40d")
    assert known.characters == (" ", "a", "b", "n", "ü", "\U0001f40d")
    tokens = known.encode("nab xü\U0001f40dz")
    assert tokens.tolist() == [3, 1, 2, 0, 6, 4, 5, 6] and known.size == 7
    assert known.decode(tokens) == "nab \ufffdü\U0001f40d\ufffd"
    wide = data.vocabulary("".join(map(chr, range(300, 600))))
    assert wide.encode(chr(599) + "a").tolist() == [299, 300]


def test_the_test_split_of_the_manual_cannot_have_been_read_before(manual):
    """Its topics hold whole sections of each other."""
    found = [paragraphs(part) for part in manual[:3]]
    counts = collections.Counter(itertools.chain(*found))
    repeated = {part: count for part, count in counts.items() if count > 1}
    assert sum(map(len, repeated)) < 200, repeated  # where a split cuts one in two
    assert len(manual.train) > 200_000 and min(map(len, manual[1:3])) > 20_000


def test_the_standard_library_is_split_by_file(tmp_path):
    for index in range(20):
        (tmp_path / f"module{index}.py").write_text(f"# {index}\nmarker{index}\n")
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "hidden.py").write_text("hidden")
    (tmp_path / "latin.py").write_bytes(b"# coding: latin-1\n# \xfc\n")
    found = texts.stdlib(str(tmp_path))
    split = found.train, found.validation, found.test
    for index in range(20):
        assert sum(f"marker{index}\n" in part for part in split) == 1
    assert "hidden" not in "".join(split) and "ü" in "".join(split)


def kjv_module(books: int = texts.BOOKS) -> str:
    """As the package has it: verses with numbers, in a call that is not run."""
    verses, begins, at = "", {}, 0
    for book in range(1, books + 1):
        begins[book * 1_000_000 + 1001] = at
        verses += f"1. Book{book} [is] here. 2. Amen.\n"
        at = len(verses)
    return f"import absent\nbible = Bible(absent, {verses!r}, {begins!r}, 0)\n"


def test_the_bible_is_split_by_book(monkeypatch):
    def member(content, package, path, **_):
        record = data.Provenance(package, "0.0.2", path, "", "", "")
        return content.encode(), record

    read = texts.kjv.__wrapped__
    monkeypatch.setattr(packages, "member", functools.partial(member, kjv_module()))
    found = read()
    assert found.train.startswith("Book1 is here. Amen.\nBook2 is")
    assert "Book59 " in found.train and "Book60 " not in found.train
    assert [f"Book{book} " in found.validation for book in (59, 60, 62, 63)] == [
        False,
        True,
        True,
        False,
    ]
    assert found.test.startswith("Book63 is") and "Book66 is" in found.test
    monkeypatch.setattr(packages, "member", functools.partial(member, kjv_module(9)))
    with pytest.raises(errors.UsageError, match="laid out otherwise"):
        read()


BAD_FILES = {
    "absent.txt": (None, "cannot be read: No such file"),
    "picture.png": (b"\x89PNG\r\n", "not a UTF-8 text: byte 0"),
    "wide.txt": ("text".encode("utf-16-le"), "null bytes"),
    "empty.txt": (b" \n", "is empty"),
    "short.txt": (b"ab", "has 2 characters"),
    "few.txt": (b"abcdefghij" * 3, "few.txt, validation: 3 steps are too few"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_files_that_are_no_text_are_one_line(name, tmp_path):
    content, message = BAD_FILES[name]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(errors.UsageError, match=message) as caught:
        tasks.characters(8, text_file=str(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_a_file_is_read_with_its_sha256_and_line_ends(tmp_path):
    path = tmp_path / "own.txt"
    path.write_bytes(b"\xef\xbb\xbf" + b"a line\r\n" * 50)
    found = text.from_file(str(path))
    assert "".join(found[:3]) == "a line\n" * 50
    assert found.provenance.sha256 == data.provenance.digest(path.read_bytes())


def test_references_of_characters_are_those_of_plain_counting(tmp_path):
    """Laplace's unigrams and Witten & Bell's bigrams, in loops over strings."""
    path = tmp_path / "own.txt"
    draw = np.random.default_rng(0)
    path.write_text("".join(draw.choice(list("abcd "), 600)) + "zebra" * 20)
    task = tasks.characters(9, text_file=str(path))
    found = task.references["loss"]
    train, test = (
        task.splits[split].astype(int).tolist() for split in ("train", "test")
    )
    seen = collections.Counter(b for row in train for b in row[1:])
    pairs = collections.Counter(p for row in train for p in itertools.pairwise(row))
    total, size = sum(seen.values()), task.network.inputs

    def unigram(b):
        return (seen[b] + 1) / (total + size)

    def bigram(a, b):
        after = [count for (first, _), count in pairs.items() if first == a]
        if not after:
            return unigram(b)
        kinds = len(after)
        return (pairs[a, b] + kinds * unigram(b)) / (sum(after) + kinds)

    asked = [pair for row in test for pair in itertools.pairwise(row)]
    one = -sum(math.log(unigram(b)) for _, b in asked) / len(asked)
    two = -sum(math.log(bigram(a, b)) for a, b in asked) / len(asked)
    np.testing.assert_allclose(list(found.values()), [one, two], rtol=1e-12)
    bits = task.references["bits_per_character"].values()
    np.testing.assert_allclose(list(bits), np.array([one, two]) / math.log(2))
    assert task.vocabulary.size == size and "z" not in (task.vocabulary.characters)


# ------------------------------------------------------------------- sets, packages


def test_sets_are_known_by_name():
    for name, each in sets.SETS.items():
        assert hasattr(tasks, each.task) and name in sets.names(each.task)
    with pytest.raises(errors.UsageError, match="did you mean python_manual"):
        tasks.characters(8, dataset="python_manuel")
    with pytest.raises(errors.UsageError, match="no data set 'digits'"):
        tasks.characters(8, dataset="digits")


def test_packages_that_are_not_there_are_one_line():
    about = {"licence": "", "source": ""}
    with pytest.raises(errors.UsageError, match="pip install no-such-package"):
        data.member("no-such-package", "a.csv", **about)
    with pytest.raises(errors.UsageError, match="does not hold numpy/absent.csv"):
        data.member("numpy", "numpy/absent.csv", **about)


@needs_digits
def test_digits_are_all_there_and_read_as_they_lie():
    """1,797 images, 174 to 183 of a class; the forms are one picture."""
    found = images.digits()
    labels = np.concatenate([part[1] for part in found.splits.values()])
    assert len(labels) == 1797 and found.largest == 16
    assert (np.bincount(labels).min(), np.bincount(labels).max()) == (174, 183)
    pictures, wanted = (part[:5] for part in found.splits["train"])
    read = {
        form: tasks.sequential_images(form=form).batch((pictures, wanted), None)
        for form in ("pixels", "rows", "permuted")
    }
    whole = pictures[..., 0] / 16
    pixels = np.asarray(read["pixels"].inputs)
    np.testing.assert_allclose(pixels[..., 0].T.reshape(5, 8, 8), whole)
    np.testing.assert_allclose(read["rows"].inputs, whole.swapaxes(0, 1))
    mixed = np.asarray(read["permuted"].inputs)
    assert (np.sort(mixed, 0) == np.sort(pixels, 0)).all() and (mixed != pixels).any()
    assert read["rows"].targets.tolist() == wanted.tolist()
    shares = tasks.sequential_images().references["accuracy"].values()
    often = np.bincount(found.splits["train"][1]).argmax()
    assert list(shares) == [np.mean(found.splits["test"][1] == often)]


def test_a_grain_dataset_is_rows_as_it_is():
    grain = pytest.importorskip("grain")
    array = np.arange(30).reshape(10, 3)
    source = grain.MapDataset.source(array).map(lambda row: {"x": row, "y": row[0]})
    assert rows_of.is_source(source) and rows_of.size(source) == 10
    found = rows_of.gathered(source, np.array([[3, 0], [9, 3]]))
    assert (found["x"] == array[[[3, 0], [9, 3]]]).all()
    assert found["y"].tolist() == [[9, 0], [27, 9]]
