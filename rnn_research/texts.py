"""Texts that name values: `gru(reset=before)`, `my_cells:leaky(alpha=0.3)`."""

import inspect
import itertools
from collections.abc import Callable

from rnn_research import calls, errors, signatures, users, values


def parse_call(text: str) -> calls.Call:
    """Parse `name` or `name(key=value)`; values are literals or further calls."""
    try:
        return calls.parse(text)
    except ValueError as error:
        raise errors.UsageError(f"cannot read {errors.shown(text)}: {error}") from None


def resolve(
    text: str,
    kind: str,
    modules: tuple,
    *,
    returns: type | tuple[type, ...],
    inside: tuple = (),
    **size,
):
    """The value that `text` names.

    A word is what its parameter takes, by its annotation or its default: of a flag
    true, yes, on or false, no, off; of a text the word itself, also where a cell has
    that name; `none` where None is taken.

    Args:
      text: `name`, `name(key=value)`, `outer(inner, key=value)` or
        `module:name(key=value)`, the last from a file of the user's.
      kind: what is looked for, for messages: 'cell', 'engine', 'task'.
      modules: modules whose `__all__` lists the names known without a path.
      returns: the type of the value, or several.
      inside: further modules, whose names are known as options in the call.
      **size: the one argument that is a setting of its own, such as
        hidden_size=128; it is given first to a factory that takes a size.

    Raises:
      errors.UsageError: one line that names the nearest right thing.
    """
    known, options = (
        {name: module for module in each for name in module.__all__}
        for each in (modules, inside)
    )
    return _resolve(parse_call(text), kind, known, options, size, returns)


def _resolve(call: calls.Call, kind: str, known: dict, options: dict, size, returns):
    make = _find(call.name, kind, known)
    label = f"{kind} {errors.cut(call.name, 80)}"
    parameters = inspect.signature(make).parameters

    def inner(given, parameter):
        kinds = signatures.kinds(parameter) if parameter else set()
        if not isinstance(given, calls.Call):
            is_flag = kinds - {"None"} == {"bool"} and type(given) is int
            return signatures.BOOLEANS.get(str(given), given) if is_flag else given
        word = given.name.lower() if given.is_word else ""
        if word in signatures.BOOLEANS and kinds - {"None"} == {"bool"}:
            return signatures.BOOLEANS[word]
        if word == "none" and "None" in kinds:
            return None
        if word and "str" in kinds:
            return given.name
        if given.name in options:
            return _resolve(given, "option", options, {}, {}, values.Value)
        if word and given.name not in known:
            return given.name  # activation=relu is activation='relu'
        return _resolve(given, kind, known, options, size, values.Value)

    in_order = [each for each in parameters.values() if each.kind is not _BY_NAME]
    arguments = tuple(
        inner(given, parameter)
        for given, parameter in itertools.zip_longest(
            call.arguments, in_order[: len(call.arguments)]
        )
    )
    chosen = {key: inner(value, parameters.get(key)) for key, value in call.options}
    for name in size:
        if name in chosen or any(
            not isinstance(given, values.Value) for given in arguments
        ):
            raise errors.UsageError(
                f"{label}: {name} is set by --{name}, not in the call; "
                "the other options are given by name"
            )
    if not in_order and not arguments and size:
        (name,) = size
        raise errors.UsageError(f"{label} takes no {name}; give --{name}=none")
    arguments = arguments or tuple(size.values())
    for key in chosen:
        if key not in parameters:
            names = [each.name for each in parameters.values() if each.kind is _BY_NAME]
            raise errors.UsageError(
                f"{label} has no option {errors.shown(key)}"
                f"{errors.nearest(key, names)} "
                f"(options: {', '.join(names) or 'none'})"
            )
    try:
        value = make(*arguments, **chosen)
    except errors.UsageError as error:
        raise errors.UsageError(f"{label}: {error}") from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also one that calls sys.exit
        raise errors.UsageError(
            f"{label}: cannot be made from these options: {errors.one_line(error)}"
        ) from error
    if not isinstance(value, returns):
        kinds = returns if isinstance(returns, tuple) else (returns,)
        wanted = " or ".join(each.__name__.lower() for each in kinds)
        article = "an" if wanted[0] in "aeiou" else "a"
        raise errors.UsageError(
            f"{label}: returns {errors.shown(value)}, not {article} {wanted}"
        )
    return value


_BY_NAME = inspect.Parameter.KEYWORD_ONLY


def _find(name: str, kind: str, known: dict) -> Callable:
    label = f"{kind} {errors.cut(name, 80)}"
    if ":" in name:
        named, _, attribute = name.rpartition(":")
        try:
            make = users.find(named, attribute, values.is_made)
        except users.Refused as error:
            cause = error.__cause__
            why = f": {errors.one_line(cause)}" if cause else ""
            why += errors.nearest(attribute, error.names, prefix=f"{named}:")
            raise errors.UsageError(f"{label}: {error}{why}") from cause
        return make if values.is_made(make) else values.factory(make)
    if name in known:
        return getattr(known[name], name)
    if len(known) > 8:
        near = ", ".join(errors.most_like(name, known, count=3, cutoff=0.0))
        listed = f"; all: python -m experiments.train --list_{kind}s"
        there = f"nearest: {near}{listed * (kind != 'option')}"
    else:
        there = f"known: {', '.join(known)}"
    raise errors.UsageError(
        f"unknown {kind} {errors.shown(name)}{errors.nearest(name, known)} "
        f"({there}; your own: my_file:name)"
    )


def check_read(text: str, trusted: tuple[str, ...]):
    """Raise unless a text that was read from a file may be resolved.

    It names values of this library, and of the user's files those that are trusted.

    Raises:
      errors.UsageError: it names another file, or is no call.
    """
    allowed = {users.module_name(named) for named in trusted}
    for named in calls.files_named(parse_call(text)):
        module = users.module_name(named)
        if module not in allowed and not users.is_library(named):
            raise errors.UsageError(
                f"{errors.cut(text, 80)} is code outside this library, which is "
                f"imported only if trusted: add --trust={errors.cut(named, 200)} (in "
                "Python, allow=)"
            )
