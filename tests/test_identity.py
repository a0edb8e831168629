"""What a value is, told from another in any process; a folder belongs to one run."""

import copy
import functools
import os
import pickle
import runpy
import shutil
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research import (
    cells,
    engines,
    errors,
    identity,
    layers,
    models,
    report,
    runs,
    runtime,
    tasks,
    training,
)
from rnn_research.cells import initializers, wrappers
from rnn_research.layers import architectures
from rnn_research.runs import keeper, loading, same_run
from rnn_research.training import optimizers, penalties

USERS = """
import dataclasses
import enum
import functools

import jax
import jax.numpy as jnp
import numpy as np

import helpers_of_identity
from helpers_of_identity import scaled
from rnn_research import Cell, cell, cells, runs, tasks
from rnn_research.training import penalties

ALPHA, TABLE, OPTIONS, UNUSED = 0.3, np.arange(3.0), {"gain": [1, 2]}, 5
SLOPE = 4.0
cut = functools.partial(jnp.clip, min=-1.0)


@jax.custom_vjp
def spike(x):
    return jnp.sign(x)


spike.defvjp(lambda x: (spike(x), x), lambda x, g: (g * SLOPE,))


@dataclasses.dataclass(frozen=True)
class Setup:
    rate: float = 0.1


SETUP = Setup()
LEVEL = 0.2


class Kind(enum.Enum):
    SOFT = 1.0


class Shift:
    __slots__ = ("size",)

    def __init__(self, size):
        self.size = size

    def __call__(self, x):
        return x + LEVEL * self.size


class Moved(Shift):
    @property
    def late(self):
        from lazy_of_identity import late

        return late


@jax.jit
def halved(x):
    return x / 2


moved = Moved(1.0)
mapped = jax.vmap(halved, in_axes=0)


def undecorated(hidden_size, *, alpha=0.3, f=jnp.tanh):
    def init(key, input_size):
        W = jax.random.normal(key, (input_size + hidden_size, hidden_size))
        return {"W": W[input_size:] / hidden_size**0.5, "U": W[:input_size]}

    def step(w, h, u):
        u = moved(mapped(u)) * Kind.SOFT.value + moved.late(u)
        u = scaled(u) + helpers_of_identity.BETA + TABLE.sum() * OPTIONS["gain"][0]
        return (1 - alpha) * h + SETUP.rate * ALPHA * cut(spike(f(h @ w["W"] + u)))

    return Cell(
        init=init,
        initial_state=lambda params, batch: jnp.zeros((*batch, hidden_size)),
        project=lambda w, x: x @ w["U"],
        step=step,
    )


@cell
def leaky(hidden_size, *, alpha=0.3, f=jnp.tanh, n=1.0):
    return undecorated(hidden_size, alpha=alpha, f=f)


def doubled(x):
    return 2 * x


def of_two(first, second):
    return lambda x: first(second(x))


@penalties.penalty
def small(*, weight=1.0):
    return penalties.Penalty(lambda model, params, task, batch: weight * ALPHA)
"""
LAZY = "def late(x):\n    return 0.5 * x\n"
HELPERS = "BETA = 2.0\n\n\ndef scaled(x):\n    return BETA * x\n"


@pytest.fixture
def users(tmp_path, monkeypatch):
    """users(old, new) -> the user's module, with a text replaced in its files."""
    folder = tmp_path / "users"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    texts = {
        "users_of_identity": USERS,
        "helpers_of_identity": HELPERS,
        "lazy_of_identity": LAZY,
    }

    def load(old="", new=""):
        for name, text in texts.items():
            sys.modules.pop(name, None)
            (folder / f"{name}.py").write_text(text.replace(old, new) if old else text)
        shutil.rmtree(folder / "__pycache__", ignore_errors=True)
        return __import__("users_of_identity")

    yield load
    for name in texts:
        sys.modules.pop(name, None)


def test_values_are_pickled_as_their_call(tmp_path):
    task = tasks.adding(20)
    made = [getattr(cells, name)(8) for name in cells.__all__]
    made += [getattr(architectures, name)(8) for name in architectures.__all__]
    made += [getattr(engines, name)() for name in engines.__all__]
    made += [tasks.adding(20), tasks.copy_memory(20), tasks.temporal_order(20)]
    made += [tasks.characters(20), tasks.sequential_images()]
    waves = tmp_path / "waves.csv"
    waves.write_text("y\n" + "".join(f"{i % 7}\n" for i in range(200)))
    made += [tasks.forecasting(20, series=str(waves))]
    made += [penalties.omega(), penalties.spectral_radius(weight=2.0)]
    made += [
        optimizers.adam(b1=0.8),
        optimizers.exponential(),
        wrappers.zoneout(made[0]),
    ]
    made += [models.build(cells.lstm(4), task, models.ModelConfig(num_layers=2))]
    made += [cells.gru(8).replace(readout=initializers.glorot)]
    made += [layers.stack(layers.linear(3), layers.recurrent(cells.gru(3)))]
    for value in made:
        assert pickle.loads(pickle.dumps(value)) == value
        assert copy.deepcopy(value) is value
        assert "0x" not in identity.text(value) and identity.code(value) == {}


