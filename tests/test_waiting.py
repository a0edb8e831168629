"""Whoever waits sees what is done, in lines that fit, and where there is a place."""

import io
import sys
import time
import types

import jax
import pytest

from rnn_research import compile_times, waiting
from rnn_research.measurements import driver
from rnn_research.training import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def a_terminal(monkeypatch):
    """Standard output and error are one terminal of 50 columns."""
    shown = Terminal()
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, shown)
    for name, value in {"COLUMNS": "50", "LINES": "20", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(waiting, "SHORT", 0.0)
    return shown


def row(step, loss=0.5):
    return {
        **{"seed": 0, "learning_rate": 1e-3, "step": step, "loss": loss},
        **{"train_loss": 0.25, "grad_norm": 1.0, "largest_grad_norm": 1.0},
        **{"dropped": 0, "accuracy": 0.75},
    }


# ---------------------------------------------------------------- lines of a training


def steps_of(text):
    return [int(line.split()[1]) for line in text.splitlines()]


def test_a_long_training_has_about_forty_lines_with_the_last_and_the_best(capsys):
    with progress.Progress(100_000, 100, baseline=1.0) as shown:
        for step in range(100, 100_001, 100):
            loss = 0.1 if step == 77_700 else 0.5
            shown.report([row(step, loss)], last=step == 100_000)
    steps = steps_of(capsys.readouterr().out)
    assert steps[:3] == [100, 200, 300] and steps[-2:] == [77_700, 100_000]
    assert 40 <= len(steps) <= 46 and 50_000 in steps


def test_a_short_training_has_a_line_for_each_evaluation(capsys):
    with progress.Progress(30, 1, baseline=1.0) as shown:
        for step in range(1, 31):
            shown.report([row(step)], last=step == 30)
    assert steps_of(capsys.readouterr().out) == list(range(1, 31))


def test_a_resumed_training_says_no_time_before_it_has_made_an_update(capsys):
    with progress.Progress(30, 1, baseline=1.0) as shown:
        shown.start_at(10)
        shown.report([row(10)])
        shown.update(11, 0.5)
        shown.report([row(11)])
    first, second = capsys.readouterr().out.splitlines()
    assert "left" not in first and "updates/s" not in first
    assert "updates/s" in second and second.endswith("0:00 left")


@pytest.mark.parametrize("width", [None, 120, 90, 80, 40])
def test_a_narrow_line_lacks_what_matters_least(width):
    parts = [
        *((progress.ALWAYS, "update 100"), (progress.TRAINING, "train loss 0.25")),
        *((progress.ALWAYS, "validation loss 0.5"), (progress.METRIC, "accuracy 0.7")),
        *((progress.METRIC, "newton 3"), (progress.RATE, "14.7 updates/s")),
        (progress.LEFT, "11:12 left"),
    ]
    line = progress.fitting(parts, width)
    assert line.startswith("update 100") and "validation loss 0.5" in line
    lacks = [text for _, text in parts if text not in line]
    order = [
        "14.7 updates/s",
        "11:12 left",
        "newton 3",
        "accuracy 0.7",
        "train loss 0.25",
    ]
    assert sorted(lacks) == sorted(order[: len(lacks)])
    assert width is None or len(line) <= width
    assert (len(lacks) == 0) == (width in (None, 120))


# ---------------------------------------------------------------- where it is shown


def test_a_file_gets_lines_alone(capsys):
    with waiting.bar(3, "bar"), waiting.doing("compiling"):
        waiting.say("a line")
    assert capsys.readouterr() == ("a line\n", "")


def test_a_terminal_shows_what_is_done_and_then_nothing(monkeypatch):
    terminal = a_terminal(monkeypatch)
    with waiting.bar(4, "measuring") as bar:
        bar.update(1)
        with waiting.doing("compiling"):
            waiting.expect(6.2)
            waiting.say("a path of more than fifty columns/" * 2)
            time.sleep(1.5 / waiting.PER_SECOND)
    shown = terminal.getvalue()
    assert "a path of more than fifty columns/" * 2 in shown
    assert "compiling (about 6 s)" in shown and "1/4" in shown
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1  # the cursor
    assert waiting._board.shown is None and not waiting._board.bars


def test_what_is_over_soon_is_not_shown(monkeypatch):
    a_terminal(monkeypatch)
    monkeypatch.setattr(waiting, "SHORT", 60.0)
    with waiting.doing("compiling"):
        assert waiting._board.lines() == []


def test_a_notebook_has_one_place_for_all_of_it(monkeypatch):
    texts = []
    place = types.SimpleNamespace(update=lambda html: texts.append(html))
    display = types.SimpleNamespace(
        HTML=str, display=lambda html, display_id: texts.append(html) or place
    )
    shell = types.SimpleNamespace(kernel=True)
    ipython = types.SimpleNamespace(get_ipython=lambda: shell, display=display)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    with waiting.bar(4) as bar:
        bar.update(2, "loss <0.1")
    assert "2/4" in texts[-2] and "loss &lt;0.1</pre>" in texts[-2]
    assert texts[-1] == ""


def test_the_time_left_is_of_what_was_done_here(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(waiting.time, "monotonic", lambda: now[0])
    bar = waiting.Bar(100, "")
    bar.start_at(40)  # resumed there
    assert bar.left is None
    now[0] = 110.0
    bar.update(60)
    assert (bar.rate, bar.left) == (2.0, 20.0)
    now[0] = 115.0
    assert bar.left == 15.0 and "60/100  0:15 left" in bar.line()


def test_a_closing_table_says_what_a_measurement_cost(capsys, monkeypatch):
    monkeypatch.setattr(driver, "SHOWN_AFTER", 0.0)
    with driver.Progress(3, 3) as shown:
        for label in ("gru", "gru", "lstm(forget_bias=3)"):
            with shown.measuring(label):
                pass
    shown.close()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "gru (1 of 3)"
    assert lines[3].split() == ["measured", "times", "seconds"]
    assert [line.split()[:2] for line in lines[4:]] == [
        *(["gru", "2"], ["lstm(forget_bias=3)", "1"], ["all", "3"])
    ]


def test_columns_are_aligned():
    rows = [("gru", 12, 0.123456), ("elman", 3, 4.0)]
    assert waiting.table(("cell", "n", "loss"), rows).splitlines() == [
        "cell    n    loss",
        "gru    12  0.1235",
        "elman   3       4",
    ]


# ---------------------------------------------------------------- compilations


def test_a_compilation_takes_about_as_long_as_one_like_it(tmp_path):
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    try:
        assert compile_times.expected("dot f32[8, 3] x") is None
        compile_times.note("dot f32[8, 3] x", 6.04)
        assert compile_times.expected("dot f32[128, 9] x") == 6.0
        assert compile_times.expected("dot f32[8, 3] x") == 0.0  # read from the disk
        assert compile_times.expected("add f32[8, 3] x") is None
        (tmp_path / compile_times.FILE).write_text("{damaged")
        assert compile_times.expected("dot f32[128, 9] x") is None
    finally:
        jax.config.update("jax_compilation_cache_dir", before)
