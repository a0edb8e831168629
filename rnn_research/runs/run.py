"""From settings to a trained run with its folder: what every training program does."""

import hashlib
import json
import pathlib
import re

from rnn_research import models, processes, runtime, training, waiting
from rnn_research.runs import figures, loading, same_run
from rnn_research.runs.keeper import InFolder
from rnn_research.runs.settings import (
    FolderConfig,
    OptimizerConfig,
    TaskConfig,
    as_dict,
)
from rnn_research.training import results
from rnn_research.training.settings import CANNOT_CHANGE_THE_PAST


def run(
    experiment: str,
    model_config: models.ModelConfig,
    task_config: TaskConfig,
    train_config: training.TrainConfig,
    optimizer_config: OptimizerConfig,
    folder_config: FolderConfig,
    run_config: runtime.RunConfig,
    together: runtime.ProcessConfig = runtime.ALONE,
) -> tuple[loading.Resolved, training.Result]:
    """Train as the settings say, draw the figures if asked to, say how it ended.

    The folder of the run holds config.json, metrics.jsonl, summary.json, TensorBoard
    events, checkpoints/, and, unless `folder_config` says no, the figures of
    `figures.draw` in plots/ and artefacts.json, which says what is seen in each.

    Returns:
      What the settings name, and the result.
    """
    runtime.start(
        run_config,
        batch_size=train_config.batch_size,
        hidden_size=model_config.hidden_size,
        num_runs=len(train_config.all_runs()),
        num_devices=train_config.num_devices,
        together=together,
    )
    with waiting.doing("reading data"):
        values = loading.resolved(model_config, task_config, optimizer_config)
    settings = as_dict(model_config, task_config, optimizer_config, run_config)
    folder = pathlib.Path(
        folder_config.workdir
        or _default_folder(experiment, settings | train_config.resolved())
    )
    waiting.say(f"{values.cell} on {values.task}\nrun folder: {folder}")
    result = training.train(
        values.model,
        values.task,
        train_config,
        keeper=InFolder(folder, settings),
        **values.options,
    )
    if processes.index() > 0:
        return values, result
    if folder_config.figures:
        with waiting.doing("measuring gradients and drawing figures"):
            figures.draw(values.cell, values.model, values.task, result, folder)
    for line in results.ending(result.summary):
        waiting.say(waiting.folded(line))
    if folder_config.figures:
        waiting.say(f"figures: {folder / 'plots'}")
    return values, result


NAMED = 80  # letters of a cell in a folder's name; file systems allow 255 in all


def _default_folder(experiment: str, settings: dict) -> pathlib.Path:
    """`runs/adding_problem/gru-h128-T200-seed0-1a2b3c`: one folder for one setting."""
    free = CANNOT_CHANGE_THE_PAST | same_run.NOT_COMPARED | {"on_nan"}
    shaping = {name: value for name, value in settings.items() if name not in free}
    digest = hashlib.sha256(json.dumps(shaping, sort_keys=True).encode()).hexdigest()
    cell = re.sub(r"[^A-Za-z0-9._=]", "-", settings["cell"])[:NAMED].strip("-")
    length = f"-T{settings['length']}" if settings["length"] else ""
    name = (
        f"{cell}-h{settings['hidden_size']}{length}"
        f"-seed{_seeds_text(settings['seeds'])}-{digest[:6]}"
    )
    return pathlib.Path("runs") / experiment / name


def _seeds_text(seeds: list[int]) -> str:
    """`0`, `s0-4` for a range, `s1+2+5`, for a folder's name."""
    first, last = seeds[0], seeds[-1]
    if len(seeds) == 1:
        return str(first)
    if seeds == list(range(first, last + 1)):
        return f"s{first}-{last}"
    return "s" + ("+".join(map(str, seeds)) if len(seeds) < 9 else f"{len(seeds)}")
