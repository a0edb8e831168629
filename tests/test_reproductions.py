"""Reproductions: gates, verdicts, pages; every entry's runs are ones that fit."""

import inspect
import json
import math
import pathlib
import types

import jax
import numpy as np
import pytest
import scipy.linalg

from experiments import reproduce
from rnn_research import config, errors, reproductions
from rnn_research.checks import pages
from rnn_research.reproductions import (
    base,
    beyond,
    carrying_out,
    linear_identification,
    page,
    speed,
)
from rnn_research.sweeps import plan

ENTRIES = {entry.name: entry for entry in reproductions.entries()}


@pytest.mark.parametrize(
    "low, high, inside, outside, said",
    [
        (None, 1.0, (-5, 1.0), (1.1, math.inf), "at most 1"),
        (0.15, None, (0.15, math.inf), (0.1,), "at least 0.15"),
        (0.085, 0.105, (0.085, 0.1), (0.08, 0.11), "0.085 to 0.105"),
    ],
)
def test_gates(low, high, inside, outside, said):
    gate = base.Gate("x", "y", low, high)
    assert all(map(gate.holds, inside)) and not any(map(gate.holds, outside))
    assert not gate.holds(math.nan) and gate.range == said


def test_verdicts():
    gates = {"a": base.Gate("a", "", high=1), "b": base.Gate("b", "", high=1)}
    told = [
        base.verdict(gates, {"a": base.Measured(a), "b": base.Measured(b)})
        for a, b in [(0, 0), (0, 2), (2, math.nan)]
    ]
    assert told == [base.REPRODUCED, base.PARTLY, base.NOT_REPRODUCED]
    with pytest.raises(errors.RunError, match="measured was a"):
        base.verdict(gates, {"a": base.Measured(0)})


def test_what_is_told_of_seeds():
    updates = {"gru": {0: 1500.0, 1: math.inf}, "elman": {0: math.inf}}
    assert base.told(updates) == [
        "gru: solved by 1 of 2 seeds, after 1,500 updates.",
        "elman: solved by 0 of 1 seeds.",
    ]
    assert base.solved(updates["gru"]) == base.Measured(1.0, {"0": 1.0, "1": 0.0})


def test_entries_are_told_apart():
    assert len(ENTRIES) == len(reproductions.MODULES)
    assert len({entry.number for entry in ENTRIES.values()}) == len(ENTRIES)
    for module in reproductions.MODULES:
        assert module.__name__.rpartition(".")[2] == module.ENTRY.name
        assert inspect.getmodule(module.ENTRY.measure) is module


@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_says_what_it_holds_to(name):
    entry = ENTRIES[name]
    assert entry.gates and entry.minutes > 0 and entry.claim[-1] != "."
    assert "arXiv" in entry.source or "Neural Computation" in entry.source
    for gate in entry.gates.values():
        assert gate.published and (gate.low, gate.high) != (None, None)
    if content := entry.runs():
        plan.jobs(plan.read(content), [], 8, 2)


def made_up(entry: base.Reproduction) -> list[base.Trained]:
    """The runs of an entry as if trained: one solved, one not, one diverged, ..."""
    nan = float("nan")
    trained = []
    for number, (_, settings) in enumerate(entry.runs()):
        most = settings["num_steps"]
        factor = (1e-4, 1.0, nan)[settings.get("seed", number) % 3]
        record = [
            {"step": step, "loss": 0.2 * value, "accuracy": 1 - value}
            | dict.fromkeys(("within_0.04", "recall_accuracy"), 1 - value)
            | {"largest_grad_norm": value}
            for step, value in ((most // 2, 1.0), (most, factor))
        ]
        end = {"outcome": "diverged" if math.isnan(factor) else "done", "steps": most}
        end |= {"validation": record[-1], "test": record[-1]}
        if math.isnan(factor):
            record = record[: number % 2]
            end |= dict.fromkeys(("validation", "test"))
        seed = settings.get("seed", number)
        trained.append(base.Trained(settings, seed, record, end, "nowhere"))
    return trained


@pytest.mark.parametrize("name", [n for n, e in ENTRIES.items() if e.runs()])
def test_what_is_measured_of_runs_that_ended_in_every_way(name, monkeypatch):
    def by_length(trained, at, **options):
        return [[1 / length for length in at] for _ in trained]

    monkeypatch.setattr(beyond, "by_length", by_length)
    entry = ENTRIES[name]
    found = entry.measure(made_up(entry))
    assert base.verdict(entry.gates, found.gates)
    for gate in found.gates.values():
        assert not any(map(math.isnan, [gate.value, *gate.each.values()]))
    assert {line.panel for line in found.lines} == {p.title for p in found.panels}


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n, e in ENTRIES.items() if e.runs()])
def test_the_trainings_of_an_entry_fit(name):
    sizes = {"seed", "learning_rate", "hidden_size", "length", "num_steps", "grad_clip"}
    unlike = {}
    for experiment, settings in ENTRIES[name].runs():
        kind = str({key: settings[key] for key in settings if key not in sizes})
        unlike.setdefault(kind, (experiment, settings))
    plan.check(plan.jobs(plan.read(list(unlike.values())), [], 8, 1))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["angle_learning", "structural_invariants"])
def test_measured_again_it_comes_to_the_same_verdict(name):
    """The quickest of those that train nothing, in their own precision."""
    entry = ENTRIES[name]
    result = carrying_out.done(entry, pages.ROOT / "results" / "reproductions")
    assert result, "the entry was changed: python -m experiments.reproduce"
    found = carrying_out.measured(entry, []).gates
    assert base.verdict(entry.gates, found) == result["verdict"]


