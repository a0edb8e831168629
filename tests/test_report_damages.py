"""Whatever is in the files of a run, a report is one page, and says what is wrong."""

import copy
import hashlib
import json
import pathlib
import re
import shutil
import time

import pytest

from experiments import report as program
from rnn_research import errors, plotting, report, runtime
from rnn_research.report import moments
from rnn_research.runs import same_run

DIAGNOSTICS = {
    "not_finite": 0.0,
    "gradient_lags": [0, 1, 5],
    "gradient_log10": [-1.0, -2.0, -3.5],
    "beyond": {"h": 0.25},
    "horizon": 4.0,
    "spectral_radius": 0.9,
    "parameter_log10": {"['b']": -1.5},
}
ROWS = [
    {
        "seed": seed,
        "learning_rate": 0.001,
        "step": step,
        "train_loss": 0.2,
        "grad_norm": 0.1,
        "largest_grad_norm": 0.3,
        "dropped": 0,
        "loss": 0.17,
        "newton_iterations": 3.0,
        "diagnostics": DIAGNOSTICS,
    }
    for step in (10, 20)
    for seed in (0, 1)
]
CONFIG = {
    "task": "adding",
    "cell": "gru",
    "engine": "auto",
    "length": 12,
    "hidden_size": 8,
    "precision": "float32",
    "seeds": [0, 1],
    "learning_rates": [0.001],
    "machine": {"device": "1 x cpu"},
}
RUN = {
    "seed": 0,
    "learning_rate": 0.001,
    "outcome": "not solved",
    "steps": 20,
    "dropped": 0,
    "validation": {"loss": 0.17, "newton_iterations": 3.0},
    "test": {"loss": 0.17},
}
SUMMARY = {
    "task": "adding(12)",
    "engines": ["newton"],
    "length": 12,
    "parameters": 1000,
    "baseline": 1 / 6,
    "goal": 0.01,
    "runs": [RUN, RUN | {"seed": 1}],
    "seconds": {"compile": 1.0, "run": 2.0},
    "device": "1 x cpu",
}
SOUND = {"config.json": CONFIG, "summary.json": SUMMARY}


def deep(levels=100_000):
    return "[" * levels + "]" * levels


GONE = object()
DAMAGES = {  # by name, JSON as text
    "gone": GONE,
    "null": "null",
    "a text": '"x"',
    "an empty text": '""',
    "a number": "7",
    "zero": "0",
    "negative": "-1.5",
    "NaN": "NaN",
    "infinity": "-Infinity",
    "beyond floats": "1e999",
    "beyond integers": "1" + "0" * 400,
    "true": "true",
    "an empty list": "[]",
    "a list": '[null, "x", [[]]]',
    "an empty group": "{}",
    "a group": '{"a.b": {"x": []}, "": 1}',
    "odd letters": r'"$\\frac{<b>_\ud800\u0000\n\u2028</script>"',
    "long": json.dumps("x" * 10_000),
    "nested": "[" * 60 + "]" * 60,
}


