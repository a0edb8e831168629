"""Each fault made for real: flipped bits, full disks, kills, signals, a second run."""

import contextlib
import dataclasses
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research import (
    cells,
    config,
    errors,
    models,
    runs,
    runtime,
    tasks,
    training,
)
from rnn_research.cells import wrappers
from rnn_research.runs import checkpoints, run_folder
from rnn_research.training import progress, trainer

ROOT = pathlib.Path(__file__).parent.parent
SMALL = training.TrainConfig(
    num_steps=12, batch_size=8, eval_every=4, eval_size=16, checkpoint_every=4
)


def train(folder, config=SMALL, cell=None, **changes):
    config = dataclasses.replace(config, **changes)
    cell = cell or wrappers.zoneout(cells.gru(6), rate=0.1)
    return runs.train(cell, tasks.adding(10), config, workdir=folder)


def same(a, b) -> bool:
    return all(
        np.array_equal(x, y)
        for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )


def recorded(folder):
    return (folder / "metrics.jsonl").read_text()


# ----------------------------------------------------------- damaged checkpoints


def tree(step):
    """What a checkpoint of `step` holds: some kinds of leaves, on all devices."""
    mesh = jax.make_mesh((2,), ("batch",))
    everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    leaves = {
        "a": jax.random.normal(jax.random.key(step), (64, 8), jnp.float32),
        "b": (jnp.full((3,), step), jnp.array([True, False])),
        "c": jax.random.normal(jax.random.key(step), (300,), jnp.float64),
    }
    return jax.device_put(leaves, everywhere)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "checkpoints"
    for step in (4, 8):
        checkpoints.Checkpoints(folder).save(step, tree(step), {"step": step})
    return folder


@pytest.fixture
def copied(saved, tmp_path):
    shutil.copytree(saved, tmp_path / "checkpoints")
    return tmp_path / "checkpoints"


def files_of(folder, step=8):
    inside = (path for path in (folder / str(step)).rglob("*") if path.is_file())
    return [*sorted(inside), folder / f"{step}.json"]


def newest(folder):
    said = []
    restored = checkpoints.Checkpoints(folder).newest(
        tree(0), lambda notes: None, said.append
    )
    return restored, said


def check_sound_or_refused(folder, what):
    """The whole of step 8, or a word of refusal and the whole of step 4."""
    restored, said = newest(folder)
    assert same(restored.tree, tree(restored.step)), what
    assert restored.notes == {"step": restored.step}
    assert (restored.step, len(said)) in ((8, 0), (4, 1)), what
    if said:
        assert said[0].startswith(f"checkpoint {folder / '8'} is refused: "), said
        assert "\n" not in said[0] and len(said[0]) < 500
    return restored.step == 4


def test_a_sound_checkpoint_is_read(copied):
    restored, said = newest(copied)
    assert restored.step == 8 and said == [] and same(restored.tree, tree(8))
    for leaf, like in zip(
        jax.tree.leaves(restored.tree), jax.tree.leaves(tree(0)), strict=True
    ):
        assert leaf.sharding == like.sharding and leaf.dtype == like.dtype


def test_flipped_bits(copied):
    """Ten a file, anywhere; no other tree than one of those saved ever comes back."""
    draw = random.Random(0)
    refused = {}
    for path in files_of(copied):
        sound = path.read_bytes()
        if not sound:
            continue
        for _ in range(10):
            damaged = bytearray(sound)
            damaged[draw.randrange(len(sound))] ^= 1 << draw.randrange(8)
            path.write_bytes(damaged)
            hit = check_sound_or_refused(copied, path)
            refused[path] = refused.get(path, 0) + hit
        path.write_bytes(sound)
    assert len(refused) > 5 and set(refused.values()) == {10}


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "longer"])
def test_files_missing_or_of_another_length(copied, damage):
    for path in files_of(copied):
        sound = path.read_bytes()
        changed = {"empty": b"", "cut": sound[:-2], "longer": sound + b"x"}
        if damage == "missing":
            path.unlink()
        elif changed[damage] == sound:
            continue
        else:
            path.write_bytes(changed[damage])
        if path.suffix == ".json" and damage == "missing":  # then it was never there
            restored, said = newest(copied)
            assert restored.step == 4 and said == []
        else:
            assert check_sound_or_refused(copied, path), path
        path.write_bytes(sound)


