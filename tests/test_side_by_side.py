"""Several trainings and their table."""

import csv

import jax
import pytest

from experiments import attention_beside, compare_applications
from rnn_research import cells, config, errors, models, runs, runtime, tasks, training
from rnn_research.runs import side_by_side
from rnn_research.tasks import translation_scores


def test_the_memory_of_a_gradient_grows_with_the_length():
    short, long = (
        side_by_side.gradient_bytes(
            models.build(cells.gru(4), tasks.adding(length)), tasks.adding(length), 3
        )
        for length in (20, 80)
    )
    assert 2 * short < long < 8 * short


def test_what_does_not_fit_is_said_before_anything_is_written(tmp_path):
    plan = side_by_side.Plan(
        {"label": "wrong"},
        models.ModelConfig(cell="gru(reset=never)"),
        runs.TaskConfig(task="adding", length=10),
        training.TrainConfig(num_steps=1),
    )
    with pytest.raises(errors.UsageError, match="never"):
        side_by_side.rows("test", [plan], tmp_path / "a", runtime.RunConfig())
    assert not list(tmp_path.glob("a/*"))


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_attention_beside_measures_quality_time_and_memory(tmp_path, capsys):
    pytest.importorskip("emoji")
    pytest.importorskip("sacrebleu")
    argv = ["--cells=gru,transformer(window={T})", "--delays=3"]
    argv += [
        "--tasks=copy_memory,translation",
        "--attentions=auto",
        "--words=4",
        "--hidden_size=8",
        "--num_steps=2",
        "--batch_size=4",
    ]
    argv += [f"--workdir={tmp_path / 'a'}", "--precision=float64"]
    settings = config.parse(
        argv, attention_beside.AttentionConfig(), runtime.RunConfig()
    )
    attention_beside.main(*settings)
    rows = read(tmp_path / "a" / "attention_beside.csv")
    assert [row["label"] for row in rows] == ["gru", "transformer"] * 2
    assert [row["cell"] for row in rows][1::2] == [
        "transformer(window=23)",
        "transformer(window=4)",
    ]
    assert all(float(row["gradient_mb"]) > 0 for row in rows)
    assert (tmp_path / "a" / "attention_beside.png").stat().st_size > 10_000
    said = read(tmp_path / "a" / "translation_by_length.csv")
    assert {row["what"] for row in said} == {
        "gru",
        "transformer",
        translation_scores.COPY,
        translation_scores.TABLE,
    }
    copied = [row for row in said if row["what"] == translation_scores.COPY]
    assert sum(int(row["count"]) for row in copied) == 2 * 398  # beside each network
    assert (tmp_path / "a" / "translation_by_length.png").stat().st_size > 10_000
    capsys.readouterr()
    attention_beside.main(*settings)  # all is there
    assert read(tmp_path / "a" / "attention_beside.csv") == rows


@pytest.mark.slow
def test_compare_applications_leaves_out_what_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("RNN_RESEARCH_DATA", str(tmp_path / "none"))
    argv = ["--cells=elman", "--applications=images,text", "--hidden_size=4"]
    argv += ["--num_steps=2", f"--workdir={tmp_path / 'a'}", "--precision=float64"]
    given = compare_applications.ApplicationsConfig(num_seeds=2)
    compare_applications.main(*config.parse(argv, given, runtime.RunConfig()))
    page = (tmp_path / "a" / "compare_applications.md").read_text()
    assert "| images | accuracy |" in page and "| text |" not in page
    assert len(read(tmp_path / "a" / "compare_applications.csv")) == 2
    assert jax.config.jax_enable_x64
