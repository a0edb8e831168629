"""Several trainings one after the other, each in its folder, and one table of them."""

import functools
import pathlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax

from rnn_research import errors, models, processes, runtime, training, waiting
from rnn_research.layers import Call
from rnn_research.models import fit
from rnn_research.runs import loading, run, run_folder
from rnn_research.runs.settings import FolderConfig, OptimizerConfig, TaskConfig


class Plan(NamedTuple):
    """A training, by its settings.

    Attributes:
      labels: what its rows are told from others by.
      metric: what is compared; None for what the best weights are chosen by.
      larger_is_better: of the metric, where it is given.
    """

    labels: dict[str, str]
    model: models.ModelConfig
    task: TaskConfig
    train: training.TrainConfig
    optimizer: OptimizerConfig = OptimizerConfig()
    metric: str | None = None
    larger_is_better: bool = False


def rows(
    name: str, plans: list[Plan], folder: pathlib.Path, run_config: runtime.RunConfig
) -> list[dict]:
    """A row a run, as `rows_of`; of each training that `trained` gives."""
    found = trained(name, plans, folder, run_config)
    return [row for each in found for row in rows_of(*each)]


def _always(plan: Plan) -> bool:
    del plan
    return True


def trained(
    name: str,
    plans: list[Plan],
    folder: pathlib.Path,
    run_config: runtime.RunConfig,
    *,
    wanted: Callable[[Plan], bool] = _always,
) -> Iterator[tuple[Plan, loading.Resolved, training.Result]]:
    """Each training, once it has ended. All is checked before the first begins.

    The same call resumes where it was stopped; finished trainings are read back.
    One that diverged is skipped with a message. Process 0 alone is given them.

    Args:
      wanted: asked when the turn of a plan comes; one that is not is left out.
    """
    run_folder.check(folder)
    runtime.start(
        run_config,
        batch_size=max(plan.train.batch_size for plan in plans),
        hidden_size=max(plan.model.hidden_size for plan in plans),
    )
    for plan in plans:
        _check(plan)
    ends = []
    with waiting.bar(len(plans)) as bar:
        for number, plan in enumerate(plans):
            bar.update(number, ", ".join(plan.labels.values()))
            if not wanted(plan):
                continue
            own = folder / "-".join(map(run_folder.named, plan.labels.values()))
            settings = plan.model, plan.task, plan.train, plan.optimizer
            given = *settings, FolderConfig(str(own)), run_config
            try:
                values, result = run.run(name, *given)
            except errors.Diverged as error:  # a result as well
                waiting.say(f"{plan.labels}: {error}")
                continue
            if processes.index() == 0:
                ends += _ends(plan, values.task, result)
                yield plan, values, result
    if len(ends) > 1:
        columns = *plans[0].labels, "seed", "outcome", "updates", "metric", "value"
        print(waiting.table((*columns, "seconds"), ends))


def _ends(plan: Plan, task, result: training.Result) -> list[tuple]:
    """How each run has ended, for the table at the end."""
    seconds = result.summary["seconds"]["run"] / len(result.runs)
    return [
        (
            *(*plan.labels.values(), own.seed, own.summary["outcome"]),
            *(own.summary["steps"], task.monitor, own.summary["test"][task.monitor]),
            seconds,
        )
        for own in result.runs
    ]


STEPS = "{T}"  # in a cell's options: the steps of the inputs


def of_length(cell: str, steps: int) -> str:
    """The text of a cell with the number of steps in its options."""
    return cell.replace(STEPS, str(steps))


def label(cell: str) -> str:
    """The text of a cell without a window of the length of the inputs."""
    return cell.replace(f"(window={STEPS})", "")


def _check(plan: Plan):
    """Raise what does not fit together."""
    values = loading.resolved(plan.model, plan.task, plan.optimizer)
    fit.check_fit(values.model, values.task, values.options["engine"])


def rows_of(
    plan: Plan, values: loading.Resolved, result: training.Result
) -> list[dict]:
    """A row a run: what it came to, and what that cost.

    Columns: the labels, cell, task, length, seed, outcome, updates, loss (of test),
    metric and value (the plan's, of test), best reference of it and its name, seconds
    (of compute, evaluations included), parameters and gradient_mb (temporary memory of
    a compiled gradient).
    """
    task, summary = values.task, result.summary
    metric, is_larger = plan.metric, plan.larger_is_better
    if metric is None:
        metric, is_larger = task.monitor, task.larger_is_better
    best = max if is_larger else min
    references = task.references.get(metric, {})
    reference = best(references, key=references.get) if references else ""
    memory = gradient_bytes(values.model, task, plan.train.batch_size)
    return [
        {
            **plan.labels,
            "cell": plan.model.cell,
            "task": task.name,
            "length": task.length,
            "seed": own.seed,
            "outcome": own.summary["outcome"],
            "updates": own.summary["steps"],
            "loss": own.summary["test"]["loss"],
            "metric": metric,
            "value": own.summary["test"][metric],
            "reference": references.get(reference, ""),
            "reference_name": reference,
            "seconds": summary["seconds"]["run"] / len(result.runs),
            "parameters": summary["parameters"],
            "gradient_mb": memory / 2**20,
        }
        for own in result.runs
    ]


def gradient_bytes(model, task, batch_size: int) -> int:
    """Temporary memory of the compiled gradient of a batch, at the engine of `auto`."""
    compiled = compiled_gradient(model, task, batch_size)
    return compiled.memory_analysis().temp_size_in_bytes


@functools.lru_cache(maxsize=1)  # whoever asks for the memory may ask for the time
def compiled_gradient(model, task, batch_size: int):
    """The compiled program (params, batch) -> gradient, at the engine of `auto`."""

    def gradient(params, batch):
        def loss(params):
            call = Call(mask=batch.mask, reset=batch.reset)
            outputs = model.outputs(params, batch.inputs, call)
            return task.loss(outputs, batch)

        return jax.grad(loss)(params)

    params = jax.eval_shape(model.init, jax.random.key(0))
    batch = jax.eval_shape(functools.partial(fit.like_batch, task, batch_size))
    return jax.jit(gradient).lower(params, batch).compile()
