"""Texts become values by one rule, and every wrong one is one readable line."""

import ast
import dataclasses
import io
import json
import pathlib
import sys

import numpy as np
import pytest

from rnn_research import (
    cells,
    config,
    engines,
    errors,
    layers,
    models,
    runs,
    runtime,
    training,
    values,
)
from rnn_research.cells import initializers
from rnn_research.config import help_page
from rnn_research.config.settings import kind_of
from rnn_research.resolve import resolve, resolve_penalties, resolve_sampling
from rnn_research.runs import run

SETTINGS = (
    models.ModelConfig(hidden_size=8),
    runs.TaskConfig(),
    training.TrainConfig(),
    runs.OptimizerConfig(),
    runs.FolderConfig(),
    runtime.RunConfig(),
    runtime.ProcessConfig(),
)
USERS = '''
import functools, os, subprocess, sys
import jax
from subprocess import run
from rnn_research import Cell, cells
from rnn_research.cells import gru

def options(hidden_size, *, mode="flat", flag=False, other=None, rate=0.5,
            said: bool | None = None, text: str | None = None, limit=float("inf")):
    """Says what it was given."""
    given = dict(mode=mode, flag=flag, other=other, rate=rate, said=said, text=text)
    return gru(hidden_size).replace(groups=lambda params: given)

def leaves(hidden_size):
    sys.exit(0)

def raises(hidden_size):
    raise BaseException("odd")

class Odd:
    def __repr__(self):
        raise RuntimeError("no repr")

def unprintable(hidden_size):
    return Odd()

def long(hidden_size):
    return "x" * 40_000

class AClass:
    pass

part = functools.partial(options, mode="x")
fast = jax.jit(options)
number = 3
'''


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of a user's, in which they work."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    for name in [name for name in sys.modules if name.startswith("texts_")]:
        monkeypatch.delitem(sys.modules, name)  # of another test's folder
    (tmp_path / "texts_users.py").write_text(USERS)
    (tmp_path / "texts_leaves.py").write_text("import sys\nsys.exit(0)\n")
    (tmp_path / "texts_odd.py").write_text("raise BaseException('a\\nb')\n")
    (tmp_path / "texts_loop.py").write_text("def f(): f()\nf()\n")
    (tmp_path / "texts_bytes.py").write_bytes(b"x = '\xff'\n")
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "texts_deep.py").write_text(USERS)
    (tmp_path / "texts_flags").write_text("--cell=lstm\n")
    (tmp_path / "numpy.py").write_text(USERS)
    return tmp_path


def resolves(model_config, task_config, train_config, optimizer_config, *others):
    """Everything that texts name; nothing is compiled."""
    if model_config != SETTINGS[0]:  # which takes longer than all the rest
        resolve("cell", model_config.cell, hidden_size=model_config.hidden_size)
    resolve("engine", model_config.engine)
    resolve("task", task_config.task, length=task_config.length)
    resolve("optimizer", optimizer_config.optimizer)
    resolve("schedule", optimizer_config.schedule)
    resolve_penalties(optimizer_config.penalties)
    resolve_sampling(optimizer_config.scheduled_sampling)


NUMBERS = ["inf", "-inf", "nan", "1e400", "x", "", "'1'", "1,2", "9" * 5000]
WHOLE = [*NUMBERS, "0.5", "1e30", "-1", "99999999999999999999", "3000000000000"]


def wrong_flags():
    for group in SETTINGS:
        for field in dataclasses.fields(group):
            kind, is_list, _ = kind_of(field)
            texts = {int: WHOLE, float: NUMBERS, bool: ["maybe", "2", ""]}.get(kind)
            if field.metadata["choices"]:
                texts = ["", "odd", "x" * 40_000]
            for text in texts or ["", " "]:
                if not (is_list and text == "1,2"):
                    yield [f"--{field.name}={text}"]
            if kind is not bool:
                yield [f"--{field.name}"]
            good = "true" if kind is bool else "1"
            yield [f"--{field.name}={good}", f"--{field.name}={good}"]
    yield from (
        ["--batch_size=1e30"],
        ["--num_layers=1e30"],
        ["--num_seeds=100000000"],
        ["--seeds=1,1"],
        ["--learning_rates=1e-3,0.001"],
        ["--penalties=omega,omega"],
        ["--penalties=omega,omega(weight=3)"],
        ["--seeds=1,,2"],
        ["--residual", "--noresidual"],
        ["--noresidual=1"],
        ["--nocell"],
        ["--undefok=x", "--x=1"],
        ["--flagfile=texts_flags"],
        ["-"],
        ["--", "x"],
        ["--=1"],
        ["x" * 40_000],
        ["--" + "x" * 40_000],
        ["--config="],
        ["--config=."],
        ["--config=" + "x" * 5000],
    )


