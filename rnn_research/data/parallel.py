"""Texts in several languages, each text the translation of the others at its place."""

import functools
import importlib.metadata
import json
import re
from typing import NamedTuple

from rnn_research import errors
from rnn_research.data import packages, prepared, users_files
from rnn_research.data.provenance import Provenance, digest
from rnn_research.data.sentences import split_of

EMOJI = "emoji/unicode_codes/emoji{}.json"
LANGUAGES = tuple("ar de es fa fr id it ja ko pt ru tr zh".split())  # beside English
FULLY_QUALIFIED = 2  # the form that emoji are to be written in, once each
TONE = re.compile(r",? ((medium-)?(light|dark)|medium) skin tone")
FLAG = re.compile("[\U0001f1e6-\U0001f1ff]{2}")

LANGUAGE_PACK = "jupyterlab-language-pack-fr-fr"
MESSAGES = "jupyterlab_language_pack_fr_FR/locale/fr_FR/LC_MESSAGES"
CONTEXT = "\x04"  # between the context of a text and the text
PLACEHOLDER = re.compile(r"%[\d(a-z]|[{}<>$]|://|\n")

SPLITS = ("train", "validation", "test")


class Parallel(NamedTuple):
    """Texts by split and language, each list of a split in one order."""

    splits: dict[str, dict[str, tuple[str, ...]]]
    provenance: Provenance

    @property
    def languages(self) -> list[str]:
        return list(self.splits["train"])

    def pairs(self, source: str, target: str) -> dict[str, tuple[tuple, tuple]]:
        """{split: (sources, targets)}.

        Raises:
          errors.UsageError: there is no such language, or both are one.
        """
        for language in (source, target):
            if language not in self.languages:
                raise errors.UsageError(
                    f"{self.provenance.package} has no language "
                    f"{errors.shown(language)} (it has {', '.join(self.languages)})"
                )
        if source == target:
            raise errors.UsageError(
                f"source and target are both {source!r}; give two languages"
            )
        return {name: (own[source], own[target]) for name, own in self.splits.items()}


@functools.cache
def emoji_names() -> Parallel:
    """The names of 3,704 emoji in fourteen languages, by people, of the package emoji.

    About a tenth each is validation and test, by the hash of the English name without
    its tone of skin, so that a thing is in one split only. The flags of countries are
    left out: proper names do not follow from each other.
    """
    found, digests = {}, []
    for language in ("en", *LANGUAGES):
        content, record = packages.member(
            "emoji",
            EMOJI.format("" if language == "en" else f"_{language}"),
            licence="BSD-3-Clause; the names: Unicode",
            source="names of emoji of the Unicode CLDR",
            install="pip install -e '.[data]'",
        )
        found[language], digests = json.loads(content), [*digests, record.sha256]
    try:
        rows = _named(found)
    except (KeyError, TypeError, AttributeError):
        raise errors.UsageError(
            f"emoji {record.version} is laid out otherwise than version 2.16, which is "
            "known here: pip install emoji==2.16.0"
        ) from None
    path = EMOJI.format("*")
    return _parallel(
        rows, record._replace(member=path, sha256=digest("".join(digests)))
    )


def _named(found: dict[str, dict]) -> list[tuple[str, dict[str, str]]]:
    """(split, {language: name}) of each emoji."""
    found["en"] = {
        symbol: about["en"]
        for symbol, about in found["en"].items()
        if about["status"] == FULLY_QUALIFIED and not FLAG.fullmatch(symbol)
    }
    rows = []
    for symbol in found["en"]:
        names = {language: _spelled(own[symbol]) for language, own in found.items()}
        rows.append((split_of(TONE.sub("", names["en"])), names))
    return rows


def _spelled(name: str) -> str:
    return name.strip(":").replace("_", " ")


