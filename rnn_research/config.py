"""Settings: fields of frozen dataclasses, read from the command line and files.

A setting is defined once, as a field with its default, help and range:

    @dataclasses.dataclass(frozen=True)
    class TrainConfig(config.Settings):
        batch_size: int = config.setting(50, "sequences in one update", low=1)

`run(main, TrainConfig(), ...)` turns the fields into flags and calls
`main(TrainConfig(...), ...)`. A program that wants another default passes an
instance that holds it. Order of strength: field default < instance < config file
(`--config=configs/x.py`, whose `get_config()` returns a dict of fields) < command
line. Every mistake is one line on stderr and exit code 2.
"""

import collections
import contextlib
import dataclasses
import functools
import inspect
import io
import os
import pathlib
import re
import runpy
import signal
import sys
import traceback
import types
import typing
from collections.abc import Callable, Sequence

import numpy as np
from absl import flags

from rnn_research import endings, errors, help_page, memory, processes, signatures


def setting(
    default,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    choices: Sequence[str] | None = None,
    positional: bool = False,
):
    """A dataclass field: default, help, and the range low <= x <= high, above < x.

    A number is finite, a whole one at most `LARGEST` where `high` says nothing else.
    Of a positional one, a tuple, the values can be given without its name too.
    """
    limits = {"low": low, "high": high, "above": above, "choices": choices}
    metadata = {"help": help, "positional": positional, **limits}
    return dataclasses.field(default=default, metadata=metadata)


LARGEST = 2**31 - 1  # of a count of 32 bits


class Settings:
    """Base of the settings dataclasses: checks types and ranges when made.

    Numbers of NumPy are stored as Python's own, whole ones as floats where the field
    is one, lists and arrays as tuples.
    """

    def __post_init__(self):
        for field in dataclasses.fields(self):
            checked = _checked(field, getattr(self, field.name))
            object.__setattr__(self, field.name, checked)


def _checked(field: dataclasses.Field, value):
    """The value of a field, in its type.

    Raises:
      errors.UsageError: it is of another type or out of range.
    """
    kind, is_list, optional = _kind(field)
    if value is None and optional:
        return None
    if not is_list:
        return _checked_item(field, kind, value)
    if isinstance(value, (list, range, np.ndarray)):
        value = tuple(value)
    if not isinstance(value, tuple) or not value:
        raise errors.UsageError(f"--{field.name}: give one value or more, as a tuple")
    items = tuple(_checked_item(field, kind, item) for item in value)
    twice = [item for item, count in collections.Counter(items).items() if count > 1]
    if twice:
        raise errors.UsageError(f"--{field.name}: {_text(twice[0])} is given twice")
    return items


def _checked_item(field: dataclasses.Field, kind: type, item):
    item = signatures.plain(item)
    limits, wrong = field.metadata, None
    if isinstance(item, bool) != (kind is bool) or not isinstance(
        item, (int, float) if kind is float else kind
    ):
        wrong = f"expected {_KIND_NAMES[kind]}"
    elif kind is str and not item.strip():
        wrong = "expected a text; to have the default, leave the flag out"
    elif kind in (int, float) and item != item:
        wrong = "must be a number, not NaN"
    elif limits["low"] is not None and item < limits["low"]:
        wrong = f"must be at least {limits['low']}"
    elif limits["high"] is not None and item > limits["high"]:
        wrong = f"must be at most {limits['high']}"
    elif kind is int and limits["high"] is None and item > LARGEST:
        wrong = f"must be at most {LARGEST}"
    elif kind in (int, float) and not abs(item) <= sys.float_info.max:
        wrong = "must be finite"
    elif limits["above"] is not None and item <= limits["above"]:
        wrong = f"must be greater than {limits['above']}"
    elif limits["choices"] is not None and item not in limits["choices"]:
        near = errors.nearest(item, limits["choices"])
        wrong = f"must be one of {', '.join(limits['choices'])}{near}"
    if wrong:
        raise errors.UsageError(f"--{field.name}={_text(item)}: {wrong}")
    return float(item) + 0.0 if kind is float else item  # and no -0.0


def _text(item) -> str:
    """An item of a setting for a message."""
    return errors.cut(item, 80) if isinstance(item, str) else errors.shown(item)


_KIND_NAMES = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    bool: "true or false",
}