WRONG_CELLS = """
gruu; gru(; gru(); x; gru)(; gru(reset=[1]); gru(reset={}); gru({[]:1}); gru({1:2})
gru(reset=...); gru(reset=1j); gru(reset=b'x'); gru(*a); gru(**a); gru(reset=lambda: 1)
gru(reset='after', reset='after'); gru(layer_norm=true, layer_norm=true); gru(gru)
gru(forget_bias=inf); gru(forget_bias=nan); gru(forget_bias=1e400); gru(forget_bias='1')
gru(forget_bias=true); gru(forget_bias=None); gru(forget_bias=99999999999999999999)
gru(layer_norm=maybe); gru(layer_norm=2); gru(layer_norm=0.5); gru(layer_norm=none)
gru(layer_norm='false'); gru(layer_norm=None); s5(clip=maybe); s5(blocks=1e30)
s5(blocks=10000000000000); rhn(depth=0.5); rhn(depth=true); rhn(depth=1e30)
rhn(depth=2000000000); tcn(levels=2000000000); tcn(levels=31); tcn(width=1000000000)
transformer(depth=2000000000); delta_product(steps=2000000000); qrnn(width=1000000000)
leaky(alpha=nan); leaky(alpha=inf); leaky(alpha=1e400); leaky(alpha=-1e400)
cfc(dt=inf); cfc(dt=1e400); chrono; chrono(t_max=3); lstm(forget_bias=chrono(t_max=inf))
lstm(forget_bias=chrono); elman(recurrent=normal(gain=nan)); elman(recurrent=star)
elman(recurrent=orthogonal(os:getcwd)); elman(recurrent=os:getcwd); zoneout; zoneout(1)
zoneout(gru, gru); zoneout(gru, rate=nan); zoneout(zoneout); zoneout(gru, rate=true)
residual(adding); os:system; os:system('true'); subprocess:run; pickle:loads(b'')
builtins:exec('1'); importlib:import_module('a'); numpy:load('x'); jax:jit
jax.numpy:tanh; rnn_research.processes:end(0, 'x'); optax:adam
rnn_research.cells.base:check_size
nowhere:x; nowhere.py:x; a/b/nowhere.py:x; /nowhere/x.py:x; ../nowhere:x; a..b:x; .:x
a/b/os.py:x; numpy.py:options; texts_users:nothing; texts_users:run; texts_users:os
texts_users:subprocess; texts_users:leaves; texts_users:raises; texts_users:unprintable
texts_users:long; texts_users:AClass; texts_users:part; texts_users:fast
texts_users:number; texts_users:__name__; texts_users:options(rate=none)
texts_users:options(rate=abc); texts_users:options(rate=true); texts_users:__builtins__
texts_users:options(flag=maybe); texts_users:options(said=maybe); texts_users:cells
texts_users:options(mode=[1]); texts_users:options(3)
texts_users:options(hidden_size=3); texts_leaves:x; texts_odd:x; texts_loop:x
texts_bytes:x; texts_users.py.py:x
linen_cell(module=Module); linen_cell(module=os:getcwd); linen_cell(module=3)
"""
WRONG_OTHERS = {
    "engine": """
        sequentiall; gru; adam; os:system('true'); jax:jit; checkpointed(chunk=1e30)
        checkpointed(chunk=true); adjoint(keep_products=maybe); adjoint(unroll=nan)
        adjoint(unroll=1000000000); sequential(unroll=1000000000)
        newton(damping=inf); newton(damping=1e400); newton(tolerance=nan)
        associative(mesh_axis=3); truncated(window=0.5); truncated(within=gru)
        texts_users:options; sequential(project=1)""",
    "task": """
        ading; gru; os:system('true'); adding(form=1); adding(length=3)
        copy_memory(one_hot=maybe); copy_memory(symbols=1e400); copy_memory(symbols=nan)
        texts_users:options; copy_memory(layout=none)""",
    "optimizer": """
        adm; cosine; gru; adam(eps=-1); adam(eps=nan); adam(eps=inf); adam(eps=x)
        adam(b1=1); adam(b1=1.5); adam(b2=true); rmsprop(eps=-1); rmsprop(decay=nan)
        sgd(nesterov=maybe); sgd(nesterov=2); sgd(momentum=2); optax:adam; adam()()
        optax:adam(1e-3); adam(eps=1e400)""",
    "schedule": """
        cosin; adam; cosine(final=nan); cosine(final=inf); cosine(final=-1)
        linear(final=nan); linear(final='x'); exponential(every=0)
        exponential(every=-1); exponential(factor=nan); exponential(factor=-1)
        exponential(every=1e30)
        optax:constant_schedule(1.0)""",
    "penalties": """
        omga; omega(weight=-1); omega(weight=0); omega(weight=nan); omega(weight=inf)
        omega(weight=true); omega(weight=10000000000); flossing(count=0)
        flossing(count=1e30); spectral_radius(limit=inf); spectral_radius(limit=0)
        os:system('true')""",
    "scheduled_sampling": """
        linea; cosine; linear(steps=0); linear(final=1.5); linear(final=nan)
        linear(passes=0); inverse_sigmoid(k=0); constant(final=-1)
        os:system('true')""",
}
WRONG_CONFIGS = [
    "import sys; sys.exit(0)",
    "def get_config(): raise BaseException('x')",
    "def get_config(): return {}['x']",
    "def get_config(): return {3: 4}",
    "def get_config(): return {None: 4}",
    "def get_config(): return {('a', 1): 4}",
    "def get_config(): return {'cell': None}",
    "def get_config(): return {'cell': 3}",
    "def get_config(): return {'num_steps': [1, 2]}",
    "def get_config(): return {'num_steps': True}",
    "def get_config(): return {'num_steps': 10**400}",
    "def get_config(): return {'residual': 'no'}",
    "def get_config(): return {'residual': 1}",
    "def get_config(): return {'learning_rate': 10**400}",
    "def get_config(): return {'learning_rate': float('inf')}",
    "def get_config(): return {'learning_rates': 0.1}",
    "def get_config(): return {'learning_rates': []}",
    "def get_config(): return {'learning_rates': {0.1}}",
    "def get_config(): return {'seeds': [[1]]}",
    "def get_config(): return {'x' * 40_000: 4}",
    "def get_config(): return {'cell': 'x' * 40_000}",
    "def get_config(x): return {}",
    "def get_config(): return None",
    "def get_config(): return get_config()",
    "get_config = 3",
    "x = '\\0",
    "class A:\n def __repr__(self): raise ValueError\n"
    "def get_config(): return {'num_steps': A()}",
]


