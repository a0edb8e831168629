"""Which network remembers longest, and why; and how that is searched for."""

import math
import pathlib
import types

import pytest

from experiments import memory_span
from rnn_research import config, errors, report, runtime
from rnn_research.measurements import span
from rnn_research.report import ranking
from rnn_research.report.entries import Entry
from rnn_research.report.moments import Moment
from rnn_research.runs import side_by_side


def entry(
    name, length=100, solved=3, updates=500, loss=0.1, kept=0.9, reach=40.0, goal=0.01
) -> Entry:
    """Three runs, whose gradient loses 1 - kept per step before training."""
    lags = list(range(0, 30, 2))
    logs = [lag * math.log10(kept) for lag in lags]
    first = Moment(0, lags, logs, reach, 0.0, {}, math.nan)
    outcomes = ["solved"] * solved + ["not solved"] * (3 - solved)
    each = [
        {"outcome": outcome, "steps": updates, "test": {"loss": loss}}
        for outcome in outcomes
    ]
    summary = {"task": "adding(100)", "baseline": 0.2, "length": length, "goal": goal}
    settings = {"length": length, "cell": name.partition(",")[0]}
    folder = pathlib.Path(name)
    return Entry(folder, name, settings, summary, each, [], [], [first], [], [])


def test_the_sentence_orders_by_what_is_learned_and_reasons_by_what_orders():
    said = report.sentence(
        [
            entry("a, length 100", solved=0, reach=12.0, loss=0.2, kept=0.6),
            entry("b, length 100", updates=900, reach=30.0),
            entry("c, length 100", solved=1, reach=20.0, loss=0.1, kept=0.8),
            entry("c, length 50", length=50, reach=20.0),
        ]
    )
    assert said == (
        "b remembers longest: b (T = 100 in 3 of 3 runs, 900 updates), then c (T = 50 "
        "in 3 of 3 runs, 500 updates), then a (not T = 100, loss 1 of that without "
        "memory); in the order in which the gradient reaches back before training (30 "
        "steps, 20 steps, 12 steps until 1% is left)."
    )


def test_where_the_reach_does_not_order_the_exponent_may_and_then_the_updates():
    near = entry("near", updates=100, reach=10.0, kept=0.9)
    far = entry("far", updates=800, reach=30.0, kept=0.8)
    assert "order of the largest exponent" in report.sentence([far, near])
    assert "-0.11, -0.22 per step" in report.sentence([far, near])
    near = entry("near", updates=100, reach=10.0, kept=0.7)
    said = report.sentence([far, near])
    assert (
        said.startswith("near learns T = 100 in the fewest")
        and "(100, 800 updates)" in said
    )
    lost = entry("lost", solved=0, reach=50.0, kept=0.95)
    assert "no reach or exponent" not in report.sentence([far, near, lost])


def test_a_forget_bias_that_orders_is_a_reason():
    call = "model(stack(lstm(8, forget_bias={0}), lstm(8, forget_bias={0})))"
    far = entry("far", reach=30.0)._replace(model=call.format("3.0"))
    near = entry("near", reach=10.0, solved=0)._replace(model=call.format("0.0"))
    both = "10 steps until 1% is left), and in the order of their forget biases at the "
    assert both + "start (3, 0)." in report.sentence([far, near])
    alike = [one._replace(moments=[]) for one in (far, near)]
    assert "; in the order of their forget biases" in report.sentence(alike)
    for text in ("chrono(t_max=9)", "0.0, recurrent=lstm(2, forget_bias=3.0)"):
        unknown = near._replace(model=call.format(text))
        assert "forget bias" not in report.sentence([far, unknown])
    turned = near._replace(model=call.format("4.0"))
    assert "forget bias" not in report.sentence([far, turned])


def test_one_that_carries_a_gradient_and_does_not_learn_is_said_to():
    said = report.sentence(
        [entry("a", reach=30.0), entry("b", solved=0, reach=math.inf, loss=0.2)]
    )
    assert said.endswith(
        "; b carries a gradient over all steps and still does not learn T = 100."
    )
    assert "carries" not in report.sentence([entry("a"), entry("b", reach=10.0)])


