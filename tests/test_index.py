"""Runs read back: what a row says, and an index that is never the truth."""

import concurrent.futures
import json
import math
import os
import shlex
import shutil
import sqlite3
import time

import pytest
from made_runs import made, settings, write

from rnn_research import config, errors, index, models, runs, runtime, training
from rnn_research.index import of_folder, query, resuming, store
from rnn_research.runs.settings import as_dict


@pytest.fixture
def folder(tmp_path):
    """Three folders of runs, one not finished, beside what is no run."""
    base = tmp_path / "my runs"
    made(base / "gru", rates=(0.01, 0.001))
    made(base / "deep" / "lstm", cell="lstm(forget_bias=1)", length=50)
    made(base / "begun", ended=False, cell="elman")
    (base / "norms").mkdir()
    (base / "norms" / "gradient_norms.csv").write_text("lag,log10\n0,0\n")
    write(base / "config.json", {"of": "another program"})
    aged(base)
    return base


def aged(base):
    """As if all had been written a minute ago."""
    for path in base.rglob("*"):
        os.utime(path, ns=2 * (time.time_ns() - 60 * 10**9,))


def rows_of(folder, **given):
    said = []
    rows = index.read([folder], left_out=said.append, **given)
    return rows, said


# ------------------------------------------------------------------------- the rows


def test_a_row_says_what_the_files_say(folder):
    rows, said = rows_of(folder)
    assert not said and len(rows) == 8
    (row,) = rows_of(folder, where=("cell=gru", "seed=1", "learning_rate=0.001"))[0]
    told = {
        "folder": str(folder / "gru"),
        "cell": "gru",
        "hidden_size": 16,
        "task": "adding",
        "length": 10,
        "outcome": "not solved",
        "updates": 200,
        "progress": 1.0,
        "parameters": 945,
        "seconds": 0.5,  # of two, a quarter
        "compile_seconds": 3.0,
        "updates_per_second": (150 + 200) * 2 / 2.0,
        "goal": 0.01,
        "test_loss": 0.16 / 3**3,
        "best_validation_loss": 0.16 / 3**3,
        "device": "1 x cpu",
        "jax": "0.10.2",
        "code": None,
    }
    assert {name: row[name] for name in told} == told
    assert row["lows"] == [[50 * (n + 1), 0.16 / 3**n] for n in range(4)]
    assert not {"seeds", "learning_rates", "machine"} & row.keys()


def test_a_run_that_has_not_finished_says_how_far_it_is(folder):
    path = folder / "begun" / "metrics.jsonl"
    whole = path.read_text().splitlines()
    path.write_text("\n".join([*whole[:3], whole[3][:40]]))  # killed while it wrote
    rows, said = rows_of(folder, where=("outcome=not finished",))
    found = [(r["seed"], r["updates"], r["progress"]) for r in rows]
    assert found == [(0, 100, 0.5), (1, 50, 0.25)] and not said
    assert rows[0]["validation_loss"] == 0.08 and "test_loss" not in rows[0]


def test_what_is_not_finite_is_the_same_from_the_index(tmp_path):
    scores = [{"loss": math.inf}, {"loss": math.nan, "ac.curacy": 0.5}]
    made(tmp_path / "gru", cell="größe:лстм()", scores=scores)
    aged(tmp_path)
    (one, two), _ = rows_of(tmp_path)
    assert one["test_loss"] == math.inf and math.isnan(two["test_loss"])
    assert two["test_ac.curacy"] == 0.5
    assert repr(rows_of(tmp_path)[0]) != "" and (tmp_path / store.FILE).exists()
    for fresh, held in zip((one, two), rows_of(tmp_path)[0], strict=True):
        assert fresh.keys() == held.keys()
        assert {k: repr(v) for k, v in fresh.items()} == {
            k: repr(held[k]) for k in fresh
        }


def test_the_command_gives_the_settings_again(tmp_path):
    given = settings(
        "zoneout(gru, rate=0.1)",
        length=None,
        rates=(0.01, 0.001),
        seeds=(3, 5),
        penalties=["omega(weight=2)", "orthogonality(weight=0.1)"],
        residual=True,
        num_steps=1,
    )
    flags = resuming.flags(given)
    place = tmp_path / "it's here"
    command = shlex.split(resuming.command(flags, place))
    groups = config.parse(
        command[3:],
        models.ModelConfig(),
        runs.TaskConfig(),
        training.TrainConfig(),
        runs.OptimizerConfig(),
        runs.FolderConfig(),
        runtime.RunConfig(),
    )
    train, folder_config = groups[2], groups[4]
    found = as_dict(groups[0], groups[1], groups[3], groups[5]) | train.resolved()
    told = json.loads(json.dumps(found))
    assert {name: told[name] for name in told.keys() & given.keys()} == {
        name: given[name] for name in told.keys() & given.keys()
    }
    assert folder_config.workdir == str(place)
    assert resuming.flags({"task": "begun from Python"}) is None


# ------------------------------------------------------------------------ the index


def counted(monkeypatch):
    """The folders that are read, as they are."""
    read, seen = of_folder.rows, []

    def rows(folder):
        seen.append(folder.name)
        return read(folder)

    monkeypatch.setattr(of_folder, "rows", rows)
    return seen