def test_what_no_import_finds_is_not_pickled(users):
    module = users()
    assert pickle.loads(pickle.dumps(module.leaky(4, f=module.doubled))) == (
        module.leaky(4, f=module.doubled)
    )
    for value in (
        module.undecorated(4),
        module.leaky(4, f=lambda x: x),
        module.leaky(4, f=functools.partial(jnp.clip, min=0)),
    ):
        with pytest.raises(
            errors.UsageError, match="cannot be pickled: .*; de"
        ) as told:
            pickle.dumps(value)
        assert "\n" not in str(told.value)


def test_arguments_are_compared_with_their_types(users):
    leaky = users().leaky
    ones = [leaky(4, n=one) for one in (1, 1.0, 0.0, -0.0)]
    assert len(set(ones)) == len(ones)
    assert leaky(4, n=1.0) == leaky(4) == leaky(4, n=np.float64(1))


CHANGES = {  # old text -> new, and whether the cell computes another thing
    (
        "ALPHA, TABLE, OPTIONS, UNUSED = 0.3",
        "ALPHA, TABLE, OPTIONS, UNUSED = 0.9",
    ): True,
    ("np.arange(3.0)", "np.arange(3.0) + 1"): True,
    ('{"gain": [1, 2]}', '{"gain": [3, 2]}'): True,
    ("SLOPE = 4.0", "SLOPE = 5.0"): True,
    ("min=-1.0", "min=-2.0"): True,
    ("SETUP = Setup()", "SETUP = Setup(rate=0.2)"): True,
    ("BETA = 2.0", "BETA = 3.0"): True,
    ("return BETA * x", "return BETA + x"): True,
    ("alpha=0.3, f=jnp.tanh, n=1.0", "alpha=0.4, f=jnp.tanh, n=1.0"): True,
    ("jnp.sign(x)", "jnp.sign(-x)"): True,
    ("LEVEL = 0.2", "LEVEL = 0.3"): True,  # read in the base of a class
    ("SOFT = 1.0", "SOFT = 2.0"): True,
    ("moved = Moved(1.0)", "moved = Moved(2.0)"): True,  # in a slot
    ("in_axes=0", "in_axes=1"): True,  # closed over by what JAX returns
    ("return 0.5 * x", "return 0.4 * x"): True,  # of a module imported on the way
    ("return x / 2", "return x / 2  # a comment"): False,
    ("return x / 2", "return x / 3"): True,  # under jax.jit
    ("ALPHA, TABLE", "# a comment\nALPHA, TABLE"): False,  # and what is compiled moves
    ('project=lambda w, x: x @ w["U"]', 'project=lambda w, x: -x @ w["U"]'): True,
    ("[1, 2]}, 5", "[1, 2]}, 6"): False,
    ("    u = scaled", "    # a comment\n\n        u = scaled"): False,
    ("return 2 * x", "return 3 * x"): False,
}


def test_each_change_of_what_is_computed_is_another_identity(users):
    def known(module):
        value = module.leaky(4)
        return identity.text(value), identity.code(value)

    before = users().leaky(4)
    first = known(users())
    assert "0x" not in str(first) and known(users()) == first
    assert users().leaky(4) != before  # reloaded, it may be another
    for (old, new), is_another in CHANGES.items():
        assert old in USERS + HELPERS + LAZY
        assert (known(users(old, new)) != first) == is_another, (old, new)


def test_closures_lambdas_and_methods_are_told_apart(users):
    module = users()
    double, scaled = module.doubled, module.scaled
    different = [
        module.undecorated(4, alpha=0.1),
        module.undecorated(4, alpha=0.9),
        module.leaky(4, f=lambda x: x),
        module.leaky(4, f=lambda x: 2 * x),  # fmt: skip
        module.leaky(4, f=module.of_two(double, scaled)),
        module.leaky(4, f=module.of_two(scaled, double)),
        module.leaky(4, f=functools.partial(double, 1)),
        module.leaky(4, f=functools.partial(double, 2)),
        module.leaky(4, f=jax.jit(module.of_two(double, double))),
        module.leaky(4, f=jax.jit(module.of_two(scaled, scaled))),
    ]
    known = [str((identity.text(each), identity.code(each))) for each in different]
    assert len(set(known)) == len(known) and "0x" not in "".join(known)
    with pytest.raises(errors.UsageError, match="f is an object of builtins:object"):
        identity.text(module.leaky(4, f=object()))


