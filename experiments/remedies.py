r"""What helps a network against gradients that vanish or explode?

    python -m experiments.remedies --cells=elman,lstm --num_seeds=3
    python -m experiments.remedies --cells='lstm,lstm(forget_bias=chrono(t_max=100))' \
        --remedies='none,clip,penalties=omega(weight=4)+grad_clip=0.5'

Trains every cell with every remedy on one task and measures, as it learns, the gradient
by lag, the memory horizon, saturation and spectral radius. A remedy is a name of the
list below, or settings of its own, `setting=value` joined by `+`, where `cell.` stands
before an option of the cell: `cell.forget_bias=3`, `cell.recurrent=normal(gain=0.9)`.
A remedy that does not fit a cell is left out, which is said; so is `skip`, unless asked
for, which is `none` as long as all gradients are finite.

A sweep (`experiments.sweep`): each training is a process with a folder of its own below
--workdir, and the same command goes on where it was stopped. Writes remedies.csv (a row
for each training and seed), gradients.csv (the gradient by lag where each came to),
their figures remedies.png and gradients.png, and course.png (how it went).
"""

import dataclasses
import math
import pathlib

import jax
import numpy as np

from rnn_research import (
    config,
    errors,
    files,
    models,
    plotting,
    runs,
    runtime,
    spelling,
    texts,
    training,
    waiting,
)
from rnn_research.diagnostics import table
from rnn_research.resolve import resolve, resolve_penalties
from rnn_research.runs.metrics import read as read_metrics
from rnn_research.sweeps import programs, settings, sweep

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
    "identity": ("grad_clip=1", "cell.recurrent=identity"),
    "chrono": ("grad_clip=1", "cell.forget_bias=chrono(t_max={T})"),
}
DEFAULT = tuple(name for name in REMEDIES if name != "skip")


@dataclasses.dataclass(frozen=True)
class RemediesConfig(config.Settings):
    """Remedies:"""

    cells: tuple[str, ...] | None = config.setting(
        None, "several cells, each with every remedy, in place of --cell", names="cells"
    )
    remedies: tuple[str, ...] = config.setting(
        DEFAULT,
        f"{', '.join(REMEDIES)}; your own, 'penalties=omega(weight=4)+grad_clip=0.5'",
    )


def main(*of_all: config.Settings):
    cross("remedies", *of_all)


def cross(
    name: str,
    remedies: RemediesConfig,
    how: settings.SweepConfig,
    model_config: models.ModelConfig,
    task_config: runs.TaskConfig,
    train_config: training.TrainConfig,
    optimizer_config: runs.OptimizerConfig,
    run_config: runtime.RunConfig,
):
    """Train every cell with every remedy, draw `name`.png, course.png and the table."""
    folder = pathlib.Path(how.workdir or f"runs/{name}")
    cells = remedies.cells or (model_config.cell,)
    length = task_config.length
    learning = model_config, train_config, optimizer_config
    planned = [
        (cell, remedy, *treated(cell, remedy, length, *learning))
        for cell in cells
        for remedy in remedies.remedies
    ]
    task = resolve("task", task_config.task, length=task_config.length)
    fitting = [plan for plan in planned if fits(*plan, task)]  # all are looked at first
    if not fitting:
        raise errors.UsageError("--remedies: none fits a cell of these on this task")
    content = [
        ("train", programs.changed("train", (*own, task_config, run_config)))
        for _, _, *own in fitting
    ]
    swept = sweep.carried_out(content, name, how)
    rows, course, gradients = [], [], []
    done = swept.folders()
    for (cell, remedy, _, own_train, _), own_folder in zip(fitting, done, strict=True):
        if own_folder is None:
            continue
        labels = {"cell": cell, "remedy": remedy, "length": task.length}
        metrics = [labels | row for row in read_metrics(own_folder)]
        course += metrics
        rows += ends_of(labels, own_train, metrics, own_folder)
        gradients += gradients_of(labels, own_train, metrics)
    if rows:
        write(name, folder, task, rows, course, gradients)
    swept.check()


def write(name: str, folder, task, rows, course, gradients):
    """The tables and the figures."""
    columns = "cell", "remedy", "seed", "learning_rate", "outcome", "updates", "loss"
    print(waiting.table(columns, [tuple(row[c] for c in columns) for row in rows]))
    path = folder / f"{name}.csv"
    table.write_csv(rows, path, columns=tuple(rows[0]))
    title = f"{task.name}, T = {task.length}"
    baseline = {"baseline": task.baseline, "title": title}
    plotting.remedies(rows, folder / f"{name}.png", **baseline)
    if gradients:
        by_lag = folder / "gradients.csv"
        table.write_csv(gradients, by_lag, columns=tuple(gradients[0]))
        plotting.remedy_gradients(gradients, folder / "gradients.png", title=title)
    if course:
        plotting.training_course(course, folder / "course.png", **baseline)
    print(f"table:   {path}\nfigures: {folder}")


