"""Short audio with a class each: WAV files in folders, sets of tensorflow-datasets."""

import pathlib
import wave
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rnn_research import errors
from rnn_research.data import prepared
from rnn_research.data.provenance import Provenance, digest
from rnn_research.data.sentences import split_of

SPLITS = ("train", "validation", "test")
LISTS = {"validation": "validation_list.txt", "test": "testing_list.txt"}
SPEAKER = "_nohash_"  # in the names of Speech Commands, behind who speaks


class Clips(NamedTuple):
    """Audio in three splits.

    Attributes:
      splits: {split: source of rows}, see `Source`.
      rate: samples per second.
      classes: their names.
      provenance: where they come from.
    """

    splits: dict[str, "Source"]
    rate: int
    classes: tuple[str, ...]
    provenance: Provenance


class Source:
    """Rows with audio [samples] of int16, how many samples it has, and its class.

    Longer audio is cut behind, shorter filled with zeros.
    """

    def __init__(self, read: Callable[[int], np.ndarray], labels, samples: int):
        self._read, self.labels, self._samples = read, np.asarray(labels), samples

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, at: int) -> dict[str, np.ndarray]:
        audio = np.zeros(self._samples, np.int16)
        heard = self._read(at)[: self._samples]
        audio[: len(heard)] = heard
        return {
            "audio": audio,
            "samples": np.int32(len(heard)),
            "labels": np.int32(self.labels[at]),
        }


def from_folder(folder: str, seconds: float) -> Clips:
    """WAV files (mono, 16 bits) of a folder, in a folder for each class.

    Where validation_list.txt and testing_list.txt name files, as Speech Commands has
    them, those are the splits; else a tenth each, by the hash of who speaks, the name
    before '_nohash_', or of the name. Folders that begin with '_' or '.' are left out.

    Raises:
      errors.UsageError: there are none, a file is no such WAV or of another rate, or a
        split gets none.
    """
    root = pathlib.Path(folder).expanduser()
    paths = sorted(root.glob("*/*.wav"))
    paths = [path for path in paths if path.parent.name[0] not in "_."]
    classes = tuple(sorted({path.parent.name for path in paths}))
    if len(classes) < 2:
        raise errors.UsageError(
            f"{folder} holds no two folders with .wav files; make one for each class"
        )
    rate = _rate(paths[0])
    for path in paths:
        if (own := _rate(path)) != rate:
            raise errors.UsageError(
                f"{path} has {own} samples per second, {paths[0].name} {rate}; "
                "resample it"
            )
    named = {
        split: set((root / name).read_text(encoding="utf-8").split())
        for split, name in LISTS.items()
        if (root / name).is_file()
    }
    names = [path.relative_to(root).as_posix() for path in paths]
    own = [_split(name, named) for name in names]
    splits = {}
    for split in SPLITS:
        chosen = [path for path, at in zip(paths, own, strict=True) if at == split]
        if not chosen:
            raise errors.UsageError(
                f"{folder}: {split} gets none of {len(paths)} files"
            )
        labels = [classes.index(path.parent.name) for path in chosen]
        splits[split] = Source(_reader(chosen), labels, round(seconds * rate))
    sizes = [f"{n} {path.stat().st_size}" for n, path in zip(names, paths, strict=True)]
    record = Provenance(
        str(folder),
        "",
        "names and sizes of the files",
        digest("\n".join(sizes)),
        "that of the files",
        "a folder of the user's",
    )
    return Clips(splits, rate, classes, record)


def of_tensorflow_datasets(name: str, seconds: float = 1.0) -> Clips:
    """Audio with labels that tensorflow-datasets has prepared: 'speech_commands'.

    Raises:
      errors.UsageError: see `prepared.read`; or it does not hold labelled audio, or
        lacks a split.
    """
    found = prepared.read(name)
    features = dict(found.features.items())
    names = getattr(features.get("label"), "names", None)
    rate = found.rates.get("audio")
    if names is None or not rate:
        raise errors.UsageError(
            f"tfds:{name} does not hold labelled audio; it holds "
            f"{errors.cut(', '.join(features), 80)}"
        )
    if missing := set(SPLITS) - found.splits.keys():
        raise errors.UsageError(
            f"tfds:{name} has no split {min(missing)}; it has {', '.join(found.splits)}"
        )
    splits = {}
    for split in SPLITS:
        rows = found.splits[split]
        labels = [int(rows[at]["label"]) for at in range(len(rows))]
        splits[split] = Source(_of_rows(rows), labels, round(seconds * rate))
    return Clips(splits, int(rate), tuple(names), found.provenance)


def _of_rows(rows) -> Callable[[int], np.ndarray]:
    return lambda at: np.asarray(rows[at]["audio"])


def _reader(paths: list[pathlib.Path]) -> Callable[[int], np.ndarray]:
    def read(at: int) -> np.ndarray:
        with wave.open(str(paths[at])) as opened:
            content = opened.readframes(opened.getnframes())
        return np.frombuffer(content, "<i2")

    return read


def _rate(path: pathlib.Path) -> int:
    try:
        with wave.open(str(path)) as opened:
            kind = opened.getnchannels(), opened.getsampwidth()
            rate = opened.getframerate()
    except (OSError, EOFError, wave.Error) as error:
        raise errors.UsageError(
            f"{path} is no WAV file of whole numbers: {errors.one_line(error)}"
        ) from None
    if kind != (1, 2):
        raise errors.UsageError(
            f"{path} has {kind[0]} channels of {8 * kind[1]} bits; save it as mono, 16 "
            "bits"
        )
    return rate


def _split(name: str, named: dict[str, set[str]]) -> str:
    if named:
        return next((split for split, own in named.items() if name in own), "train")
    return split_of(name.rpartition("/")[2].partition(SPEAKER)[0])