@pytest.mark.slow
def test_code_may_call_code_to_any_depth(tmp_path):
    calls = [f"def f{n}(x):\n    return f{n - 1}(x)\n" for n in range(1, 400)]
    path = tmp_path / "deep_of_identity.py"
    path.write_text("\n".join(["def f0(x):\n    return x\n", *calls]))
    names = runpy.run_path(str(path))
    assert len(identity.code(names["f399"])) == 400


# ------------------------------------------------------------- the folder of a run

SMALL = training.TrainConfig(
    num_steps=4, batch_size=4, eval_every=2, eval_size=4, checkpoint_every=2
)


VALUES = "optimizer", "schedule", "penalties"


def train(folder, cell=None, task=None, **changes):
    values = {name: changes.pop(name) for name in VALUES if name in changes}
    config = training.TrainConfig(**{**vars(SMALL), **changes})
    cell, task = cell or cells.elman(3), task or tasks.adding(6)
    return runs.train(cell, task, config, workdir=folder, quiet=True, **values)


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """A run that has ended, and one of another cell."""
    folders = [tmp_path_factory.mktemp("ended") / name for name in ("one", "other")]
    train(folders[0])
    train(folders[1], cells.elman(3, activation="relu"))
    return folders


OTHERS = [
    {"cell": cells.elman(3, activation="relu")},
    {"cell": cells.elman(4)},
    {"cell": cells.irnn(3)},
    {"task": tasks.adding(7)},
    {"batch_size": 2},
    {"learning_rate": 0.01},
    {"optimizer": optimizers.sgd()},
    {"schedule": optimizers.cosine()},
    {"warmup_steps": 2},
    {"grad_clip": 2.0},
    {"seed": 1},
    {"num_seeds": 2},
    {"weight_decay": 0.1},
    {"penalties": (penalties.spectral_radius(),)},
]


def without_config(folder):
    (folder / "config.json").unlink()


def empty_config(folder):
    (folder / "config.json").write_text("")


def config_without_settings(folder):
    (folder / "config.json").write_text("{}")


@pytest.mark.slow
@pytest.mark.parametrize(
    "hurt", [without_config, empty_config, config_without_settings]
)
def test_without_its_settings_a_run_is_not_resumed(ended, tmp_path, hurt):
    folder = tmp_path / "run"
    shutil.copytree(ended[0], folder)
    hurt(folder)
    left = {path: path.stat().st_mtime for path in folder.rglob("*")}
    for change in ({}, OTHERS[0]):
        with pytest.raises((errors.UsageError, errors.RunError)) as told:
            train(folder, **change)
        assert "config.json" in str(told.value) or "earlier" in str(told.value)
        assert "\n" not in str(told.value)
    now = {path: path.stat().st_mtime for path in folder.rglob("*")}
    assert now.keys() == left.keys()


@pytest.mark.parametrize(
    "others", [OTHERS[::6], pytest.param(OTHERS, marks=pytest.mark.slow)], ids=len
)
def test_with_the_settings_of_another_run_it_is_not_resumed(ended, tmp_path, others):
    """config.json was replaced by what the command would write."""
    folder = tmp_path / "run"
    shutil.copytree(ended[0], folder)
    for number, change in enumerate(others):
        with_these = tmp_path / str(number)
        with pytest.raises(KeyboardInterrupt):
            claim_alone(with_these, change)
        shutil.copy(with_these / "config.json", folder)
        with pytest.raises(errors.UsageError, match="checkpoints holds a run") as told:
            train(folder, **change)
        assert "\n" not in str(told.value), change


def claim_alone(folder, change):
    """Write the config.json of a training that is not begun."""
    with pytest.MonkeyPatch.context() as patch:

        def stop(*arguments, **options):
            raise KeyboardInterrupt

        patch.setattr(keeper, "Checkpoints", stop)
        train(folder, **change)


@pytest.mark.first(1)
@pytest.mark.parametrize("copied", [["checkpoints"], ["checkpoints", "metrics.jsonl"]])
def test_the_checkpoints_of_another_run_are_refused(ended, tmp_path, copied):
    folder = tmp_path / "run"
    shutil.copytree(ended[0], folder)
    for name in copied:
        kind = shutil.copytree if name == "checkpoints" else shutil.copy
        shutil.rmtree(folder / name) if name == "checkpoints" else None
        kind(ended[1] / name, folder / name)
    with pytest.raises(errors.UsageError, match="activation='relu'"):
        train(folder)
    with pytest.raises(errors.UsageError, match="activation='relu'"):
        train(folder, num_steps=8)


