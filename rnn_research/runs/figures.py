"""The figures of a training, in the folder of its run."""

import pathlib

import jax

from rnn_research import diagnostics, errors, plotting
from rnn_research.diagnostics import table
from rnn_research.runs.artefacts import LINK, PICTURE, declared
from rnn_research.training import Result
from rnn_research.training.while_learning import sequences


def draw(cell, model, task, result: Result, folder: pathlib.Path):
    """plots/learning_curve.png; where the model has a recurrence, plots/gradients.png.

    Each other metric with references has a curve of its own, such as accuracy.png. The
    gradient is the gradient by lag before and after training. With --diagnose_every
    also gradients_during_training.png, of the first run.
    """
    recorded = result.runs[0].metrics[0]  # evaluators have nothing to say until the end
    others = [each for each in task.references if each in recorded and each != "loss"]
    for metric in ("loss", *others):
        is_loss = metric == "loss"
        plotting.learning_curve(
            [row for run in result.runs for row in run.metrics],
            declared(
                folder,
                f"plots/{'learning_curve' if is_loss else metric}.png",
                LINK if is_loss else PICTURE,  # a report draws the loss itself
                f"{metric.replace('_', ' ').capitalize()} on validation against "
                "updates, a line per run; dashed: what needs no network."
                + " Grey, of one run: the loss in training."
                * is_loss,
            ),
            metric=metric,
            references=task.references.get(metric, {}) | task.limits.get(metric, {}),
            goal=result.summary["goal"] if is_loss else None,
            title=f"{task.name}, T = {task.length}, {cell}",
        )
    if result.summary["engines"]:
        try:
            _draw_gradients(model, task, result, folder)
        except errors.UsageError as error:  # after hours of training no reason to end
            print(f"no figure of gradients: {error}")
    watched = [row for row in result.metrics if "diagnostics" in row]
    if watched:
        plotting.gradients_during_training(
            watched,
            declared(
                folder,
                "plots/gradients_during_training.png",
                LINK,
                "The gradient by lag at each update that was watched, and the loss.",
            ),
            baseline=task.baseline,
            title=f"{cell}, {task.name}, T = {task.length}, seed {watched[0]['seed']}",
        )


def _draw_gradients(model, task, result: Result, folder: pathlib.Path):
    count = sequences(task.length)

    @jax.jit
    def measure(params, batch):
        norms = diagnostics.model_log_norms(model, params, task, batch)
        setups = diagnostics.recurrences(model, params, batch)
        return norms, setups[-1].inputs.mask

    rates = list(dict.fromkeys(run.learning_rate for run in result.runs))
    first = [run for run in result.runs if run.learning_rate == rates[0]]
    weights = [("before training", run.seed, run.initial_params) for run in first]
    for run in result.runs:
        rate = f", rate {run.learning_rate:g}" if len(rates) > 1 else ""
        weights.append((f"after training{rate}", run.seed, run.params))
    rows = []
    for label, seed, params in weights:
        labels = {"label": label, "seed": seed, "length": task.length}
        batch = task.sample(jax.random.key(seed), count)
        rows += table.gradient_rows(*measure(params, batch), **labels)
    caption = "The gradient by lag, before and after training."
    plotting.gradient_decay(
        rows, declared(folder, "plots/gradients.png", LINK, caption)
    )
