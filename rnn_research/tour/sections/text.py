"""A sentence completed: prose, verse and code, one character after the other."""

import textwrap

import jax
import numpy as np

from rnn_research import models
from rnn_research.layers import Call
from rnn_research.tour import base, carried, svg

STYLES = (
    ("manual", "Python's manual", "The return value of "),
    ("verse", "the King James Bible", "And it came to pass "),
    ("code", "the standard library's source", "def main("),
)
BEGUN = "The return val"
TEMPERATURE, WRITTEN, SHOWN, MOST = 0.5, 220, 14, 5


def compute(work: base.Work) -> dict:
    styles = []
    for name, what, prompt in STYLES:
        work.say(f"writing like {what}")
        own, count = carried.read(name), 20 if work.small else WRITTEN
        choice = models.sample(temperature=TEMPERATURE)
        about, bits = own.provenance, "bits_per_character"
        styles.append(
            {
                "what": what,
                "prompt": prompt,
                "text": written(own, prompt, count, choice),
                "bits": about["test"][bits],
                "pairs": about["baselines"][bits]["bigrams of train"],
                "single": about["baselines"][bits]["unigrams of train"],
                "updates": about["updates"],
                "date": about["date"],
                "command": about["made_by"],
            }
        )
    return {"styles": styles, "steps": guesses(carried.read(STYLES[0][0]))}


def written(own: carried.Carried, prompt: str, count: int, choice) -> str:
    """What the model writes behind the prompt."""
    first, key = own.vocabulary.encode(prompt)[:, None], jax.random.key(0)
    made = models.generate(own.model, own.params, None, first, count, choice, key)
    return own.vocabulary.decode(np.asarray(made.tokens)[:, 0])


def guesses(own: carried.Carried) -> list[dict]:
    """Each character of a sentence as it is completed, and what is thought probable."""
    read = BEGUN + written(own, BEGUN, SHOWN, models.greedy())
    tokens = own.vocabulary.encode(read).astype(np.int32)[:, None]
    outputs = jax.jit(lambda params: own.model.outputs(params, tokens, Call()))
    p = np.asarray(jax.nn.softmax(outputs(own.params)))[:, 0]
    return [
        {
            "read": letter,
            "next": [
                [own.vocabulary.decode([token]), round(float(each[token]), 4)]
                for token in np.argsort(-each)[:MOST]
            ],
        }
        for letter, each in zip(read, p, strict=True)
    ]


def tell(found) -> list[base.Block]:
    first, steps = found["styles"][0], found["steps"]
    blocks = [
        base.Prose(
            "A network that has learned which character comes next can write. It reads "
            "its own last character, updates its state, and chooses again.\n\n"
            f"This one learned from {first['what']} in {first['updates']:,} updates. "
            "Step through the sentence: the first letters are given, the network adds "
            f"the last {SHOWN}."
        ),
        _completed(steps),
        base.Code(
            'model, params, _ = models.load("rnn_research/tour/weights/manual")\n'
            "first = letters.encode(prompt)[:, None]\n"
            f"choice = models.sample(temperature={TEMPERATURE})\n"
            "models.generate(model, params, None, first, "
            f"{WRITTEN}, choice, jax.random.key(0))"
        ),
        base.Command(f"{first['command']} --sample"),
    ]
    for own in found["styles"]:
        blocks.append(
            base.Prose(
                f"**After {own['what']}**, begun with `{own['prompt'].strip()}`:"
            )
        )
        blocks.append(base.Code(_folded(own["prompt"] + own["text"]), "text"))
    return [*blocks, _bits(found["styles"]), *_seen(found["styles"], steps)]


def _completed(steps) -> base.Figure:
    sure = [[each["next"][0][1] for each in steps]]
    return base.Figure(
        "completed",
        svg.heat(
            sure,
            rows=["sure"],
            columns=[svg.letter(each["read"]) for each in steps],
            below=[svg.letter(each["next"][0][0]) for each in steps],
            largest=1.0,
            say="Each character that is read, and the one that the network expects.",
        ),
        "Above: what is read. Below: the most probable next character. The darker the "
        "box, the surer the network is. `␣` is a space.",
        {
            "label": "character",
            "start": len(BEGUN) - 1,
            "steps": [
                {
                    "name": f"after {svg.letter(each['read'])}",
                    "told": f"Having read “{_so_far(steps, n)}”, the network gives "
                    f"{svg.letter(each['next'][0][0])} {each['next'][0][1]:.0%}.",
                    "bars": [[svg.letter(name), share] for name, share in each["next"]],
                }
                for n, each in enumerate(steps)
            ],
        },
        "steps",
    )


def _so_far(steps, n: int) -> str:
    return "".join(each["read"] for each in steps[: n + 1])


def _folded(text: str) -> str:
    lines = [line.rstrip() for line in text.splitlines()]
    folded = (textwrap.fill(line, 44, subsequent_indent="  ") for line in lines if line)
    return "\n".join(folded)


def _bits(styles) -> base.Table:
    rows = [
        (own["what"], *(f"{own[name]:.2f}" for name in ("bits", "pairs", "single")))
        for own in styles
    ]
    head = "bits a character, of text never read", "network", "pairs", "single"
    dates = ", ".join(sorted({own["date"] for own in styles}))
    return base.Table(
        head,
        rows,
        "Fewer bits mean better guesses. Pairs know the character before, single ones "
        f"only how common each is. The weights come with the library ({dates}).",
    )


def _seen(styles, steps) -> list[base.Block]:
    better = all(own["bits"] < own["pairs"] for own in styles)
    saved = min(own["pairs"] - own["bits"] for own in styles)
    return [
        base.Note(
            "The form is learned before the sense: words, verses and indented lines "
            "are there, but no thought is carried through a sentence. A network of "
            "this size and training does not write prose to read."
        ),
        base.Seen(
            13,
            better,
            f"Prose, verse and code are continued, each at least {saved:.2f} bits a "
            "character better than by pairs of characters.",
        ),
        base.Seen(
            7,
            len(steps) == len(BEGUN) + SHOWN,
            "A character is asked for at every step: "
            f"{len(steps)} outputs for as many that were read.",
        ),
    ]


SECTION = base.Section("text", 6, "A sentence completed", (13, 7), 0.2, compute, tell)
