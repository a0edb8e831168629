"""A review judged word by word."""

import numpy as np

from rnn_research.tasks import classification
from rnn_research.tour import base, carried, drawings

PAIR = (
    "The plot is thin, but the actors are wonderful.",
    "The actors are wonderful, but the plot is thin.",
)
OTHERS = (
    "A beautiful, moving and funny film about growing old.",
    "The story is dull and far too long.",
    "A film about a man and his dog.",
)
PLAIN, TURNED = "The film is good.", "The film is not good."
ACCURACY = "accuracy"


def compute(work: base.Work) -> dict:
    own = carried.read("mood")
    said = {}
    for text in (*PAIR, *OTHERS, PLAIN, TURNED):
        work.say(f"reading: {text}")
        said[text] = judged(own, text)
    about = own.provenance
    return {
        "said": said,
        "test": about["test"][ACCURACY],
        "baselines": about["baselines"][ACCURACY],
        "updates": about["updates"],
        "date": about["date"],
        "command": about["made_by"],
        "source": about["data"][0]["source"],
    }


def judged(own: carried.Carried, text: str) -> list[list]:
    """[word, probability that the text up to it is positive] of each word."""
    tokens = own.vocabulary.encode(text).astype(np.int32)
    padded = np.resize(tokens, 16)  # one shape for all: one program
    shares = classification.so_far(own.model, own.params, padded)[: len(tokens), 1]
    pieces = own.vocabulary.pieces(tokens)
    return [[word, round(float(p), 4)] for word, p in zip(pieces, shares, strict=True)]


def tell(found) -> list[base.Block]:
    one, other = (found["said"][text] for text in PAIR)
    best, score = max(found["baselines"].items(), key=lambda each: each[1])
    return [
        base.Prose(
            "Sentiment asks for one output at the end: does the writer like it? The "
            "network reads a word at a time, and after each we ask what it thinks so "
            "far. Both sentences have the same words, in another order.\n\n"
            f"It ends at {one[-1][1]:.0%} and {other[-1][1]:.0%} positive. A count of "
            "the words would give both the same."
        ),
        _words("order", (one, other), "Two sentences of the same words, word by word."),
        base.Code(
            'network = carried.read("mood")\n'
            "tokens = network.vocabulary.encode(text)\n"
            "classification.so_far(network.model, network.params, tokens)[:, 1]"
        ),
        base.Command(found["command"]),
        _words(
            "others",
            [found["said"][text] for text in OTHERS],
            "A glad, a bored and a neutral sentence, word by word.",
        ),
        base.Prose(
            f"The network learned from sentences of movie reviews ({found['source']}). "
            f"Its weights come with the library ({found['updates']} updates, "
            f"{found['date']})."
        ),
        *_measured(found, best, score),
    ]


def _words(name: str, lines, say: str) -> base.Figure:
    longest = max(map(len, lines))
    return base.Figure(
        name,
        drawings.words([[(w, 2 * p - 1) for w, p in own] for own in lines], say=say),
        "Blue: positive so far; orange: negative so far; pale: in between.",
        {
            "label": "word",
            "start": longest - 1,
            "steps": [
                {
                    "name": f"word {n + 1}",
                    "told": "Positive so far, each sentence:",
                    "bars": [
                        [f"{line + 1}: {word}", p]
                        for line, own in enumerate(lines)
                        for word, p in own[min(n, len(own) - 1) :][:1]
                    ],
                }
                for n in range(longest)
            ],
        },
        "steps",
    )


def _measured(found, best: str, score: float) -> list[base.Block]:
    plain, turned = (found["said"][text][-1][1] for text in (PLAIN, TURNED))
    moved = "turns" if turned < 0.5 <= plain else "does not turn"
    blocks: list[base.Block] = []
    if found["test"] < score:
        blocks.append(
            base.Note(
                f"A {best}, which knows no order, is right on {score:.1%} of the test "
                f"sentences, the network on {found['test']:.1%}. With a few thousand "
                "sentences to learn from, memory is no advantage here. The word “not” "
                f"{moved} its verdict: “{PLAIN}” is {plain:.0%} positive, “{TURNED}” "
                f"{turned:.0%}."
            )
        )
    one, other = (found["said"][text][-1][1] for text in PAIR)
    chance = min(found["baselines"].values())
    told = f"{found['test']:.1%} of the test sentences are judged right, where always "
    told += f"the commoner verdict is right on {chance:.1%}."
    return [
        *blocks,
        base.Seen(14, found["test"] > chance, told),
        base.Seen(
            7,
            abs(one - other) > 0.1,
            "One output at the end judges a whole sentence: the same words end at "
            f"{one:.0%} in one order and at {other:.0%} in the other.",
        ),
    ]


SECTION = base.Section(
    "sentiment", 7, "A review judged word by word", (14, 7), 0.2, compute, tell
)
