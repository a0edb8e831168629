"""Whether a folder holds the same run: its settings, its values, their code."""

import hashlib
import json
import os

from rnn_research import errors, identity
from rnn_research.tasks import rows

# Written to config.json but never compared: a run may resume on another machine.
NOT_COMPARED = frozenset(
    {
        "allocator",
        "calls",  # what they make is compared
        "compilation_cache",
        "machine",
        "num_devices",
        "platform",
        "provenance",  # the data themselves are compared
    }
)
FOLLOWS = frozenset({"model", "update", "code"})  # from the other settings, mostly
SHOWN = 5  # settings in a message
EXCERPT = 60  # characters of one of them
TO_RESUME = (
    "to resume, give the saved settings and code; to begin another run, another "
    "--workdir"
)


def describe(trainer) -> dict:
    """What a training computes, so that any process can tell it from another.

    Raises:
      errors.UsageError: something in it has no identity.
    """
    model, task, engine = trainer.model, trainer.task, trainer.engine
    try:
        return {
            "data": {name: rows.fingerprint(own) for name, own in task.splits.items()},
            "provenance": [each._asdict() for each in task.provenance],
            "task": identity.text(task),
            "model": identity.text(model),
            "engine": identity.text(engine),
            "update": identity.text(trainer.parts),
            "code": identity.code(model, task, engine, *trainer.parts),
        }
    except errors.UsageError as error:
        raise errors.UsageError(
            f"the training could not be told from another in its folder: {error}, or "
            "give no workdir"
        ) from None


def plain(settings: dict) -> dict:
    """The settings as JSON gives them back."""
    return json.loads(json.dumps(settings))


def digest(settings: dict) -> str:
    """The hash of all settings of config.json but those of the machine."""
    compared = {k: v for k, v in settings.items() if k not in NOT_COMPARED}
    return hashlib.sha256(json.dumps(compared, sort_keys=True).encode()).hexdigest()


def compare(saved: dict | None, settings: dict, free, what, advice: str):
    """Raise errors.UsageError unless the settings are those that were saved.

    Args:
      saved: with the run; None if it noted none.
      free: names of those that may differ.
      what: holds the run.
      advice: what to do, for the message.
    """
    if saved is None or not isinstance(saved.get("code"), dict):
        raise errors.UsageError(
            f"{what} was made by an earlier version of this code; {advice}"
        )
    names = sorted((saved.keys() | settings.keys()) - free)
    names = [name for name in names if saved.get(name) != settings.get(name)]
    if not names:
        return
    told = [name for name in names if name not in FOLLOWS]
    told = told or [name for name in names if name != "code"]
    if not told:
        was, now = saved["code"], settings["code"]
        edited = [n for n in sorted(was | now) if was.get(n) != now.get(n)]
        raise errors.UsageError(
            f"{what} holds a run with other code of {_listed(edited)}, edited since; "
            f"{advice}"
        )
    unknown = [name for name in told if not (name in saved and name in settings)]
    if unknown:
        raise errors.UsageError(
            f"{what} was made by another version of this code, which differs in "
            f"{_listed(unknown)}; {advice}"
        )
    pairs = [_texts(saved.get(name), settings.get(name)) for name in told]
    was = _listed([f"{name}={a}" for name, (a, _) in zip(told, pairs, strict=True)])
    now = _listed([b for _, b in pairs])
    raise errors.UsageError(f"{what} holds a run with {was}, not {now}; {advice}")


def _listed(words: list[str]) -> str:
    more = len(words) - SHOWN
    return ", ".join(words[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _texts(*given) -> list[str]:
    """Settings as they are given by flags; of long ones, from where they differ."""
    texts = [
        ",".join(map(str, each)) if isinstance(each, list) else str(each)
        for each in given
    ]
    begin = max(0, len(os.path.commonprefix(texts)) - EXCERPT // 2)
    return [
        text
        if len(text) <= EXCERPT
        else "…" * (begin > 0)
        + text[begin : begin + EXCERPT]
        + "…" * (len(text) > begin + EXCERPT)
        for text in texts
    ]
