"""What came next: attention beside recurrence, in quality, time and memory."""

import time

import jax

from experiments import attention_beside as program
from rnn_research import runtime
from rnn_research.models import fit
from rnn_research.runs import side_by_side
from rnn_research.tour import base, svg, trainings

COMMAND = (
    "python -m experiments.attention_beside --cells='gru,lru,transformer(window={T})' "
    "--tasks=copy_memory,characters --delays=20,60 --windows=30,80"
)
SMALL = "--hidden_size=6", "--num_steps=2", "--delays=4", "--windows=6"
COPY, CHARACTERS = "copy_memory", "characters"
ATTENTION, GRU = "transformer", "gru"
REPEATS = 7
TIME = "The processors' time of a gradient of 32 windows, the least of some."
MEMORY = "The temporary memory of the compiled gradient of a batch."
SAID = {COPY: "copy ten symbols", CHARACTERS: "the next character"}


def compute(work: base.Work) -> dict:
    settings = trainings.read(COMMAND, SMALL if work.small else ())
    plans = program.plans(settings[program.AttentionConfig])
    rows = []
    for number, plan in enumerate(plans):
        name = "-".join(plan.labels.values()).replace(" ", "-")
        work.say(f"{number + 1} of {len(plans)}: {', '.join(plan.labels.values())}")
        values, result = trainings.of_settings(
            plan.model,
            plan.task,
            plan.train,
            plan.optimizer,
            settings[runtime.RunConfig],
            work.folder / name,
        )
        work.say("measuring what a gradient costs")
        own = side_by_side.rows_of(plan, values, result)
        cost = milliseconds(values, result.params, plan.train.batch_size)
        rows += [_row(row, cost) for row in own]
    return {"rows": rows}


def milliseconds(values, params, batch_size: int) -> float:
    """The processors' time of a gradient, the least of some: others may be at work."""
    compiled = side_by_side.compiled_gradient(values.model, values.task, batch_size)
    batch, found = fit.like_batch(values.task, batch_size), []
    for _ in range(1 + REPEATS):
        before = time.process_time()
        jax.block_until_ready(compiled(params, batch))
        found.append(1000 * (time.process_time() - before))
    return min(found[1:])


def _row(own: dict, cost: float) -> dict:
    return {
        "cell": own["label"],
        "task": own["task"],
        "length": own["length"],
        "share": own["loss"] / own["reference"],
        "solved": own["outcome"] == "solved",
        "milliseconds": cost,
        "megabytes": own["gradient_mb"],
        "updates": own["updates"],
    }


def tell(found) -> list[base.Block]:
    rows = found["rows"]
    texts = [row for row in rows if row["task"] == CHARACTERS]
    lengths = sorted({row["length"] for row in texts})
    return [
        base.Prose(
            "A recurrent network carries all that it has read in one state, and reads "
            "one step after another. A **transformer** keeps every step and looks at "
            "all of them at once: attention. Both are here trained alike, with the "
            "same number of updates.\n\n"
            "To copy ten symbols after a pause is a matter of looking back. To guess "
            "the next character takes a summary of what came. The bars show the loss "
            "as a share of that of the best simple guess: shorter is better."
        ),
        *(_quality(rows, task) for task in (COPY, CHARACTERS)),
        base.Command(COMMAND),
        _cost(texts, "milliseconds", "time", "ms a gradient", TIME),
        _cost(texts, "megabytes", "memory", "MB a gradient", MEMORY),
        base.Prose(
            f"From {lengths[0]} to {lengths[-1]} steps the memory of a gradient grows "
            f"{_growth(texts, ATTENTION):.1f} times with attention and "
            f"{_growth(texts, GRU):.1f} times in the GRU. Attention compares every "
            "step with every other, so its cost grows with the square of the length; a "
            "recurrence pays for each step alike, but one after another."
        ),
        *_verdict(rows),
    ]


def _quality(rows: list[dict], task: str) -> base.Figure:
    own = [row for row in rows if row["task"] == task]
    own.sort(key=lambda row: (row["length"], row["share"]))
    return base.Figure(
        task,
        svg.bars(
            [f"{row['cell']}, {row['length']} steps" for row in own],
            [row["share"] for row in own],
            say=f"The loss on {SAID[task]}, of each network and length.",
            space=230,
            shown=[
                f"{row['share']:.0%}" + (" solved" if row["solved"] else "")
                for row in own
            ],
        ),
        f"**{SAID[task].capitalize()}**: loss, as a share of that of the best simple "
        f"guess. At most {max(row['updates'] for row in own)} updates, one seed.",
    )


def _cost(
    rows: list[dict], column: str, name: str, unit: str, said: str
) -> base.Figure:
    curves = []
    for cell in dict.fromkeys(row["cell"] for row in rows):
        own = sorted(
            (row["length"], row[column]) for row in rows if row["cell"] == cell
        )
        x, y = zip(*own, strict=True)
        curves.append(svg.Curve(cell, x, y, points=True))
    return base.Figure(
        name,
        svg.lines(
            curves,
            x="characters in a window",
            y=unit,
            say=f"{unit} against the length.",
            log_y=True,
            height=220,
        ),
        said,
    )


def _growth(rows: list[dict], cell: str) -> float:
    own = sorted(
        (row["length"], row["megabytes"]) for row in rows if row["cell"] == cell
    )
    return own[-1][1] / own[0][1]


def _verdict(rows: list[dict]) -> list[base.Block]:
    best = {
        (task, length): min(
            (row for row in rows if (row["task"], row["length"]) == (task, length)),
            key=lambda row: row["share"],
        )["cell"]
        for task, length in dict.fromkeys((row["task"], row["length"]) for row in rows)
    }
    told = "; ".join(
        f"{SAID[task]}, {length} steps: {cell}" for (task, length), cell in best.items()
    )
    copied = [row for row in rows if row["task"] == COPY]
    longest = max(row["length"] for row in copied)
    share = {row["cell"]: row["share"] for row in copied if row["length"] == longest}
    return [
        base.Note(
            f"{_who(set(best.values()))} The least loss at each task and length: "
            f"{told}."
        ),
        base.Seen(
            22,
            share[ATTENTION] < share[GRU],
            f"Over {longest} steps attention copies with {share[ATTENTION]:.0%} of the "
            f"loss of guessing, the GRU with {share[GRU]:.0%}.",
        ),
        base.Seen(
            21,
            share[GRU] > 0.9,
            f"After as many updates the GRU is at {share[GRU]:.0%} of the loss of "
            f"guessing over {longest} steps.",
        ),
    ]


def _who(winners: set[str]) -> str:
    if winners == {ATTENTION}:
        return "Attention has the least loss everywhere."
    if ATTENTION not in winners:
        return "A recurrent network has the least loss everywhere."
    return "With few updates neither wins everywhere."


SECTION = base.Section(
    "attention", 14, "What came next: attention", (21, 22), 2.0, compute, tell
)