@pytest.mark.slow
def test_what_may_differ_is_free(ended, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(ended[0], folder)
    result = train(folder, num_steps=6, stop_at=1e-9, on_nan="skip", num_devices=1)
    assert result.summary["runs"][0]["steps"] == 6
    assert [row["step"] for row in result.metrics] == [2, 4, 6]


@pytest.mark.slow
def test_an_edited_cell_does_not_go_on(users, tmp_path):
    train(tmp_path / "run", users().leaky(3))
    train(tmp_path / "run", users().leaky(3), num_steps=6)
    for old, new in (("BETA = 2.0", "BETA = 3.0"), ("SLOPE = 4.0", "SLOPE = 5.0")):
        with pytest.raises(
            errors.UsageError, match="with other code of .*edited since"
        ):
            train(tmp_path / "run", users(old, new).leaky(3), num_steps=8)


def test_a_run_that_goes_on_has_no_summary(ended, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    shutil.copytree(ended[0], folder)
    assert report.read([folder])
    with monkeypatch.context() as patch:

        def killed(self, step, tree, notes):
            raise KeyboardInterrupt

        patch.setattr(keeper.Checkpoints, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            train(folder, num_steps=8)
    with pytest.raises(errors.UsageError, match="the run has not ended"):
        report.read([folder])


def test_a_summary_and_a_record_are_of_their_run(ended, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(ended[0], folder)
    shutil.copy(ended[1] / "metrics.jsonl", folder)
    (entry,) = report.read([folder])
    assert "metrics.jsonl no longer holds" in entry.notes[0]
    shutil.copy(ended[1] / "summary.json", folder)
    with pytest.raises(errors.UsageError, match="is not of the run in config.json"):
        report.read([folder])


def test_long_settings_are_shown_from_where_they_differ():
    base = {"code": {}, "model": "a" * 100 + "b" + "c" * 100}
    with pytest.raises(errors.UsageError) as told:
        same_run.compare(base, base | {"model": "a" * 100 + "d"}, set(), "here", "stop")
    assert "b" in str(told.value) and len(str(told.value)) < 250


@pytest.mark.slow
def test_equal_trainings_in_one_process_compile_once(monkeypatch):
    """Also of values without identity; another constant is another program."""
    count = []
    compile = jax.stages.Lowered.compile
    monkeypatch.setattr(
        jax.stages.Lowered, "compile", lambda self: count.append(0) or compile(self)
    )

    def trained(value):
        cell = cells.elman(5).replace(project=lambda w, x: value * cells_of(w, x))
        return training.train(cell, tasks.adding(6), SMALL, quiet=True)

    cells_of = cells.elman(5).project
    first, again, other = trained(0.5), trained(0.5), trained(0.25)
    assert len(count) == 4  # an update and an evaluation, of two programs
    assert first.metrics == again.metrics != other.metrics


@pytest.mark.slow
def test_programs_from_disk_give_the_same_bits(tmp_path):
    """A command, twice with a cache and once without; then with a damaged cache."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JAX_")}
    environment |= {"XDG_CACHE_HOME": str(tmp_path / "cache"), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "experiments.adding_problem", "--cell=lstm"]
    command += ["--hidden_size=8", "--length=12", "--num_steps=20", "--eval_every=10"]
    command += ["--eval_size=20", "--batch_size=10", "--figures=false"]

    def trained(name, *flags):
        flags = [f"--workdir={tmp_path / name}", *flags]
        done = subprocess.run([*command, *flags], env=environment, capture_output=True)
        assert done.returncode == 0, done.stderr
        return (tmp_path / name / "metrics.jsonl").read_bytes()

    compiled = trained("compiled")
    entries = [path for path in tmp_path.glob("cache/**/*") if path.is_file()]
    assert entries and trained("from disk") == compiled
    assert {path for path in tmp_path.glob("cache/**/*") if path.is_file()} == {
        *entries
    }
    for path in entries:
        path.write_bytes(path.read_bytes()[:-9])
    assert trained("damaged") == compiled
    assert trained("off", "--compilation_cache=off") == compiled


def test_damaged_or_free_settings_of_a_folder():
    """Code that is none is of no run; where programs are kept is no name of a value."""
    with pytest.raises(errors.UsageError, match="made by an earlier version"):
        same_run.compare({"code": None}, {"code": {}}, set(), "here", "stop")
    kept = loading._read(runtime.RunConfig, {"compilation_cache": "/a/b c"}, ())
    assert kept.compilation_cache == "/a/b c"