def treated(cell, remedy, length, model_config, train_config, optimizer_config):
    """The settings of model, training and optimizer with what the remedy says."""
    known = [flag.format(T=length) for flag in REMEDIES.get(remedy, ())]
    flags = [flag.strip() for flag in known or remedy.split("+")]
    if not all("=" in flag for flag in flags):
        raise errors.UsageError(
            f"--remedies: unknown remedy {errors.shown(remedy)}"
            f"{errors.nearest(remedy, list(REMEDIES))} (known: {', '.join(REMEDIES)}; "
            "your own: setting=value)"
        )
    options = [flag for flag in flags if flag.startswith(OF_CELL)]
    changed = with_options(cell, [flag.removeprefix(OF_CELL) for flag in options])
    model_config = dataclasses.replace(model_config, cell=changed)
    others = [f"--{flag}" for flag in flags if flag not in options]
    try:
        return config.parse(others, model_config, train_config, optimizer_config)
    except errors.UsageError as error:
        raise errors.UsageError(f"remedy {remedy}: {error}") from None


OF_CELL = "cell."


def with_options(cell: str, options: list[str]) -> str:
    """`gru(reset=before)` with more in its brackets, in place of what is there."""
    if not options:
        return cell
    call = texts.parse_call(cell)
    more = texts.parse_call(f"cell({', '.join(options)})")
    chosen = dict(call.options) | dict(more.options)
    return str(dataclasses.replace(call, options=tuple(chosen.items())))


def fits(cell, remedy, model_config, train_config, optimizer_config, task) -> bool:
    """Whether the cell has the options and the penalties a meaning; says why not.

    Raises:
      errors.UsageError: the cell, the engine or a penalty is not known.
    """
    resolve("cell", cell, hidden_size=model_config.hidden_size)
    resolve("engine", model_config.engine)
    terms = resolve_penalties(optimizer_config.penalties)

    batch = task.sample(jax.random.key(0), 1)

    def values_of(key):
        params = model.init(key)
        return [term.value(model, params, task, batch) for term in terms]

    try:
        own = resolve("cell", model_config.cell, hidden_size=model_config.hidden_size)
        model = models.build(own, task, model_config)
        jax.eval_shape(values_of, jax.random.key(0))
    except errors.UsageError as error:
        print(f"{cell}, {remedy}: left out, {error}", flush=True)
        return False
    return True


def ends_of(labels: dict, train_config, metrics: list[dict], folder) -> list[dict]:
    """A row for each run: how it ended, and what was measured last."""
    summary = spelling.read(files.read_json(folder / "summary.json"))
    ended = {(own["seed"], own["learning_rate"]): own for own in summary["runs"]}
    rows = []
    for seed, rate in train_config.all_runs():
        own = [r for r in metrics if (r["seed"], r["learning_rate"]) == (seed, rate)]
        watched = [row["diagnostics"] for row in own if "diagnostics" in row]
        last = watched[-1] if watched else {}
        end = ended[seed, rate]
        norms = [row["largest_grad_norm"] for row in own]
        norms.append(end["largest_grad_norm"])  # since the last of these
        losses = [row["loss"] for row in own if not math.isnan(row["loss"])]
        rows.append(
            {
                **labels,
                "seed": seed,
                "learning_rate": rate,
                "outcome": end["outcome"],
                "updates": end["steps"],
                "loss": end["test"]["loss"],
                "least_loss": min(losses, default=math.nan),
                "horizon": last.get("horizon"),
                "beyond": _mean(last.get("beyond", {})),
                "gates_closed": _mean(last.get("closed", {})),
                "gates_open": _mean(last.get("open", {})),
                "spectral_radius": last.get("spectral_radius"),
                "largest_grad_norm": max(norms),
            }
        )
    return rows


def gradients_of(labels: dict, train_config, metrics: list[dict]) -> list[dict]:
    """A row for each run and lag: the gradient where it was measured last."""
    rows = []
    for seed, rate in train_config.all_runs():
        last = [
            row
            for row in metrics
            if (row["seed"], row["learning_rate"]) == (seed, rate)
            and "diagnostics" in row
        ][-1:]
        for row in last:
            found = row["diagnostics"]
            norms = np.array(found["gradient_log10"])
            relative = np.where(np.isneginf(norms), -np.inf, norms - norms[0])
            by_lag = zip(found["gradient_lags"], norms, relative, strict=True)
            for lag, norm, ratio in by_lag:
                rows.append(
                    {
                        **labels,
                        "seed": seed,
                        "learning_rate": rate,
                        "step": row["step"],
                        "lag": lag,
                        "median_log10": norm,
                        "relative_log10": ratio,
                    }
                )
    return rows


def _mean(shares: dict) -> float | None:
    """Over parts of the state, or gates; None if there are none."""
    return sum(shares.values()) / len(shares) if shares else None


SETTINGS = (
    RemediesConfig(),
    settings.SweepConfig(),
    models.ModelConfig(cell="elman", hidden_size=64),
    runs.TaskConfig(task="adding", length=100),
    training.TrainConfig(num_steps=2000, diagnose_every=100),
    runs.OptimizerConfig(),
    runtime.RunConfig(),
)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