def wrong_texts():
    def each(text):
        return (item.strip() for item in text.replace("\n", ";").split(";"))

    for cell in (*each(WRONG_CELLS), "gru(" + "x" * 20_000 + ")", "x" * 40_000):
        if cell and cell not in ("gru()", "x)"):
            yield [f"--cell={cell}"]
    for deep in ("-" * 1000 + "1", "(" * 5000, "f(" * 3000, "not " * 2000 + "x"):
        yield [f"--cell=gru(reset={deep})"]
    for flag, texts in WRONG_OTHERS.items():
        yield from ([f"--{flag}={text}"] for text in each(texts) if text)


def ending(main, settings, argv) -> str:
    """What is wrong with how a mistake ends, or nothing: as `config.run` has it."""
    try:
        main(*config.parse(argv, *settings))
    except errors.UsageError as error:
        line = errors.cut(f"error: {error}")
        good = len(line) <= 300 and line.isprintable() and line.isascii()
        return "" if good else f"is told as {line}"
    except BaseException as error:
        return f"raises {error!r}"
    return "is taken"


def test_every_wrong_input_is_one_line(folder, capsys):
    given = [*wrong_flags(), *wrong_texts()]
    for index, text in enumerate(WRONG_CONFIGS):
        path = folder / f"config_{index}.py"
        path.write_text(text + "\n")
        given.append([f"--config={path}"])
    assert len(given) > 500
    told = {str(argv)[:100]: ending(resolves, SETTINGS, argv) for argv in given}
    wrong = {argv: what for argv, what in told.items() if what}
    assert not wrong, "\n".join(f"{argv} {what}" for argv, what in wrong.items())
    said = capsys.readouterr()
    assert not said.out and not said.err