def paths_of(value, path=()):
    """Every place in a tree of JSON."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value[:1]) if isinstance(value, list) else items
    for key, own in items:
        yield from paths_of(own, (*path, key))


def damaged(content, path, damage) -> str:
    """The JSON of the content with one place changed."""
    content = copy.deepcopy(content)
    *way, last = path
    inside = content
    for key in way:
        inside = inside[key]
    if damage is GONE:
        del inside[last]
        return json.dumps(content)
    inside[last] = "HERE"
    return json.dumps(content).replace('"HERE"', damage)


def write_run(folder: pathlib.Path, name: str):
    (folder / name).mkdir()
    for file, content in SOUND.items():
        (folder / name / file).write_text(json.dumps(content))
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    (folder / name / "metrics.jsonl").write_text(lines)


@pytest.fixture
def two(tmp_path, monkeypatch):
    """Folders of a sound run and of one to be damaged; neither has a checkpoint."""

    def unmeasured(*arguments):
        raise errors.UsageError("there is no checkpoint")

    monkeypatch.setattr(moments, "_measured", unmeasured)
    for name in ("sound", "hurt"):
        write_run(tmp_path, name)
    return tmp_path


def reported(folder: pathlib.Path) -> tuple[list, list[str], str]:
    """Entries, lines on what is left out, and the page."""
    left_out = []
    entries = report.read([folder / "sound", folder / "hurt"], left_out=left_out.append)
    page = folder / "report.html"
    report.render(entries, page, left_out=left_out)
    text = page.read_text()
    data = json.loads(
        re.search(r'id="data">(.*?)</script>', text, re.S)[1],
        parse_constant=lambda name: pytest.fail(f"{name} is no JSON"),
    )
    assert [run["name"] for run in data["runs"]] == [entry.name for entry in entries]
    assert len(entries) + len(left_out) == 2
    assert "sound" in [entry.folder.name for entry in entries]
    assert "<script>" not in text.replace('<script>\n"use strict"', "")
    notes = [note for entry in entries for note in entry.notes]
    for line in (*left_out, *notes):
        assert line.isprintable() and len(line) < 500, line
    for entry in entries:
        word, said = report.verdict(entry)
        assert word and "\n" not in said and len(entry.name) < 300
    return entries, left_out, text


@pytest.mark.parametrize("file", ["config.json", "summary.json"])
def test_any_value_may_be_anything(two, file):
    """If a page cannot be made of it, the line says in which file what is wrong."""
    path, left = two / "hurt" / file, {}
    for place in paths_of(SOUND[file]):
        for name, damage in DAMAGES.items():
            path.write_text(damaged(SOUND[file], place, damage))
            _, left_out, text = reported(two)
            left[place, name] = left_out
            for line in left_out:
                assert "Left out: " in text
                if "another version" not in line:
                    assert str(two / "hurt") in line and file in line, line
                    assert str(place[0]) in line, line
    for needed in {
        "config.json": [("learning_rates",)],
        "summary.json": [("runs",), ("length",), ("runs", 0, "test")],
    }[file]:
        for name in ("gone", "null", "a text", "a list", "a group"):
            assert left[needed, name], (needed, name)
    for place in paths_of(SOUND[file]):
        if place[-1] in ("cell", "machine", "goal", "dropped", "hidden_size"):
            assert not any(left[place, name] for name in DAMAGES), place


def test_what_ties_the_files_together_may_be_anything(two):
    """The digest of the settings must fit; of a mark that does not, the page tells."""
    text = (two / "hurt" / "metrics.jsonl").read_bytes()
    mark = {"bytes": len(text), "sha256": hashlib.sha256(text).hexdigest()}
    tied = SUMMARY | {"settings": same_run.digest(CONFIG), "metrics": mark}
    path = two / "hurt" / "summary.json"
    path.write_text(json.dumps(tied))
    (_, hurt), left_out, _ = reported(two)
    assert not left_out and not [note for note in hurt.notes if "metrics" in note]
    places = [("settings",), ("metrics",), ("metrics", "bytes"), ("metrics", "sha256")]
    for place in places:
        for name, damage in DAMAGES.items():
            path.write_text(damaged(tied, place, damage))
            entries, left_out, _ = reported(two)
            notes = [note for entry in entries for note in entry.notes]
            gone = name == "gone" and len(place) == 1  # as of an older run
            if place == ("settings",):
                assert bool(left_out) != gone, name
            else:
                assert not left_out and any("metrics.jsonl" in n for n in notes) != gone


@pytest.mark.slow
def test_any_value_of_a_row_may_be_anything(two):
    """The other rows are drawn, and the page says which is not."""
    path = two / "hurt" / "metrics.jsonl"
    lines = [json.dumps(row) for row in ROWS]
    for place in paths_of(ROWS[2]):
        for name, damage in DAMAGES.items():
            changed = [*lines[:2], damaged(ROWS[2], place, damage), lines[3]]
            path.write_text("\n".join(changed))
            (_, hurt), left_out, _ = reported(two)
            assert not left_out and hurt.steps[-1] == 20, (place, name)
            if place == ("loss",) and name in ("gone", "a text", "a list", "true"):
                (note,) = hurt.notes
                assert note.startswith(f"{path} is damaged and read without line 3: ")
                assert "loss" in note


@pytest.mark.parametrize("file", ["config.json", "summary.json", "metrics.jsonl"])
def test_any_file_may_be_damaged(two, file):
    path = two / "hurt" / file
    whole = path.read_bytes()
    contents = {
        "empty": b"",
        "cut": whole[: 2 * len(whole) // 3],
        "binary": bytes(range(256)) * 9,
        "no JSON": b"hello\n",
        "no group": b"[1, 2]\n7\nnull\n",
        "nested": deep().encode(),
    }
    for name, content in contents.items():
        path.write_bytes(content)
        entries, left_out, _ = reported(two)
        said = left_out or [note for entry in entries for note in entry.notes]
        assert said and (name == "empty" or str(path) in said[0]), (name, said)
        assert bool(left_out) == (file != "metrics.jsonl"), name
    path.unlink()
    entries, left_out, _ = reported(two)
    assert left_out or str(path) in entries[1].notes[0]
    path.mkdir()
    entries, left_out, _ = reported(two)
    assert left_out or str(path) in entries[1].notes[0]


def test_a_half_written_last_line_costs_that_row_alone(two):
    path = two / "hurt" / "metrics.jsonl"
    path.write_text(path.read_text()[:-30])
    (sound, hurt), _, text = reported(two)
    assert hurt.loss == sound.loss and len(hurt.moments) == 2
    (note,) = hurt.notes
    assert note == f"{path} is damaged and read without line 4: it is not JSON"
    assert note in text


def test_a_baseline_of_zero_is_not_divided_by(two):
    path = two / "hurt" / "summary.json"
    path.write_text(json.dumps(SUMMARY | {"baseline": 0}))
    (_, hurt), _, _ = reported(two)
    assert report.verdict(hurt)[1].startswith("not solved, with no baseline")
    plotting.compared_losses([hurt], two / "loss.png")


def test_where_nothing_can_be_reported_all_is_said(two):
    for name in ("sound", "hurt"):
        (two / name / "summary.json").write_text("{")
    settings = program.ReportConfig(
        runs=(str(two / "sound"), str(two / "hurt")), output=str(two / "page.html")
    )
    with pytest.raises(errors.UsageError, match="sound.*damaged.*; .*hurt.*damaged"):
        program.main(settings, runtime.RunConfig(precision="float64"))


def test_one_folder_by_two_ways_is_given_twice(two):
    with pytest.raises(errors.UsageError, match="given twice"):
        report.read([two / "hurt", two / "sound" / ".." / "hurt"])


def test_a_long_record_is_read_in_time_that_grows_with_it(two):
    """16,000 evaluations of a watched run, of which all but 200 moments are thinned."""
    count = 16_000
    row = json.dumps(ROWS[0]).replace('"step": 10', '"step": {}')
    text = "".join(row.replace("{}", str(step)) + "\n" for step in range(1, count + 1))
    (two / "hurt" / "metrics.jsonl").write_text(text)
    shutil.rmtree(two / "sound")
    begun = time.process_time()
    (entry,) = report.read([two / "hurt"])
    report.render([entry], two / "report.html")
    assert time.process_time() - begun < 5
    assert len(entry.steps) == count and len(entry.moments) == moments.MOST_MOMENTS
    assert entry.moments[0].step == 1 and entry.moments[-1].step == count
