"""A setting: a field of a frozen dataclass, with its type and range."""

import collections
import dataclasses
import inspect
import sys
import textwrap
import types
import typing
from collections.abc import Sequence

import numpy as np

from rnn_research import errors, signatures


def setting(
    default,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    choices: Sequence[str] | None = None,
    positional: bool = False,
    names: str | None = None,
):
    """A dataclass field: default, help, and the range low <= x <= high, above < x.

    A number is finite, a whole one at most `LARGEST` where `high` says nothing else.
    Of a positional one, a tuple, the values can be given without its name too. Where it
    names values of a kind, such as 'cells', `--list_cells` shows those there are.
    """
    limits = {"low": low, "high": high, "above": above, "choices": choices}
    metadata = {"help": help, "positional": positional, "names": names, **limits}
    return dataclasses.field(default=default, metadata=metadata)


LARGEST = 2**31 - 1  # of a count of 32 bits


class Settings:
    """Base of the settings dataclasses: checks types and ranges when made.

    Numbers of NumPy are stored as Python's own, whole ones as floats where the field
    is one, lists and arrays as tuples. The docstring of a class goes on with the help
    of its fields.
    """

    def __init_subclass__(cls):
        said = inspect.cleandoc(cls.__doc__ or f"{cls.__name__}:")
        cls.__doc__ = f"{said}\n\n{_described(cls)}"

    def __post_init__(self):
        for field in dataclasses.fields(self):
            checked = _checked(field, getattr(self, field.name))
            object.__setattr__(self, field.name, checked)


def _described(cls: type) -> str:
    """The settings of a class and of those it is made from, a paragraph each."""
    fields = {}
    for each in reversed(cls.__mro__):
        own = vars(each).get("__dataclass_fields__", vars(each))
        fields |= {
            name: field
            for name, field in own.items()
            if isinstance(field, dataclasses.Field)
        }
    lines = ["Attributes:"]
    for name, field in fields.items():
        default = "" if field.default is None else f"; default {field.default!r}"
        text = f"{name}: {field.metadata['help']}{default}."
        wrapped = {"initial_indent": "  ", "subsequent_indent": "    "}
        lines += textwrap.wrap(text, 88, break_on_hyphens=False, **wrapped)
    return "\n".join(lines)


def _checked(field: dataclasses.Field, value):
    """The value of a field, in its type.

    Raises:
      errors.UsageError: it is of another type or out of range.
    """
    kind, is_list, optional = kind_of(field)
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
        wrong = f"expected {KIND_NAMES[kind]}"
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


KIND_NAMES = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    bool: "true or false",
}


def kind_of(field: dataclasses.Field) -> tuple[type, bool, bool]:
    """The type of an item, whether the field is a tuple, whether it may be None."""
    kind, optional = field.type, False
    if isinstance(kind, types.UnionType):
        optional = True
        (kind,) = (item for item in typing.get_args(kind) if item is not types.NoneType)
    if typing.get_origin(kind) is tuple:
        return typing.get_args(kind)[0], True, optional
    return kind, False, optional


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
