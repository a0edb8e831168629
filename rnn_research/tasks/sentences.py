"""The class of a text: what somebody feels, or what it is about."""

import functools

import jax.numpy as jnp
import numpy as np

from rnn_research import data, errors
from rnn_research.data import sentences, words
from rnn_research.data.provenance import Provenance
from rnn_research.tasks import base, classification

UNITS = ("words", "characters")


@base.task
def text_classification(
    length: int,
    *,
    dataset="movie_sentences",
    file: str | None = None,
    units="words",
    vocabulary=10_000,
    head="pooled",
) -> base.Task:
    """Say what class a text is of after reading it.

        a   fine   little  film   .          positive
        too tepid  ·       ·      ·          negative        · is masked

    Args:
      length: T; of longer texts the first T words or characters are read.
      dataset: 'movie_sentences', 'product_sentences', 'r8', 'tfds:imdb_reviews' or
        another set of labelled texts of tensorflow-datasets; see `data.SETS`.
      file: a file of your own, a class, a tab and a text in each line.
      units: what a step reads.
      vocabulary: the most words that are told apart; those that train has but once are
        not, and neither are others.
      head: 'last' reads the class off the last state, 'pooled' off their mean.

    Metrics: loss, the cross-entropy in nats; accuracy, by which the best weights are
    chosen. References, on test: always the commonest class of train; a logistic
    regression on the counts of words (scikit-learn's, with C = 1), which knows no order
    and is not cut at T.
    """
    errors.check_size(length=length, vocabulary=vocabulary)
    errors.check_option("units", units, UNITS)
    errors.check_option("head", head, classification.HEADS)
    texts = read(dataset, file)
    known = _vocabulary(texts, units, vocabulary)
    rows = {split: _rows(known, length, *own) for split, own in texts.splits.items()}
    count = len(texts.classes)
    return base.Task(
        batch=_batch,
        score=classification.score,
        network=base.Network(known.size, count, head=head, tokens=True),
        length=length,
        data=lambda: rows,
        references=_references(dataset, file, texts.provenance),
        monitor="accuracy",
        larger_is_better=True,
        provenance=(texts.provenance,),
        vocabulary=known,
    )


def read(dataset: str, file: str | None) -> sentences.Texts:
    """The texts that a task is made of."""
    if file is None:
        return data.sets.read(dataset, "text_classification")
    return sentences.from_file(file)


def _vocabulary(texts: sentences.Texts, units: str, most: int):
    train = texts.splits["train"][0]
    if units == "words":
        return words.vocabulary(train, most)
    return data.vocabulary("".join(train))


def _rows(known, length: int, texts, labels) -> dict[str, np.ndarray]:
    tokens = np.zeros((len(texts), length), np.min_scalar_type(known.size))
    lengths = np.zeros(len(texts), np.int32)
    for at, text in enumerate(texts):
        own = known.encode(text)[:length]
        tokens[at, : len(own)], lengths[at] = own, len(own)
    return {"tokens": tokens, "lengths": lengths, "labels": labels.astype(np.int32)}


def _batch(rows, keys) -> base.Batch:
    del keys
    tokens = rows["tokens"].astype(jnp.int32).T  # [T, B]
    mask = jnp.arange(len(tokens))[:, None] < rows["lengths"]
    return base.Batch(tokens, rows["labels"], mask=mask)


@functools.cache
def _references(dataset: str, file: str | None, of: Provenance) -> dict:
    """What the commonest class and a bag of words give on test.

    `of` is where the data come from, which tells one content of a file from another.
    """
    del of
    from sklearn.feature_extraction.text import CountVectorizer  # a second
    from sklearn.linear_model import LogisticRegression

    texts = read(dataset, file)
    (train, y), (test, wanted) = texts.splits["train"], texts.splits["test"]
    bag = CountVectorizer(tokenizer=words.split, token_pattern=None, lowercase=False)
    regression = LogisticRegression(max_iter=1000)
    regression.fit(bag.fit_transform(train), y)
    log_p = regression.predict_log_proba(bag.transform(test))
    at = np.searchsorted(regression.classes_, wanted)
    right = (regression.classes_[log_p.argmax(1)] == wanted).mean()
    found = classification.references(y, wanted, len(texts.classes))
    linear = "logistic regression on words"
    found["loss"][linear] = float(-log_p[np.arange(len(wanted)), at].mean())
    found["accuracy"][linear] = float(right)
    return found
