"""Settings from the command line and files, and the end of a program."""

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
import sysconfig
import traceback
from collections.abc import Callable, Sequence

from absl import flags

from rnn_research import endings, errors, memory, processes, signatures, waiting
from rnn_research.config import help_page
from rnn_research.config.settings import KIND_NAMES, Settings, kind_of

# Where a wheel puts the configs that a checkout has in its `configs/`.
SHIPPED = pathlib.Path(sysconfig.get_path("data"), "share", "rnn_research")


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
        kind, is_list, optional = kind_of(self.field)
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
            raise ValueError(f"expected {KIND_NAMES[kind]}") from None


def as_flags(given: dict) -> list[str]:
    """Settings as the flags that `parse` reads."""
    return [f"--{name}={_as_text(value)}" for name, value in given.items()]


def _as_text(value) -> str:
    value = signatures.plain(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, list, range)):
        return ",".join(map(_as_text, value))
    return "none" if value is None else str(value)


def replaced(flags: Sequence[str], by: Sequence[str]) -> list[str]:
    """The flags without those that are named in `by`, and these."""
    named = {flag.partition("=")[0] for flag in by}
    return [*(f for f in flags if f.partition("=")[0] not in named), *by]


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
                boolean=kind_of(field)[0] is bool,  # --flag, --noflag
            )
            flags.DEFINE_flag(flag, flag_values)
    names = list(owners)
    if "config" not in owners:  # a sweep reads a list from it
        flags.DEFINE_string("config", None, help_page.CONFIG, flag_values=flag_values)
        names.append("config")
    for argument in argv:  # absl has flags of its own, and recurses in long names
        name = argument.lstrip("-").partition("=")[0]
        own = name in ("flagfile", "undefok") or len(name) > 100
        if argument.startswith("-") and own:
            raise errors.UsageError(f"unknown flag --{errors.cut(name, 80)}")
    try:
        stray = flag_values(["program", *argv])[1:]
    except flags.UnrecognizedFlagError as error:
        name, known = error.flagname, [*names, *lists(settings)]
        raise errors.UsageError(
            f"unknown flag --{name}{errors.nearest(name, known, prefix='--')} "
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
    path = None if "config" in owners else flag_values["config"].value
    chosen = {} if path is None else _read_config(path, owners)
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


def _read_config(path: str, owners: dict[str, dataclasses.Field]) -> dict:
    said, fields = called(path)
    if not isinstance(fields, dict):
        raise errors.UsageError(f"{said}: get_config() must return a dict")
    for key in fields:
        if key not in owners:
            near = errors.nearest(key, owners) if isinstance(key, str) else ""
            raise errors.UsageError(f"{said}: unknown key {errors.shown(key)}{near}")
    return fields


def called(path: str) -> tuple[str, object]:
    """`--config=path` for messages, and what the file's get_config() returns.

    Raises:
      errors.UsageError: there is no such file, or it fails.
    """
    said = f"--config={errors.cut(path, 120)}"
    if not os.path.isfile(path) and os.path.isfile(SHIPPED / path):
        path = str(SHIPPED / path)
    if not os.path.isfile(path):
        folder = pathlib.Path(path).parent
        there = os.path.isdir(folder)
        files = [str(other) for other in folder.glob("*.py")] if there else []
        near = errors.nearest(path, files)
        raise errors.UsageError(f"{said}: there is no such file{near}")
    try:
        get_config = runpy.run_path(path).get("get_config")
        found = get_config() if callable(get_config) else None
    except KeyboardInterrupt:
        raise
    except errors.UsageError as error:  # it says itself what is wrong
        raise errors.UsageError(f"{said}: {error}") from error
    except BaseException as error:  # also a file that calls sys.exit
        raise errors.UsageError(f"{said}: {errors.one_line(error)}") from error
    if not callable(get_config):
        raise errors.UsageError(f"{said}: has no get_config()")
    return said, found


LIST = "list_"


def lists(settings: tuple[Settings, ...]) -> list[str]:
    """`list_cells` where a setting names cells, and so on."""
    fields = (field for group in settings for field in dataclasses.fields(group))
    found = dict.fromkeys(field.metadata["names"] for field in fields)
    return [f"{LIST}{names}" for names in found if names]


def _listed(argv: Sequence[str], settings: tuple[Settings, ...]) -> str:
    """'cells' where `--list_cells` is all that is given; '' where there is no list.

    Raises:
      errors.UsageError: it is not all.
    """
    given = [argument.lstrip("-") for argument in argv if argument.startswith("-")]
    asked = [name for name in given if name in lists(settings)]
    if asked and len(argv) > 1:
        raise errors.UsageError(f"--{asked[0]} only shows what there is; give it alone")
    return asked[0].removeprefix(LIST) if asked else ""


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
    waiting.begin()
    with endings.Interrupts(endings.PATIENCE) as interrupts:
        if any(argument in ("--help", "-h", "-help") for argument in argv):
            text = help_page.text(inspect.getmodule(main).__doc__ or "", *settings)
            waiting.show(text)
            end(0, "")
        try:
            if names := _listed(argv, settings):
                from rnn_research import names as known  # it knows all there is

                waiting.show(known.text(names))
            else:
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
