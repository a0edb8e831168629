"""What a parameter accepts, by its annotation or its default."""

import inspect
import math
import types
import typing

import numpy as np

BOOLEANS = {
    **dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "off", "0"), False),
}


def plain(given):
    """What is given, with numbers of NumPy as Python's own, also inside tuples."""
    if isinstance(given, np.floating):
        return float(given)
    if isinstance(given, np.generic):
        return given.item()
    if type(given) is dict:
        return {key: plain(value) for key, value in given.items()}
    return tuple(map(plain, given)) if type(given) is tuple else given


def kinds(parameter: inspect.Parameter) -> set[str]:
    """The names of the types that a parameter takes, 'None' among them."""
    annotation, default = parameter.annotation, parameter.default
    if isinstance(annotation, str):
        names = {name.strip() for name in annotation.split("|")}
    elif annotation is not parameter.empty:
        is_union = typing.get_origin(annotation) in (types.UnionType, typing.Union)
        each = typing.get_args(annotation) if is_union else (annotation,)
        names = {getattr(kind, "__name__", "") for kind in each}
    else:
        names = set() if default is parameter.empty else {type(default).__name__}
    is_optional = default is None or names & {"None", "NoneType"}
    return (names - {"None", "NoneType"}) | ({"None"} if is_optional else set())


def wanted(given, parameter: inspect.Parameter) -> str | None:
    """What should stand in place of what is given, None where that will do.

    A flag is True or False. Where a number is taken, so is what stands for one, a value
    such as `chrono(t_max=200)`, but no text and no flag. A number is finite unless the
    default is infinite, or None, of which only the factory can say what it means.
    """
    takes, default = kinds(parameter), parameter.default
    if given is None and "None" in takes:
        return None
    takes -= {"None"}
    if takes == {"bool"} and not isinstance(given, bool):
        return "True or False"
    if takes & {"int", "float"} and not takes & {"bool", "str"}:
        if isinstance(given, (bool, str, bytes, complex)):
            return "a number"
        if type(given) is int and "float" in takes and abs(given) >= 2**31:
            return "a number of 32 bits, or one with a point or an exponent"
    is_open = default is None or (isinstance(default, float) and math.isinf(default))
    if isinstance(given, float) and not math.isfinite(given) and not is_open:
        return "a finite number"
    return None