def _kind(field: dataclasses.Field) -> tuple[type, bool, bool]:
    """The type of an item, whether the field is a tuple, whether it may be None."""
    kind, optional = field.type, False
    if isinstance(kind, types.UnionType):
        optional = True
        (kind,) = (item for item in typing.get_args(kind) if item is not types.NoneType)
    if typing.get_origin(kind) is tuple:
        return typing.get_args(kind)[0], True, optional
    return kind, False, optional


# ----------------------------------------------------------------- command line


def split_list(text: str) -> tuple[str, ...]:
    """Split at the commas that stand outside brackets: `gru,zoneout(lstm,rate=0.1)`.

    What is in quotes is no bracket and no comma; a quote that is not closed is one.
    """
    items, depth, start = [], 0, 0
    for found in re.finditer(r"'[^']*'|\"[^\"]*\"|[,()\[\]{}]", text):
        mark = found.group(0)
        depth += (mark in "([{") - (mark in ")]}")
        if mark == "," and depth == 0:
            items.append(text[start : found.start()])
            start = found.end()
    return tuple(item.strip() for item in (*items, text[start:]))


class _Parser(flags.ArgumentParser):
    def __init__(self, field: dataclasses.Field):
        self.field = field

    def parse(self, argument):
        kind, is_list, optional = _kind(self.field)
        if not isinstance(argument, str):
            return argument
        if optional and argument.lower() == "none":
            return None
        if is_list:
            items = split_list(argument)
            if not all(items) and len(items) > 1:
                raise ValueError("there is nothing between two commas")
            return tuple(self._item(kind, text) for text in items if text)
        return self._item(kind, argument)

    def _item(self, kind: type, text: str):
        try:
            if kind is bool:
                return signatures.BOOLEANS[text.lower()]
            if kind is int and "e" in text.lower():  # 1e6 is a whole number
                value = float(text)
                if value == int(value):
                    return int(value)
            return kind(text)
        except (ValueError, OverflowError, KeyError):
            raise ValueError(f"expected {_KIND_NAMES[kind]}") from None


def parse(argv: Sequence[str], *settings: Settings) -> tuple[Settings, ...]:
    """The `settings` with what `argv` (without the program name) says.

    Raises:
      errors.UsageError: unknown flag or key, stray argument, wrong type or range.
    """
    flag_values = flags.FlagValues()
    owners = {}
    for group in settings:
        for field in dataclasses.fields(group):
            if field.name in owners:
                raise TypeError(f"--{field.name} is defined twice")
            owners[field.name] = field
            default = getattr(group, field.name)
            flag = flags.Flag(
                _Parser(field),
                None,
                field.name,
                default,
                field.metadata["help"],
                boolean=_kind(field)[0] is bool,  # --flag, --noflag
            )
            flags.DEFINE_flag(flag, flag_values)
    flags.DEFINE_string("config", None, help_page.CONFIG, flag_values=flag_values)
    names = [*owners, "config"]
    for argument in argv:  # absl has flags of its own, and recurses in long names
        name = argument.lstrip("-").partition("=")[0]
        own = name in ("flagfile", "undefok") or len(name) > 100
        if argument.startswith("-") and own:
            raise errors.UsageError(f"unknown flag --{errors.cut(name, 80)}")
    try:
        stray = flag_values(["program", *argv])[1:]
    except flags.UnrecognizedFlagError as error:
        name = error.flagname
        raise errors.UsageError(
            f"unknown flag --{name}{errors.nearest(name, names, prefix='--')} "
            "(--help lists all)"
        ) from None
    except flags.IllegalFlagValueError as error:
        message = str(error).removeprefix("flag ")
        raise errors.UsageError(message) from None
    except (flags.Error, ValueError) as error:
        raise errors.UsageError(errors.one_line(error).split(": ", 1)[1]) from None
    twice = [name for name in names if flag_values[name].present > 1]
    if twice:
        raise errors.UsageError(f"--{twice[0]} is given twice")
    positional = [name for name in owners if owners[name].metadata["positional"]]
    if stray and not positional:
        raise errors.UsageError(
            f"stray argument {errors.shown(stray[0])}; settings are given as "
            "--name=value"
        )
    chosen = _read_config(flag_values["config"].value, owners)
    chosen.update(
        {name: flag_values[name].value for name in owners if flag_values[name].present}
    )
    if stray:
        (name,) = positional
        if flag_values[name].present:
            raise errors.UsageError(f"give --{name} with or without its name, not both")
        chosen[name] = tuple(stray)
    return tuple(
        dataclasses.replace(
            group,
            **{
                field.name: chosen[field.name]
                for field in dataclasses.fields(group)
                if field.name in chosen
            },
        )
        for group in settings
    )


