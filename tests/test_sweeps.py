"""Sweeps: the words of a grid, the plan, and processes that end in every way."""

import contextlib
import itertools
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import pytest

from experiments import compare
from experiments import sweep as program
from rnn_research import config, errors, runs
from rnn_research.sweeps import chain, each, folder, local, plan, product, when, zip_

TESTS = pathlib.Path(__file__).parent


# ------------------------------------------------------------------------- grids


def test_the_words_of_a_grid():
    found = product(cell=["gru", "lstm"], seed=range(3), num_steps=10)
    expected = [
        {"cell": cell, "seed": seed, "num_steps": 10}
        for cell, seed in itertools.product(["gru", "lstm"], range(3))
    ]
    assert found == expected
    pairs = zip_(length=[50, 100], num_steps=[1, 2], cell="gru")
    assert pairs == [
        {"length": 50, "num_steps": 1, "cell": "gru"},
        {"length": 100, "num_steps": 2, "cell": "gru"},
    ]
    assert len(product(pairs, seed=range(5))) == 10
    assert chain(pairs, found) == pairs + found
    changed = when(lambda run: run["cell"] == "lstm", found, learning_rate=1e-2)
    assert [run.get("learning_rate") for run in changed] == [None] * 3 + [1e-2] * 3
    assert product(seeds=(1, 2)) == [{"seeds": (1, 2)}]  # a tuple is one value
    assert each("train", pairs, seed=1)[1] == ("train", pairs[1] | {"seed": 1})


@pytest.mark.parametrize(
    "make, said",
    [
        (lambda: product(zip_(a=[1]), a=[2]), "a is given twice"),
        (lambda: product(cell=[]), "cell: the list has no value"),
        (lambda: zip_(a=[1, 2], b=[1]), "a has 2, b has 1"),
        (lambda: zip_(a=1), "not none"),
        (lambda: chain({"a": 1}), "a grid is a list of dicts"),
        (lambda: each("train", [{"a": 1}], a=2), "a is given twice"),
    ],
)
def test_a_grid_that_is_none(make, said):
    with pytest.raises(errors.UsageError, match=said):
        make()


# -------------------------------------------------------------------------- plans


def adding(**settings):
    return each("adding_problem", product(**settings))


@pytest.mark.parametrize(
    "content, said",
    [
        ([], "must return a list"),
        ({"cell": "gru"}, "must return a list"),
        ([("adding_problem",)], "run 1 is .* not \\(experiment, settings\\)"),
        (adding(cel="gru"), "run 1, adding_problem: unknown flag --cel; did you mean"),
        (adding(length=[5, "x"]), "run 2, .*length.*whole number"),
        (adding(length=[5, 0]), "run 2, .*at least 1"),
        (adding(workdir="x"), "leave workdir out"),
        (adding(config="x"), "leave config out"),
        ([("addin_problem", {})], "no experiment .*did you mean adding_problem"),
        ([("json", {})], "json has no SETTINGS"),
        ([("check_cell", {})], "check_cell has no --workdir"),
        (adding(seed=[0, 0]), "runs 1 and 2 are the same: adding_problem --seed=0"),
        # The default spelled out, and a number spelled in another way.
        (adding() + adding(cell="gru"), "runs 1 and 2 are the same"),
        (adding(learning_rate=[0.01, "1e-2"]), "runs 1 and 2 are the same"),
    ],
)
def test_a_plan_that_is_wrong(content, said):
    with pytest.raises(errors.UsageError, match=said):
        plan.read(content)


def jobs_of(content, before=(), together=8, places=1):
    return plan.jobs(plan.read(content), list(before), together, places)


def test_seeds_and_rates_share_a_process():
    grid = dict(cell=["gru", "lstm"], seed=range(3), learning_rate=[1e-3, 1e-2])
    first, second = jobs_of(adding(**grid))
    assert first.given["seeds"] == (0, 1, 2)
    assert first.given["learning_rates"] == (1e-3, 1e-2)
    assert (first.given["cell"], second.given["cell"]) == ("gru", "lstm")
    assert len(set(first.runs) | set(second.runs)) == 12
    # What is no rectangle is divided by rates; what is alone keeps its words.
    some = adding(seed=[0, 1], learning_rate=1e-3) + adding(seed=1, learning_rate=1e-2)
    two, one = jobs_of(some)
    assert two.given == {"learning_rate": 1e-3, "seeds": (0, 1)}
    assert one.given == {"seed": 1, "learning_rate": 1e-2}
    # Who says seeds gets them as they are; other programs have theirs alone.
    assert len(jobs_of(adding(seeds=[(0, 1), (2, 3)]))) == 2
    assert len(jobs_of(each("gradient_norms", product(seed=range(3))))) == 3


