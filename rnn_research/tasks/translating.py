"""A text in one language from that in another."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import data, errors
from rnn_research.data import parallel, words
from rnn_research.layers import Call
from rnn_research.tasks import base, scores, translation_scores

UNITS = ("words", "characters")


@base.task
def translation(
    length: int,
    *,
    dataset="emoji_names",
    source="en",
    target="fr",
    source_file: str | None = None,
    target_file: str | None = None,
    units="words",
    vocabulary=10_000,
) -> base.Task:
    """Write a text of one language in another.

        source     woman running
        inputs     <begin>   femme    qui      court
        targets    femme     qui      court    <end>

    The network reads the whole source, and then predicts each token of the target from
    those before it, which in training are the true ones (teacher forcing).

    Args:
      length: T, the most words or characters of a source and, with its end, of a
        target; what is longer is cut, but compared whole.
      dataset: 'emoji_names', 'interface_strings', 'tfds:ted_hrlr_translate/pt_to_en' or
        another set of translations of tensorflow-datasets; see `data.SETS`.
      source, target: the languages, as the set has them: of emoji_names any two of en,
        ar, de, es, fa, fr, id, it, ja, ko, pt, ru, tr, zh.
      source_file, target_file: two files of your own in place of a set, each line the
        translation of the other's.
      units: what a step reads and writes.
      vocabulary: the most words of each language that are told apart.

    Metrics: loss, the cross-entropy in nats per token; accuracy, of the tokens, each
    after the true ones, by which the best weights are chosen. On test, of what the
    network writes greedily: exact_match, the share of texts that are written as people
    did; chrf (Popovic 2015) and bleu (Papineni et al. 2002) of sacrebleu, from 0 to
    100; all in lower case, the words apart. References, on test: how common each token
    is in train; copying the source; a table with a word for each word (IBM Model 1),
    which copies those it lacks.
    """
    errors.check_size(length=length, vocabulary=vocabulary)
    errors.check_option("units", units, UNITS)
    if length < 2:
        raise errors.UsageError("length must be 2 at least: a token and the end")
    files = source_file, target_file
    found = read(dataset, *files)
    if source_file is not None:
        source, target = "source", "target"
    pairs = found.pairs(source, target)
    both = [_vocabulary(texts, units, vocabulary) for texts in pairs["train"]]
    rows = {split: _rows(both, length, *own) for split, own in pairs.items()}
    count = both[1].size + 1  # with the end
    return base.Task(
        batch=functools.partial(_batch, count),
        score=_score,
        network=base.Network(count + 1, count, tokens=True, source=both[0].size),
        length=length,
        data=lambda: rows,
        evaluators=(_evaluator(both[1], pairs["test"][1], target),),
        references=_references(tuple(pairs.items()), target, units, length, vocabulary),
        monitor="accuracy",
        larger_is_better=True,
        provenance=(found.provenance,),
        vocabulary=both[1],
    )


def read(
    dataset: str, source_file: str | None, target_file: str | None
) -> parallel.Parallel:
    """The texts that a task is made of."""
    if (source_file is None) != (target_file is None):
        raise errors.UsageError("give both source_file and target_file, or neither")
    if source_file is None:
        return data.sets.read(dataset, "translation")
    return parallel.from_files(source_file, target_file)


@functools.lru_cache(8)
def _references(splits: tuple, target, units, length, vocabulary) -> dict:
    pairs = dict(splits)
    known = _vocabulary(pairs["train"][1], units, vocabulary)
    tokens = {
        split: _tokens(known, own[1], length, known.size)
        for split, own in pairs.items()
    }
    return translation_scores.references(pairs, target, tokens, known.size + 1)


def _vocabulary(texts, units: str, most: int):
    if units == "words":
        return words.vocabulary(texts, most, at_least=1)
    return data.vocabulary("".join(texts).lower())


def _rows(both, length: int, sources, targets) -> dict[str, np.ndarray]:
    source, source_length = _tokens(both[0], sources, length)
    target, target_length = _tokens(both[1], targets, length, both[1].size)
    return {
        "source": source,
        "source_length": source_length,
        "target": target,
        "target_length": target_length,
    }


def _tokens(known, texts, length: int, end: int | None = None):
    """Tokens [N, T] and lengths [N]; `end` behind those that are no longer."""
    tokens = np.zeros((len(texts), length), np.min_scalar_type(known.size + 1))
    lengths = np.zeros(len(texts), np.int32)
    for at, text in enumerate(texts):
        own = known.encode(text.lower()).astype(np.int64).tolist()
        own = (own if end is None else [*own, end])[:length]
        tokens[at, : len(own)], lengths[at] = own, len(own)
    return tokens, lengths


def _batch(begin: int, rows, keys) -> base.Batch:
    del keys
    source, target = (rows[name].astype(jnp.int32).T for name in ("source", "target"))
    steps = jnp.arange(len(target))[:, None]
    mask = steps < rows["target_length"]
    first = jnp.full((1, target.shape[1]), begin, jnp.int32)
    before = jnp.concatenate([first, target[:-1]])
    inputs = base.Sourced(
        steps=jnp.where(mask, before, 0),
        source=source,
        source_mask=steps < rows["source_length"],
    )
    return base.Batch(inputs, target, mask=mask)


def _score(outputs, batch):
    return {
        "loss": scores.cross_entropy(outputs, batch),
        "accuracy": scores.accuracy(outputs, batch),
    }


# ------------------------------------------------------------- what is written, on test


def _evaluator(known, wanted, language: str):
    def translations(model, params, rows) -> dict[str, float]:
        """Exact match, chrF and BLEU of what the model writes greedily."""
        from rnn_research import models

        written = write(known, model, params, rows, models.greedy())
        return translation_scores.scored(written, wanted, language)

    return translations


def write(known, model, params, rows, choose) -> list[str]:
    """What a model writes of the sources of rows, by a rule of `models.choices`."""
    from rnn_research import models  # which knows tasks

    steps = rows["target"].shape[1]
    source = np.asarray(rows["source"]).astype(np.int32).T
    mask = np.arange(steps)[:, None] < np.asarray(rows["source_length"])
    context = jax.jit(lambda params: model.read(params, source, mask, Call()))(params)
    begin = np.full((1, source.shape[1]), model.network.inputs - 1)
    made = models.generate(
        model, params, context, begin, steps, choose, jax.random.key(0)
    )
    end, texts = model.network.outputs - 1, []
    for tokens in np.asarray(made.tokens).T:
        ends = np.flatnonzero(tokens == end)
        texts.append(known.decode(tokens[: ends[0] if len(ends) else None]))
    return texts
