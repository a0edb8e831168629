"""What helps a network against gradients that vanish or explode?

    python -m experiments.remedies --cells=elman,lstm --num_seeds=3
    python -m experiments.remedies --cells='lstm,lstm(forget_bias=chrono(t_max=100))' \
        --remedies=none,clip,penalties=omega(weight=4)+grad_clip=0.5

Trains every cell with every remedy on one task and measures, as it learns, the gradient
by lag, the memory horizon, saturation and spectral radius. A remedy is a name of the
list below, or settings of its own, `setting=value` joined by `+`. Initialisation is a
matter of the cell: irnn, lstm(forget_bias=...), elman(recurrent=normal(gain=0.9)).
A remedy that does not fit a cell is left out, which is said.

Each training has a folder of its own below --workdir, as of adding_problem, and the
same command goes on where it was stopped. Writes remedies.csv (a row for each training
and seed), remedies.png (where each came to) and course.png (how).
"""

import dataclasses
import json
import math
import pathlib

import jax

from rnn_research import config, models, plotting, runtime, training, values
from rnn_research.diagnostics import table
from rnn_research.training import penalties, run, run_folder

REMEDIES = {
    "none": ("grad_clip=0",),
    "clip": ("grad_clip=1",),
    "clip_value": ("grad_clip=0", "clip_value=0.1"),
    "skip": ("grad_clip=0", "on_nan=skip"),
    "omega": ("grad_clip=1", "penalties=omega"),
    "flossing": ("grad_clip=1", "penalties=flossing(count=4)"),
    "spectral_radius": ("grad_clip=1", "penalties=spectral_radius"),
    "orthogonality": ("grad_clip=1", "penalties=orthogonality(weight=0.01)"),
    "truncated": ("grad_clip=1", "engine=truncated(window=20)"),
}


@dataclasses.dataclass(frozen=True)
class RemediesConfig(config.Settings):
    """Remedies:"""

    cells: tuple[str, ...] | None = config.setting(
        None, "several cells, each with every remedy, in place of --cell"
    )
    remedies: tuple[str, ...] = config.setting(
        tuple(REMEDIES),
        f"{', '.join(REMEDIES)}; your own, 'penalties=omega(weight=4)+grad_clip=0.5'",
    )

    def __post_init__(self):
        super().__post_init__()
        config.check_distinct("cells", self.cells)
        config.check_distinct("remedies", self.remedies)


def main(*settings: config.Settings):
    sweep("remedies", *settings)


def sweep(
    name: str,
    remedies: RemediesConfig,
    model_config: models.ModelConfig,
    task_config: run.TaskConfig,
    train_config: training.TrainConfig,
    folder_config: run.FolderConfig,
    run_config: runtime.RunConfig,
):
    """Train every cell with every remedy, draw `name`.png, course.png and the table."""
    folder = pathlib.Path(folder_config.workdir or f"runs/{name}")
    run_folder.make(folder)
    cells = remedies.cells or (model_config.cell,)
    planned = [
        (cell, remedy, *treated(cell, remedy, model_config, train_config))
        for cell in cells
        for remedy in remedies.remedies
    ]
    task = run.resolve_task(task_config.task, task_config.length)
    fitting = [plan for plan in planned if fits(*plan, task)]  # all are looked at first
    if not fitting:
        raise values.UsageError("--remedies: none fits a cell of these on this task")
    rows, course = [], []
    for cell, remedy, own_model, own_train in fitting:
        own_folder = folder / folder_name(f"{cell}-{remedy}")
        try:
            run.run(
                name,
                own_model,
                task_config,
                own_train,
                run.FolderConfig(workdir=str(own_folder)),
                run_config,
            )
        except values.Diverged as error:  # that is what some remedies are against
            print(error)
        labels = {"cell": cell, "remedy": remedy, "length": task.length}
        metrics = [labels | row for row in read_metrics(own_folder)]
        course += metrics
        rows += ends_of(labels, own_train, metrics, own_folder)
    path = folder / f"{name}.csv"
    table.write_csv(rows, path, columns=tuple(rows[0]))
    title = f"{task.name}, T = {task.length}"
    baseline = {"baseline": task.baseline, "title": title}
    plotting.remedies(rows, folder / f"{name}.png", **baseline)
    if course:
        plotting.training_course(course, folder / "course.png", **baseline)
    print(f"table:   {path}\nfigures: {folder / name}.png, {folder / 'course.png'}")


