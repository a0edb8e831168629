"""Flags, config files and value texts: every mistake is one line and exit code 2."""

import dataclasses
import pathlib

import pytest

from experiments import adding_problem, copy_memory, engine_speed, gradient_norms
from rnn_research import (
    cells,
    config,
    errors,
    models,
    runs,
    runtime,
    texts,
    training,
    values,
)
from rnn_research.cells import initializers, wrappers
from rnn_research.resolve import resolve


@dataclasses.dataclass(frozen=True)
class Example(config.Settings):
    """Example:"""

    count: int = config.setting(3, "a count", low=1)
    share: float = config.setting(0.5, "a share", low=0.0, high=1.0)
    names: tuple[str, ...] = config.setting(("a", "b"), "names")
    sizes: tuple[int, ...] | None = config.setting(None, "sizes", low=2)
    kind: str = config.setting("x", "a kind", choices=("x", "yes"))
    flag: bool = config.setting(False, "a switch")


def parse(*argv, defaults=Example()):  # noqa: B008 - immutable
    return config.parse(argv, defaults)[0]


def test_defaults_and_types():
    assert parse() == Example()
    given = parse("--count=7", "--share=1", "--names=c", "--sizes=2,30", "--flag")
    assert given == Example(7, 1.0, ("c",), (2, 30), "x", True)
    assert isinstance(given.share, float)
    assert parse("--count", "1e3").count == 1000
    assert parse("--noflag", defaults=Example(flag=True)).flag is False


def test_lists_split_outside_brackets():
    assert parse("--names=gru,lru(r_min=0.1,r_max=1),m:f(a=(1,2))").names == (
        "gru",
        "lru(r_min=0.1,r_max=1)",
        "m:f(a=(1,2))",
    )


def test_order_of_strength(tmp_path):
    path = tmp_path / "c.py"
    path.write_text("def get_config():\n  return {'count': 5, 'sizes': [4, 6]}\n")
    file = f"--config={path}"
    assert parse(file).count == 5 and parse(file).sizes == (4, 6)
    assert parse(file, "--count=6").count == parse("--count=6", file).count == 6
    assert parse(file, defaults=Example(count=9, share=0.1)) == Example(
        5, 0.1, sizes=(4, 6)
    )


MISTAKES = [
    (["--cuont=1"], "unknown flag --cuont; did you mean --count?"),
    (["--count=x"], "--count=x: expected a whole number"),
    (["--count=1.5"], "--count=1.5: expected a whole number"),
    (["--count=0"], "--count=0: must be at least 1"),
    (["--share=2"], "--share=2.0: must be at most 1.0"),
    (["--share=nan"], "must be a number, not NaN"),
    (["--sizes=4,1"], "--sizes=1: must be at least 2"),
    (["--sizes="], "give one value or more"),
    (["--kind=yess"], "did you mean yes?"),
    (["count=1"], "stray argument 'count=1'"),
    (["--flag=maybe"], "flag"),
    (["--count"], "count"),
    (["--config=nowhere.py"], "there is no such file"),
]


@pytest.mark.parametrize(("argv", "message"), MISTAKES)
def test_mistakes_on_the_command_line(argv, message, capsys):
    check_mistake(lambda given: None, [Example()], argv, message, capsys)


def check_mistake(main, settings, argv, message, capsys):
    with pytest.raises(SystemExit) as stop:
        config.run(main, *settings, argv=argv)
    error = capsys.readouterr().err
    assert stop.value.code == 2
    assert message in error
    assert error.startswith("error: ") and error.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def get_config(): return {'cuont': 1}", "unknown key 'cuont'; did you mean"),
        ("def get_config(): return {'count': 'x'}", "expected a whole number"),
        ("def get_config(): return 3", "must return a dict"),
        ("x = 1", "has no get_config()"),
        ("x = = 1", "SyntaxError"),
        ("def get_config(): return 1 / 0", "ZeroDivisionError"),
    ],
)
def test_mistakes_in_config_files(text, message, tmp_path, capsys):
    path = tmp_path / "bad.py"
    path.write_text(text + "\n")
    argv = [f"--config={path}"]
    check_mistake(lambda given: None, [Example()], argv, message, capsys)