def test_one_from_its_entry_to_its_page(tmp_path, monkeypatch, capsys):
    measured = []

    def measure(trained):
        measured.append(trained)
        return base.Found(
            {"gate": base.Measured(np.float64(3), {"0": 1.0, "1": 3.0, "2": math.inf})},
            [
                base.Line("p", "gru", [1, 2], [3, 4]),
                base.Line("p", "x", [1], [2], True),
            ],
            [base.Panel("p", "updates", "loss", log_y=True, level=(3, "known"))],
            ["One seed did not end."],
        )

    gates = {"gate": base.Gate("a number", "2", high=3.0, firm=False)}
    texts = ("made_up", "A claim", "Somebody 2000, arXiv 0000.00000", "As said.")
    entry = base.Reproduction(99, *texts, gates, measure, 0.1)
    monkeypatch.setattr(reproductions, "MODULES", (types.SimpleNamespace(ENTRY=entry),))
    monkeypatch.chdir(tmp_path)

    def run(*argv):
        config.run(reproduce.main, *reproduce.SETTINGS, argv=argv)
        return capsys.readouterr().out

    assert "not run" in run("--list")
    assert "reproduced, 0" in run("--name=made_up") and measured == [[]]
    assert "(done before)" in run("--all") and len(measured) == 1
    run("--all", "--again")
    assert len(measured) == 2
    folder = tmp_path / "runs/reproduce/results"
    text = (folder / "made_up" / "made_up.md").read_text()
    assert "**Reproduced.**" in text and "at most 3 (proposal)" in text
    assert "0: 1, 1: 3, 2: inf | yes" in text and "One seed did not end." in text
    assert (folder / "made_up" / "made_up.png").stat().st_size > 5000
    result = json.loads((folder / "made_up" / "result.json").read_text())
    assert result["gates"]["gate"]["each"]["2"] == "inf"
    table = page.table([entry], folder, "there")
    assert "| **reproduced** |" in table and "(there/made_up/made_up.md)" in table
    assert "| | a number | 2 | 3 | holds | | |" in table
    unknown = page.table([entry], folder / "nothing", "there")
    assert "| **not run** |" in unknown and "| | a number | 2 |  |  | | |" in unknown
    monkeypatch.setattr(carrying_out, "identity", lambda entry: "edited")
    assert "not run" in run("--list")


@pytest.mark.parametrize(
    "argv, said",
    [
        ((), "give --name=NAME, --all, or --list"),
        (("--name=gru_ading",), "did you mean gru_adding"),
    ],
)
def test_what_is_wrongly_asked(argv, said, capsys):
    with pytest.raises(SystemExit) as ended:
        config.run(reproduce.main, *reproduce.SETTINGS, argv=argv)
    assert ended.value.code == 2 and said in capsys.readouterr().err


@pytest.mark.parametrize(
    "name, verdict",
    [
        ("min_gru_speed", base.NOT_REPRODUCED),
        ("cudnn_speed", base.REPRODUCED),
        pytest.param("newton_gru_speed", base.PARTLY, marks=pytest.mark.slow),
    ],
)
def test_speeds_are_compared(name, verdict, monkeypatch):
    monkeypatch.setattr(speed, "of_cell", lambda cell, length, batch, engine: 1e-3)
    monkeypatch.setattr(speed, "of_cudnn_lstm", lambda *sizes: 1e-4)
    found = ENTRIES[name].measure([])
    assert base.verdict(ENTRIES[name].gates, found.gates) == verdict


def test_without_a_gpu_what_needs_one_is_refused(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        argv = ["--name=min_gru_speed"]
        config.run(reproduce.main, *reproduce.SETTINGS, argv=argv)
    assert ended.value.code == 2
    assert "min_gru_speed needs a GPU, and there is none" in capsys.readouterr().err


def test_a_student_of_blocks_is_one_with_a_block_diagonal_matrix():
    cell = linear_identification.blocks(6, heads=3, min_nu=0.9)
    params = cell.init(jax.random.key(0), 1)
    moduli = abs(np.linalg.eigvals(params.A))
    assert np.all((moduli > 0.9) & (moduli < 1))
    A = scipy.linalg.block_diag(*params.A)
    h, x = np.random.default_rng(0).normal(size=(2, 4, 6))
    u = cell.project(params, x[:, :1])
    new = cell.step(params, h, u)
    np.testing.assert_allclose(new, h @ A + x[:, :1] @ params.B, rtol=1e-6)
    wanted = new @ params.C + x[:, :1] @ params.D
    np.testing.assert_allclose(cell.readout(params, new, u), wanted, rtol=1e-6)
    with pytest.raises(errors.UsageError, match="must divide"):
        linear_identification.blocks(6, heads=4)


def test_runs_are_told_apart_in_a_folder_of_several(tmp_path):
    pairs = [(0, 0.1), (1, 0.1), (0, 0.2)]
    runs = [{"seed": seed, "learning_rate": rate} for seed, rate in pairs]
    (tmp_path / "summary.json").write_text(json.dumps({"runs": runs}))
    rows = [{**run, "step": 1, "loss": 0.5} for run in runs]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "metrics.jsonl").write_text(text)

    def read(**settings):
        found = carrying_out.read(settings, pathlib.Path(tmp_path))
        assert all(len(own.record) == 1 for own in found)
        return [(own.seed, own.end["learning_rate"]) for own in found]

    assert read(seed=1, learning_rate=0.1) == [(1, 0.1)]
    assert read(seed=0) == [(0, 0.1), (0, 0.2)]
    assert read() == pairs


def test_the_table_of_all_is_what_was_measured():
    """RESULTS.md is held to it with the other generated pages."""
    results = pages.ROOT / "results" / "reproductions"
    for path in results.glob("*/result.json"):
        assert carrying_out.done(ENTRIES[path.parent.name], results), (
            f"{path.parent.name} has changed since: measure it again, or take it back"
        )
