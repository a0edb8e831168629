"""Every experiment and every config, for two steps, as a user runs them."""

import importlib
import json
import pathlib
import re
import runpy
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from left_behind import made_for_people

from experiments import (
    adding_problem,
    copy_memory,
    curse_of_memory,
    curvature,
    engine_speed,
    exploding,
    gradient_during_training,
    gradient_floor,
    gradient_norms,
    jacobian_spectra,
    long_sequences,
    lyapunov,
    newton_speed,
    remedies,
    saturation,
    truncated_gradients,
)
from rnn_research import (
    cells,
    config,
    diagnostics,
    errors,
    models,
    plotting,
    runs,
    runtime,
    training,
)
from rnn_research.benchmarks import libraries, worker
from rnn_research.diagnostics import table
from rnn_research.layers import architectures
from rnn_research.measurements import driven
from rnn_research.measurements import lyapunov as exponents
from rnn_research.sweeps.settings import SweepConfig

ROOT = pathlib.Path(__file__).parent.parent
PROGRAMS = {"adding_problem": adding_problem, "copy_memory": copy_memory}
PNG = b"\x89PNG"


@pytest.fixture
def run_in(tmp_path, monkeypatch):
    """Runs a program's main in an empty folder; float64, since the process is."""

    def call(program, settings, *argv):
        monkeypatch.chdir(tmp_path)
        if not any(flag.startswith("--precision=") for flag in argv):
            argv = ("--precision=float64", *argv)
        config.run(program.main, *settings, argv=list(argv))
        return tmp_path

    return call


def training_settings(task="adding"):
    return (
        models.ModelConfig(hidden_size=8),
        runs.TaskConfig(task=task, length=12),
        training.TrainConfig(
            num_steps=2, batch_size=4, eval_size=4, eval_every=1, checkpoint_every=1
        ),
        runs.OptimizerConfig(),
        runs.FolderConfig(),
        runtime.RunConfig(),
    )


@pytest.mark.first(1)
@pytest.mark.parametrize("name", PROGRAMS)
def test_training_programs(name, run_in, capsys, drawn):
    task = {"adding_problem": "adding"}.get(name, name)
    folder = run_in(PROGRAMS[name], training_settings(task))
    (made,) = (folder / "runs" / name).iterdir()
    assert {path.name for path in made.iterdir()} >= {
        "config.json",
        "metrics.jsonl",
        "summary.json",
        "checkpoints",
        "plots",
    }
    rows = map(json.loads, (made / "metrics.jsonl").read_text().splitlines())
    losses = drawn(made / "plots" / "learning_curve.png")
    for row in rows:
        assert np.isclose(losses, row["loss"], rtol=1e-6).any(), row
    assert drawn(made / "plots" / "gradients.png").size >= 12  # a lag each
    assert made_for_people(made) >= {"plots/learning_curve.png", "plots/gradients.png"}
    out = capsys.readouterr().out
    assert "baseline 0." in out and "not solved after 2 updates: validation loss" in out
    # The same command finds its folder again; another seed gets its own.
    run_in(PROGRAMS[name], training_settings(task))
    assert "checkpoints/2" in capsys.readouterr().out
    run_in(PROGRAMS[name], training_settings(task), "--seed=1")
    assert len(list((folder / "runs" / name).iterdir())) == 2


OWN_SETTINGS = {  # where the rate below is not the cell's, or one layer is too few
    "antisymmetric": ("--learning_rate=1e-2",),
    "cfc": ("--learning_rate=1e-3",),
    "cornn": ("--learning_rate=2e-2",),
    "indrnn": ("--num_layers=2",),
    "lipschitz": ("--learning_rate=1e-2",),
    "scrn": ("--learning_rate=3e-2",),
    "unicornn": ("--cell=unicornn(alpha=10.0)", "--learning_rate=3e-2"),
    "urnn": ("--learning_rate=1e-2",),
}


@pytest.mark.slow
def test_a_model_without_a_recurrence(run_in, capsys):
    folder = run_in(PROGRAMS["adding_problem"], training_settings(), "--cell=tcn")
    (made,) = (folder / "runs" / "adding_problem").iterdir()
    assert [path.name for path in (made / "plots").iterdir()] == ["learning_curve.png"]
    assert "parameters | no recurrence | " in capsys.readouterr().out


# One of each kind is trained in CI, all by `-m long`.
KINDS = ("elman", "gru", "lru", "mlstm", "scornn", "cornn", "transformer")
KINDS_AND_ALL = [
    pytest.param(name, marks=pytest.mark.slow if name in KINDS else pytest.mark.long)
    for name in [*cells.__all__, *architectures.__all__]
]


