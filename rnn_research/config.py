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

import dataclasses
import inspect
import pathlib
import runpy
import shutil
import sys
import textwrap
import types
import typing
from collections.abc import Callable, Sequence

from absl import flags

from rnn_research import processes, values


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

    Of a positional one, a tuple, the values can be given without its name too.
    """
    limits = {"low": low, "high": high, "above": above, "choices": choices}
    metadata = {"help": help, "positional": positional, **limits}
    return dataclasses.field(default=default, metadata=metadata)


class Settings:
    """Base of the settings dataclasses: checks types and ranges when made."""

    def __post_init__(self):
        for field in dataclasses.fields(self):
            _check(field, getattr(self, field.name))


def _check(field: dataclasses.Field, value):
    kind, is_list, optional = _kind(field)
    if value is None and optional:
        return
    items = value if is_list else (value,)
    if is_list and (not isinstance(value, tuple) or not value):
        raise values.UsageError(f"--{field.name}: give one value or more, as a tuple")
    for item in items:
        number = kind in (int, float)
        if isinstance(item, bool) != (kind is bool) or not isinstance(
            item, (int, float) if kind is float else kind
        ):
            raise values.UsageError(
                f"--{field.name}={item!r}: expected {_KIND_NAMES[kind]}"
            )
        limits = field.metadata
        wrong = None
        if number and item != item:
            wrong = "must be a number, not NaN"
        elif limits["low"] is not None and item < limits["low"]:
            wrong = f"must be at least {limits['low']}"
        elif limits["high"] is not None and item > limits["high"]:
            wrong = f"must be at most {limits['high']}"
        elif limits["above"] is not None and item <= limits["above"]:
            wrong = f"must be greater than {limits['above']}"
        elif limits["choices"] is not None and item not in limits["choices"]:
            near = values.nearest(str(item), limits["choices"])
            wrong = f"must be one of {', '.join(limits['choices'])}{near}"
        if wrong:
            raise values.UsageError(f"--{field.name}={item}: {wrong}")


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
    """Split at the commas that stand outside brackets: `gru,zoneout(lstm,rate=0.1)`."""
    items, depth, start = [], 0, 0
    for position, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            items.append(text[start:position])
            start = position + 1
    return tuple(item.strip() for item in (*items, text[start:]) if item.strip())


class _Parser(flags.ArgumentParser):
    def __init__(self, field: dataclasses.Field):
        self.field = field

    def parse(self, argument):
        kind, is_list, _ = _kind(self.field)
        if not isinstance(argument, str):
            return argument
        if is_list:
            return tuple(self._item(kind, text) for text in split_list(argument))
        return self._item(kind, argument)

    def _item(self, kind: type, text: str):
        try:
            if kind is int and "e" in text.lower():  # 1e6 is a whole number
                value = float(text)
                if value == int(value):
                    return int(value)
            return kind(text)
        except (ValueError, OverflowError):
            raise ValueError(f"expected {_KIND_NAMES[kind]}") from None


def parse(argv: Sequence[str], *settings: Settings) -> tuple[Settings, ...]:
    """The `settings` with what `argv` (without the program name) says.

    Raises:
      values.UsageError: unknown flag or key, stray argument, wrong type or range.
    """
    flag_values = flags.FlagValues()
    owners = {}
    for group in settings:
        for field in dataclasses.fields(group):
            if field.name in owners:
                raise TypeError(f"--{field.name} is defined twice")
            owners[field.name] = field
            default = getattr(group, field.name)
            if _kind(field)[0] is bool:
                flags.DEFINE_boolean(
                    field.name, default, field.metadata["help"], flag_values=flag_values
                )
            else:
                flags.DEFINE(
                    _Parser(field),
                    field.name,
                    default,
                    field.metadata["help"],
                    flag_values=flag_values,
                )
    flags.DEFINE_string("config", None, CONFIG_HELP, flag_values=flag_values)
    names = [*owners, "config"]
    try:
        stray = flag_values(["program", *argv])[1:]
    except flags.UnrecognizedFlagError as error:
        name = error.flagname
        raise values.UsageError(
            f"unknown flag --{name}{values.nearest(name, names, prefix='--')} "
            "(--help lists all)"
        ) from None
    except flags.IllegalFlagValueError as error:
        message = str(error).removeprefix("flag ")
        raise values.UsageError(message) from None
    except flags.Error as error:
        raise values.UsageError(values.one_line(error).split(": ", 1)[1]) from None
    positional = [name for name in owners if owners[name].metadata["positional"]]
    if stray and not positional:
        raise values.UsageError(
            f"stray argument {stray[0]!r}; settings are given as --name=value"
        )
    chosen = _read_config(flag_values["config"].value, owners)
    chosen.update(
        {name: flag_values[name].value for name in owners if flag_values[name].present}
    )
    if stray:
        (name,) = positional
        if flag_values[name].present:
            raise values.UsageError(f"give --{name} with or without its name, not both")
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


CONFIG_HELP = "Python file whose get_config() returns a dict of the settings below"


def _read_config(path: str | None, owners: dict[str, dataclasses.Field]) -> dict:
    if path is None:
        return {}
    if not pathlib.Path(path).is_file():
        folder = pathlib.Path(path).parent
        files = [str(other) for other in folder.glob("*.py")] if folder.is_dir() else []
        near = values.nearest(path, files)
        raise values.UsageError(f"--config={path}: there is no such file{near}")
    try:
        fields = runpy.run_path(path)["get_config"]()
    except KeyError:
        raise values.UsageError(f"--config={path}: has no get_config()") from None
    except Exception as error:
        raise values.UsageError(f"--config={path}: {values.one_line(error)}") from error
    if not isinstance(fields, dict):
        raise values.UsageError(f"--config={path}: get_config() must return a dict")
    for key in fields:
        if key not in owners:
            raise values.UsageError(
                f"--config={path}: unknown key {key!r}{values.nearest(key, owners)}"
            )
    return {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in fields.items()
    }


def help_text(description: str, *settings: Settings) -> str:
    """What `--help` prints: the program's docstring, then every setting by group."""
    width = min(shutil.get_terminal_size().columns, 96)
    lines = [inspect.cleandoc(description), ""]
    for group in settings:
        lines.append(inspect.getdoc(type(group)).splitlines()[0])
        for field in dataclasses.fields(group):
            lines += _help_lines(
                field.name, getattr(group, field.name), _help_of(field), width
            )
        lines.append("")
    lines.append("Files of settings:")
    lines += _help_lines("config", None, CONFIG_HELP, width)
    return "\n".join(lines)


