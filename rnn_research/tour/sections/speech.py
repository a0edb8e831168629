"""A digit heard, frame by frame."""

import numpy as np

from rnn_research import data
from rnn_research.tasks import classification, confusion
from rnn_research.tour import base, svg, trainings

DATASET, TASK = "fsdd", "spoken_digits"
COMMAND = "python -m experiments.speech --cell=gru --hidden_size=48 --num_steps=400"
SMALL = "--hidden_size=6", "--num_steps=2", "--eval_every=1"
TOGETHER = 64  # recordings in a batch of the count
MOST = 28  # frames of the recording that is shown
SOUND = 5  # digits that the bars show


def compute(work: base.Work) -> dict:
    made = trainings.trained(COMMAND, work.folder, small=SMALL if work.small else ())
    model, params, task = made.model, made.result.params, made.task
    classes = data.sets.read(DATASET, TASK).classes
    work.say("listening frame by frame")
    own = heard(model, params, task, classes)
    counts = confusion.table(model, params, task, TOGETHER, names=classes)
    wrong = [row for row in counts if row["class"] != row["predicted"] and row["count"]]
    return own | {
        "test": made.test["accuracy"],
        "baselines": made.result.summary["references"]["accuracy"],
        "updates": made.result.runs[0].summary["kept_step"],
        "wrong": sorted(wrong, key=lambda row: -row["count"])[:SOUND],
        "size": task.size("test"),
        "licence": task.provenance[0].licence,
        "seconds": made.result.summary["seconds"]["run"],
    }


def heard(model, params, task, classes) -> dict:
    """A recording of test that sounds like another digit at first, as it is heard."""
    rows = task.splits["test"]
    short = np.flatnonzero((rows["lengths"] >= 12) & (rows["lengths"] <= MOST))
    best = None
    for place in short[:: max(1, len(short) // 24)]:
        own = {name: leaf[place : place + 1] for name, leaf in rows.items()}
        x = np.asarray(task.batch(own, None).inputs)[:, 0]
        shares = classification.so_far(model, params, x)[: rows["lengths"][place]]
        said, label = shares.argmax(axis=1), rows["labels"][place]
        changes = np.count_nonzero(said[1:] != said[:-1])
        if best is None or (said[-1] == label, changes) > best[0]:
            best = (said[-1] == label, changes), x[: len(shares)], shares, int(label)
    _, x, shares, label = best
    return {
        "frames": x.astype(float).round(2).tolist(),
        "shares": shares.astype(float).round(4).tolist(),
        "label": classes[label],
        "classes": list(classes),
    }


def tell(found) -> list[base.Block]:
    told = _told(found)
    (linear, simple), *_ = sorted(found["baselines"].items(), key=lambda each: -each[1])
    return [
        base.Prose(
            "A recording becomes a sequence of frames, each a few numbers that say "
            "how strong the low and the high tones are. The network reads frame after "
            "frame and says at the end which digit it heard.\n\n"
            f"Here somebody says **{found['label']}**. We ask after every frame what "
            f"the network would answer now. It was trained {found['updates']} updates, "
            f"{found['seconds']:.0f} seconds of computing."
        ),
        _figure(found, told),
        base.Command(COMMAND),
        base.Prose(
            f"Of {found['size']} recordings of test, {found['test']:.1%} are heard "
            f"right. A {linear} is right on {simple:.1%}. {_mistakes(found['wrong'])}"
            "All speakers are in training too, so this says nothing of new voices. "
            f"Data: Free Spoken Digit Dataset ({found['licence']})."
        ),
        base.Seen(
            15,
            found["test"] > simple,
            f"{found['test']:.1%} of the spoken digits are named; a regression on the "
            f"mean of the frames, which knows no order, names {simple:.1%}.",
        ),
        base.Seen(
            2,
            found["test"] > simple,
            f"A spoken digit needs the order of its frames: {found['test']:.1%} with "
            f"it, {simple:.1%} without.",
        ),
    ]


def _told(found) -> list[str]:
    return [found["classes"][int(np.argmax(own))] for own in found["shares"]]


def _figure(found, told) -> base.Figure:
    frames = np.array(found["frames"])
    return base.Figure(
        "heard",
        svg.heat(
            frames.T.tolist(),
            rows=[str(n) for n in range(frames.shape[1])],
            columns=told,
            largest=float(np.percentile(np.abs(frames), 98)),
            say="The frames of a recording, and what is heard so far above each.",
        ),
        "Columns: frames, in their order. Rows: the 13 mel-frequency cepstral "
        "coefficients. Above each frame: the digit that the network hears so far.",
        {
            "label": "frame",
            "start": len(told) - 1,
            "steps": [
                {
                    "name": f"after frame {n + 1}",
                    "bars": sorted(
                        zip(found["classes"], own, strict=True),
                        key=lambda each: -each[1],
                    )[:SOUND],
                }
                for n, own in enumerate(found["shares"])
            ],
        },
        "steps",
    )


def _mistakes(wrong) -> str:
    if not wrong:
        return "None is taken for another. "
    first = wrong[0]
    return f"A {first['class']} is taken for a {first['predicted']} most often. "


def needs() -> str | None:
    return trainings.lacking(lambda: data.sets.read(DATASET, TASK))


SECTION = base.Section("speech", 9, "A digit heard", (15, 2), 0.2, compute, tell, needs)