def test_help_lists_every_setting(capsys):
    def main(given):
        raise AssertionError("not run")

    with pytest.raises(SystemExit) as stop:
        config.run(main, Example(), argv=["--count=0", "--help"])
    text = capsys.readouterr().out
    assert stop.value.code == 0
    for field in dataclasses.fields(Example):
        assert f"--{field.name}" in text and field.metadata["help"] in text


# ------------------------------------------------------------------- text to values


def test_texts_name_values():
    assert resolve("cell", "gru", hidden_size=5) == cells.gru(5)
    ring = initializers.ring(r_min=0.5)
    named = resolve("cell", "lru(eigenvalues=ring(r_min=0.5))", hidden_size=5)
    assert named == cells.lru(5, eigenvalues=ring)
    assert resolve("cell", "elman(activation=relu)", hidden_size=5) == cells.elman(
        5, activation="relu"
    )
    nested = resolve("cell", "zoneout(gru(reset=before), rate=0.2)", hidden_size=5)
    assert nested == wrappers.zoneout(cells.gru(5, reset="before"), rate=0.2)


@pytest.fixture
def users_folder(tmp_path, monkeypatch):
    """A folder of a user's, in which they work."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    return tmp_path


GOOD = """
import jax, jax.numpy as jnp
from rnn_research import Cell

def leaky(hidden_size, *, alpha=0.3):
    def init(key, input_size):
        W = jax.random.normal(key, (input_size + hidden_size, hidden_size))
        return {"W": W, "U": W[:input_size]}
    def initial_state(params, batch_shape):
        return jnp.zeros((*batch_shape, hidden_size))
    def step(w, h, u):
        return (1 - alpha) * h + alpha * jnp.tanh(u)
    return Cell(init=init, initial_state=initial_state, step=step,
                project=lambda w, x: x @ w["U"])

def misfit(hidden_size):
    return leaky(hidden_size).replace(step=lambda w, h, u: h @ w["U"])

def number(hidden_size):
    return hidden_size
