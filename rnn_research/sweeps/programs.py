"""The programs of a sweep: their settings, read without running them."""

import dataclasses
import functools
import importlib
import importlib.util
import json
import types
from typing import Any

from rnn_research import commands, config, errors

OWN = "experiments."  # where a name without a dot is looked for first
GIVEN_BY_THE_SWEEP = {"workdir": "each run has its own folder in the sweep's"}


@functools.cache
def module(experiment: str) -> str:
    """The module that `python -m` runs.

    Raises:
      errors.UsageError: there is none, or it does not say its settings.
    """
    ours = [path.stem for path in commands.FOLDER.glob("[!_]*.py")]
    name = OWN + experiment if experiment in ours else experiment
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        found = None
    if found is None:
        raise errors.UsageError(
            f"there is no experiment {errors.shown(experiment)}"
            f"{errors.nearest(experiment, ours)}"
        )
    return name


@functools.cache
def settings(experiment: str) -> tuple[config.Settings, ...]:
    """The settings of an experiment, with its defaults; raises as `module`."""
    name = module(experiment)
    try:
        loaded: types.ModuleType = importlib.import_module(name)
    except Exception as error:
        raise errors.UsageError(
            f"{experiment} does not import: {errors.one_line(error)}"
        ) from error
    found = vars(loaded).get("SETTINGS")
    if not found or not all(isinstance(each, config.Settings) for each in found):
        raise errors.UsageError(
            f"{experiment} has no SETTINGS, a tuple of its settings as "
            "experiments/adding_problem.py has; a sweep could not check its runs"
        )
    if "workdir" not in fields(found):
        raise errors.UsageError(
            f"{experiment} has no --workdir, so it leaves nothing that a sweep could "
            "keep"
        )
    return tuple(found)


def usual(experiment: str) -> dict[str, Any]:
    """The settings of an experiment that is given none."""
    return fields(settings(experiment))


def fields(groups) -> dict[str, Any]:
    """{name of the setting: value} of all groups."""
    return {
        field.name: getattr(group, field.name)
        for group in groups
        for field in dataclasses.fields(group)
    }


def parsed(experiment: str, given: dict) -> tuple[config.Settings, ...]:
    """The settings of the experiment with those that are given.

    Raises:
      errors.UsageError: one is not known, is of another type or out of range.
    """
    for name in given:
        if name in GIVEN_BY_THE_SWEEP:
            raise errors.UsageError(f"leave {name} out: {GIVEN_BY_THE_SWEEP[name]}")
        if name == "config":
            raise errors.UsageError("leave config out, and give its settings")
    return config.parse(config.as_flags(given), *settings(experiment))


def changed(experiment: str, groups) -> dict:
    """The settings that are not the program's defaults, as JSON gives them back."""
    now, default = fields(groups), usual(experiment)
    own = {name: now[name] for name in sorted(now) if now[name] != default[name]}
    return json.loads(json.dumps(own))
