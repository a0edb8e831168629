"""What is read from a folder of runs names values of this library and nothing else."""

import json
import sys

import pytest

from rnn_research import config, errors, report, runs, runtime
from rnn_research.measurements import driven
from rnn_research.runs import checkpoints, same_run

EVIL = """
import pathlib
pathlib.Path(__file__).with_name("imported").touch()
from rnn_research import cells, engines, tasks
from rnn_research.training import optimizers, penalties

def cell(hidden_size):
    return cells.gru(hidden_size)

def task(length):
    return tasks.adding(length)

def run(*arguments, **options):
    pathlib.Path(__file__).with_name("called").touch()
"""
SOUND = {
    "cell": "gru",
    "hidden_size": 4,
    "task": "adding",
    "length": 6,
    "precision": "float64",
}
ATTACKS = [
    {name: text if name != "penalties" else [text]}
    for name in (
        *("cell", "task", "engine", "optimizer", "schedule", "penalties"),
        "scheduled_sampling",
    )
    for text in ("os:system('touch called')", "trust_evil:run", "trust_evil.py:run(1)")
] + [
    {"cell": "trust_evil:cell"},
    {"task": "trust_evil:task"},
    {"cell": "sub/trust_evil.py:cell"},
    {"cell": "../sub/trust_evil:cell"},
    {"cell": "/etc/../{folder}/trust_evil.py:cell"},
    {"cell": "zoneout(trust_evil:cell, rate=0.1)"},
    {"cell": "zoneout(residual(trust_evil:cell))"},
    {"cell": "elman(recurrent=orthogonal(os:getcwd))"},
    {"cell": "elman(recurrent=trust_evil:run)"},
    {"cell": "lstm(forget_bias=chrono(t_max=trust_evil:run))"},
    {"cell": "linen_cell(module=trust_evil:run)"},
    {"engine": "truncated(within=trust_evil:run)"},
    {"engine": "subprocess:run(('touch', 'called'))"},
    {"engine": "pickle:loads(b'cos\\nsystem\\n(S\"touch called\"\\ntR.')"},
    {"engine": "builtins:exec('import trust_evil')"},
    {"engine": "importlib:import_module('trust_evil')"},
    {"engine": "runpy:run_path('trust_evil.py')"},
    {"engine": "numpy:load('x.npy', allow_pickle=True)"},
    {"engine": "jax:jit"},
    {"engine": "rnn_research.processes:end(0, 'ended')"},
    {"optimizer": "optax:adam(1e-3)"},
    {"schedule": "trust_evil:run()"},
    {"penalties": ["omega", "trust_evil:run"]},
    {"penalties": "trust_evil:run"},
    {"block": "trust_evil:run"},
    {"on_nan": "trust_evil:run"},
    {"config": "trust_evil.py"},
    {"platform": "trust_evil:run"},
]
NO_CHECKPOINT = "has no checkpoint yet"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder that was received, in which the user works; the file in it is armed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    monkeypatch.delitem(sys.modules, "trust_evil", raising=False)
    (tmp_path / "sub").mkdir()
    for path in (tmp_path, tmp_path / "sub"):
        (path / "trust_evil.py").write_text(EVIL)
    return tmp_path


def write(folder, **changes):
    text = json.dumps(SOUND | changes).replace("{folder}", str(folder).lstrip("/"))
    (folder / "config.json").write_text(text)


def marks(folder) -> list[str]:
    """What an attack leaves where it gets through."""
    return [path.name for name in ("imported", "called") for path in folder.rglob(name)]


def test_no_text_that_is_read_reaches_a_file_or_a_package(folder):
    assert len(ATTACKS) >= 40
    for attack in ATTACKS:
        write(folder, **attack)
        with pytest.raises(errors.UsageError) as told:
            runs.load_all(folder)
        assert "\n" not in str(told.value), attack
        harmless = NO_CHECKPOINT in str(told.value)  # nothing reads it
        assert harmless == (attack == {"config": "trust_evil.py"}), attack
        assert not marks(folder), attack
    assert "trust_evil" not in sys.modules


def test_no_call_of_a_training_from_python_does_either(folder):
    sound = {
        "model": "model(recurrent(gru(4)), input_size=2, output_size=1, head='last')",
        "task": "rnn_research.tasks.adding:adding(6)",
        "precision": "float64",
    }
    for kind, text in (
        ("model", "os:system('touch called')"),
        ("model", "trust_evil:run()"),
        ("model", sound["model"].replace("gru(4)", "trust_evil:cell(4)")),
        ("task", "trust_evil:task(6)"),
        ("task", "subprocess:run(('touch', 'called'))"),
        ("task", "rnn_research.processes:end(0, 'ended')"),
        ("task", None),
        ("precision", "trust_evil:run"),
        ("model", sound["model"]),
    ):
        (folder / "config.json").write_text(json.dumps({"calls": sound | {kind: text}}))
        with pytest.raises(errors.UsageError) as told:
            runs.load_all(folder)
        assert "\n" not in str(told.value)
        assert (NO_CHECKPOINT in str(told.value)) == (text == sound["model"]), text
        assert not marks(folder), text
    assert "trust_evil" not in sys.modules


