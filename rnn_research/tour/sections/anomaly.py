"""Something is wrong with a sensor: where the forecast is surprised."""

import numpy as np

from rnn_research import data
from rnn_research.plotting import colors
from rnn_research.tasks import anomalies, anomaly_scores
from rnn_research.tour import base, svg, trainings

DATASET, TASK = "internal_bleeding", "anomaly_detection"
COMMAND = (
    "python -m experiments.anomaly_detection --cell=gru --hidden_size=24 "
    "--num_seeds=1 --num_steps=500"
)
SMALL = "--hidden_size=4", "--num_steps=2", "--eval_every=1"
AROUND = 130  # steps shown on each side
OWN, PRECISION = "network", "average_precision"


def compute(work: base.Work) -> dict:
    made = trainings.trained(COMMAND, work.folder, small=SMALL if work.small else ())
    work.say("watching the sensor")
    watch, scores = anomalies.scores(made.task, made.model, made.result.params)
    event, own = watch.of.events[0], scores[OWN]
    first, stop = max(0, event.start - AROUND), event.stop + AROUND
    rows = anomalies.steps(watch, own)[first:stop]
    return {
        "value": [round(row["value"], 3) for row in rows],
        "score": [round(row["score"], 4) for row in rows],
        "start": int(event.start - first),
        "stop": int(event.stop - first),
        "threshold": anomaly_scores.threshold(own, watch.of),
        "quality": {
            name: anomaly_scores.quality(score, watch.of)
            for name, score in scores.items()
        },
        "steps": int(np.size(own) - watch.of.normal),
        "seconds": made.result.summary["seconds"]["run"],
    }


def tell(found) -> list[base.Block]:
    own, rows = found["quality"][OWN], found["quality"].items()
    others = {n: q[PRECISION] for n, q in rows if n != OWN}
    best, score = max(others.items(), key=lambda each: each[1])
    return [
        base.Prose(
            "A sensor measures arterial pressure. The network learned to forecast its "
            "next value while all was well, in "
            f"{found['seconds']:.0f} seconds of computing. Then it is watched: where "
            "its forecast is far off, something is not as it was.\n\n"
            f"Among {found['steps']:,} later steps, {found['stop'] - found['start']} "
            "were labelled as an internal bleeding. Nobody told the network what that "
            "looks like."
        ),
        _around(
            found,
            "pressure",
            svg.Curve("the sensor", [], found["value"]),
            y="pressure",
            say="The pressure around the anomaly.",
            caption=f"The series around the anomaly. {_range(found)}",
        ),
        _around(
            found,
            "surprise",
            svg.Curve("surprise", [], found["score"]),
            y="error, smoothed",
            say="How far off the forecast is, around the anomaly.",
            caption="How far the network's forecast is off, in standard deviations. "
            "Above the dashed line is an alarm.",
            levels=[svg.Level(found["threshold"], "alarm above")],
        ),
        base.Command(COMMAND),
        base.Table(
            ("what watches", "average precision", "highest at the anomaly", "false"),
            [
                (
                    name,
                    f"{q[PRECISION]:.3f}",
                    "yes" if q["hit"] else "no",
                    f"{q['false_alarms']:.1f}",
                )
                for name, q in rows
            ],
            "False: false alarms among 1,000 steps, at the highest score of the "
            "normal steps.",
        ),
        base.Seen(
            18,
            bool(own["hit"]) and own[PRECISION] > score,
            f"The surprise is highest at the anomaly; average precision "
            f"{own[PRECISION]:.3f}, of a {best} {score:.3f}.",
        ),
    ]


def _around(
    found, name: str, drawn: svg.Curve, *, y: str, say: str, caption: str, levels=()
) -> base.Figure:
    """A curve around the anomaly, with what was labelled in another colour."""
    x, labelled = range(len(drawn.y)), slice(found["start"], found["stop"])
    of_label = svg.Curve(
        "labelled", x[labelled], drawn.y[labelled], color=colors.VERMILION
    )
    curves = [drawn._replace(x=x, color=colors.BLUE), of_label]
    chart = svg.lines(curves, x="steps", y=y, say=say, levels=levels, height=200)
    return base.Figure(name, chart, caption)


def _range(found) -> str:
    inside = found["value"][found["start"] : found["stop"]]
    others = found["value"][: found["start"]] + found["value"][found["stop"] :]
    if min(inside) >= min(others) and max(inside) <= max(others):
        return "No labelled value lies outside the range of the others."
    return "Some of the labelled values lie outside the range of the others."


def needs() -> str | None:
    return trainings.lacking(lambda: data.sets.read(DATASET, TASK))


SECTION = base.Section(
    "anomaly", 11, "A sensor watched", (18,), 0.2, compute, tell, needs
)