@pytest.mark.parametrize("cell", ["x" * 40_000, "a\nb\x1b[31m", "texts_odd:x"])
def test_a_mistake_ends_the_program_with_one_line_and_2(cell, folder, capsys):
    with pytest.raises(SystemExit) as stop:
        config.run(resolves, *SETTINGS, argv=[f"--cell={cell}"])
    said = capsys.readouterr()
    assert stop.value.code == 2 and not said.out
    assert said.err.startswith("error: ") and len(said.err) <= 301
    assert said.err.endswith("\n") and said.err[:-1].isprintable()


def test_user_code_that_leaves_says_so(capsys):
    """sys.exit(0) somewhere inside a run is not a run that has ended well."""
    with pytest.raises(SystemExit) as stop:
        config.run(lambda given: sys.exit(0), *SETTINGS[:1], argv=[])
    assert stop.value.code == 1
    assert capsys.readouterr().err.startswith("stopped: SystemExit")


# ------------------------------------------------------------------- right ones


def given_to(text: str) -> dict:
    return resolve("cell", text, hidden_size=4).groups(None)


@pytest.mark.parametrize(
    "options, name, value",
    [
        *(
            (f"flag={word}", "flag", True)
            for word in ("true", "Yes", "on", "1", "True")
        ),
        *((f"flag={word}", "flag", False) for word in ("false", "no", "OFF", "0")),
        ("said=false", "said", False),
        ("said=none", "said", None),
        ("mode=star", "mode", "star"),  # also the name of a cell
        ("mode=uniform", "mode", "uniform"),  # and of initial values
        ("mode=false", "mode", "false"),
        ("mode=none", "mode", "none"),
        ("text=true", "text", "true"),
        ("text=none", "text", None),
        ("other=false", "other", "false"),
        ("other=none", "other", None),
        ("other=True", "other", True),
        ("mode='a:b, c=(1'", "mode", "a:b, c=(1"),
        ("limit=2.0", "rate", 0.5),
    ],
)
def test_words_are_what_the_parameter_takes(folder, monkeypatch, options, name, value):
    monkeypatch.setattr("rnn_research.resolve.check_fit", lambda cell, input_size: None)
    assert given_to(f"texts_users:options({options})")[name] is value or (
        given_to(f"texts_users:options({options})")[name] == value
    )


def test_a_path_is_that_very_file(folder, monkeypatch):
    monkeypatch.setattr("rnn_research.resolve.check_fit", lambda cell, input_size: None)
    for text in ("a/b/texts_deep.py:options", "./a/b/texts_deep.py:options"):
        made = resolve("cell", text, hidden_size=4).origin.factory
        assert made.__code__.co_filename == str(folder / "a" / "b" / "texts_deep.py")
    (folder / "a" / "texts_users.py").write_text(USERS)
    resolve("cell", "texts_users:options", hidden_size=4)
    monkeypatch.chdir(folder / "a" / "b")
    with pytest.raises(errors.UsageError, match="has the name of another module"):
        resolve("cell", "../texts_users.py:options", hidden_size=4)
    monkeypatch.chdir(folder / "a")
    with pytest.raises(errors.UsageError, match="has the name of another module"):
        resolve("cell", "texts_users.py:options", hidden_size=4)


def test_a_file_with_the_name_of_a_package_is_told_so(folder):
    with pytest.raises(errors.UsageError, match="numpy/__init__.py, not a file of"):
        resolve("cell", "numpy:options", hidden_size=4)
    with pytest.raises(errors.UsageError, match="has the name of another module"):
        resolve("cell", "numpy.py:options", hidden_size=4)


def test_what_this_library_made_is_found_wherever_it_is(folder):
    """Also through a module of this library, or a name in a file of the user's."""
    for text in ("rnn_research.cells.gru:gru", "texts_users:gru"):
        assert resolve("cell", f"{text}(reset=before)", hidden_size=4) == cells.gru(
            4, reset="before"
        )