def test_what_the_user_trusts_is_loaded_and_nothing_beside_it(folder):
    write(folder, cell="zoneout(trust_evil:cell)")
    with pytest.raises(errors.UsageError, match="--trust=trust_evil"):
        runs.load_all(folder, allow=("other",))
    assert not marks(folder)
    with pytest.raises(errors.UsageError, match=NO_CHECKPOINT):
        runs.load_all(folder, allow=("trust_evil",))
    assert marks(folder) == ["imported"]
    for engine in ("os:system('touch called')", "trust_evil:run", "numpy:load('x')"):
        write(folder, cell="trust_evil:cell", engine=engine)
        with pytest.raises(errors.UsageError):
            runs.load_all(folder, allow=("trust_evil", "numpy", "os"))
        assert "called" not in marks(folder) or engine == "trust_evil:run"


def test_every_command_that_reads_runs_says_what_to_trust(folder, capsys):
    write(folder, cell="trust_evil:cell")

    def main(settings, run_config):
        list(driven.cells(settings))

    settings = driven.DrivenConfig(), runtime.RunConfig()
    with pytest.raises(SystemExit) as stop:
        config.run(main, *settings, argv=[f"--runs={folder}"])
    said = capsys.readouterr().err
    assert stop.value.code == 2 and "--trust=trust_evil" in said
    with pytest.raises(SystemExit):
        config.run(main, *settings, argv=[f"--runs={folder}", "--trust=trust_evil"])
    assert NO_CHECKPOINT in capsys.readouterr().err


def test_a_report_measures_only_what_is_trusted(folder):
    write(folder, cell="trust_evil:cell", learning_rates=[0.1], seeds=[0])
    row = {"seed": 0, "learning_rate": 0.1, "step": 1, "loss": 0.5}
    (folder / "metrics.jsonl").write_text(json.dumps(row) + "\n")
    summary = {
        "task": "adding(6)",
        "device": "1 x cpu",
        "length": 6,
        "parameters": 50,
        "goal": 0.1,
        "baseline": 0.2,
        "seconds": {"run": 1.0, "compile": 1.0},
        "engines": ["sequential()"],
        "by_learning_rate": [{"learning_rate": 0.1}],
        "runs": [row | {"outcome": "solved", "steps": 1, "test": {"loss": 0.1}}],
    }
    (folder / "summary.json").write_text(json.dumps(summary))
    (entry,) = report.read([folder])
    assert "--trust=trust_evil" in str(entry.notes) and not marks(folder)
    (entry,) = report.read([folder], allow=("trust_evil",))
    assert NO_CHECKPOINT in str(entry.notes) and marks(folder)


DAMAGED = [
    "",
    "{",
    "[]",
    "null",
    '"gru"',
    "[" * 100_000,
    '{"a":' * 100_000,
    "{}",
    '{"cell": "gru"}',
    '{"cell": null, "task": "adding"}',
    '{"cell": ["gru"], "task": "adding"}',
    '{"cell": "gru", "task": {}}',
    '{"cell": "gru", "task": "adding", "length": "6"}',
    '{"cell": "gru", "task": "adding", "length": 1e400}',
    '{"cell": "gru", "task": "adding", "hidden_size": -1}',
    '{"cell": "gru", "task": "adding", "hidden_size": 4.5}',
    '{"cell": "gru", "task": "adding", "seeds": 0}',
    '{"cell": "gru", "task": "adding", "seeds": []}',
    '{"cell": "gru", "task": "adding", "seeds": [[0]]}',
    '{"cell": "gru", "task": "adding", "seeds": [0, 0]}',
    '{"cell": "gru", "task": "adding", "learning_rates": [NaN]}',
    '{"cell": "gru", "task": "adding", "penalties": [null]}',
    '{"cell": "gru", "task": "adding", "precision": "float8"}',
    '{"cell": "gru", "task": "adding", "residual": "no"}',
]


def test_a_manifest_that_nests_deeply_is_damaged(folder):
    for text in ("[" * 100_000, '{"a":' * 100_000, "null", "{}"):
        (folder / "5.json").write_text(text)
        with pytest.raises(checkpoints.Damaged, match=r"5\.json cannot be read"):
            checkpoints.Checkpoints(folder).restore(5, {}, lambda notes: None)


def test_a_damaged_config_is_one_line(folder):
    path = folder / "config.json"
    for text in (*map(str.encode, DAMAGED), b"\xff\xfe", b"\x00" * 100):
        path.write_bytes(text)
        with pytest.raises((errors.UsageError, errors.RunError)) as told:
            runs.load_all(folder)
        assert "\n" not in str(told.value) and str(path.parent) in str(told.value), text
        assert NO_CHECKPOINT not in str(told.value), text


def test_a_file_of_a_run_that_is_gone_is_one_line_that_says_what_to_do(folder):
    for gone in ("trust_gone", str(folder / "trust_gone.py")):
        write(folder, cell=f"{gone}:cell")
        with pytest.raises(errors.UsageError, match="imported only if trusted") as told:
            runs.load_all(folder)
        assert f"--trust={gone}" in str(told.value)
        with pytest.raises(errors.UsageError, match="put it there") as told:
            runs.load_all(folder, allow=(gone,))
        assert "trust_gone.py" in str(told.value) and "\n" not in str(told.value)


def test_a_run_of_another_version_is_said_to_be_one():
    saved, now = {"code": {}, "a": 1}, {"code": {}, "a": 1, "b": 2}
    for one, other in ((saved, now), (now, saved)):
        with pytest.raises(errors.UsageError) as told:
            same_run.compare(one, other, frozenset(), "runs/x", "train again")
        assert str(told.value) == (
            "runs/x was made by another version of this code, which differs in b; "
            "train again"
        )
