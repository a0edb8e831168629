"""A picture of a character gets its name, word by word."""

import base64
import io

import numpy as np

from experiments import captioning as program
from rnn_research.data import glyphs
from rnn_research.tasks import captions
from rnn_research.tour import base, carried, drawings

SHOWN = "LATIN SMALL LETTER A WITH MACRON"
EVEN = 10  # further pictures, evenly spread over those of test
LENGTH = 12  # words at most
SCALE = 3  # pixels of the PNG for one of the picture


def compute(work: base.Work) -> dict:
    own = carried.read("glyphs")
    work.say("drawing the characters of DejaVu")
    pictures, names = glyphs.glyphs().splits["test"]
    count = 2 if work.small else EVEN
    places = np.linspace(0, len(pictures) - 1, count).astype(int)
    places = [names.index(SHOWN), *places]
    given = own.model, own.params, own.vocabulary
    work.say("writing captions")
    said = captions.captions(*given, pictures[places], LENGTH)
    rows = [
        {"picture": pictures[place], "truth": names[place], "said": caption}
        for place, caption in zip(places, said, strict=True)
    ]
    looks = program.looked_at(*given, LENGTH, rows[:1])
    about = own.provenance
    return {
        "looks": [
            {
                "word": look["word"],
                "shares": look["share"].astype(float).round(4).tolist(),
            }
            for look in looks
        ],
        "rows": [
            {"png": png(row["picture"]), "truth": row["truth"], "said": row["said"]}
            for row in rows
        ],
        "test": about["test"],
        "baselines": about["baselines"],
        "updates": about["updates"],
        "date": about["date"],
        "command": about["made_by"],
    }


def png(picture: np.ndarray) -> str:
    """A picture [H, W, 1], 255 is ink, as a PNG in base64, ink is black."""
    from PIL import Image

    image = Image.fromarray(255 - picture[..., 0])
    size = SCALE * image.width, SCALE * image.height
    content = io.BytesIO()
    image.resize(size, Image.Resampling.NEAREST).save(content, "PNG", optimize=True)
    return base64.b64encode(content.getvalue()).decode()


def tell(found) -> list[base.Block]:
    first, test = found["rows"][0], found["test"]
    nearest = found["baselines"]["chrf"]["the nearest picture of train"]
    frames = [
        {"png": first["png"], "told": look["word"].lower(), "shares": look["shares"]}
        for look in found["looks"]
    ]
    return [
        base.Prose(
            "A convolutional network reads a picture of a character, and a recurrent "
            "one writes its name, a word at a time. Attention says where in the "
            "picture it looks as it writes each word.\n\n"
            "No name of test is in training, but their words are: script, case, "
            f"letter, mark. Here the truth is **{first['truth'].lower()}**."
        ),
        base.Figure(
            "looks",
            drawings.pictures(frames, "A character, and the words that are written."),
            "The picture, once for each word that is written. Orange: where the "
            "network looks.",
            {
                "label": "word",
                "start": 0,
                "steps": [
                    {"name": frame["told"], "told": f"It writes “{frame['told']}”."}
                    for frame in frames
                ],
            },
            "steps",
        ),
        base.Command(found["command"]),
        base.Table(
            ("the name", "what the network writes"),
            [(row["truth"].lower(), row["said"].lower()) for row in found["rows"][1:]],
            "Pictures of test, evenly spread and not chosen. � is a word that it does "
            "not know.",
        ),
        base.Note(
            f"{test['exact_match']:.1%} of the names of test are written without a "
            f"mistake, at {test['chrf']:.1f} chrF. The name of the most similar "
            f"picture of training is never the right one, but has {nearest:.1f} chrF. "
            f"The weights come with the library ({found['updates']} updates, "
            f"{found['date']}); a larger network does better."
        ),
        base.Seen(
            19,
            test["exact_match"] > 0,
            f"{test['exact_match']:.1%} of pictures get a name, never read before, "
            "without a mistake.",
        ),
    ]


SECTION = base.Section(
    "caption", 13, "A picture gets a name", (19,), 0.4, compute, tell
)