def test_numbers_of_numpy_are_numbers():
    pairs = [
        (cells.gru(np.int64(4)), cells.gru(4)),
        (cells.leaky(4, alpha=np.float64(0.5)), cells.leaky(4, alpha=0.5)),
        (cells.s5(4, clip=np.bool_(True)), cells.s5(4, clip=True)),
        (cells.clockwork(8, periods=(np.int8(1), np.int8(2))), None),
        (engines.checkpointed(chunk=np.int32(2)), engines.checkpointed(chunk=2)),
        (layers.linear(np.int64(3)), layers.linear(3)),
        (layers.dropout(np.float32(0.5)), layers.dropout(0.5)),
        (initializers.normal(gain=np.float16(2)), initializers.normal(gain=2.0)),
    ]
    for given, plain in pairs:
        assert plain is None or given == plain
        assert "np." not in repr(given)
    made = training.TrainConfig(
        num_steps=np.int64(3),
        learning_rate=np.float64(1),
        seeds=np.arange(2),
        learning_rates=[1, np.float64(0.5)],
    )
    same = training.TrainConfig(
        num_steps=3, learning_rate=1.0, seeds=(0, 1), learning_rates=(1.0, 0.5)
    )
    assert made == same
    assert json.dumps(made.resolved()) == json.dumps(same.resolved())


def test_none_is_what_an_optional_setting_is_without_a_value():
    argv = ["--stop_at=none", "--seeds=None", "--block=none", "--workdir=none"]
    model, _, train, _, folder, *_ = config.parse(argv, *SETTINGS)
    assert (train.stop_at, train.seeds, folder.workdir) == (None, None, None)
    assert model.block == "none"  # of these choices, it is one


def test_a_list_is_split_outside_quotes_too():
    assert config.split_list("f(a='),('), g,\"x,y\"") == ("f(a='),(')", "g", '"x,y"')


def test_an_infinite_default_may_be_given(folder, monkeypatch):
    """Where a factory says that infinity has a meaning it is taken."""

    @values.factory
    def limited(*, limit=float("inf"), rate=1.0, flag: bool = None):
        return values.Value()

    assert limited(limit=float("inf")) == limited()
    assert limited(flag=None) == limited()
    with pytest.raises(errors.UsageError, match="rate must be a finite number"):
        limited(rate=float("inf"))


# ------------------------------------------------------------- what is printed


# Of bytes, or in the encoding that a program states.
OF_BYTES = ("Image.open", "os.open", "tarfile.open", "tokenize.open", "wave.open")


def test_every_file_of_text_is_utf_8():
    """The locale of a machine changes nothing in what is read and written."""
    root = pathlib.Path(run.__file__).parent.parent.parent
    names = "open", "read_text", "write_text"
    for path in sorted(
        (*root.glob("rnn_research/**/*.py"), *root.glob("experiments/*"))
    ):
        if path.suffix != ".py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            if ast.unparse(node.func) in OF_BYTES:
                continue
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            modes = [each.value for each in node.args if isinstance(each, ast.Constant)]
            binary = called == "open" and any("b" in str(mode) for mode in modes)
            if called in names and not binary:
                given = [keyword.arg for keyword in node.keywords]
                assert "encoding" in given, f"{path}, line {node.lineno}"


@pytest.mark.parametrize("columns", [1, 20, 34, 35, 59, 60, 80, 200])
def test_help_in_a_terminal_of_any_width(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    text = help_page.text("What?\n\n" + "it is " * 30, *SETTINGS)
    for group in SETTINGS:
        for field in dataclasses.fields(group):
            assert f"--{field.name}" in text
    flags = [line for line in text.splitlines() if "--" not in line]
    assert max(map(len, flags)) <= max(columns, 26)


def test_what_a_locale_cannot_print_is_replaced(monkeypatch):
    for name in ("stdout", "stderr"):
        stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", line_buffering=True)
        monkeypatch.setattr(sys, name, stream)
    out, err = sys.stdout, sys.stderr

    def main(given):
        print("50\u202f561 parameters")
        raise errors.UsageError("no \u2116 5")

    with pytest.raises(SystemExit) as stop:
        config.run(main, SETTINGS[0], argv=[])
    assert stop.value.code == 2
    assert out.buffer.getvalue() == b"50?561 parameters\n"
    assert err.buffer.getvalue() == b"error: no ? 5\n"


def test_a_long_cell_has_a_short_folder():
    settings = dataclasses.asdict(SETTINGS[0]) | dataclasses.asdict(SETTINGS[1])
    settings |= training.TrainConfig().resolved()
    long = [f"clockwork(periods={tuple(range(1, n))})" for n in (200, 300)]
    names = {run._default_folder("x", settings | {"cell": cell}).name for cell in long}
    assert len(names) == 2 and all(len(name) < 200 for name in names)
    odd = run._default_folder("x", settings | {"cell": "\u00e9:\u2116/.."}).name
    assert odd.isascii() and pathlib.PurePath(odd).name == odd