def test_all_damaged_says_what_to_do(copied):
    for step in (4, 8):
        files_of(copied, step)[0].unlink()
    with pytest.raises(errors.RunError, match="put a sound copy back, or start again"):
        newest(copied)


def test_resume_clears_the_way_and_keeps_the_evidence(copied):
    files_of(copied)[0].unlink()
    (copied / "12.orbax-checkpoint-tmp").mkdir()
    shutil.copytree(copied / "4", copied / "16")
    (copied / "20.json.partial").write_text("{")
    said = []
    restored = checkpoints.Checkpoints(copied).resume(
        tree(0), lambda notes: None, said.append
    )
    assert restored.step == 4 and same(restored.tree, tree(4))
    assert {path.name for path in copied.iterdir()} == {
        "4",
        "4.json",
        "8.damaged",
        "8.json.damaged",
        "16.damaged",
    }
    assert said[0] == f"checkpoint {copied / '12'} was never finished; removed"
    assert said[1] == (
        f"checkpoint {copied / '16'} is refused: 16.json is missing, it was not "
        "finished"
    )
    assert said[2].endswith(" is missing") and str(copied / "8") in said[2]


def test_a_tree_of_another_shape_is_refused(copied):
    other = jax.tree.map(lambda leaf: leaf[:1], tree(0))
    with pytest.raises(errors.RunError, match="no checkpoint"):
        checkpoints.Checkpoints(copied).newest(other, lambda notes: None, print)


# -------------------------------------------------------------------- whole runs


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    """The run that nothing happened to."""
    folder = tmp_path_factory.mktemp("twin")
    return train(folder), recorded(folder)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["checkpoint", "metrics", "both"])