def _read_config(path: str | None, owners: dict[str, dataclasses.Field]) -> dict:
    if path is None:
        return {}
    said = f"--config={errors.cut(path, 120)}"
    if not os.path.isfile(path):
        folder = pathlib.Path(path).parent
        there = os.path.isdir(folder)
        files = [str(other) for other in folder.glob("*.py")] if there else []
        near = errors.nearest(path, files)
        raise errors.UsageError(f"{said}: there is no such file{near}")
    try:
        get_config = runpy.run_path(path).get("get_config")
        fields = get_config() if callable(get_config) else None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also a file that calls sys.exit
        raise errors.UsageError(f"{said}: {errors.one_line(error)}") from error
    if not callable(get_config):
        raise errors.UsageError(f"{said}: has no get_config()")
    if not isinstance(fields, dict):
        raise errors.UsageError(f"{said}: get_config() must return a dict")
    for key in fields:
        if key not in owners:
            near = errors.nearest(key, owners) if isinstance(key, str) else ""
            raise errors.UsageError(f"{said}: unknown key {errors.shown(key)}{near}")
    return fields


def run(main: Callable, *settings: Settings, argv: Sequence[str] | None = None):
    """Call `main` with the settings that the command line gives.

    Exit codes: 0 done; 2 a mistake in the call; 1 a run that could not go on; 130 and
    143 stopped by Ctrl-C or SIGTERM, a training after it has saved; 141 where nobody
    reads the output any more. Each but the first is one line on stderr. A program
    whose `argv` is given ends by SystemExit, others end their process.
    """
    for_certain = argv is None
    end = functools.partial(endings.end, for_certain=for_certain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what a terminal lacks is a "?"
            stream.reconfigure(errors="replace")
    argv = sys.argv[1:] if argv is None else list(argv)
    with endings.Interrupts(endings.PATIENCE) as interrupts:
        if any(argument in ("--help", "-h", "-help") for argument in argv):
            with contextlib.suppress(BrokenPipeError):  # of `| head`
                text = help_page.text(inspect.getmodule(main).__doc__ or "", *settings)
                print(text, flush=True)
            end(0, "")
        try:
            main(*parse(argv, *settings))
            print(end="", flush=True)
        except errors.UsageError as error:
            end(2, errors.cut(f"error: {error}"))
        except errors.RunError as error:
            end(1, f"stopped: {error}")
        except BrokenPipeError:
            end(128 + signal.SIGPIPE, "stopped: nobody reads the output any more")
        except OSError as error:  # a disk that is full, a folder that is gone
            known = f"{error.filename}: {error.strerror}" if error.filename else None
            end(1, f"stopped: {known or errors.one_line(error)}")
        except KeyboardInterrupt as error:
            number = getattr(error, "number", signal.SIGINT)
            end(128 + number, f"stopped: {str(error) or endings.WORDS[number]}")
        except SystemExit as error:  # of a user's own code: a run that ended says so
            end(1, f"stopped: {errors.one_line(error)}")
        except Exception as error:
            if number := interrupts.raised:  # what else it became on its way here
                end(128 + number, f"stopped: {endings.WORDS[number]}")
            if short := memory.shortage(error):
                end(1, f"stopped: {short}")
            processes.wait_for_last_word()
            if not for_certain:
                raise
            end(1, traceback.format_exc().rstrip())


MOST_SEEDS = 100_000


@dataclasses.dataclass(frozen=True)
class Seeds(Settings):
    """Seeds:"""

    seed: int = setting(
        0, "seed of weights and data, or the first of several", low=0, high=2**32 - 1
    )
    num_seeds: int = setting(
        1, "number of seeds: seed, seed + 1, ...", low=1, high=MOST_SEEDS
    )
    seeds: tuple[int, ...] | None = setting(
        None,
        "a list of seeds, in place of --seed and --num_seeds",
        low=0,
        high=2**32 - 1,
    )

    def __post_init__(self):
        super().__post_init__()
        if self.seed + self.num_seeds > 2**32:
            raise errors.UsageError(
                f"--seed={self.seed}: the last seed is over 2^32 - 1"
            )

    def all_seeds(self) -> tuple[int, ...]:
        return self.seeds or tuple(range(self.seed, self.seed + self.num_seeds))