@functools.cache
def interface_strings() -> Parallel:
    """Texts of JupyterLab's interface in English ('en') and French ('fr').

    Those that stay as they are, and those with placeholders or markup, are left out.
    About a tenth each is validation and test, by the hash of the English text.
    """
    texts, digests = {}, []
    for path in _catalogues():
        content, record = packages.member(
            LANGUAGE_PACK,
            path,
            licence="BSD-3-Clause",
            source="the interface of JupyterLab and its extensions",
            install=f"pip install --no-deps {LANGUAGE_PACK}",
        )
        digests.append(record.sha256)
        for english, forms in json.loads(content).items():
            english = english.rpartition(CONTEXT)[2].strip()
            is_one = isinstance(forms, list) and len(forms) == 1  # without a plural
            if is_one and _is_plain(english, french := forms[0].strip()):
                texts.setdefault(english, french)
    rows = [
        (split_of(english.lower()), {"en": english, "fr": french})
        for english, french in texts.items()
    ]
    whole = record._replace(
        member=f"{MESSAGES}/*.json", sha256=digest("".join(digests))
    )
    return _parallel(rows, whole)


def _catalogues() -> list[str]:
    """The paths of the pack's catalogues; of the largest alone, if it is not there."""
    try:
        listed = importlib.metadata.files(LANGUAGE_PACK) or ()
    except importlib.metadata.PackageNotFoundError:
        listed = ()
    paths = [str(path) for path in listed if path.match(f"{MESSAGES}/*.json")]
    return sorted(paths) or [f"{MESSAGES}/jupyterlab.json"]


def _is_plain(english: str, french: str) -> bool:
    """Whether it is translated, and holds nothing but words."""
    both = english, french
    return english != french and all(
        text and not PLACEHOLDER.search(text) for text in both
    )


def of_tensorflow_datasets(name: str) -> Parallel:
    """A set of translations of tensorflow-datasets, with its own splits.

    Such as 'ted_hrlr_translate/pt_to_en'.

    Raises:
      errors.UsageError: it is not prepared, holds no texts in two languages, or lacks a
        split.
    """
    found = prepared.read(name)
    languages = list(getattr(found.features, "languages", None) or found.features)
    if missing := set(SPLITS) - found.splits.keys():
        raise errors.UsageError(
            f"tfds:{name} has no split {min(missing)}; it has {', '.join(found.splits)}"
        )
    first = found.splits["train"][0]
    texts = [each for each in languages if isinstance(first.get(each), (bytes, str))]
    if len(texts) < 2:
        raise errors.UsageError(
            f"tfds:{name} does not hold texts in two languages; it holds "
            f"{errors.cut(', '.join(map(str, languages)), 80)}"
        )
    rows = [
        (split, {each: prepared.text(row[each]) for each in texts})
        for split in SPLITS
        for row in found.splits[split]
    ]
    return _parallel(rows, found.provenance)


def from_files(source: str, target: str) -> Parallel:
    """Two UTF-8 files of the user's, languages 'source' and 'target'.

    Line by line each is the translation of the other; pairs with an empty line are
    skipped. About a tenth each is validation and test, by the hash of the source's
    line.

    Raises:
      errors.UsageError: one cannot be read, or they are of different length.
    """
    found = [_lines(path) for path in (source, target)]
    (one, first), (other, second) = found
    if len(one) != len(other):
        raise errors.UsageError(
            f"{source} has {len(one)} lines and {target} {len(other)}; each line must "
            "be the translation of the one at its place"
        )
    rows = [
        (split_of(a), {"source": a, "target": b})
        for a, b in zip(one, other, strict=True)
        if a and b
    ]
    record = Provenance(
        f"{source}, {target}",
        "",
        "",
        digest(digest(first) + digest(second)),
        "that of the files",
        "files of the user's",
    )
    return _parallel(rows, record)


def _lines(path: str) -> tuple[list[str], bytes]:
    text, content = users_files.text_of(path)
    return [line.strip() for line in text.splitlines()], content


def _parallel(rows, record: Provenance) -> Parallel:
    """From (split, {language: text}) of each."""
    splits = {}
    for split in SPLITS:
        own = [texts for at, texts in rows if at == split]
        if not own:
            raise errors.UsageError(
                f"{record.package}: of {len(rows)} pairs of texts {split} gets none; "
                "give more"
            )
        splits[split] = {
            language: tuple(texts[language] for texts in own) for language in own[0]
        }
    return Parallel(splits, record)