def _help_of(field: dataclasses.Field) -> str:
    text = field.metadata["help"]
    if field.metadata["positional"]:
        text += "; also as arguments without the flag"
    if field.metadata["choices"]:
        text += f" ({', '.join(field.metadata['choices'])})"
    return text


def _help_lines(name: str, default, text: str, width: int) -> list[str]:
    if isinstance(default, tuple):
        default = ",".join(str(item) for item in default)
    head = f"  --{name}" if default is None else f"  --{name}={default}"
    body = textwrap.wrap(text, width - 34)
    if len(head) > 32:
        return [head, *(" " * 34 + line for line in body)]
    return [head.ljust(34) + body[0], *(" " * 34 + line for line in body[1:])]


def run(main: Callable, *settings: Settings, argv: Sequence[str] | None = None):
    """Call `main` with the settings that the command line gives.

    Exit codes: 0 done, or stopped and saved so that the same command goes on; 2 a
    mistake in the call; 1 a run that could not go on; 130 stopped by Ctrl-C where
    nothing was to be saved. Each but the first is one line on stderr.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    if any(argument in ("--help", "-h", "-help") for argument in argv):
        print(help_text(inspect.getmodule(main).__doc__ or "", *settings))
        sys.exit(0)
    try:
        main(*parse(argv, *settings))
    except values.UsageError as error:
        processes.end(2, f"error: {error}")
    except values.RunError as error:
        processes.end(1, f"stopped: {error}")
    except OSError as error:  # a disk that is full, a folder that is gone
        known = f"{error.filename}: {error.strerror}" if error.filename else None
        processes.end(1, f"stopped: {known or values.one_line(error)}")
    except values.Interrupted as error:
        processes.end(0, f"stopped: {error}")
    except KeyboardInterrupt:
        processes.end(130, "stopped: interrupted")
    except Exception:
        processes.wait_for_last_word()
        raise


@dataclasses.dataclass(frozen=True)
class Seeds(Settings):
    """Seeds:"""

    seed: int = setting(
        0, "of weights and data; of several, the first", low=0, high=2**32 - 1
    )
    num_seeds: int = setting(1, "how many: seed, seed + 1, ...", low=1)
    seeds: tuple[int, ...] | None = setting(
        None, "these, in place of --seed and --num_seeds", low=0, high=2**32 - 1
    )

    def __post_init__(self):
        super().__post_init__()
        check_distinct("seeds", self.seeds)
        if self.seed + self.num_seeds > 2**32:
            raise values.UsageError(
                f"--seed={self.seed}: the last seed is over 2^32 - 1"
            )

    def all_seeds(self) -> tuple[int, ...]:
        return self.seeds or tuple(range(self.seed, self.seed + self.num_seeds))


def check_distinct(name: str, items: tuple | None):
    """Raise values.UsageError if an item of a setting is given twice."""
    twice = [item for item in items or () if items.count(item) > 1]
    if twice:
        raise values.UsageError(f"--{name}: {twice[0]} is given twice")
