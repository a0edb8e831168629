"""What is in the picture? A network looks at it and writes the words.

    pip install -e '.[apps]'
    python -m experiments.captioning --cell=gru
    python -m experiments.captioning --cell=lstm --attention=none
    python -m experiments.captioning --cell=gru --attention=bahdanau
    python -m experiments.captioning --file=my_font.ttf

The default is 6,520 characters in up to eight faces of DejaVu, drawn in 32 x 32 pixels,
with their Unicode names. No face of a character of test is in train, so every name that
is asked for is new, though most are made of known words: script, case, letter, mark.
A small convolutional network reads the picture (`models.readers.picture`), the cell
writes the name, and attention looks at 8 x 8 places of the picture (Xu et al. 2015,
arXiv 1502.03044, whose attention is inside of the cell: --attention=bahdanau).

captions.png in the run folder shows pictures of test, what is written of them and,
where that is wrong, the truth; looked_at.png what was looked at as each word was
written.

Expected of the default (seed 0), on the 3,568 pictures of test:

                                                exact match     chrF     BLEU
    the commonest words, one after the other       0            28.0      3.0
    the same after the true first word             0.018        54.3     18.3
    the name of the nearest picture of train       0            58.4     39.7
    a GRU with 128 units, attention behind it      0.138        60.7     44.3

0.816 of the pictures have names of known words, and 0.108 are those of another
character of train to the pixel, such as Greek or Cyrillic letters that are Latin ones
too. The loss is 1.10 nats a word on test, where how common words are after each other
has 2.88; on train it falls below 0.4, so more characters would help more than more
updates. Time: five minutes on 2 cores.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import (
    config,
    data,
    models,
    plotting,
    processes,
    runs,
    runtime,
    training,
)
from rnn_research.layers import Call
from rnn_research.models import readers
from rnn_research.runs import run
from rnn_research.tasks import captions
from rnn_research.tasks.base import Sourced


@dataclasses.dataclass(frozen=True)
class PicturesConfig(config.Settings):
    """Pictures:"""

    dataset: str = config.setting("glyphs", data.sets.described("captioning"))
    file: str | None = config.setting(
        None,
        "a font of your own in place of a data set, .ttf or .otf; its characters have "
        "Unicode names",
    )
    at_least: int = config.setting(
        2,
        "captions of train that a word is in at least, to be known; rarer words are "
        "one unknown word",
        low=1,
    )
    length: int = config.setting(
        12,
        "words that are learned and written at most; longer captions are cut, but "
        "compared whole",
        low=1,
    )

    def task(self) -> runs.TaskConfig:
        """The task on these pictures."""
        return runs.TaskConfig.called(
            "captioning",
            self.length,
            files=["file"],
            dataset=self.dataset,
            at_least=self.at_least,
            file=self.file,
        )


SHOWN, LOOKED_AT = 48, 6  # pictures with captions; of the first, what is looked at


def main(
    model_config: models.ModelConfig,
    pictures_config: PicturesConfig,
    *further: config.Settings,
):
    settings = model_config, pictures_config.task(), *further
    made, result = run.run("captioning", *settings)
    if processes.index() > 0:
        return
    rows = written(made.model, result.params, made.task, pictures_config)
    plotting.captioned(
        rows,
        runs.artefacts.declared(
            result.folder,
            "plots/captions.png",
            runs.artefacts.PICTURE,
            "Pictures of test and what the network writes of them; where that is "
            "wrong, the truth below.",
        ),
        title=f"{made.cell} on test",
    )
    if made.model.look is not None:
        looks = looked_at(
            made.model,
            result.params,
            made.task.vocabulary,
            made.task.length,
            rows[:: SHOWN // LOOKED_AT],
        )
        plotting.looked_at(
            looks,
            runs.artefacts.declared(
                result.folder,
                "plots/looked_at.png",
                runs.artefacts.PICTURE,
                "Where in the picture the network looks as it writes each word.",
            ),
            title=f"{made.cell} on test",
        )


def written(model, params, task, pictures_config: PicturesConfig) -> list[dict]:
    """Some pictures of test, evenly spread, with the true caption and the model's."""
    pictures = task.splits["test"]["pictures"]
    found = captions.read(pictures_config.dataset, pictures_config.file)
    truths = found.splits["test"][1]
    chosen = np.linspace(0, len(pictures) - 1, SHOWN).astype(int)
    own = pictures[chosen]
    said = captions.captions(model, params, task.vocabulary, own, task.length)
    return [
        {"picture": picture, "truth": truths[at], "said": caption}
        for at, picture, caption in zip(chosen, own, said, strict=True)
    ]


def looked_at(model, params, known, length: int, rows: list[dict]) -> list[dict]:
    """Of each word that was written what was looked at, [lines, columns]."""
    table = []
    look = jax.jit(lambda params, inputs: model.look(params, inputs, Call()))
    for row in rows:
        tokens = [known.begin, *known.encode(row["said"])][:length]
        steps = np.full((length, 1), known.end, np.int32)
        steps[: len(tokens), 0] = tokens
        picture = jnp.asarray(row["picture"][None], jnp.zeros(()).dtype) / 255
        shares = np.asarray(look(params, Sourced(steps, picture, None)))[:, 0]
        lines, columns = readers.grid(*row["picture"].shape[:2])
        words = [*known.pieces(tokens[1:]), " (end)"]
        table += [
            row | {"word": word.strip(), "share": share.reshape(lines, columns)}
            for word, share in zip(words, shares, strict=False)
        ]
    return table


SETTINGS = (
    models.ModelConfig(hidden_size=128, dropout=0.1, attention="luong"),
    PicturesConfig(),
    training.TrainConfig(
        num_steps=2000, batch_size=64, learning_rate=3e-3, eval_every=250
    ),
    runs.OptimizerConfig(schedule="cosine"),
    runs.FolderConfig(),
    runtime.RunConfig(),
    runtime.ProcessConfig(),
)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