def treated(cell, remedy, model_config, train_config):
    """The settings of the model and the training with what the remedy says."""
    flags = REMEDIES.get(remedy) or remedy.split("+")
    if not all("=" in flag for flag in flags):
        raise values.UsageError(
            f"--remedies: unknown remedy {remedy!r}"
            f"{values.nearest(remedy, list(REMEDIES))} (known: {', '.join(REMEDIES)}; "
            "your own: setting=value)"
        )
    model_config = dataclasses.replace(model_config, cell=cell)
    try:
        return config.parse(
            [f"--{flag.strip()}" for flag in flags], model_config, train_config
        )
    except values.UsageError as error:
        raise values.UsageError(f"remedy {remedy}: {error}") from None


def fits(cell, remedy, model_config, train_config, task) -> bool:
    """Whether the penalties have a meaning for the cell; says why not.

    Raises:
      values.UsageError: the cell, the engine or a penalty is not known.
    """
    own = models.resolve_cell(cell, model_config.hidden_size)
    models.resolve_engine(model_config.engine)
    terms = penalties.resolve(train_config.penalties or ())
    model = models.build(own, task, model_config)

    def values_of(key):
        params, batch = model.init(key), task.sample(key, 1)
        return [term.value(model, params, task, batch) for term in terms]

    try:
        jax.eval_shape(values_of, jax.random.key(0))
    except values.UsageError as error:
        print(f"{cell}, {remedy}: left out, {error}", flush=True)
        return False
    return True


def folder_name(text: str) -> str:
    return "".join(c if c.isalnum() or c in "._=-" else "-" for c in text).strip("-")


def read_metrics(folder: pathlib.Path) -> list[dict]:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def ends_of(labels: dict, train_config, metrics: list[dict], folder) -> list[dict]:
    """A row for each run: how it ended, and what was measured last."""
    summary = run_folder.read_json(folder / "summary.json")
    ended = {(own["seed"], own["learning_rate"]): own for own in summary["runs"]}
    rows = []
    for seed, rate in train_config.all_runs():
        own = [r for r in metrics if (r["seed"], r["learning_rate"]) == (seed, rate)]
        watched = [row["diagnostics"] for row in own if "diagnostics" in row]
        last = watched[-1] if watched else {}
        end = ended[seed, rate]
        norms = [row["largest_grad_norm"] for row in own]
        norms.append(end["largest_grad_norm"])  # since the last of these
        losses = [row["loss"] for row in own]
        rows.append(
            {
                **labels,
                "seed": seed,
                "learning_rate": rate,
                "outcome": end["outcome"],
                "updates": end["steps"],
                "loss": end["test"]["loss"],
                "least_loss": min(losses, default=math.nan),
                "horizon": _or_infinite(last["horizon"]) if "horizon" in last else None,
                "saturated": last.get("saturated"),
                "spectral_radius": last.get("spectral_radius"),
                "largest_grad_norm": max(_or_infinite(norm) for norm in norms),
            }
        )
    return rows


def _or_infinite(value: float | None) -> float:
    """A number of metrics.jsonl, where None stands for infinity."""
    return math.inf if value is None else value


if __name__ == "__main__":
    config.run(
        main,
        RemediesConfig(),
        models.ModelConfig(cell="elman", hidden_size=64),
        run.TaskConfig(task="adding", length=100),
        training.TrainConfig(num_steps=2000, diagnose_every=100),
        run.FolderConfig(),
        runtime.RunConfig(),
    )