"""


def test_a_cell_of_the_users_own(users_folder):
    (users_folder / "my_cells_a.py").write_text(GOOD)
    cell = resolve("cell", "my_cells_a:leaky(alpha=0.1)", hidden_size=5)
    assert cell == resolve("cell", "my_cells_a:leaky(alpha=0.1)", hidden_size=5)
    assert cell != resolve("cell", "my_cells_a:leaky", hidden_size=5)
    assert repr(cell) == "leaky(5, alpha=0.1)"
    wrapped = resolve(
        "cell", "zoneout(my_cells_a:leaky(alpha=0.1), rate=0.2)", hidden_size=5
    )
    assert wrapped.noise is not None


CELL_MISTAKES = [
    ("gruu", "unknown cell 'gruu'; did you mean gru?"),
    ("gru(", "cannot read 'gru('"),
    ("gru()()", "cannot read"),
    ("gru(64)", "hidden_size is set by --hidden_size"),
    ("gru(hidden_size=64)", "hidden_size is set by --hidden_size"),
    ("gru(rest=1)", "no option 'rest'; did you mean reset?"),
    ("gru(reset=befor)", "did you mean before?"),
    ("gru(reset=[1])", "must be hashable"),
    ("lru(eigenvalues=ring(r_min=2))", "must be in [0.0, 1.0]"),
    ("__import__('os').system('true')", "cannot read"),
    ("nowhere:leaky", "there is no nowhere.py"),
    ("my_cells_b:leakyy", "did you mean my_cells_b:leaky?"),
    ("my_cells_b:misfit", "step fails on"),
    ("my_cells_b:number", "not a cell or layer"),
    ("broken_b:leaky", "SyntaxError"),
    ("raising_b:leaky", "does not import: ZeroDivisionError"),
    ("missing_b:leaky", "No module named 'not_installed_anywhere'"),
    ("weight_drop(min_gru)", "no recurrent matrix"),
]


@pytest.mark.parametrize(("cell", "message"), CELL_MISTAKES)
def test_mistakes_in_cells(cell, message, users_folder, capsys):
    (users_folder / "my_cells_b.py").write_text(GOOD)
    (users_folder / "broken_b.py").write_text("def leaky(:\n")
    (users_folder / "raising_b.py").write_text("1 / 0\n")
    (users_folder / "missing_b.py").write_text("import not_installed_anywhere\n")
    argv = [f"--cell={cell}"]
    check_mistake(adding_problem.main, training_settings(), argv, message, capsys)
    assert not (users_folder / "runs").exists()


@pytest.mark.parametrize("path", ["os:abort", "shutil:rmtree", "subprocess:run"])
def test_no_value_calls_the_standard_library(path):
    """A config.json that was tampered with cannot make `--runs` run a program."""
    with pytest.raises(errors.UsageError, match="a module of Python's own"):
        texts.resolve(f"{path}('x')", "cell", (), returns=values.Value)


def training_settings():
    return [
        models.ModelConfig(hidden_size=8),
        runs.TaskConfig(),
        training.TrainConfig(),
        runs.OptimizerConfig(),
        runs.FolderConfig(),
        runtime.RunConfig(precision="float64"),
    ]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--engine=sequentiall"], "unknown engine 'sequentiall'; did you mean"),
        (["--engine=checkpointed(chunk=0)"], "chunk must be a whole number"),
        (
            ["--engine=associative"],
            "gru has no associative form; gru qualifies for adjoint",
        ),
        (["--task=ading"], "unknown task 'ading'; did you mean adding?"),
        (["--task=adding(form=x)"], "form must be one of"),
        (["--task=adding(frm=x)"], "no option 'frm'; did you mean form?"),
        (["--length=1"], "length must be at least 2"),
        (["--length=0"], "--length=0: must be at least 1"),
        (["--hidden_size=0"], "must be at least 1"),
        (["--batch_size=0"], "must be at least 1"),
        (["--learning_rate=-1"], "must be greater than 0.0"),
        (["--optimizer=adm"], "unknown optimizer 'adm'; did you mean adam?"),
        (["--optimizer=cosine"], "unknown optimizer 'cosine'"),
        (["--schedule=cosin"], "did you mean cosine?"),
        (["--num_devices=64"], "there are only 2 devices"),
        (["--num_devices=2", "--batch_size=3"], "does not divide --batch_size=3"),
        (["--platform=tpu"], "--platform=tpu is not there"),
        (["--dropout=1"], "must be at most 0.99"),
        (["--workdir=/dev/null/run"], "--workdir=/dev/null/run"),
    ],
)
def test_mistakes_in_training(argv, message, users_folder, capsys):
    check_mistake(adding_problem.main, training_settings(), argv, message, capsys)
    assert not (users_folder / "runs").exists()


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--cells=gru,lstmm"], "did you mean lstm?"),
        (["--lengths=10,1"], "--lengths=1: must be at least 2"),
        (["--runs=nowhere"], "nowhere holds no run"),
        (["--loss=stat"], "did you mean state?"),
        (["--task=adding"], "--task=adding is for --cells with --loss=task"),
        (["--workdir=/dev/null/x"], "--workdir=/dev/null/x"),
    ],
)
def test_mistakes_in_gradient_norms(argv, message, users_folder, capsys):
    settings = [gradient_norms.GradientNormsConfig(), runtime.RunConfig()]
    check_mistake(gradient_norms.main, settings, argv, message, capsys)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--cells=lru"], "--cells must be one of 'elman', 'gru', 'lstm'"),
        (["--cells=gruu"], "did you mean gru?"),
        (["--libraries=jaxx"], "--libraries must be one of 'ours'"),
        (["--libraries=cudnn"], "not on --platform=cpu"),
        (["--shapes=200x50"], "write T x B x H"),
        (["--shapes=200x0x5"], "at least 1"),
    ],
)
def test_mistakes_in_engine_speed(argv, message, users_folder, capsys):
    settings = [engine_speed.EngineSpeedConfig()]
    check_mistake(engine_speed.main, settings, argv, message, capsys)


def test_run_errors_exit_with_1(capsys):
    def main(given):
        raise errors.RunError("the loss is NaN")

    with pytest.raises(SystemExit) as stop:
        config.run(main, Example(), argv=[])
    assert stop.value.code == 1
    assert capsys.readouterr().err == "stopped: the loss is NaN\n"


def test_every_setting_is_defined_once():
    """Flag names do not collide within a program."""
    for program in (adding_problem, copy_memory, engine_speed, gradient_norms):
        assert pathlib.Path(program.__file__).exists() and program.__doc__
    config.parse([], *training_settings())
