"""What does attention do better than a recurrence, and what does it cost?

    python -m experiments.attention_beside
    python -m experiments.attention_beside --cells='gru,rwkv7,transformer(window={T})'

Trains recurrent networks and a transformer, for the same number of updates, to copy ten
symbols after 20 to 180 steps, and to predict the characters of Python's manual from
windows of 30 to 240 characters, with the context of the window before. A recurrence has
a state of one size to remember with. Attention has every step that it reads, and its
time and memory grow with the square of their number.

Writes attention_beside.csv and attention_beside.png: how much better than the best
baseline each came to, the time of an update and the memory of a gradient, against the
length. The same command goes on where it was stopped. RESULT
"""

import dataclasses
import pathlib

from rnn_research import config, models, plotting, runs, runtime, training
from rnn_research.diagnostics import table
from rnn_research.resolve import resolve
from rnn_research.runs import side_by_side
from rnn_research.runs.side_by_side import STEPS


@dataclasses.dataclass(frozen=True)
class AttentionConfig(config.Seeds):
    """Attention beside:"""

    cells: tuple[str, ...] = config.setting(
        ("gru", "lstm", "lru", f"transformer(window={STEPS})"),
        "cells and layers to compare, as for --cell; "
        f"{STEPS} is the length of the inputs",
        names="cells",
    )
    delays: tuple[int, ...] = config.setting(
        (20, 60, 180), "delays of the copy problem", low=1
    )
    windows: tuple[int, ...] = config.setting(
        (30, 80, 240), "characters in a window", low=2
    )
    hidden_size: int = config.setting(64, "units of each", low=1)
    num_steps: int = config.setting(300, "updates of each", low=1)
    batch_size: int = config.setting(32, "sequences in an update", low=1)
    learning_rate: float = config.setting(3e-3, "of all", above=0)
    workdir: str = config.setting("runs/attention_beside", "folder of it all")


def main(settings: AttentionConfig, run_config: runtime.RunConfig):
    folder = pathlib.Path(settings.workdir)
    rows = side_by_side.rows("attention_beside", plans(settings), folder, run_config)
    table.write_csv(rows, folder / "attention_beside.csv", columns=tuple(rows[0]))
    plotting.attention_beside(rows, folder / "attention_beside.png")
    print(f"table:  {folder / 'attention_beside.csv'}")
    print(f"figure: {folder / 'attention_beside.png'}")


def plans(settings: AttentionConfig) -> list[side_by_side.Plan]:
    """A training for each task, length and cell."""
    asked = [("copy_memory", length) for length in settings.delays]
    asked += [("characters", length) for length in settings.windows]
    return [
        plan(task, length, cell, settings)
        for task, length in asked
        for cell in settings.cells
    ]


def plan(task: str, length: int, cell: str, settings) -> side_by_side.Plan:
    steps = resolve("task", task, length=length).length
    return side_by_side.Plan(
        labels={
            "label": side_by_side.label(cell),
            "asked": f"{task} {length}",
        },
        model=models.ModelConfig(
            cell=side_by_side.of_length(cell, steps), hidden_size=settings.hidden_size
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


if __name__ == "__main__":
    config.run(main, AttentionConfig(), runtime.RunConfig())