@pytest.mark.parametrize("cell", KINDS_AND_ALL)
def test_every_cell_learns_to_add(cell, run_in):
    """To a quarter of the memoryless baseline, within 3000 updates of 32 units."""
    settings = (
        models.ModelConfig(hidden_size=32),
        runs.TaskConfig(length=20),
        training.TrainConfig(
            num_steps=3000, stop_at=0.0417, eval_size=500, learning_rate=3e-3
        ),
        runs.OptimizerConfig(),
        runs.FolderConfig(),
        runtime.RunConfig(),
    )
    argv = [f"--cell={cell}", "--precision=float32", *OWN_SETTINGS.get(cell, ())]
    argv.append("--figures=false")
    folder = run_in(adding_problem, settings, *argv)
    (made,) = (folder / "runs" / "adding_problem").iterdir()
    (result,) = json.loads((made / "summary.json").read_text())["runs"]
    assert result["outcome"] == "solved", result
    assert not (made / "plots").exists()


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.py")), ids=str)
def test_configs(path, run_in):
    """As their first lines say; of a training two steps are made."""
    text = path.read_text()
    module = text.split("-m experiments.")[1].split()[0]
    assert "Expected:" in text and "Time:" in text
    assert runpy.run_path(str(path))["get_config"]()
    settings = importlib.import_module(f"experiments.{module}").SETTINGS
    assert config.parse([f"--config={path}"], *settings)
    if module in PROGRAMS:
        short = ("--num_steps=2", "--eval_every=2", "--eval_size=1", "--length=24")
        small = ("--hidden_size=8", *short)
        run_in(PROGRAMS[module], training_settings(), f"--config={path}", *small)


