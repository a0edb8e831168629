"""Every measurement of a network that was trained on data, as a user runs it."""

import re

import pytest

from experiments import (
    curvature,
    gradient_norms,
    jacobian_spectra,
    lyapunov,
    report,
    saturation,
    train,
    truncated_gradients,
)
from rnn_research import config, models, runs, runtime, training

SMALL = training.TrainConfig(
    num_steps=2, batch_size=4, eval_every=1, checkpoint_every=1, diagnose_every=1
)
PROGRAMS = {
    curvature: curvature.CurvatureConfig(count=2, batch_size=4),
    gradient_norms: gradient_norms.GradientNormsConfig(batch_size=4),
    jacobian_spectra: jacobian_spectra.JacobianSpectraConfig(lags=3),
    lyapunov: lyapunov.LyapunovConfig(length=100, transient=20, batch_size=2),
    saturation: saturation.SaturationConfig(),
    truncated_gradients: truncated_gradients.TruncatedGradientsConfig(batch_size=4),
}


def trained(folder, cell: str) -> str:
    """A run on a text, of which the folder is given."""
    text = folder.parent / "own.txt"
    text.write_text("to be or not to be, " * 60)
    config.run(
        train.main,
        models.ModelConfig(cell=cell, hidden_size=6),
        runs.TaskConfig(task=f"characters(text_file={str(text)!r})", length=12),
        SMALL,
        runs.OptimizerConfig(),
        runs.FolderConfig(workdir=str(folder)),
        runtime.RunConfig(precision="float64"),
        argv=[],
    )
    return str(folder)


@pytest.mark.slow
def test_every_measurement_takes_a_run_on_data(tmp_path, capsys):
    """And keeps its rows for the same command."""
    run = trained(tmp_path / "run", "gru")
    for program, settings in PROGRAMS.items():
        name = program.__name__.rpartition(".")[2]
        argv = [f"--runs={run}", f"--workdir={tmp_path / name}"]
        settings = settings, runtime.RunConfig(precision="float64")
        for _ in range(2):
            capsys.readouterr()
            config.run(program.main, *settings, argv=argv)
        told = re.search(r"(\d+) of (\d+) are kept", capsys.readouterr().err)
        assert told and told[1] == told[2], name
        assert (tmp_path / name / f"{name}.csv").stat().st_size > 100
        assert (tmp_path / name / f"{name}.png").exists()
    page = tmp_path / "page.html"
    settings = report.ReportConfig(runs=(run,), output=str(page))
    config.run(report.main, settings, runtime.RunConfig(precision="float64"), argv=[])
    assert "characters" in page.read_text()


@pytest.mark.slow
def test_a_run_without_a_recurrence_is_told(tmp_path, capsys):
    run = trained(tmp_path / "run", "transformer(window=4, heads=3)")
    for program in (saturation, jacobian_spectra, gradient_norms):
        argv = [f"--runs={run}", f"--workdir={tmp_path / 'out'}"]
        settings = PROGRAMS[program], runtime.RunConfig(precision="float64")
        with pytest.raises(SystemExit) as stop:
            config.run(program.main, *settings, argv=argv)
        assert stop.value.code == 2
        assert "recurrence" in capsys.readouterr().err