def test_only_what_has_changed_is_read_again(folder, monkeypatch):
    seen = counted(monkeypatch)
    first, _ = rows_of(folder)
    assert sorted(seen) == ["begun", "gru", "lstm"]
    assert rows_of(folder)[0] == first and len(seen) == 3
    with (folder / "begun" / "metrics.jsonl").open("a") as file:
        row = {"seed": 0, "learning_rate": 0.01, "step": 250, "loss": 9}
        file.write(json.dumps(row))
    rows, _ = rows_of(folder, where=("cell=elman",))
    assert seen[3:] == ["begun"] and rows[0]["updates"] == 250
    shutil.rmtree(folder / "gru")
    assert len(rows_of(folder)[0]) == 4
    with sqlite3.connect(folder / store.FILE) as base:
        said = "select columns ->> 'cell' from runs order by 1"
        cells = base.execute(said).fetchall()
    base.close()
    # `begun` has just been written to: it may change again within the same instant
    assert cells == [("lstm(forget_bias=1)",)] * 2


def test_a_moved_folder_keeps_its_index(folder, monkeypatch):
    before, _ = rows_of(folder)
    seen = counted(monkeypatch)
    there = folder.rename(folder.parent / "elsewhere")
    rows, _ = rows_of(there)
    assert not seen
    assert [row["folder"] for row in rows] == [
        row["folder"].replace("my runs", "elsewhere") for row in before
    ]
    assert rows[0]["command"].endswith(f"--workdir={there / 'begun'}")


def other_version(path):
    with sqlite3.connect(path) as base:
        base.execute("pragma user_version = 0")
    base.close()


def other_tables(path):
    path.unlink()
    with sqlite3.connect(path) as base:
        base.execute(f"pragma user_version = {store.VERSION}")
    base.close()


def no_rows(path):
    with sqlite3.connect(path) as base:
        base.execute("update runs set columns = '[]'")
    base.close()


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"no database"),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:6000]),
        other_version,
        other_tables,
        no_rows,
    ],
    ids=["noise", "empty", "cut", "version", "tables", "rows"],
)
def test_a_damaged_index_is_made_anew(folder, damage):
    before, _ = rows_of(folder)
    path = folder / store.FILE
    damage(path)
    assert rows_of(folder) == (before, [])
    assert store.read(path).keys() == {"gru", "deep/lstm", "begun"}


def test_where_no_index_can_be_written_the_folders_are_read(folder):
    (folder / store.FILE).mkdir()  # as root may write anywhere else
    assert len(rows_of(folder)[0]) == 8
    assert not list(folder.glob(".*"))


def test_readers_do_not_disturb_each_other(folder):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = list(pool.map(rows_of, [folder] * 12))
    assert all(each == found[0] for each in found)
    assert not list(folder.glob(".*"))


def test_a_damaged_folder_is_one_line(folder):
    (folder / "gru" / "summary.json").write_text("{")
    (folder / "deep" / "lstm" / "config.json").write_text("[]")
    rows, said = rows_of(folder)
    assert {row["cell"] for row in rows} == {"elman"}
    assert len(said) == 2 and all("is damaged" in line for line in said)
    with pytest.raises(errors.RunError, match="damaged"):
        index.read([folder])


def test_what_is_found_below_a_folder(folder):
    (folder / "latest").symlink_to(folder / "gru")
    made(folder / "gru" / "plots" / "inside")  # what is in a run is its own
    made(folder / ".hidden" / "run")
    assert len(rows_of(folder)[0]) == 8
    several = index.read([folder, folder / "gru", folder / "deep"])
    assert len(several) == 8  # each once
    assert not (folder / "gru" / store.FILE).exists()  # itself a run
    with pytest.raises(errors.UsageError, match="no such folder"):
        index.read([folder / "nowhere"])
    (folder / "empty").mkdir()
    assert rows_of(folder / "empty") == ([], [])


# ------------------------------------------------------------------------ conditions

ROWS = [
    {"cell": "gru", "length": 10, "test_loss": 0.5, "residual": True, "stop_at": None},
    {"cell": "gru(reset='before')", "length": 50, "test_loss": math.nan},
    {"cell": "zoneout(gru, rate=0.1)", "length": 50, "test_loss": 0.1},
    {"cell": "my/cells.py:leaky(alpha=0.3)", "length": 99, "residual": False},
]


@pytest.mark.parametrize(
    "given, met",
    [
        ("cell=gru", [0, 1]),
        ("cell = gru()", [0]),
        ("cell=gru(reset='before')", [1]),
        ('cell=gru( reset = "before" )', [1]),
        ("cell!=gru", [2, 3]),
        ("cell=leaky", [3]),
        ("cell=gru()|leaky", [0, 3]),
        ("cell!=gru()|leaky", [1, 2]),
        ("length>=50", [1, 2, 3]),
        ("length<5e1", [0]),
        ("length==50.0", [1, 2]),
        ("length=long", []),
        ("loss<=0.1", [2]),  # the metric of test
        ("test_loss=nan", [1]),
        ("loss=none", [3]),
        ("residual=true", [0]),
        ("residual=no", [3]),
        ("stop_at=none", [0, 1, 2, 3]),
    ],
)
def test_conditions(given, met):
    found = query.meeting(ROWS, query.conditions([given]))
    assert [ROWS.index(row) for row in found] == met


@pytest.mark.parametrize(
    "given, said",
    [
        ("cell", "write column=value"),
        ("cell=", "write column=value"),
        ("=gru", "write column=value"),
        ("length>long", "after > a number"),
        ("cell>3", "cell holds no numbers"),
        ("lenght=3", "nearest: length"),
        ("lows=3", "no run has a column"),
        ("__import__('os')=1", "no run has a column"),
    ],
)
def test_conditions_that_cannot_be_read(given, said):
    with pytest.raises(errors.UsageError, match=said):
        query.meeting(ROWS, query.conditions([given]))
