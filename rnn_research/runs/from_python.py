"""The model and the task of a training from Python, as calls in its config.json.

A command's settings name both. `runs.train` is given values, so their calls are noted:

    calls = noted(trainer)          {"model": "model(gru(128), ...)", "task": ...}
    model, task = read(folder, calls, allow)
"""

import pathlib

import jax.numpy as jnp

from rnn_research import errors, models, texts
from rnn_research.models import named
from rnn_research.resolve import resolve
from rnn_research.tasks.base import Task


def noted(trainer) -> dict:
    """The calls, as texts; None where none can be written. And the precision."""
    return {
        "model": _text(trainer.model),
        "task": _text(trainer.task),
        "precision": str(jnp.zeros(()).dtype),
    }


def _text(value) -> str | None:
    try:
        return named.text_of(value)
    except errors.UsageError:
        return None


def read(
    folder: pathlib.Path, calls: dict | None, allow: tuple[str, ...]
) -> tuple[models.Model, Task]:
    """The model and the task that `noted` has written.

    Raises:
      errors.UsageError: a call was not noted, is no call, or needs a file that is not
        allowed; or the precision was another.
    """
    if not isinstance(calls, dict):
        raise errors.UsageError(
            f"{folder}/config.json does not say which model was trained; it is damaged "
            "or of another version: train again in another folder"
        )
    for kind in ("model", "task"):
        if not isinstance(calls.get(kind), str):
            raise errors.UsageError(
                f"{folder}: its {kind} cannot be made again, since a function without "
                "a decorator, or none in a file, made it; hand on the result of the "
                "training by models.save"
            )
    now = str(jnp.zeros(()).dtype)
    if (was := calls.get("precision")) != now:
        raise errors.UsageError(
            f"{folder} was trained in {was}, and this is {now}; set jax_enable_x64 "
            "with jax.config.update"
        )
    try:
        for kind in ("model", "task"):
            texts.check_read(calls[kind], allow)
        return named.resolve_model(calls["model"]), resolve("task", calls["task"])
    except errors.UsageError as error:
        raise errors.UsageError(f"{folder}/config.json: {error}") from None
