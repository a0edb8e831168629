"""The source of a function of the user's, and the globals and modules it reads."""

import contextlib
import dis
import hashlib
import importlib.util
import inspect
import io
import tokenize
import types

from rnn_research import errors, users


def read(function: types.FunctionType) -> dict:
    """The globals that a function reads, and the user's modules that it imports."""
    names, imported = _names_read(function.__code__)
    package = function.__globals__.get("__package__")
    there = {name: function.__globals__.get(name, ...) for name in sorted(names)}
    read = {name: thing for name, thing in there.items() if thing is not ...}
    for name in sorted(imported):
        with contextlib.suppress(Exception):  # it may be on a branch not taken
            name = importlib.util.resolve_name(name, package)
            spec = importlib.util.find_spec(name)
            if spec and users.is_own(spec.origin or "<none>"):
                read[f"import {name}"] = importlib.import_module(name)
    return read


def digest_of_file(function) -> str:
    """The sha256 of the file that a function stands in, if it has one."""
    module = inspect.getmodule(function)
    text = inspect.getsource(module) if module else ""
    return hashlib.sha256(text.encode()).hexdigest()


def _names_read(code: types.CodeType) -> tuple[set[str], set[str]]:
    """Names of globals and of imports, those of the functions inside included."""
    found, imported = set(), set()
    instructions = list(dis.get_instructions(code))
    for place, each in enumerate(instructions):
        if each.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            found.add(each.argval)
        if each.opname == "IMPORT_NAME":
            depth, names = (before.argval for before in instructions[place - 2 : place])
            module = "." * depth + each.argval
            imported.add(module)
            dot = "" if module.endswith(".") else "."
            imported |= {f"{module}{dot}{name}" for name in names or ()}
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            own = _names_read(const)
            found, imported = found | own[0], imported | own[1]
    return found, imported


def text(thing, name: str) -> str:
    """Without what means nothing: blank lines and comments."""
    code = getattr(thing, "__code__", thing)
    try:
        if isinstance(thing, types.FunctionType) and code.co_name == "<lambda>":
            return _lambda(code)
        source = inspect.getsource(code)
    except Exception as error:  # OSError, or whatever the tokenizer meets
        raise errors.UsageError(
            f"the source of {name} cannot be read, so it cannot be compared "
            "with another; put it in a file"
        ) from error
    lines = source.splitlines()
    with contextlib.suppress(tokenize.TokenError, SyntaxError):
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                row, column = token.start
                lines[row - 1] = lines[row - 1][:column]
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _lambda(code: types.CodeType) -> str:
    """Its parameters and its body, among whatever stands on these lines."""
    lines = [line.encode() for line in inspect.findsource(code)[0]]
    spots = [spot for spot in code.co_positions() if None not in spot and spot[3]]
    first, begin = min((line, column) for line, _, column, _ in spots)
    last, end = max((line, column) for _, line, _, column in spots)
    body = lines[first - 1 : last]
    body[-1] = body[-1][:end]
    body[0] = body[0][begin:]
    parameters = code.co_argcount + code.co_kwonlyargcount
    return f"{code.co_varnames[:parameters]} {b''.join(body).decode()}"
