"""What does attention do better than a recurrence, and what does it cost?

    python -m experiments.attention_beside
    python -m experiments.attention_beside --cells='gru,rwkv7,transformer(window={T})'

Trains recurrent networks and a transformer, for the same number of updates, to copy ten
symbols after 20 to 180 steps, and to predict the characters of Python's manual from
windows of 30 to 240 characters, with the context of the window before. A recurrence has
a state of one size to remember with. Attention has every step that it reads, and its
time and memory grow with the square of their number. Each also translates the names of
emoji, without attention to the source and with it (pip install -e '.[data,apps]').

Writes attention_beside.csv and attention_beside.png: how much better than the best
baseline each came to, the time of an update and the memory of a gradient, against the
length; translation_by_length.csv and .png: how good translations are, by the words of
their source. The same command resumes.

Expected of the default (seed 0): after 300 updates the transformer copies over all
delays, the LRU over the shortest, GRU and LSTM over none. Characters are predicted best
by LRU and GRU, at a tenth of the transformer's time and memory for windows of 240.
With attention to the source the GRU has 70.5 chrF in place of 62.1, the LSTM 66.0 in
place of 58.7; LRU and transformer gain little. Time: about twenty minutes on 2 cores
that are shared with other programs.
"""

import dataclasses
import pathlib

from rnn_research import config, models, plotting, runs, runtime, training
from rnn_research.diagnostics import table
from rnn_research.models import looking
from rnn_research.resolve import resolve
from rnn_research.runs import side_by_side
from rnn_research.runs.side_by_side import STEPS
from rnn_research.tasks import translating, translation_scores

TRANSLATION = "translation"
TASKS = "copy_memory", "characters", TRANSLATION


@dataclasses.dataclass(frozen=True)
class AttentionConfig(config.Seeds):
    """Attention beside:"""

    cells: tuple[str, ...] = config.setting(
        ("gru", "lstm", "lru", f"transformer(window={STEPS})"),
        "cells and layers to compare, as for --cell; "
        f"{STEPS} is the length of the inputs",
        names="cells",
    )
    tasks: tuple[str, ...] = config.setting(
        TASKS, f"which of {', '.join(TASKS)}", choices=TASKS
    )
    delays: tuple[int, ...] = config.setting(
        (20, 60, 180), "delays of the copy problem", low=1
    )
    windows: tuple[int, ...] = config.setting(
        (30, 80, 240), "characters in a window", low=2
    )
    attentions: tuple[str, ...] = config.setting(
        ("none", "auto"),
        "how translations look at their source, as for --attention of translation",
        choices=(*looking.KINDS, "auto"),
    )
    words: int = config.setting(16, "the most words of a translation", low=2)
    hidden_size: int = config.setting(64, "units of each", low=1)
    num_steps: int = config.setting(300, "updates of each", low=1)
    batch_size: int = config.setting(32, "sequences in an update", low=1)
    learning_rate: float = config.setting(3e-3, "of all", above=0)
    workdir: str = config.setting("runs/attention_beside", "folder of it all")


def main(settings: AttentionConfig, run_config: runtime.RunConfig):
    folder = pathlib.Path(settings.workdir)
    asked = plans(settings)
    rows, by_length = [], []
    for each in side_by_side.trained("attention_beside", asked, folder, run_config):
        rows += side_by_side.rows_of(*each)
        if each[0].task.task == TRANSLATION:
            by_length += lengths_of(*each)
    table.write_csv(rows, folder / "attention_beside.csv", columns=tuple(rows[0]))
    timed = [row for row in rows if row["task"] != TRANSLATION]
    if timed:
        plotting.attention_beside(timed, folder / "attention_beside.png")
    if by_length:
        name = "translation_by_length"
        columns = tuple(by_length[0])
        table.write_csv(by_length, folder / f"{name}.csv", columns=columns)
        plotting.scores_by_length(
            by_length,
            folder / f"{name}.png",
            metric="chrf",
            title="names of emoji, English to French",
        )
    print(f"tables and figures: {folder}")


def plans(settings: AttentionConfig) -> list[side_by_side.Plan]:
    """A training for each task, length and cell."""
    lengths = dict(
        zip(TASKS, (settings.delays, settings.windows, (settings.words,)), strict=True)
    )
    return [
        plan(task, length, cell, attention, settings)
        for task in settings.tasks
        for length in lengths[task]
        for attention in (settings.attentions if task == TRANSLATION else ("auto",))
        for cell in settings.cells
    ]


def plan(
    task: str, length: int, cell: str, attention: str, settings
) -> side_by_side.Plan:
    steps = resolve("task", task, length=length).length
    translates = task == TRANSLATION
    seen = f" attention {attention}" if translates else ""
    return side_by_side.Plan(
        labels={
            "label": side_by_side.label(cell),
            "asked": f"{task} {length}{seen}",
        },
        model=models.ModelConfig(
            cell=side_by_side.of_length(cell, steps),
            hidden_size=settings.hidden_size,
            attention=attention,
            bidirectional=translates,  # of the encoder alone
        ),
        task=runs.TaskConfig(task=task, length=length),
        train=training.TrainConfig(
            seeds=settings.all_seeds(),
            num_steps=settings.num_steps,
            batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            eval_every=max(1, settings.num_steps // 3),
            eval_size=512,
        ),
    )


def lengths_of(plan: side_by_side.Plan, values, result) -> list[dict]:
    """Scores of what each run writes of test, by the words of the source."""
    task, rows = values.task, []
    asked = dict(task.origin.arguments)
    languages = asked["source"], asked["target"]
    pairs = translating.read(asked["dataset"], None, None).pairs(*languages)
    panel = "without attention" if values.model.look is None else "with attention"
    for run in result.runs:
        given = task.vocabulary, values.model, run.params, task.splits["test"]
        written = translating.write(*given, models.greedy())
        for row in translation_scores.by_length(pairs, written, languages[1]):
            if row["what"] == translation_scores.NETWORK:
                row["what"] = plan.labels["label"]
            rows.append({"panel": panel, **row, "seed": run.seed})
    return rows


SETTINGS = (
    AttentionConfig(),
    runtime.RunConfig(),
)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