@pytest.mark.parametrize(
    "together, places, sizes",
    [
        (1, 1, [1] * 7),
        (3, 1, [3, 3, 1]),
        (8, 2, [3, 3, 1]),
        (8, 1, [7]),
        (8, 20, [1] * 7),
    ],
)
def test_as_many_jobs_as_there_are_places(together, places, sizes):
    found = jobs_of(adding(seed=range(7)), together=together, places=places)
    assert [len(job.runs) for job in found] == sizes
    assert sorted(key for job in found for key in job.runs) == sorted(
        run.key for run in plan.read(adding(seed=range(7)))
    )


def test_each_job_trains_exactly_its_runs():
    """What the flags of a job mean, read by the program itself."""
    grid = dict(cell=["gru", "lru"], seed=[3, 5, 4], learning_rate=[1e-3, 3e-3])
    content = adding(**grid) + adding(cell="elman", seed=[1, 2])
    wanted = {
        (given["cell"], given["seed"], given.get("learning_rate", 1e-3))
        for _, given in content
    }
    for together in (1, 2, 4, 8):
        found = []
        for job in jobs_of(content, together=together):
            module, *argv = job.arguments("somewhere")
            assert module == "experiments.adding_problem"
            groups = config.parse(argv, *plan.programs.settings("adding_problem"))
            model, _, train = groups[:3]
            found += [(model.cell, *pair) for pair in train.all_runs()]
        assert len(found) == len(wanted) and set(found) == wanted


def test_jobs_stay_what_they_are_as_the_file_changes():
    before = jobs_of(adding(cell=["gru", "lstm"], seed=range(3)))
    after = jobs_of(adding(cell=["lstm", "lru"], seed=range(4)), before)
    assert before[1] in after and before[0] not in after
    assert [job.given.get("seeds", job.given.get("seed")) for job in after] == [
        (0, 1, 2), 3, (0, 1, 2, 3)
    ]  # fmt: skip
    read = [plan.from_json(json.loads(json.dumps(plan.as_json(job)))) for job in after]
    assert read == after


def test_compare_is_a_grid_of_train():
    argv = "--cells=gru,lru --lengths=8,9 --seeds=3,5 --task=copy_memory --grad_clip=2"
    groups = config.parse(argv.split(), *compare.SETTINGS)
    content = compare.content(groups[0], groups[2:])
    wanted = itertools.product(("gru", "lru"), (8, 9), (3, 5))
    found = [(own["cell"], own["length"], own["seed"]) for _, own in content]
    assert found == list(wanted)
    for run in plan.read(content):
        model, task, train = plan.programs.parsed("train", run.given)[:3]
        assert (task.task, train.grad_clip, train.num_steps) == ("copy_memory", 2, 1500)
        assert model.hidden_size == 32 and len(train.all_runs()) == 1


def test_runs_are_chosen_by_their_settings():
    wanted = plan.read(adding(cell=["gru", "gru(reset=before)", "lru"], length=[5, 9]))
    for conditions, count in [
        (("cell=gru",), 4),
        (("cell=gru", "length>5"), 2),
        (("hidden_size=128",), 6),  # a default
        (("experiment=adding_problem", "cell!=lru"), 4),
        (("length>9",), 0),
    ]:
        assert len(plan.meeting(conditions, wanted)) == count
    with pytest.raises(errors.UsageError, match="length"):
        plan.meeting(("lenght=5",), wanted)


def test_shapes_are_checked_before_anything_begins():
    good, bad = jobs_of(adding(cell=["gru", "gru(reset=sideways)"]))
    plan.check([good])
    with pytest.raises(errors.UsageError, match="gru.reset=sideways.*reset"):
        plan.check([good, bad])
    (odd,) = jobs_of(each("train", product(task="copy_memory", engine="associative")))
    with pytest.raises(errors.UsageError, match="associative"):
        plan.check([odd])


# ------------------------------------------------------------------ on this machine


