"""The name of an emoji translated, and what is looked at as each word is written."""

from experiments import translation as program
from rnn_research import data, models
from rnn_research.data import words
from rnn_research.tasks import translating, translation_scores
from rnn_research.tour import base, drawings, trainings

DATASET, SOURCE, TARGET = "emoji_names", "en", "fr"
COMMAND = (
    "python -m experiments.translation --cell=gru --hidden_size=64 --bidirectional "
    "--dropout=0.2 --num_steps=300"
)
SMALL = "--hidden_size=6", "--num_steps=2", "--eval_every=1", "--batch_size=8"
SHOWN = 6  # translations in the table
WORDS = 10  # of a source; longer ones are where one vector is too little


def compute(work: base.Work) -> dict:
    made = trainings.trained(COMMAND, work.folder, small=SMALL if work.small else ())
    model, params, task = made.model, made.result.params, made.task
    pairs = program_pairs()
    test = task.splits["test"]
    written = translating.write(task.vocabulary, model, params, test, models.greedy())
    looks = program.looked_at(model, params, task, pairs["test"][0])
    chosen = range(0, len(written), max(1, len(written) // SHOWN))
    return {
        "test": made.test,
        "baselines": made.result.summary["references"],
        "rows": [
            [pairs["test"][0][at], pairs["test"][1][at], written[at]] for at in chosen
        ][:SHOWN],
        "long": long_names(pairs, written),
        "look": {
            "source": looks[1]["source"],
            "written": looks[1]["written"],
            "shares": looks[1]["shares"].astype(float).round(4).tolist(),
        },
        "pairs": len(pairs["train"][0]),
        "seconds": made.result.summary["seconds"]["run"],
    }


def program_pairs() -> dict:
    """{split: (sources, targets)} that the program translates."""
    return translating.read(DATASET, None, None).pairs(SOURCE, TARGET)


def long_names(pairs, written) -> dict:
    """How many names of test have that many words, and how many of these are right."""
    rows = [
        [reference, own]
        for source, reference, own in zip(*pairs["test"], written, strict=True)
        if len(words.split(source)) >= WORDS
    ]
    wanted, own = zip(*rows, strict=True)
    scored = translation_scores.scored(own, wanted, TARGET)
    return {"count": len(rows), "right": scored["exact_match"]}


def tell(found) -> list[base.Block]:
    test, known = found["test"], found["baselines"]
    table = known["chrf"][translation_scores.TABLE]
    look = found["look"]
    return [
        base.Prose(
            "Translation goes from one sequence to another. An encoder reads the "
            "English name of an emoji, in both directions. A decoder writes the French "
            "name, a word at a time, and **attention** lets it look back at every word "
            "that was read.\n\n"
            f"The network learned from {found['pairs']:,} names, in "
            f"{found['seconds']:.0f} seconds of computing. Step through what it "
            "writes, and see what it looks at."
        ),
        base.Figure(
            "attention",
            drawings.looks(
                look["source"],
                look["written"],
                look["shares"],
                "What is looked at in the source as each word is written.",
            ),
            "Columns: what was read. Rows: what was written. The darker, the more the "
            "network looked there. A name of test, never seen in training.",
            {"label": "word", "start": 0, "steps": _steps(look)},
            "steps",
        ),
        base.Command(COMMAND),
        base.Table(
            ("English", "by people", "by the network"),
            found["rows"],
            "Names of test, evenly spread and not chosen.",
        ),
        base.Seen(
            12,
            test["chrf"] > table,
            f"Names that were never seen are translated with {test['chrf']:.1f} chrF "
            f"and {test['exact_match']:.1%} word for word; a table with a word for "
            f"each word has {table:.1f} and {_exact(known):.1%}.",
        ),
        base.Seen(
            22,
            found["long"]["right"] > 0,
            f"With attention {found['long']['right']:.0%} of the "
            f"{found['long']['count']} names of {WORDS} words and more are right; the "
            "attention map shows which word was looked at.",
        ),
    ]


def _exact(known: dict) -> float:
    return known["exact_match"][translation_scores.TABLE]


def _steps(look) -> list[dict]:
    steps = []
    for word, shares in zip(look["written"], look["shares"], strict=True):
        own = zip(look["source"], shares, strict=True)
        ranked = sorted(own, key=lambda each: -each[1])
        steps.append({"name": f"writing “{word}”", "bars": ranked[:5]})
    return steps


def needs() -> str | None:
    return trainings.lacking(
        lambda: data.sets.read(DATASET, "translation"), translation_scores.library
    )


SECTION = base.Section(
    "translation", 8, "A name translated", (12, 22), 0.6, compute, tell, needs
)
