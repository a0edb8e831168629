"""Conditions on rows: `cell=gru`, `length>=50`, `test_loss<0.1`; read, never evaluated.

    =, !=             a number, true, false, none, or a text
    <, <=, >, >=      a number
    cell=gru|lstm     one of several

A text without brackets means every call of that name: `cell=gru` is met by `gru` and by
`gru(reset=before)`, and not by `zoneout(gru)`. `cell=gru()` is `gru` without options.
What a run has not, as the test loss of one that has not finished, meets only `!=` and
`=none`. The metric `loss` is that of test; `validation_loss` is the other.
"""

import math
import operator
import re
from typing import NamedTuple

from rnn_research import calls, errors, signatures
from rnn_research.index import columns

ORDERS = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_CONDITION = re.compile(r"\s*([^=!<>]+?)\s*(!=|<=|>=|==|=|<|>)\s*(.*?)\s*", re.DOTALL)


class Condition(NamedTuple):
    """`column operator text`."""

    column: str
    sign: str
    text: str

    def __str__(self) -> str:
        return f"{self.column}{self.sign}{self.text}"


def conditions(given) -> list[Condition]:
    """The conditions, each a text.

    Raises:
      errors.UsageError: one cannot be read.
    """
    return [_condition(text) for text in given]


def _condition(text: str) -> Condition:
    found = _CONDITION.fullmatch(text)
    if not found or not found[3]:
        raise errors.UsageError(
            f"where={errors.cut(text, 80)}: write column=value, with one of =, !=, <, "
            "<=, >, >=, such as cell=gru or length>=50"
        )
    name, sign, value = found.groups()
    sign = "=" if sign == "==" else sign
    if sign in ORDERS and _number(value) is None:
        raise errors.UsageError(
            f"where={errors.cut(text, 80)}: after {sign} a number is needed"
        )
    return Condition(name, sign, value)


def meeting(rows: list[dict], wanted: list[Condition]) -> list[dict]:
    """The rows that meet all conditions.

    Raises:
      errors.UsageError: no row has such a column, or it holds no numbers to order.
    """
    for condition in wanted if rows else ():
        name = column(condition.column, rows, f"where={condition}")
        has_numbers = any(is_number(row.get(name)) for row in rows)
        if condition.sign in ORDERS and not has_numbers:
            raise errors.UsageError(
                f"where={errors.cut(str(condition), 80)}: {name} holds no numbers; ask "
                "with = or !="
            )
        rows = [row for row in rows if _meets(row.get(name), condition)]
    return rows


def column(name: str, rows: list[dict], asked: str) -> str:
    """The column that a name means.

    Args:
      asked: where the name was given, for the message.

    Raises:
      errors.UsageError: no row has it.
    """
    known = columns.known(rows)
    found = columns.found(name, known)
    if found is None:
        metrics = [own.removeprefix(columns.TEST) for own in known]
        near = errors.most_like(name, dict.fromkeys([*known, *metrics]), 3, 0.5)
        told = f"nearest: {', '.join(near)}" if near else "the file runs.csv lists all"
        raise errors.UsageError(
            f"{errors.cut(asked, 80)}: no run has a column {errors.cut(name, 60)!r} "
            f"({told})"
        )
    return found


def _meets(value, condition: Condition) -> bool:
    if condition.sign in ORDERS:
        order = ORDERS[condition.sign]
        return is_number(value) and order(value, _number(condition.text))
    alternatives = condition.text.split("|")
    return any(_is(value, text.strip()) for text in alternatives) == (
        condition.sign == "="
    )


def _is(value, text: str) -> bool:
    """Whether a value is what the text says."""
    if value is None:
        return text.lower() == "none"
    if isinstance(value, bool):
        return signatures.BOOLEANS.get(text.lower()) is value
    if isinstance(value, (int, float)):
        number = _number(text)
        is_nan = number is not None and math.isnan(number) and math.isnan(value)
        return is_nan or value == number
    return value == text or _is_call(value, text)


def _is_call(value: str, text: str) -> bool:
    """Whether both are one call; a text without brackets is every call of its name."""
    try:
        ours, asked = calls.parse(value), calls.parse(text)
    except ValueError:
        return False
    if "(" in text:
        return ours == asked
    return asked.name in (ours.name, ours.name.rpartition(":")[2])


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
