"""How good translations are, and what needs no network."""

import collections
import functools
import math
import types
from collections.abc import Mapping

import numpy as np

from rnn_research import errors
from rnn_research.data import words

WITHOUT_SPACES = ("ja", "zh")  # languages of which BLEU compares characters
ROUNDS, MOST_PAIRS = 8, 20_000  # of the word table


def plain(text: str) -> str:
    """In lower case, with spaces between words and marks."""
    return " ".join(words.split(text))


def scored(written, wanted, language: str) -> dict[str, float]:
    """Exact match from 0 to 1, chrF and BLEU from 0 to 100, of texts by people."""
    sacrebleu = library()
    written, wanted = [list(map(plain, texts)) for texts in (written, wanted)]
    tokenize = "char" if language in WITHOUT_SPACES else "none"
    bleu = sacrebleu.metrics.BLEU(tokenize=tokenize)
    same = [a == b for a, b in zip(written, wanted, strict=True)]
    return {
        "exact_match": sum(same) / len(same),
        "chrf": sacrebleu.metrics.CHRF().corpus_score(written, [wanted]).score,
        "bleu": bleu.corpus_score(written, [wanted]).score,
    }


def library():
    """sacrebleu; raises errors.UsageError where it is not installed."""
    try:
        import sacrebleu  # half a second, and only translations need it
    except ImportError:
        raise errors.UsageError(
            "scores of translations need sacrebleu, which is not installed: "
            "pip install -e '.[apps]'"
        ) from None
    return sacrebleu


# --------------------------------------------------------------------- references

NETWORK, COPY, TABLE = "the network", "copying the source", "a word table"
COMMON = "how common each token is in train"


def references(pairs, language: str, tokens: dict, size: int) -> dict:
    """The baselines of each metric on test.

    Args:
      pairs: {split: (sources, targets)}.
      tokens: {split: (tokens [N, T], lengths [N])} of the targets.
      size: how many different ones there are.
    """
    table = word_table(*pairs["train"])
    sources, targets = pairs["test"]
    named = {
        COPY: scored(sources, targets, language),
        TABLE: scored(by_table(table, sources), targets, language),
    }
    found = {
        metric: {name: own[metric] for name, own in named.items()}
        for metric in ("exact_match", "chrf", "bleu")
    }
    return {"loss": {COMMON: _unigrams(tokens, size)}, **found}


def _unigrams(tokens: dict, size: int) -> float:
    """-E ln p in nats, p(y) = (c(y) + 1) / (n + V), c(y) of train."""

    def there(split):
        target, lengths = tokens[split]
        return target[np.arange(target.shape[1]) < lengths[:, None]]

    train, test = there("train"), there("test")
    counts = np.bincount(train, minlength=size) + 1
    return float(-np.log(counts / counts.sum())[test].mean())


def by_table(table: Mapping[str, str], sources) -> list[str]:
    """Word by word; what the table lacks is copied."""
    return [
        " ".join(table.get(word, word) for word in words.split(text))
        for text in sources
    ]


def word_table(sources, targets) -> Mapping[str, str]:
    """The most probable word for each word, from pairs of texts.

    IBM Model 1 (Brown et al. 1993): each target word comes from one of the source's, or
    from none,

        p(t | s) ~ sum over pairs of  p(t | s) / sum_s' p(t | s'),

    found in some rounds of expectation and maximisation.
    """
    return _word_table(tuple(sources), tuple(targets))


@functools.lru_cache(2)  # of a task, its references and its scores by length ask
def _word_table(sources, targets) -> Mapping[str, str]:
    pairs = [
        (["", *words.split(source)], words.split(target))
        for source, target in zip(sources, targets, strict=True)
    ][:MOST_PAIRS]
    p = collections.defaultdict(lambda: 1.0)
    for _ in range(ROUNDS):
        counts, totals = collections.Counter(), collections.Counter()
        for source, target in pairs:
            for t in target:
                norm = math.fsum(p[s, t] for s in source)
                for s in source:
                    share = p[s, t] / norm
                    counts[s, t] += share
                    totals[s] += share
        p = {(s, t): count / totals[s] for (s, t), count in counts.items()}
    best: dict[str, tuple[float, str]] = {}
    for (s, t), probability in p.items():
        best[s] = max(best.get(s, (0.0, "")), (probability, t))
    return types.MappingProxyType({s: t for s, (_, t) in best.items() if s})


# ---------------------------------------------------------------------- by length

LEAST = 10  # texts of one length, to be scored


def by_length(pairs, written, language: str) -> list[dict]:
    """Scores by the words of the source: of what is written, and of what is simpler.

    Args:
      pairs: {split: (sources, targets)}, train and test.
      written: the translations of test.
      language: of the targets.

    Returns:
      Rows of what (NETWORK or a baseline), baseline (whether it is one), length ('3',
      or '6-9' where texts of one length are few), count, exact_match, chrf and bleu.
    """
    sources, wanted = pairs["test"]
    table = word_table(*pairs["train"])
    every = {NETWORK: written, TABLE: by_table(table, sources), COPY: sources}
    lengths = np.array([len(words.split(text)) for text in sources])
    rows = []
    for what, texts in every.items():
        for places, name in _lengths(lengths):
            own = [[each[at] for at in places] for each in (texts, wanted)]
            scores = scored(*own, language)
            who = {"what": what, "baseline": what != NETWORK}
            rows.append({**who, "length": name, "count": len(places), **scores})
    return rows


def _lengths(lengths: np.ndarray) -> list[tuple[np.ndarray, str]]:
    """The places of texts of each length; of those with few, together with longer."""
    found, low = [], lengths.min()
    for high in np.unique(lengths):
        places = np.flatnonzero((lengths >= low) & (lengths <= high))
        rest = np.count_nonzero(lengths > high)
        if len(places) < LEAST or 0 < rest < LEAST:
            continue
        found.append((places, f"{low}" if low == high else f"{low}-{high}"))
        low = high + 1
    if low <= lengths.max():
        places = np.flatnonzero(lengths >= low)
        found.append((places, f"{low}-{lengths.max()}"))
    return found
