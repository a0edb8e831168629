"""Can a network say in French what it reads in English?

    pip install -e '.[data,apps]'
    python -m experiments.translation --cell=gru
    python -m experiments.translation --cell=lstm --attention=none --source=de
    python -m experiments.translation --dataset=interface_strings --length=24
    python -m experiments.translation --source_file=mine.en --target_file=mine.de

An encoder reads the whole source; a decoder writes the target, with Bahdanau's or
Luong's attention to what was read, or none. The default is the names of emoji, which
people have translated. The weights are those of the best validation accuracy. The run
folder gets translations.txt (all texts of test: the source, what people say, what the
network says), attention.png (what is looked at as each word is written) and
by_length.png.

Expected of the default (seeds 0, 1 and 2), on 398 names that test has: exact match
0.254, 0.289 and 0.281, chrF 71.8, 75.1 and 74.2, BLEU 66.9, 67.4 and 66.4; with a beam
of 5 as much (seed 0: 0.256, 72.8, 66.3). A word table has 0.048, 52.0 and 13.5, copying
the source 0.028, 15.4 and 0.3. Names of one word, which train lacks, are better copied
(32 chrF against 15); from four words on the network is ahead. With --attention=none it
has 0.219, 72.9 and 62.3 at seed 0, and no name of ten words or more is right; with
attention 0.44 of these are. Time: some two minutes on 2 cores.
"""

import dataclasses

import jax
import numpy as np

from rnn_research import (
    config,
    data,
    files,
    models,
    plotting,
    processes,
    runs,
    runtime,
    training,
)
from rnn_research.data import words
from rnn_research.layers import Call
from rnn_research.runs import run
from rnn_research.tasks import translating, translation_scores


@dataclasses.dataclass(frozen=True)
class LanguagesConfig(config.Settings):
    """Languages:"""

    dataset: str = config.setting("emoji_names", data.sets.described("translation"))
    source: str = config.setting(
        "en",
        "the language that is read; of emoji_names one of ar, de, en, es, fa, fr, id, "
        "it, ja, ko, pt, ru, tr, zh",
    )
    target: str = config.setting("fr", "the language that is written, as --source")
    source_file: str | None = config.setting(
        None,
        "a UTF-8 file of your own in place of a data set, a text per line; it takes "
        "--target_file too",
    )
    target_file: str | None = config.setting(
        None, "the translations of --source_file, line by line"
    )
    units: str = config.setting(
        "words", "what a step reads and writes", choices=translating.UNITS
    )
    vocabulary: int = config.setting(
        10_000, "words known of each language; rarer ones are one unknown word", low=1
    )
    length: int = config.setting(
        16,
        "words or characters that are read and written at most; longer texts are cut, "
        "but compared whole",
        low=2,
    )

    def task(self) -> runs.TaskConfig:
        """The task on these texts."""
        given = dataclasses.asdict(self)
        files = "source_file", "target_file"
        return runs.TaskConfig.called(
            "translation", given.pop("length"), files, **given
        )


@dataclasses.dataclass(frozen=True)
class WritingConfig(config.Settings):
    """Writing:"""

    beam: int = config.setting(
        5,
        "hypotheses of the search that writes all texts of test at the end; 1 takes "
        "the most probable word each time",
        low=1,
    )


def main(
    model_config: models.ModelConfig,
    languages: LanguagesConfig,
    writing: WritingConfig,
    *further: config.Settings,
):
    settings = model_config, languages.task(), *further
    made, result = run.run("translation", *settings)
    if processes.index() > 0:
        return
    found = translating.read(
        languages.dataset, languages.source_file, languages.target_file
    )
    is_file = languages.source_file is not None
    source, target = (
        ("source", "target") if is_file else (languages.source, languages.target)
    )
    pairs = found.pairs(source, target)
    given = made.task.vocabulary, made.model, result.params, made.task.splits["test"]
    written = translating.write(*given, models.beam(writing.beam))
    said = translation_scores.scored(written, pairs["test"][1], target)
    print(
        f"test with a beam of {writing.beam}: "
        + ", ".join(f"{name} {value:.4g}" for name, value in said.items())
    )
    path = runs.artefacts.declared(
        result.folder,
        "translations.txt",
        runs.artefacts.TABLE,
        f"All texts of test, {source} to {target}.",
    )
    lines = zip(*pairs["test"], written, strict=True)
    table = [("source", "reference", "translation"), *lines]
    files.write_atomically(path, "\n".join(map("\t".join, table)) + "\n")
    plotting.scores_by_length(
        translation_scores.by_length(pairs, written, target),
        runs.artefacts.declared(
            result.folder,
            "plots/by_length.png",
            runs.artefacts.PICTURE,
            "chrF by the number of words of the source, of the network and of what "
            "needs none.",
        ),
        metric="chrf",
        title=f"{made.cell}, {source} to {target}",
    )
    if made.model.look is not None and languages.units == "words":
        plotting.attention_maps(
            looked_at(made.model, result.params, made.task, pairs["test"][0]),
            runs.artefacts.declared(
                result.folder,
                "plots/attention.png",
                runs.artefacts.PICTURE,
                "What is looked at in the source (columns) as each word is written "
                "(rows).",
            ),
            title=f"{made.cell}: what is looked at as each word is written",
        )
    print(f"all translations of test: {path}")


SHOWN = 3  # texts in the figure of attention


def looked_at(model, params, task, sources) -> list[dict]:
    """The attention as the network writes some longer texts of test greedily."""
    test = task.splits["test"]
    chosen = np.argsort(-test["source_length"], kind="stable")[: 40 * SHOWN : 40]
    rows = {name: np.asarray(leaf)[chosen] for name, leaf in test.items()}
    written = translating.write(task.vocabulary, model, params, rows, models.greedy())
    end, length = task.network.outputs - 1, rows["target"].shape[1]
    tokens, count = np.full((len(chosen), length), end), []
    for at, text in enumerate(written):
        own = task.vocabulary.encode(text)[: length - 1]
        tokens[at, : len(own)] = own
        count.append(len(own) + 1)
    target = {"target": tokens, "target_length": np.array(count)}
    batch = task.batch(rows | target, jax.random.split(jax.random.key(0), len(chosen)))
    look = jax.jit(lambda params: model.look(params, batch.inputs, Call(batch.mask)))
    shares = np.asarray(look(params))
    table = []
    for at, place in enumerate(chosen):
        read = words.split(sources[place])[: rows["source_length"][at]]
        said = [*task.vocabulary.pieces(tokens[at, : count[at] - 1]), "(end)"]
        own = shares[: len(said), at, : len(read)]
        table.append({"source": read, "written": said, "shares": own})
    return table


SETTINGS = (
    models.ModelConfig(cell="gru", hidden_size=128, bidirectional=True, dropout=0.3),
    LanguagesConfig(),
    WritingConfig(),
    training.TrainConfig(
        num_steps=500,
        batch_size=64,
        learning_rate=3e-3,
        eval_every=25,
    ),
    runs.OptimizerConfig(),
    runs.FolderConfig(),
    runtime.RunConfig(),
    runtime.ProcessConfig(),
)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