@pytest.fixture
def sweeping(tmp_path, monkeypatch):
    """(grid, flags) -> what a sweep says; the same folder each time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{TESTS}:{TESTS.parent}")
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")

    def call(content, *argv):
        file = tmp_path / "grid.py"
        file.write_text(f"def get_config():\n    return {content!r}\n")
        argv = ["--config=grid.py", "--workdir=all", "--at_once=2", *argv]
        config.run(program.main, *program.SETTINGS, argv=argv)

    return call


def probes(**settings):
    return each("probe_program", product(**settings))


def values(tmp_path):
    return sorted(int(p.read_text()) for p in tmp_path.glob("all/runs/*/value"))


def tries(tmp_path):
    return {
        path.parent.name.split("-")[0].removeprefix("act="): len(
            path.read_text().split()
        )
        for path in tmp_path.glob("all/runs/*/tries")
    }


def test_processes_that_end_in_every_way(sweeping, tmp_path, capsys):
    """One that fails costs itself alone; one that is killed is tried again."""
    content = probes(act=["end", "fail", "die once"]) + probes(value=1)
    with pytest.raises(SystemExit) as ended:
        sweeping(content)
    assert ended.value.code == 1
    out, err = capsys.readouterr()
    assert "4 runs in 4 jobs, 0 done, 4 to do" in out
    assert "act=fail: failed after" in out and "stopped: asked to fail" in out
    assert "again: act=die once, which SIGKILL ended" in out
    assert "1 of 4 jobs failed, such as act=fail" in err
    assert values(tmp_path) == [0, 0, 1]
    before = tries(tmp_path)
    with pytest.raises(SystemExit):
        sweeping(content)  # what is done is not done again, nor what failed
    assert tries(tmp_path) == before
    assert "3 done, 1 failed (--failed runs them again), 0 to do" in (
        capsys.readouterr().out
    )


@pytest.mark.slow
def test_a_job_that_always_dies_is_given_up(sweeping, tmp_path, capsys):
    content = probes(act=["die", "end"])
    with pytest.raises(SystemExit):
        sweeping(content)
    assert tries(tmp_path) == {"die": local.STUCK, "end": 1}
    assert "act=die: failed after" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        sweeping(content, "--failed")
    assert tries(tmp_path) == {"die": 2 * local.STUCK, "end": 1}


@pytest.mark.slow
def test_the_file_changes(sweeping, tmp_path, capsys):
    sweeping(probes(value=[1, 2]), "--limit=1")
    assert "1 jobs are left; the same command goes on" in capsys.readouterr().out
    sweeping(probes(value=[2, 3]))
    assert "no longer in the file; their results are kept: value=1" in (
        capsys.readouterr().out
    )
    assert values(tmp_path) == [1, 2, 3]


def test_a_dry_run_begins_nothing(sweeping, tmp_path, capsys):
    sweeping(probes(value=[1, 2]), "--dry_run")
    assert not (tmp_path / "all").exists()
    out = capsys.readouterr().out
    assert "python -m probe_program --value=1 --workdir=all/runs/" in out
    with pytest.raises(SystemExit) as ended:  # also finds what is wrong
        sweeping(adding(cell=["gru", "gru(reset=sideways)"]), "--dry_run")
    assert ended.value.code == 2


def test_a_folder_is_for_one_sweep(sweeping, tmp_path, capsys):
    held = folder.SweepFolder(tmp_path / "all").held()
    with pytest.raises(SystemExit) as ended:
        sweeping(probes(value=[1, 2]))
    held.close()
    assert ended.value.code == 2
    assert "all is in use by process" in capsys.readouterr().err


@pytest.mark.parametrize(
    "outcomes, failed",
    [(["diverged", "diverged"], False), (["diverged", "solved"], True), (None, True)],
)
def test_a_training_that_diverged_is_a_result_and_no_failure(
    tmp_path, outcomes, failed
):
    """One whose figures could not be drawn has a summary, too."""
    (job,) = jobs_of(adding(seed=0))
    swept = folder.SweepFolder(tmp_path / "all")
    swept.write([job])
    swept.run(job).mkdir()
    if outcomes is not None:
        content = json.dumps({"runs": [{"outcome": each} for each in outcomes]})
        (swept.run(job) / "summary.json").write_text(content)
    assert swept.has_ended(job, 1, 2.0).failed == failed
    assert swept.end_of(job).failed == failed
    assert swept.has_ended(job, 2, 2.0).failed and not swept.has_ended(job, 0, 2).failed


def test_a_disk_that_is_full(sweeping, tmp_path, monkeypatch, capsys):
    usage = local.shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(local.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(SystemExit) as ended:
        sweeping(probes(value=[1, 2]))
    assert ended.value.code == 1 and values(tmp_path) == []
    assert "MB left on its disk; make room" in capsys.readouterr().err


def command(*argv):
    return [sys.executable, "-m", "experiments.sweep", *argv]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_job_outlives_the_sweep(sweeping, tmp_path, number):
    sweeping(probes(act="wait"), "--dry_run")  # writes the file
    argv = command("--config=grid.py", "--workdir=all")
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        (begun,) = wait_for(lambda: list(tmp_path.glob("all/runs/*/tries")))
        child = int(wait_for(begun.read_text))
        process.send_signal(number)
        assert process.wait(30) == -number
    wait_for(lambda: not pathlib.Path(f"/proc/{child}").exists())
    assert not list(tmp_path.glob("all/jobs/*.json"))


def wait_for(what, seconds=60):
    until = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < until
        time.sleep(0.05)
    return found


@pytest.mark.slow
def test_measurements_can_be_swept(sweeping, tmp_path):
    grid = product(cells=["gru", "elman"], lengths=5, seed=[0, 1])
    small = {"hidden_size": 4, "batch_size": 2, "jacobian_lags": 0}
    sweeping(each("gradient_norms", grid, **small))
    tables = list(tmp_path.glob("all/runs/*/gradient_norms.csv"))
    assert len({path.read_text() for path in tables}) == 4


SMALL = dict(
    hidden_size=4,
    batch_size=4,
    eval_size=4,
    num_steps=4,
    eval_every=2,
    figures=False,
)


@pytest.mark.slow
def test_a_sweep_gives_what_its_runs_give_alone(sweeping, tmp_path):
    sweeping(each("adding_problem", product(seed=range(4)), length=6, **SMALL))
    of_seed = {
        row["seed"]: (row["step"], row["loss"])
        for own in tmp_path.glob("all/runs/*")
        for row in runs.metrics.read(own)
    }
    (job,) = jobs_of(each("adding_problem", [{"seed": 2}], length=6, **SMALL))
    argv = job.arguments(tmp_path / "alone")
    subprocess.run([sys.executable, "-m", *argv], check=True, capture_output=True)
    (*_, last) = runs.metrics.read(tmp_path / "alone")
    assert of_seed[2] == (last["step"], last["loss"]) and len(of_seed) == 4


def ends_of(path):
    """What every run of a sweep came to: all of its record, and its summary."""
    return {
        own.name: (
            json.loads((own / "summary.json").read_text())["runs"],
            runs.metrics.read(own),
        )
        for own in path.glob("runs/*")
    }


@pytest.mark.parametrize(
    "kills",
    [pytest.param(3, marks=pytest.mark.slow), pytest.param(20, marks=pytest.mark.long)],
)
def test_kill_9_at_random(sweeping, tmp_path, kills):
    """Of the sweep, of a worker, or of all at once: the same results in the end."""
    some = SMALL | {"num_steps": 2000, "eval_every": 100, "stop_at": 0.0}
    cells = ["gru", "elman"][: 1 + (kills > 3)]
    grid = product(cell=cells, length=[5, 6], seed=range(2))
    content = each("adding_problem", grid, checkpoint_every=100, **some)
    sweeping(content, "--dry_run")  # writes the file
    chance = random.Random(kills)
    for number in range(kills):
        argv = command("--config=grid.py", "--workdir=all", "--together=2")
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as process:
            time.sleep(chance.uniform(0, 10))
            workers = children_of(process.pid)
            kind = ("sweep", "worker", "all")[number % 3]
            if kind == "worker" and workers:
                os.kill(chance.choice(workers), signal.SIGKILL)
                time.sleep(chance.uniform(0, 5))
            process.kill()
            for worker in workers if kind == "all" else ():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
    subprocess.run(command("--config=grid.py", "--workdir=all"), check=True)
    subprocess.run(command("--config=grid.py", "--workdir=calm"), check=True)
    disturbed, calm = ends_of(tmp_path / "all"), ends_of(tmp_path / "calm")
    assert disturbed == calm and len(calm) == 2 * len(cells)


def children_of(pid: int) -> list[int]:
    path = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
    try:
        return [int(child) for child in path.read_text().split()]
    except OSError:
        return []