def test_what_nothing_orders_is_said():
    both = [entry("a"), entry("b")]
    assert report.sentence(both).startswith("Several remember equally long")
    neither = [entry(name, solved=0) for name in "ab"]
    assert report.sentence(neither).startswith("None of them learns")
    other = entry("b")._replace(summary=entry("b").summary | {"task": "other(3)"})
    assert "several tasks" in report.sentence([entry("a"), other])
    no_goal = [entry("a", loss=0.1, goal=None), entry("b", loss=0.05, goal=None)]
    assert report.sentence(no_goal).startswith("b has the lowest loss: b (loss 0.25 of")
    unmeasured = [each._replace(moments=[]) for each in (entry("a"), entry("b"))]
    assert "nothing" not in report.sentence(unmeasured)
    assert "T = 100" in report.sentence(unmeasured[:1])


def test_the_exponent_is_that_of_a_gradient_that_falls_evenly():
    first = entry("a", kept=0.75).moments[0]
    assert ranking.exponent(first) == pytest.approx(math.log(0.75))
    nothing = first._replace(log10=[math.nan] * len(first.lags))
    assert math.isnan(ranking.exponent(nothing))


def test_the_row_of_a_cell_is_that_of_its_trainings():
    entries = [entry("a b"), entry("c d", updates=70)]
    folders = {"a_b": pathlib.Path("a b"), "c_d": pathlib.Path("c d")}
    tried = [
        span.Tried(cell, 100, folder, frozenset({0, 1}), frozenset({0, 1, 2}))
        for cell, folder in folders.items()
    ]
    rows = span.rows(tried, report.networks(entries))
    assert [(row["cell"], row["updates"]) for row in rows] == [
        ("c_d", 70),
        ("a_b", 500),
    ]
    assert [rows[0][name] for name in ("span", "least", "greatest")] == [100, 0, 100]
    unmeasured = [one._replace(moments=[]) for one in entries]
    rows = span.rows(tried, report.networks(unmeasured))
    page = span.page("Said.", rows, memory_span.SpanConfig())
    assert "| 70 | - | - |" in page and "nan" not in page


def searched(monkeypatch, able: dict[str, list[int]], **changes) -> list[span.Tried]:
    """What is tried of cells of which seed s learns up to T = able[cell][s]."""

    def trained(name, plans, folder, run_config, *, wanted):
        for plan in plans:
            if wanted(plan):
                ends = [
                    types.SimpleNamespace(
                        seed=seed,
                        summary={
                            "outcome": "solved"
                            if plan.task.length <= most
                            else "not solved"
                        },
                    )
                    for seed, most in enumerate(able[plan.model.cell])
                ]
                yield plan, None, types.SimpleNamespace(runs=ends, folder=folder)

    monkeypatch.setattr(side_by_side, "trained", trained)
    given = {"cells": tuple(able), "shortest": 10, "longest": 80} | changes
    settings = memory_span.SpanConfig(**given)
    return span.search(settings, pathlib.Path("."), runtime.RunConfig())


def test_lengths_are_doubled_until_no_seed_learns_and_then_halved(monkeypatch):
    able = {"elman": [0, 0], "gru": [45, 80], "lstm": [20, 25]}
    tried = searched(monkeypatch, able)
    lengths = {cell: [one.length for one in tried if one.cell == cell] for cell in able}
    assert lengths == {"elman": [10], "gru": [10, 20, 40, 80], "lstm": [10, 20, 40]}
    assert span.spans([one for one in tried if one.cell == "gru"]) == [40, 80]
    halved = searched(monkeypatch, able, bisections=2)
    assert [one.length for one in halved if one.cell == "lstm"][3:] == [30, 25]
    assert span.spans([one for one in halved if one.cell == "lstm"]) == [20, 25]
    with pytest.raises(errors.UsageError, match="--shortest=90 is more than"):
        searched(monkeypatch, able, shortest=90)


@pytest.mark.slow
def test_a_small_search_writes_the_sentence_first(tmp_path, capsys):
    argv = ["--cells=elman,gru", "--shortest=4", "--longest=8", "--num_steps=2"]
    argv += ["--hidden_size=4", "--batch_size=4", "--num_seeds=2"]
    argv += [f"--workdir={tmp_path}", "--precision=float64"]
    settings = config.parse(argv, memory_span.SpanConfig(), runtime.RunConfig())
    memory_span.main(*settings)
    said = capsys.readouterr().out
    lines = (tmp_path / "memory_span.md").read_text().splitlines()
    assert lines[2].startswith("None of them learns") and lines[2] in said
    assert (tmp_path / "memory_span.png").read_bytes().startswith(b"\x89PNG")
    assert not (tmp_path / "elman-T8").exists()