def test_help_waits_for_nothing_heavy():
    """What only a run needs is not imported for --help."""
    modules = [*PROGRAMS, "gradient_norms", "engine_speed", "training_speed"]
    code = (
        f"import sys, experiments.{', experiments.'.join(modules)}\n"
        "heavy = {'matplotlib', 'orbax', 'flax', 'tensorboardX', 'rich'}\n"
        "sys.exit(', '.join(heavy & sys.modules.keys()) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr


def small_sweep(**changes):
    defaults = {
        "cells": ("elman", "lru"),
        "lengths": (6, 12),
        "hidden_size": 8,
        "input_size": 3,
        "batch_size": 4,
        "num_seeds": 2,
        "jacobian_lags": 3,
        "workdir": "out",
    }
    return (
        gradient_norms.GradientNormsConfig(**{**defaults, **changes}),
        runtime.RunConfig(),
    )


@pytest.mark.slow
def test_gradient_norms_at_initialisation(run_in, capsys, drawn):
    folder = run_in(gradient_norms, small_sweep()) / "out"
    rows = table.read_csv(folder / "gradient_norms.csv")
    assert drawn(folder / "gradient_norms.png").size > 1
    for label in ("elman", "lru"):
        for seed in (0, 1):
            for length in (6, 12):
                own = [
                    row
                    for row in rows
                    if (row["label"], row["seed"], row["length"])
                    == (label, seed, length)
                ]
                lags = [row["lag"] for row in own if row["quantity"] == "dL/dh"]
                assert lags == list(range(length + 1))
                kinds = {row["quantity"] for row in own}
                assert kinds == {
                    "dL/dh",
                    "dh_T/dh_(T-k) spectral",
                    "dh_T/dh_(T-k) frobenius",
                }
    assert all(
        row["relative_log10"] == 0
        for row in rows
        if row["lag"] == 0 and row["quantity"] == "dL/dh"
    )
    said = capsys.readouterr().out
    assert "elman: over T = 12 the gradient changes by 10^" in said
    rates = table.read_csv(folder / "rates.csv")
    assert [(rate["label"], rate["length"]) for rate in rates] == [
        (label, length) for label in ("elman", "lru") for length in (6, 12)
    ]
    for rate in rates:
        low, middle, high = (float(rate[f"rate{end}"]) for end in ("_low", "", "_high"))
        assert low <= middle <= high
    assert f"{float(rates[1]['rate']):+.4f} nats a step" in said


def test_gradient_norms_of_the_task_loss(run_in):
    small = small_sweep(cells=("elman",), lengths=(6,))
    folder = run_in(gradient_norms, small, "--loss=task", "--seeds=4") / "out"
    rows = table.read_csv(folder / "gradient_norms.csv")
    assert {row["seed"] for row in rows} == {4}
    assert {row["loss"] for row in rows} == {"task"}


@pytest.mark.slow
def test_gradient_norms_from_a_checkpoint(run_in, capsys):
    folder = run_in(adding_problem, training_settings(), "--workdir=trained")
    run_in(gradient_norms, small_sweep(cells=None, lengths=None), "--runs=trained")
    rows = table.read_csv(folder / "out" / "gradient_norms.csv")
    assert {row["weights"] for row in rows} == {"initial", "trained"}
    assert {row["length"] for row in rows} == {12}
    by_weights = {
        weights: [r["mean_log10"] for r in rows if r["weights"] == weights]
        for weights in ("initial", "trained")
    }
    assert by_weights["initial"] != by_weights["trained"]
    loaded = runs.load(folder / "trained")
    assert loaded.step == 2
    summary = json.loads((folder / "trained" / "summary.json").read_text())
    assert summary["runs"][0]["steps"] == 2


@pytest.mark.slow
def test_engine_speed(tmp_path, monkeypatch, capsys, drawn):
    """Two libraries in their processes; results are held against float64."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    argv = "--cells=gru --shapes=9x8x4 --libraries=ours,linen --rounds=1 --seconds=0"
    config.run(engine_speed.main, engine_speed.EngineSpeedConfig(), argv=argv.split())
    folder = tmp_path / "runs" / "engine_speed"
    rows = table.read_csv(folder / "engine_speed.csv")
    sides = {(row["library"], row["tuned"]) for row in rows}
    assert sides == {("ours", "False"), ("linen", "False"), ("linen", "True")}
    assert all(float(row["ms"]) > 0 and float(row["peak_mb"]) > 10 for row in rows)
    page = (folder / "engine_speed.md").read_text()
    assert page in capsys.readouterr().out and "Geometric mean" in page
    assert drawn(folder / "engine_speed.png").size > 1


@pytest.mark.slow
def test_newton_speed(tmp_path, monkeypatch, capsys, drawn):
    monkeypatch.chdir(tmp_path)
    argv = "--lengths=20 --widths=2,3 --length=25 --gains=0.5,3 --rounds=1 "
    argv += "--methods=newton(max_iters=30),newton(jacobian=diagonal,damping=1)"
    config.run(
        newton_speed.main,
        newton_speed.NewtonSpeedConfig(),
        runtime.RunConfig(),
        argv=argv.split(),
    )
    folder = tmp_path / "runs" / "newton_speed"
    rows = table.read_csv(folder / "newton_speed.csv")
    assert len(rows) == 2 * (1 + 2 + 2)
    chaos = {row["at"]: row for row in rows if row["sweep"] == "gain"}
    assert float(chaos["0.5"]["exponent"]) < 0 < float(chaos["3"]["exponent"])
    near = [row for row in rows if row["sweep"] == "length"]
    assert all(row["converged"] == "True" for row in near)
    assert all(float(row["difference"]) < 1e-3 for row in near)
    assert "(did not converge: the loop)" in capsys.readouterr().out
    assert drawn(folder / "newton_speed.png").size > 1


@pytest.mark.slow
def test_gradient_during_training(run_in, drawn):
    folder = run_in(
        gradient_during_training,
        training_settings(),
        "--diagnose_every=1",
        "--workdir=watched",
    )
    rows = (folder / "watched" / "metrics.jsonl").read_text().splitlines()
    for row in map(json.loads, rows):
        found = row["diagnostics"]
        lags, logs = found["gradient_lags"], found["gradient_log10"]
        assert lags[0] == 0 and len(lags) == len(logs) and np.isfinite(logs[0])
        assert 0 <= found["beyond"]["h"] <= 1 and found["spectral_radius"] > 0
    assert [json.loads(row)["step"] for row in rows] == [0, 1, 2]
    figure = folder / "watched" / "plots" / "gradients_during_training.png"
    assert drawn(figure).size > 1


def sweep_settings(**changes):
    return (
        remedies.RemediesConfig(**changes),
        SweepConfig(run="debug"),
        models.ModelConfig(cell="elman", hidden_size=6),
        runs.TaskConfig(task="temporal_order", length=12),
        training.TrainConfig(
            num_steps=6, batch_size=4, eval_size=4, eval_every=3, diagnose_every=3
        ),
        runs.OptimizerConfig(),
        runtime.RunConfig(),
    )


SMALL = {"length": 12, "hidden_size": 4, "input_size": 3, "batch_size": 2}


@pytest.mark.slow
def test_jacobian_spectra(run_in, capsys, drawn):
    settings = jacobian_spectra.JacobianSpectraConfig(
        cells=("elman", "linear_orthogonal"), lags=4, workdir="out", **SMALL
    )
    folder = run_in(jacobian_spectra, (settings, runtime.RunConfig())) / "out"
    rows = table.read_csv(folder / "jacobian_spectra.csv")
    assert [row["lag"] for row in rows] == 2 * [1, 0, 1, 4, 8, 12]
    logs = [name for name in rows[0] if name.startswith("log10_")]
    for row in rows:
        largest, bound = float(row["log10_largest"]), float(row["log10_bound"])
        assert largest <= bound + 1e-6
        assert 1 <= float(row["participation_ratio"]) <= 4
        if row["label"] == "linear_orthogonal" or row["lag"] == 0:
            np.testing.assert_allclose(
                [float(row[name]) for name in logs], 0, atol=1e-6
            )
            assert float(row["participation_ratio"]) == pytest.approx(4)
    (last,) = (r for r in rows if r["label"] == "elman" and r["lag"] == 12)
    assert float(last["log10_smallest"]) < float(last["log10_largest"]) < 0
    assert "elman: over 12 steps the largest of 4" in capsys.readouterr().out
    assert drawn(folder / "jacobian_spectra.png").size > 1


def test_saturation(run_in, capsys, drawn):
    settings = saturation.SaturationConfig(
        cells=("elman", "gru(forget_bias=9)"), moments=3, workdir="out", **SMALL
    )
    folder = run_in(saturation, (settings, runtime.RunConfig())) / "out"
    shares = table.read_csv(folder / "saturation.csv")
    assert {row["limit"] for row in shares if row["label"] == "elman"} == {"beyond"}
    gated = [row for row in shares if row["label"] != "elman"]
    steps = {row["step"] for row in gated if row["limit"] == "open"}
    assert {int(step) for step in steps} == {1, 7, 12}
    for row in gated:
        if (row["part"], row["limit"]) == ("z", "open"):  # sigmoid(9) = 0.9999
            assert float(row["share"]) == 1
    scales = table.read_csv(folder / "time_scales.csv")
    longest = {
        row["label"]: float(row["time_scale"]) for row in scales if row["index"] == "1"
    }
    assert longest["gru(forget_bias=9)"] > 20 > longest["elman"]
    assert "z open 100%" in capsys.readouterr().out
    assert drawn(folder / "saturation.png").size > 1


def test_curvature(run_in, capsys, drawn):
    settings = curvature.CurvatureConfig(
        cells=("elman",), length=8, hidden_size=4, batch_size=4, count=3, workdir="out"
    )
    folder = run_in(curvature, (settings, runtime.RunConfig())) / "out"
    rows = table.read_csv(folder / "curvature.csv")
    moduli = [abs(float(row["eigenvalue"])) for row in rows]
    assert len(rows) == 3 and moduli == sorted(moduli, reverse=True)
    assert all(0 <= float(row["recurrent_share"]) <= 1 for row in rows)
    assert "elman, seed 0: loss" in capsys.readouterr().out
    assert drawn(folder / "curvature.png").size > 1


@pytest.mark.slow
def test_what_is_inside_a_trained_run(run_in):
    """It is measured as the cell alone with the weights that it has there."""
    folder = run_in(adding_problem, training_settings(), "--workdir=trained")
    trained = str(folder / "trained")
    one = runs.load(trained)
    settings = driven.DrivenConfig(runs=(trained,), batch_size=2)
    x = one.task.sample(jax.random.key(0), 2).inputs
    both = one.initial_params, one.params
    for each, params in zip(driven.cells(settings), both, strict=True):
        expected = diagnostics.time_scales(cells.gru(8), params.body, x)
        found = diagnostics.time_scales(each.cell, each.params, each.x)
        np.testing.assert_allclose(found, expected, rtol=1e-9)
        assert diagnostics.saturation(each.cell, each.params, each.x).low
    for program, kind in (
        (jacobian_spectra, jacobian_spectra.JacobianSpectraConfig),
        (saturation, saturation.SaturationConfig),
        (curvature, curvature.CurvatureConfig),
    ):
        settings = kind(runs=(trained,), batch_size=2, workdir="out")
        run_in(program, (settings, runtime.RunConfig()))
    for name in ("jacobian_spectra", "saturation", "time_scales", "curvature"):
        rows = table.read_csv(folder / "out" / f"{name}.csv")
        labels = dict.fromkeys(row["label"] for row in rows)
        assert list(labels) == ["trained (initial)", "trained (trained)"]


@pytest.mark.slow
def test_every_layer_of_a_trained_run(run_in):
    folder = run_in(
        adding_problem,
        training_settings(),
        "--workdir=trained",
        "--num_layers=2",
        "--bidirectional",
        "--cell=zoneout(gru, rate=0.1)",
    )
    settings = driven.DrivenConfig(runs=(str(folder / "trained"),), seeds=(1, 2))
    found = [each.labels for each in driven.cells(settings)]
    assert [own["seed"] for own in found] == 2 * [1, 1, 1, 1, 2, 2, 2, 2]
    assert {own["label"].split()[-1] for own in found} == set("1234")


def configs_of(folder, **wanted):
    """The settings of the trainings of a sweep that have these."""
    read = [json.loads(p.read_text()) for p in folder.glob("runs/*/config.json")]
    return [own for own in read if own.items() >= wanted.items()]


@pytest.mark.slow
def test_remedies_are_crossed_with_cells(run_in, capsys, drawn):
    own = "penalties=orthogonality(weight=4)+grad_clip=0.5"
    argv = ["--cells=elman,gru", f"--remedies=none,{own}", "--num_seeds=2"]
    folder = run_in(remedies, sweep_settings(), *argv) / "runs" / "remedies"
    rows = list(table.read_csv(folder / "remedies.csv"))
    assert [(row["cell"], row["remedy"]) for row in rows[::2]] == [
        (cell, remedy) for cell in ("elman", "gru") for remedy in ("none", own)
    ]
    for row in rows:
        assert row["updates"] == "6" and float(row["spectral_radius"]) > 0
        assert float(row["largest_grad_norm"]) > 0
    by_lag = table.read_csv(folder / "gradients.csv")
    assert {row["lag"] for row in by_lag} >= {0, 1, 11}
    assert all(float(r["relative_log10"]) == 0 for r in by_lag if r["lag"] == 0)
    for name in ("remedies.png", "course.png", "gradients.png"):
        assert drawn(folder / name).size > 1
    (own,) = configs_of(folder, cell="gru", grad_clip=0.0, clip_value=0.0)
    (own,) = configs_of(folder, cell="elman", penalties=["orthogonality(weight=4)"])
    assert own["grad_clip"] == 0.5
    before = {path: path.read_bytes() for path in folder.glob("runs/*/metrics.jsonl")}
    capsys.readouterr()
    run_in(remedies, sweep_settings(), *argv)  # all there: goes on to the figures
    assert "4 done, 0 to do" in capsys.readouterr().out and len(before) == 4
    assert all(path.read_bytes() == content for path, content in before.items())


@pytest.mark.parametrize(
    "flag, told",
    [
        ("--remedies=clipp", "did you mean clip"),
        ("--remedies=clip,clip", "given twice"),
        ("--remedies=grad_clp=3", "did you mean --grad_clip"),
        ("--remedies=penalties=omga", "did you mean omega"),
        ("--cells=elmann", "did you mean elman"),
    ],
)
def test_a_wrong_remedy_is_told_before_anything_is_trained(flag, told, run_in, capsys):
    with pytest.raises(SystemExit) as stop:
        run_in(remedies, sweep_settings(), flag)
    assert stop.value.code == 2
    captured = capsys.readouterr()
    assert told in captured.err and "update" not in captured.out


@pytest.mark.slow
def test_a_remedy_that_does_not_fit_a_cell_is_left_out(run_in, capsys):
    remedies_given = "--remedies=none,spectral_radius"
    folder = run_in(remedies, sweep_settings(), "--cells=min_gru", remedies_given)
    (row,) = table.read_csv(folder / "runs" / "remedies" / "remedies.csv")
    assert row["remedy"] == "none"
    assert "left out, penalty spectral_radius" in capsys.readouterr().out


@pytest.mark.slow
def test_how_a_cell_starts_is_a_remedy_where_it_has_the_option(run_in, capsys):
    argv = (
        "--cells=elman,gru(reset=before)",
        "--remedies=chrono,cell.recurrent=ring",
    )
    with pytest.raises(SystemExit):
        run_in(remedies, sweep_settings(), "--cells=elman", "--remedies=chrono")
    assert "elman, chrono: left out, cell elman has no" in capsys.readouterr().out
    folder = run_in(remedies, sweep_settings(), *argv) / "runs" / "remedies"
    (own,) = configs_of(folder)
    assert own["cell"] == "gru(reset=before, forget_bias=chrono(t_max=12))"
    (row,) = table.read_csv(folder / "remedies.csv")
    assert (row["cell"], row["remedy"]) == ("gru(reset=before)", "chrono")


@pytest.mark.parametrize(
    "cell, options, expected",
    [
        ("gru", [], "gru"),
        ("gru", ["a=1", "b=f(2)"], "gru(a=1, b=f(2))"),
        ("gru()", ["a=1"], "gru(a=1)"),
        ("gru(c=f(3))", ["a=1"], "gru(c=f(3), a=1)"),
        ("gru(a=f(3), b='(')", ["a=1"], "gru(a=1, b='(')"),
    ],
)
def test_options_are_added_to_a_call(cell, options, expected):
    assert remedies.with_options(cell, options) == expected


@pytest.mark.slow
def test_exploding_tells_of_runs_that_diverge(run_in, capsys, drawn):
    folder = run_in(
        exploding,
        sweep_settings(remedies=("none", "clip")),
        "--learning_rate=1e30",
        "--cell=elman(activation=relu)",
        "--optimizer=sgd",
    )
    rows = list(table.read_csv(folder / "runs" / "exploding" / "exploding.csv"))
    assert rows[0]["outcome"] == "diverged"
    assert float(rows[0]["largest_grad_norm"]) > 1e3
    assert drawn(folder / "runs/exploding/exploding.png").size > 1
    assert "update 2 has loss" in capsys.readouterr().err


def test_gradient_floor(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    settings = gradient_floor.GradientFloorConfig(
        cells=("elman", "lstm"), shapes=("10x4x8",), rounds=1
    )
    gradient_floor.main(settings, runtime.RunConfig(precision="float64"))
    folder = tmp_path / "runs" / "gradient_floor"
    one, four = table.read_csv(folder / "gradient_floor.csv")
    assert float(one["gflop"]) == 3 * 2 * 10 * 4 * 8 * 8 / 1e9
    assert float(four["gflop"]) == 4 * float(one["gflop"])
    page = (folder / "gradient_floor.md").read_text()
    assert page.count("10, 4, 8") == 2 and "jax" in page


def test_products_are_those_of_a_gradient():
    """Of a linear network: both loops and the sum over time, by jax.grad."""
    W = jax.random.normal(jax.random.key(0), (3, 6))
    x = jax.random.normal(jax.random.key(1), (5, 2, 2))
    text = jax.make_jaxpr(gradient_floor.products)(W, x).pretty_print()
    assert text.count("dot_general") == 3
    assert gradient_floor.products(W, x).shape == W.shape


def test_lyapunov(tmp_path, monkeypatch, capsys, drawn):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(exponents, "LORENZ_STEPS", 6000)
    argv = "--gains=0.5,3 --cells=elman,lru --network_size=20 --hidden_size=4 "
    argv += "--length=200 --transient=50 --count=100"
    config.run(
        lyapunov.main,
        lyapunov.LyapunovConfig(),
        runtime.RunConfig(),
        argv=argv.split(),
    )
    folder = tmp_path / "runs" / "lyapunov"
    rows = table.read_csv(folder / "lyapunov.csv")
    gains = {row["gain"]: float(row["exponent"]) for row in rows if row["gain"]}
    assert gains["0.5"] < 0 < gains["3"]
    assert len([row for row in rows if row["label"] == "elman"]) == 4
    assert len([row for row in rows if row["label"] == "lru"]) == 8
    assert "Lorenz: largest exponent" in capsys.readouterr().out
    lorenz = [row for row in rows if row["kind"] == "calibration"]
    assert [float(row["expected"]) for row in lorenz] == [0.906, 0, -14.572]
    found = [float(row["exponent"]) for row in lorenz]
    assert found[0] > 0.5 and sum(found) == pytest.approx(-41 / 3, abs=0.01)
    assert float(lorenz[0]["dimension"]) == pytest.approx(2.06, abs=0.02)
    dimensions = {row["label"]: row["dimension"] for row in rows if row["index"] == "1"}
    assert dimensions["elman"] == "0"  # all exponents are known, all negative
    assert dimensions["random network"] == ""
    assert drawn(folder / "lyapunov.png").size > 1


def test_errors_over_sequences_add_up_as_independent_ones():
    found = diagnostics.lyapunov.Lyapunov(
        exponents=jnp.array([[0.2, -0.1], [0.4, -0.3]]),
        errors=jnp.array([[3.0, 0.0], [4.0, 1.0]]),
    )
    first, second = exponents.rows_of(found, size=2, kind="network", label="a")
    assert (first["exponent"], first["error"]) == (pytest.approx(0.3), 2.5)
    assert second["error"] == 0.5
    assert first["dimension"] == 2  # both sums are positive, twice


@pytest.mark.slow
def test_lyapunov_of_trained_runs(run_in, tmp_path):
    two_layers = ("--num_layers=2", "--workdir=trained")
    run_in(adding_problem, training_settings(), *two_layers)
    argv = "--gains=0.5 --cells=elman --network_size=9 --hidden_size=4 --length=120 "
    argv += "--transient=20 --count=2 --runs=trained"
    config.run(
        lyapunov.main,
        lyapunov.LyapunovConfig(),
        runtime.RunConfig(precision="float64"),
        argv=argv.split(),
    )
    rows = table.read_csv(tmp_path / "runs" / "lyapunov" / "lyapunov.csv")
    labels = {row["label"] for row in rows}
    assert {
        f"trained ({weights}), layer {layer}"
        for weights in ("initial", "trained")
        for layer in (1, 2)
    } <= labels


@pytest.mark.slow
@pytest.mark.parametrize(
    ("distances", "told"), [("1,0.3,0.1", "slope of Var h"), ("1", "Var h")]
)
def test_curse_of_memory(distances, told, tmp_path, monkeypatch, capsys, drawn):
    """To lambda = 0, and at one distance alone, of which there is no slope."""
    monkeypatch.chdir(tmp_path)
    argv = f"--distances={distances} --sequences=2000"
    config.run(
        curse_of_memory.main,
        curse_of_memory.CurseOfMemoryConfig(),
        runtime.RunConfig(),
        argv=argv.split(),
    )
    folder = tmp_path / "runs" / "curse_of_memory"
    rows = table.read_csv(folder / "curse_of_memory.csv")
    for row in rows:
        if row["form"] == "plain":
            for name in ("state", "sensitivity"):
                exact = float(row[f"{name}_exact"])
                np.testing.assert_allclose(float(row[name]), exact, rtol=0.2)
    said = capsys.readouterr().out
    for inputs in ("white", "constant"):
        assert f"{inputs} inputs: {told} " in said and "nan" not in said
    forms = {row["form"] for row in rows if row["distance"] == "1"}
    assert forms == {"plain", "normalised"}  # exp(-exp(nu)) does not reach 0
    assert drawn(folder / "curse_of_memory.png").size > 1


@pytest.mark.slow
def test_truncated_gradients(tmp_path, monkeypatch, drawn):
    monkeypatch.chdir(tmp_path)
    argv = "--cells=gru,lru --length=20 --windows=2,10,20 --hidden_size=6 --seeds=1,2"
    config.run(
        truncated_gradients.main,
        truncated_gradients.TruncatedGradientsConfig(),
        runtime.RunConfig(),
        argv=argv.split(),
    )
    folder = tmp_path / "runs" / "truncated_gradients"
    rows = table.read_csv(folder / "truncated_gradients.csv")
    assert len(rows) == 2 * 3 * 2
    for row in rows:
        whole = row["window"] == "20"
        assert (float(row["cosine"]) > 0.999999) == whole
    assert drawn(folder / "truncated_gradients.png").size > 1


@pytest.mark.slow
def test_long_sequences(tmp_path, monkeypatch, capsys, drawn):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    argv = "--lengths=20,60 --longest=30 --engines=sequential,checkpointed "
    argv += "--hidden_size=4 --batch_size=2 --rounds=1"
    config.run(
        long_sequences.main, long_sequences.LongSequencesConfig(), argv=argv.split()
    )
    folder = tmp_path / "runs" / "long_sequences"
    rows = table.read_csv(folder / "long_sequences.csv")
    assert {(row["cell"], row["engine"], row["T"]) for row in rows} >= {
        ("gru", "sequential", "20"),
        ("gru", "checkpointed", "60"),
        ("unicornn", "reversible", "60"),
    }
    assert ("gru", "sequential", "60") not in {
        (row["cell"], row["engine"], row["T"]) for row in rows
    }
    drifts = [float(r["drift"]) for r in rows if r["engine"] == "reversible"]
    assert all(0 < drift < 1e-3 for drift in drifts)
    page = (folder / "long_sequences.md").read_text()
    assert page in capsys.readouterr().out and "not measured" in page
    assert drawn(folder / "long_sequences.png").size > 1


@pytest.mark.first(7)
@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
@pytest.mark.parametrize("name", sorted(libraries.LIBRARIES.keys() - libraries.ONLY_ON))
def test_every_library_of_engine_speed_computes_the_same(name, cell, tmp_path):
    imported, build = libraries.LIBRARIES[name]
    pytest.importorskip(imported)
    row = (cell, 5, 4, 3)
    references = engine_speed.prepare([row], tmp_path)
    with jax.enable_x64(False):
        weights = dict(np.load(tmp_path / worker.weights_file(cell, 3)))
        x = np.load(tmp_path / worker.inputs_file(5, 4))
        built = build(cell, weights, 3, "float32")
        if built is None:
            return
        if name == "pytorch":
            x = pytest.importorskip("torch").from_numpy(x)
            loss, gradient = built.loss(None, x), built.params
            loss.backward()
            loss = loss.detach()
        else:
            loss, gradient = jax.value_and_grad(built.loss)(built.params, x)
    result = worker.result(built, loss, gradient)
    engine_speed.check(name, row, result, references)
    with pytest.raises(errors.RunError, match="loss is"):
        engine_speed.check(name, row, result | {"loss": 2 * loss}, references)


@pytest.mark.parametrize(
    "name", sorted(libraries.LIBRARIES.keys() - {"pytorch", *libraries.ONLY_ON})
)
def test_every_library_multiplies_in_bfloat16(name, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    imported, build = libraries.LIBRARIES[name]
    pytest.importorskip(imported)
    for cell in ("elman", "gru", "lstm"):
        shapes = torch_shapes(cell)
        weights = {k: np.zeros(shape, np.float32) for k, shape in shapes.items()}
        if built := build(cell, weights, 3, "bfloat16"):
            params, x = jax.tree.map(
                lambda leaf: jax.ShapeDtypeStruct(leaf.shape, jnp.bfloat16),
                (built.params, np.zeros((5, 4, 2))),
            )
            traced = str(jax.make_jaxpr(jax.grad(built.loss))(params, x))
            (found,) = set(re.findall(r":(\w+)\[[^\]]*\] = dot_general", traced))
            assert found == "bf16", cell


def torch_shapes(cell: str) -> dict[str, tuple]:
    """Of the weights of a network of 3 units and 2 inputs."""
    rows = 3 * {"elman": 1, "gru": 3, "lstm": 4}[cell]
    shapes = {"weight_ih_l0": (rows, 2), "weight_hh_l0": (rows, 3)}
    return shapes | {"bias_ih_l0": (rows,), "bias_hh_l0": (rows,)}


def test_cudnn_gets_the_weights_in_its_order(tmp_path):
    """By the reference that jax.experimental.rnn has beside the kernel."""
    from jax.experimental import rnn

    row = ("lstm", 5, 4, 3)
    references = engine_speed.prepare([row], tmp_path)
    weights = dict(np.load(tmp_path / worker.weights_file("lstm", 3)))
    x = np.load(tmp_path / worker.inputs_file(5, 4)).swapaxes(0, 1)
    flat = libraries.cudnn_weights(weights)
    unpacked = rnn.unpack_lstm_weights(flat, 2, 3, 1, False)
    zeros = np.zeros((1, 4, 3), np.float32)
    lengths = np.full(4, 5, np.int32)
    y, _, _ = rnn.lstm_ref(x, zeros, zeros, *unpacked, lengths, 2, 3, 1, 0.0, False)
    loss = float((y[:, -1] ** 2).mean())
    assert loss == pytest.approx(references[row, ""][0], rel=1e-5)


@pytest.mark.slow
def test_engine_speed_in_another_precision_and_without_a_gpu(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    argv = "--cells=lstm --shapes=9x8x4 --libraries=ours --rounds=1 --seconds=0".split()
    settings = engine_speed.EngineSpeedConfig()
    config.run(engine_speed.main, settings, argv=[*argv, "--precision=bfloat16"])
    page = (tmp_path / "runs/engine_speed/engine_speed.md").read_text()
    assert "on CPU in bfloat16" in page
    with pytest.raises(SystemExit):
        config.run(engine_speed.main, settings, argv=[*argv, "--platform=gpu"])
    said = capsys.readouterr()
    assert "gpu is not there" in said.out and "nothing was measured" in said.err


def test_figures_bear_what_is_hard_to_draw(tmp_path, drawn):
    """Zeros, one seed, one length, many cells, norms far apart."""
    rows = [
        {
            "quantity": "dL/dh",
            "label": f"cell {index}",
            "seed": 0,
            "length": 5,
            "lag": lag,
            "relative_log10": float("-inf") if index == 1 else -400.0 * index * lag,
        }
        for index in range(10)
        for lag in range(6)
    ]
    plotting.gradient_decay(rows, tmp_path / "a.png")
    assert drawn(tmp_path / "a.png").size > 1