def test_a_damaged_run_goes_on_from_the_checkpoint_before(
    fault, twin, tmp_path, capsys
):
    train(tmp_path, num_steps=8)
    saved, lines = tmp_path / "checkpoints" / "8", recorded(tmp_path).splitlines()
    if fault != "metrics":
        path = next(path for path in (saved / "state").rglob("*") if path.is_file())
        path.write_bytes(path.read_bytes()[:-1])
    if fault != "checkpoint":
        lines[1] = lines[1].replace("1", "2")
        (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    capsys.readouterr()
    result = train(tmp_path)
    out = capsys.readouterr().out
    assert f"checkpoint {saved} is refused: " in out
    assert f"resumed from {tmp_path / 'checkpoints' / '4'}" in out
    assert same(result.params, twin[0].params) and recorded(tmp_path) == twin[1]
    assert (tmp_path / "checkpoints" / "8.damaged").is_dir()


@pytest.mark.slow
def test_a_lost_row_is_not_passed_over(tmp_path):
    train(tmp_path, num_steps=8)
    (tmp_path / "metrics.jsonl").write_text("")
    with pytest.raises(errors.RunError, match="no checkpoint in .* can be used"):
        train(tmp_path)


@pytest.mark.slow
def test_a_damaged_config_is_named(tmp_path):
    train(tmp_path, num_steps=4)
    (tmp_path / "config.json").write_text('{"cell": ')
    with pytest.raises(errors.RunError, match="config.json is damaged"):
        train(tmp_path)


@pytest.mark.slow
def test_all_settings_that_differ_are_named(tmp_path):
    train(tmp_path, num_steps=4)
    with pytest.raises(errors.UsageError) as caught:
        train(tmp_path, batch_size=4, learning_rate=0.01, num_seeds=2)
    message = str(caught.value)
    assert "batch_size=8, learning_rates=0.001, seeds=0, not 4, 0.01, 0,1" in message
    train(tmp_path, num_steps=8, stop_at=1e-9, checkpoint_every=8)


@pytest.mark.slow
def test_a_folder_in_use_is_refused(tmp_path):
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import fcntl, sys, time; file = open(sys.argv[1], 'a+')\n"
            "fcntl.flock(file, fcntl.LOCK_EX); print('process 7 on host', file=file)\n"
            "file.flush(); print('held', flush=True); time.sleep(60)",
            str(tmp_path / "lock"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout.readline() == "held\n"
    try:
        with pytest.raises(
            errors.UsageError, match="in use by process 7 on host; wait"
        ):
            train(tmp_path)
    finally:
        holder.kill()
        holder.communicate()
    train(tmp_path, num_steps=4)  # no stale lock


def at_first_report(monkeypatch, action):
    """Have `action()` happen after the first evaluation."""
    report, left = progress.Progress.report, [action]

    def act(progress, rows, last=False):
        report(progress, rows, last)
        while left:
            left.pop()()

    monkeypatch.setattr(progress.Progress, "report", act)


def test_a_folder_that_vanishes_is_named(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    at_first_report(monkeypatch, lambda: folder.rename(tmp_path / "moved"))
    with pytest.raises(errors.RunError, match="removed or replaced while"):
        train(folder)
    assert not folder.exists()


@pytest.mark.first(1)
@pytest.mark.parametrize("damage", ["cut", "removed", "longer"])
def test_a_record_that_is_damaged_meanwhile_is_written_anew(
    damage, twin, tmp_path, monkeypatch, capfd
):
    path = tmp_path / "metrics.jsonl"

    def harm():
        text = path.read_text()
        path.unlink()
        if damage != "removed":
            path.write_text(text[:20] if damage == "cut" else text + "{}")

    at_first_report(monkeypatch, harm)
    result = train(tmp_path)
    assert same(result.params, twin[0].params) and recorded(tmp_path) == twin[1]
    assert f"{path} was changed by another program" in capfd.readouterr().err


def test_a_reader_beside_a_run_that_writes(saved, tmp_path, monkeypatch):
    """What it was about to read is removed, as newer checkpoints come."""
    folder = tmp_path / "checkpoints"
    shutil.copytree(saved, folder)
    restore, moves = checkpoints.Checkpoints.restore, [(8, 12), (4, 16)]

    def disturbed(self, step, *given):
        while moves:
            old, new = moves.pop(0)
            (folder / f"{old}.json").unlink()
            shutil.rmtree(folder / str(old))
            checkpoints.Checkpoints(folder).save(new, tree(new), {"step": new})
        return restore(self, step, *given)

    monkeypatch.setattr(checkpoints.Checkpoints, "restore", disturbed)
    restored, said = newest(folder)
    assert restored.step == 16 and same(restored.tree, tree(16)) and said == []
    # It always changes: one line in the end.
    monkeypatch.setattr(checkpoints, "WAITS", (0, 0, 0))
    count = iter(range(100, 1000))
    monkeypatch.setattr(
        checkpoints.Checkpoints, "steps", lambda self: [next(count), next(count)]
    )
    with pytest.raises(errors.RunError, match="try again when the run has ended"):
        newest(folder)


@pytest.mark.parametrize("name", ["seed[1]", "a\\b", "[!x]", "a*", "gs:", "a\nb"])
def test_a_folder_that_could_not_be_read_again_is_refused(name, tmp_path):
    with pytest.raises(errors.UsageError, match="no checkpoint can be read") as caught:
        train(tmp_path / name)
    assert not (tmp_path / name).exists() and "--workdir=" in str(caught.value)


@pytest.mark.parametrize("name", ["a b", "{$HOME}", "ü%41", "a'b\"#&c", "~x", "file:x"])
def test_other_names_of_folders_are_read_again(name, tmp_path):
    run_folder.check_name(tmp_path / name)
    kept = checkpoints.Checkpoints(tmp_path / name / "checkpoints")
    kept.save(4, tree(4), {"step": 4})
    assert newest(kept.folder)[0].step == 4


@pytest.fixture
def small_disk(tmp_path):
    """A file system of our own, two megabytes large, that can be filled."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)],
        capture_output=True,
    )
    if made.returncode:
        pytest.skip("file systems can be mounted by root only")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(path):
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass


def test_a_lock_on_a_full_disk_is_held_and_left(small_disk):
    """What could not be written to it is no second fault, in place of the first."""
    fill(small_disk / "filling")
    with (
        pytest.raises(errors.RunError, match="the first"),
        contextlib.closing(run_folder.LockedFolder(small_disk / "run")),
    ):
        raise errors.RunError("the first")


@pytest.mark.slow
@pytest.mark.parametrize("report_first", [True, False])
def test_a_full_disk(small_disk, twin, report_first, monkeypatch):
    """Filled before a checkpoint or before a row: a line, and nothing lost."""
    run, room = small_disk / "run", small_disk / "filling"
    train(run, num_steps=4)
    if report_first:
        at_first_report(monkeypatch, lambda: fill(room))
    else:
        fill(room)
    with pytest.raises(errors.RunError, match="No space left on device") as caught:
        train(run)
    assert "cannot be written" in str(caught.value) and "to resume" in str(caught.value)
    if report_first:
        last = run / "checkpoints" / "4"
        assert f"the last good checkpoint is {last}" in str(caught.value)
    room.unlink()
    result = train(run)
    assert same(result.params, twin[0].params) and recorded(run) == twin[1]


def test_a_read_only_disk(small_disk):
    run = small_disk / "run"
    train(run, num_steps=4)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(errors.UsageError, match="Read-only file system"):
        train(run)


@pytest.mark.first(1)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_the_run_goes_on(number, twin, tmp_path, monkeypatch, capfd):
    at_first_report(
        monkeypatch, lambda: (os.kill(os.getpid(), number), time.sleep(0.2))
    )
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(errors.Interrupted) as caught:
        train(tmp_path, checkpoint_every=100)
    last = tmp_path / "checkpoints" / "4"
    assert f"interrupted at update 4; the last good checkpoint is {last}" in str(
        caught.value
    )
    assert f"{number.name}: finishing the running call" in capfd.readouterr().err
    assert handlers == (
        signal.getsignal(signal.SIGINT),
        signal.getsignal(signal.SIGTERM),
    )
    result = train(tmp_path)
    assert same(result.params, twin[0].params) and recorded(tmp_path) == twin[1]


def test_a_signal_after_the_last_update_ends_the_program_too(tmp_path, monkeypatch):
    """With all that there is to write; so a shell's loop stops."""
    at_first_report(
        monkeypatch, lambda: (os.kill(os.getpid(), signal.SIGTERM), time.sleep(0.2))
    )
    with pytest.raises(errors.Interrupted, match="after the last update") as caught:
        train(tmp_path, num_steps=4)
    assert caught.value.number == signal.SIGTERM
    assert (tmp_path / "summary.json").exists()


# ---------------------------------------------------------------------- not finite


def sometimes_nan(size, *, rate):
    """In training, each sequence is NaN with probability `rate`."""
    inner = cells.gru(size)

    def noise(key, leading):
        return jnp.where(
            jax.random.bernoulli(key, rate), jnp.nan, jnp.zeros((*leading, 1))
        )

    def project(w, x_and_noise):
        x, noise = x_and_noise
        return inner.project(w, x if noise is None else x + noise)

    return inner.replace(noise=noise, project=project)


@pytest.mark.slow
def test_nan_updates_are_dropped_and_counted(tmp_path):
    cell = sometimes_nan(6, rate=0.04)
    with pytest.raises(
        errors.RunError, match=r"update \d+ has loss nan .*--on_nan=skip"
    ):
        train(tmp_path / "a", cell=cell)
    skipped = train(tmp_path / "b", cell=cell, on_nan="skip")
    (run,) = skipped.summary["runs"]
    assert run["steps"] == 12 and 0 < run["dropped"] < 12
    assert [row["step"] for row in skipped.metrics] == [4, 8, 12]
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(skipped.params))
    state, _ = newest_state(tmp_path / "b", cell)
    assert int(state.opt_state[2].count[0]) == 12 - run["dropped"]
    # What stopped can go on so, and is then as if it had from the start.
    later = train(tmp_path / "a", cell=cell, on_nan="skip")
    assert same(skipped.params, later.params)
    assert recorded(tmp_path / "a") == recorded(tmp_path / "b")
    with pytest.raises(errors.UsageError, match="on_nan=skip, not stop"):
        train(tmp_path / "b", cell=cell)


def newest_state(folder, cell):
    """What the newest checkpoint of a run holds."""
    task = tasks.adding(10)
    model = models.as_model(cell, task)
    like = trainer.build(model, task, SMALL).init()
    restored = checkpoints.Checkpoints(folder / "checkpoints").newest(
        like, lambda notes: None, print
    )
    return restored.tree, restored.notes


@pytest.mark.slow
def test_where_every_update_is_dropped_the_run_is_given_up(tmp_path):
    nan = sometimes_nan(4, rate=1.0)
    with pytest.raises(errors.RunError, match="none of the 100 updates up to 100 was"):
        train(tmp_path, cell=nan, on_nan="skip", num_steps=1000)


@pytest.mark.slow
def test_a_shorter_run_is_evaluated_where_it_stands(tmp_path):
    """Interrupted between evaluations, then resumed with fewer steps than were made."""
    train(tmp_path, num_steps=6)
    shorter = train(tmp_path, num_steps=5)
    assert [row["step"] for row in shorter.metrics] == [4, 6]
    assert shorter.summary["runs"][0]["steps"] == 6


def test_unreadable_is_damaged_too(copied):
    manifest = copied / "8.json"
    manifest.unlink()
    manifest.mkdir()  # reading it is an OSError, for root as well
    restored, said = newest(copied)
    assert restored.step == 4 and "Is a directory" in said[0]


def test_folders_without_any_manifest_are_not_passed_over(copied):
    for step in (4, 8):
        (copied / f"{step}.json").unlink()
    with pytest.raises(errors.RunError, match="manifests .* are missing"):
        checkpoints.Checkpoints(copied).resume(tree(0), lambda notes: None, print)


def test_what_was_being_removed_goes_silently(copied):
    (copied / "4.json").unlink()
    said = []
    restored = checkpoints.Checkpoints(copied).resume(
        tree(0), lambda notes: None, said.append
    )
    assert restored.step == 8 and said == [] and not (copied / "4").exists()


@pytest.mark.slow
def test_one_run_of_several_may_diverge(tmp_path, capsys):
    """The others go on; it is reported, and counts as not solved."""
    cell = sometimes_nan(4, rate=0.03)
    result = train(tmp_path, cell=cell, num_seeds=4)
    outcomes = [run["outcome"] for run in result.summary["runs"]]
    assert {"diverged", "not solved"} == set(outcomes)
    out = capsys.readouterr().out
    for run in result.summary["runs"]:
        said = f"seed {run['seed']}, learning rate 0.001 has diverged: update" in out
        assert said == (run["outcome"] == "diverged")
        assert (run["steps"] == 12) == (run["outcome"] == "not solved")
    (record,) = result.summary["by_learning_rate"]
    assert record["diverged"] == outcomes.count("diverged") and record["solved"] == 0
    again = train(tmp_path, cell=cell, num_seeds=4)
    assert [run["outcome"] for run in again.summary["runs"]] == outcomes


# ------------------------------------------------------------ killed, as programs


ARGUMENTS = (
    "--cell=zoneout(gru)",
    "--length=12",
    "--hidden_size=8",
    "--batch_size=8",
    "--eval_size=16",
    "--stop_at=0",
    "--figures=false",
    "--eval_every=20",
    "--checkpoint_every=40",
)


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """start(folder, *flags) -> the running `experiments.adding_problem`."""
    cache = tmp_path_factory.mktemp("compiled")
    started = []

    def start(folder, *flags):
        environment = {
            **os.environ,
            "JAX_COMPILATION_CACHE_DIR": str(cache),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        }
        program = [sys.executable, "-m", "experiments.adding_problem"]
        given = {flag.partition("=")[0]: flag for flag in (*ARGUMENTS, *flags)}
        process = subprocess.Popen(
            [*program, f"--workdir={folder}", *given.values()],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def end(process, seconds=120):
    """Exit code, output and errors."""
    out, errors = process.communicate(timeout=seconds)
    return process.returncode, out, errors


def wait_for(process, text, seconds=120):
    """Read to a line with the text; a process that never prints it is killed."""
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        for line in process.stdout:
            if text in line:
                return
    finally:
        timer.cancel()
    raise AssertionError(f"{text!r} never came; {process.stderr.read()}")


def final_state(folder):
    """The hashes of all that the newest checkpoint holds."""
    kept = checkpoints.Checkpoints(folder / "checkpoints")
    manifest = json.loads((kept.folder / f"{kept.steps()[-1]}.json").read_text())
    return kept.steps()[-1], manifest["leaves"]


@pytest.mark.parametrize(
    "times, num_steps",
    [
        pytest.param(2, 3000, marks=pytest.mark.slow),
        pytest.param(10, 10000, marks=pytest.mark.long),
    ],
)
def test_killed_again_and_again_it_equals_its_twin(times, num_steps, start, tmp_path):
    """kill -9 at random moments; parameters, optimiser and metrics bit for bit."""
    every = ("--eval_every=50", "--checkpoint_every=100")
    flags = (f"--num_steps={num_steps}", "--num_seeds=2", *every)
    assert end(start(tmp_path / "twin", *flags), seconds=300)[0] == 0
    draw, kills = random.Random(0), 0
    begun = time.perf_counter()
    process = start(tmp_path / "run", *flags)
    wait_for(process, "update")
    until_first_update = time.perf_counter() - begun
    while kills < times:
        time.sleep(draw.uniform(0, 1.0))
        process.kill()
        code, _, errors = end(process)
        assert code in (-9, 0), errors
        if code == 0:
            break
        kills += 1
        process = start(tmp_path / "run", *flags)
        time.sleep(draw.uniform(0.5, 1.0) * until_first_update)
    end(process, seconds=300)
    code, out, errors = end(start(tmp_path / "run", *flags))
    assert code == 0, errors
    assert kills == times
    assert recorded(tmp_path / "run") == recorded(tmp_path / "twin")
    assert final_state(tmp_path / "run") == final_state(tmp_path / "twin")
    test = [
        json.loads((tmp_path / name / "summary.json").read_text())["runs"]
        for name in ("run", "twin")
    ]
    assert test[0] == test[1]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_the_program(number, start, tmp_path):
    endless = "--num_steps=100000000"
    process = start(tmp_path, endless)
    wait_for(process, "update")
    process.send_signal(number)
    code, out, errors = end(process)
    assert code == -number  # of the signal itself: 130 or 143 in a shell
    said, stopped = errors.splitlines()
    assert said.startswith(f"{number.name}: finishing the running call")
    assert stopped.startswith("stopped: interrupted at update ")
    assert "rerun the same command to resume" in stopped
    resumed = start(tmp_path, endless)
    wait_for(resumed, "resumed from")
    wait_for(resumed, "update")
    # Two at once: the second does not wait. A SIGTERM that comes twice within a second
    # is one: some sites send it to a whole tree, in which parents pass it on.
    resumed.send_signal(number)
    time.sleep(0.01)
    resumed.send_signal(number)
    code, out, errors = end(resumed, seconds=5)
    assert code == -number
    at_once = f"stopped at once by a second {number.name}"
    saved = "rerun the same command to resume"
    assert saved in errors or (at_once in errors and number == signal.SIGINT)


@pytest.mark.slow
def test_a_second_run_in_the_folder_is_refused(start, tmp_path):
    first = start(tmp_path, "--num_steps=100000000")
    wait_for(first, "update")
    code, out, errors = end(start(tmp_path, "--num_steps=100000000"))
    assert code == 2
    assert f"{tmp_path} is in use by process {first.pid} on" in errors
    assert len(errors.splitlines()) == 1


# ------------------------------------------------------------- several processes


def start_together(start, folder, *flags, own=("--seed=0", "--seed=0")):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return [
        start(
            folder,
            f"--coordinator=127.0.0.1:{port}",
            "--num_processes=2",
            f"--process_id={index}",
            "--precision=float64",
            own[index],
            *flags,
        )
        for index in range(2)
    ]


@pytest.fixture(scope="module")
def single(start, tmp_path_factory):
    """The run of one process."""
    folder = tmp_path_factory.mktemp("single")
    flags = ("--num_steps=200", "--precision=float64", "--num_seeds=2")
    assert end(start(folder, *flags))[0] == 0
    return folder


def check_rows_agree(folder, other):
    pairs = zip(
        *(map(json.loads, recorded(each).splitlines()) for each in (folder, other)),
        strict=True,
    )
    for a, b in pairs:
        (ours, form), (theirs, their_form) = map(jax.tree.flatten, (a, b))
        assert form == their_form, (a, b)
        assert ours == pytest.approx(theirs, rel=1e-6), (a, b)


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_process_ends_the_other(victim, start, single, tmp_path):
    flags = ("--num_seeds=2",)
    both = start_together(start, tmp_path, "--num_steps=100000000", *flags)
    wait_for(both[0], "update     60")  # of a long run the first three are shown
    begun = time.perf_counter()
    both[victim].kill()
    code, out, errors = end(both[1 - victim], seconds=20)
    assert time.perf_counter() - begun < 10
    assert code == 1
    (line,) = (text for text in errors.splitlines() if text.startswith("stopped:"))
    assert line.startswith(f"stopped: process {victim} of 2 has ended")
    both[victim].communicate()
    # One process alone goes on from the checkpoint of both, equal to rounding.
    code, out, errors = end(
        start(tmp_path, "--precision=float64", "--num_steps=200", *flags)
    )
    assert code == 0, errors
    assert "resumed from" in out and "equal to rounding only" in out
    check_rows_agree(single, tmp_path)


@pytest.mark.slow
def test_two_processes_as_slurm_starts_them_equal_one(
    start, single, tmp_path, monkeypatch
):
    """The variables that srun sets, and no flag."""
    monkeypatch.setenv("SLURM_JOB_ID", str(os.getpid()))
    monkeypatch.setenv("SLURM_STEP_NODELIST", "localhost")
    for name in ("SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"):
        monkeypatch.setenv(name, "2")
    both = []
    for index in ("0", "1"):
        monkeypatch.setenv("SLURM_PROCID", index)
        monkeypatch.setenv("SLURM_LOCALID", index)
        flags = ("--num_steps=200", "--precision=float64", "--num_seeds=2")
        both.append(start(tmp_path, "--figures=true", *flags))
    for process in both:
        code, out, errors = end(process)
        assert code == 0, errors
    check_rows_agree(single, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} >= {"summary.json", "plots"}


@pytest.mark.slow
def test_processes_with_other_settings_are_refused(start, tmp_path):
    both = start_together(start, tmp_path, own=("--seed=1", "--seed=2"))
    ends = [end(process) for process in both]
    for code, _, said in ends:
        assert code == 2
        assert "process 1 was started with other settings than process 0" in said
    assert not tmp_path.exists() or not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--num_processes=2",), "need all of --coordinator=host:port"),
        (("--process_id=1",), "need all of --coordinator=host:port"),
        (
            ("--num_processes=2", "--coordinator=here:1", "--process_id=2"),
            "--process_id=2: must be less than --num_processes=2",
        ),
        (
            ("--num_processes=2", "--coordinator=here", "--process_id=0"),
            "--coordinator=here: expected host:port",
        ),
    ],
)
def test_mistakes_in_the_flags_of_processes(flags, message):
    (together,) = config.parse(flags, runtime.ProcessConfig())
    with pytest.raises(errors.UsageError, match=message):
        runtime.start(
            runtime.RunConfig(), batch_size=4, hidden_size=4, together=together
        )
