"""Sweeps on SLURM: through submitit and a SLURM of one machine, and single pieces."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings

import fake_slurm
import pytest
import real_slurm
from test_sweeps import SMALL

from experiments import sweep as program
from rnn_research import config, errors, processes, runs
from rnn_research.sweeps import each, folder, plan, product, settings, slurm
from rnn_research.sweeps import slurm_submission as submission

TESTS = pathlib.Path(__file__).parent
submitit = pytest.importorskip("submitit")


def wait_for(what, seconds=60):
    until = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < until
        time.sleep(0.05)
    return found


class Cluster:
    """The folder of the fake SLURM."""

    def __init__(self, path):
        self.path = path

    def states(self):
        return {path.stem: path.read_text() for path in self.path.glob("*.state")}

    def ask(self, task, what):
        (self.path / f"{task}.ask").write_text(what)

    def submissions(self):
        return [json.loads(p.read_text()) for p in sorted(self.path.glob("*.job"))]

    def close(self):
        for task, state in self.states().items():
            if state in ("PENDING", "RUNNING"):
                self.ask(task, "cancel")
        for path in self.path.glob("*.daemon"):
            wait_for(lambda path=path: _is_gone(int(path.read_text())))


def _is_gone(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
    except OSError:
        return True


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_SLURM", str(tmp_path / "cluster"))
    (tmp_path / "cluster").mkdir()
    fake_slurm.install(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    made = Cluster(tmp_path / "cluster")
    yield made
    made.close()


@pytest.fixture
def sweeping(tmp_path, monkeypatch):
    """(list of runs, flags) -> what a sweep does; in the folder `all`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{TESTS}:{TESTS.parent}")
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    for name, seconds in (("POLL", 0.1), ("ASK", 0.3), ("LATE", 1.0)):
        monkeypatch.setattr(slurm, name, seconds)

    def call(content, *argv, workdir="all", run="slurm"):
        file = tmp_path / "grid.py"
        file.write_text(f"def get_config():\n    return {content!r}\n")
        argv = ["--config=grid.py", f"--workdir={workdir}", f"--run={run}", *argv]
        config.run(program.main, *program.SETTINGS, argv=argv)

    return call


def probes(**settings):
    return each("probe_program", product(**settings))


def tries(path):
    """{how a probe ends: how often it was begun}."""
    return {
        own.parent.name.split("-")[0].removeprefix("act="): len(own.read_text().split())
        for own in path.glob("runs/*/tries")
    }


def ends_of(path):
    """What every run of a sweep came to: all of its record, and its summary."""
    return {
        own.name: (
            json.loads((own / "summary.json").read_text())["runs"],
            runs.metrics.read(own),
        )
        for own in path.glob("runs/*")
    }


@pytest.mark.slow
def test_jobs_in_an_array(cluster, sweeping, tmp_path, capsys):
    """Each with its end; what fails costs itself alone."""
    flags = "--at_once=4", "--partition=short", "--mem=2G", "--sbatch=--exclusive"
    with pytest.raises(SystemExit) as ended:
        sweeping(probes(act=["end", "fail"]), *flags)
    assert ended.value.code == 1
    out, err = capsys.readouterr()
    assert "submitted: 2 jobs as 1" in out
    assert "act=fail: failed after" in out and "    stopped: asked to fail" in out
    assert "1 of 2 jobs failed, such as act=fail" in err
    (made,) = cluster.submissions()
    assert (made["count"], made["at_once"]) == (2, 2)
    asked = made["options"]
    assert (asked["partition"], asked["mem"], asked["time"]) == ("short", "2G", "60")
    assert asked["exclusive"] == "1" and asked["signal"] == "USR2@120"
    assert tries(tmp_path / "all") == {"end": 1, "fail": 1}


@pytest.mark.slow
@pytest.mark.parametrize("they_end", [False, True])
def test_arrays_are_below_the_limits(
    cluster, sweeping, tmp_path, capsys, monkeypatch, they_end
):
    """That of the setting, and that of the cluster, which takes some at a time.

    Those it has taken may end before squeue is asked why the others are refused.
    """

    def submit(*args):
        try:
            return submission.submit(*args)
        except errors.RunError:
            wait_for(lambda: set(cluster.states().values()) == {"COMPLETED"})
            raise

    if they_end:
        monkeypatch.setattr(slurm, "submit", submit)
    monkeypatch.setenv("FAKE_SLURM_MOST", "2")
    sweeping(probes(value=range(3)), "--array_limit=2", "--at_once=4")
    made = [(each["count"], each["at_once"]) for each in cluster.submissions()]
    assert made == [(2, 2), (0, 1)]
    assert len(list(tmp_path.glob("all/runs/*/value"))) == 3
    out, err = capsys.readouterr()
    said = "sbatch refuses the jobs: QOSMaxSubmitJobPerUserLimit; Batch job submission "
    assert said in out and out.count("; 1 jobs wait until others end") == 1
    assert not err


@pytest.mark.slow
def test_the_results_are_those_of_this_machine(cluster, sweeping, tmp_path):
    """The same file, bit for bit, with its job preempted and out of time on the way."""
    check_results(sweeping, tmp_path)


def check_results(sweeping, tmp_path):
    some = SMALL | {"num_steps": 4000, "eval_every": 100, "stop_at": 0.0}
    content = each("adding_problem", product(seed=range(2)), length=5, **some)
    disturbing = threading.Thread(target=_disturb, args=(tmp_path,), daemon=True)
    disturbing.start()
    sweeping(content)
    disturbing.join()
    (log,) = tmp_path.glob("all/jobs/slurm/*_log.out")
    assert log.read_text().count("Requeued job 1 (") == 2
    (output,) = tmp_path.glob("all/jobs/*.txt")
    assert output.read_text().count("resumed from") == 2
    sweeping(content, "--at_once=1", run="local", workdir="here")
    assert ends_of(tmp_path / "all") == ends_of(tmp_path / "here") != {}


def _disturb(tmp_path):
    """submitit's own ways to do it, once the training has come so far.

    Some sites signal what a task has started as well as the task.
    """
    job = submitit.SlurmJob(tmp_path / "all" / "jobs" / "slurm", "1")
    wait_for(lambda: _step(tmp_path) >= 600, 300)
    job._interrupt(timeout=True)
    wait_for(lambda: _step(tmp_path) >= 1800, 300)
    os.environ["FAKE_SLURM_TREE"] = "1"
    job._interrupt(timeout=False)
    del os.environ["FAKE_SLURM_TREE"]


def _step(tmp_path):
    for own in tmp_path.glob("all/runs/*/metrics.jsonl"):
        return max((row["step"] for row in runs.metrics.read(own.parent)), default=0)
    return 0


@pytest.mark.slow
def test_two_tasks_train_one_model(cluster, sweeping, tmp_path):
    check_two_tasks(sweeping, tmp_path / "all")


def check_two_tasks(sweeping, path):
    content = each("adding_problem", [{}], length=5, **SMALL)
    sweeping(content, "--ntasks_per_node=2", workdir=str(path))
    (end,) = path.glob("jobs/*.json")
    assert json.loads(end.read_text())["code"] == 0
    (settings,) = path.glob("runs/*/config.json")
    assert json.loads(settings.read_text())["machine"]["processes"] == 2
    assert len(list(path.glob("jobs/slurm/*_result.pkl"))) == 2


def watch(tmp_path, *argv):
    """The command in a process of its own."""
    flags = "--config=grid.py", "--workdir=all", "--run=slurm", *argv
    return subprocess.Popen(
        [sys.executable, "-m", "experiments.sweep", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )


@pytest.mark.slow
def test_the_watch_is_left_and_taken_up(cluster, sweeping, tmp_path, capsys):
    """Ctrl-C leaves the jobs; the same command submits nothing twice."""
    sweeping(probes(act=["wait"]), "--dry_run")  # writes the file
    with watch(tmp_path) as process:
        wait_for(lambda: list(tmp_path.glob("all/runs/*/tries")))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT
    assert "leaving the jobs to SLURM" in err
    assert "1 jobs stay in SLURM; the same command watches them again, scancel 1" in out
    assert cluster.states() == {"1": "RUNNING"}
    with pytest.raises(SystemExit) as ended:
        sweeping(probes(act=["wait"]), run="local")
    assert ended.value.code == 2
    assert "SLURM has 1 jobs of this sweep" in capsys.readouterr().err
    # A watch that was killed before it could write the number of its array.
    arrays = tmp_path / "all" / "slurm.json"
    content = json.loads(arrays.read_text())
    content["arrays"][0]["number"] = None
    arrays.write_text(json.dumps(content))
    (running,) = tmp_path.glob("all/runs/*")
    (running / "go").touch()
    sweeping(probes(act=["wait"]))
    out = capsys.readouterr().out
    assert "1 jobs are in SLURM already" in out and "submitted" not in out
    assert len(cluster.submissions()) == 1 and len(tries(tmp_path / "all")) == 1


@pytest.mark.slow
@pytest.mark.parametrize("what", ["forget", "cancel"])
def test_a_job_that_is_gone(cluster, sweeping, tmp_path, capsys, what):
    """A node that failed costs time; what was cancelled stays so."""
    gone = threading.Thread(target=_befall, args=(cluster, tmp_path, what), daemon=True)
    gone.start()
    sweeping(probes(act="wait"))
    gone.join()
    out = capsys.readouterr().out
    if what == "cancel":
        assert "cancelled; the same command submits it again" in out
        assert "1 jobs are left" in out and len(cluster.submissions()) == 1
    else:
        assert "again: probe_program; SLURM ended it (NODE_FAIL)" in out
        assert tries(tmp_path / "all") == {"probe_program": 2}


def _befall(cluster, tmp_path, what):
    (file,) = wait_for(lambda: list(tmp_path.glob("all/runs/*/tries")))
    cluster.ask("1", what)
    wait_for(lambda: cluster.states().get("1") != "RUNNING")
    (file.parent / "go").touch()


@pytest.mark.slow
def test_a_job_that_always_dies_is_given_up(cluster, sweeping, tmp_path, capsys):
    """Also where the shell of the node fails; its words are in the output."""
    with pytest.raises(SystemExit):
        sweeping(probes(act="die"), "--setup=echo no such module")
    out = capsys.readouterr().out
    assert "failed, SLURM ended it (COMPLETED) 3 times before it came further" in out
    assert tries(tmp_path / "all") == {"probe_program": 3}
    assert "no such module" in out


def test_what_sbatch_refuses(cluster, sweeping, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        sweeping(probes(act="end"), "--partition=nowhere")
    assert ended.value.code == 1
    assert capsys.readouterr().err == (
        "stopped: sbatch refuses the jobs: invalid partition specified: nowhere; Batch "
        "job submission failed: Invalid partition name specified\n"
    )
    assert json.loads((tmp_path / "all" / "slurm.json").read_text()) == {"arrays": []}


@pytest.mark.parametrize(
    "flag, run, said",
    [
        ("--array_limit=0", "slurm", "--array_limit=0: must be at least 1"),
        ("--time=0", "slurm", "--time=0: must be at least 1"),
        ("--partition=gpu", "local", "--partition is for --run=slurm"),
        ("--sbatch=--array=1", "slurm", "--sbatch: the sweep sets --array itself"),
        ("--sbatch=constraint", "slurm", "'constraint' is not an option"),
        ("--sbatch='", "slurm", "--sbatch: No closing quotation"),
        ("--partition=gpu", "slurm", "--run=slurm finds no sbatch on PATH"),
    ],
)
def test_what_cannot_begin(sweeping, tmp_path, monkeypatch, capsys, flag, run, said):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit) as ended:
        sweeping(probes(act="end"), flag, run=run)
    assert ended.value.code == 2 and said in capsys.readouterr().err
    assert not (tmp_path / "all").exists()


def test_a_folder_that_slurm_would_misread(tmp_path):
    odd = folder.SweepFolder(tmp_path / "50%j")
    slurm.check_engine(odd, "local")
    with pytest.raises(errors.UsageError, match="SLURM reads % in a path as a pattern"):
        slurm.check_engine(odd, "slurm")


def test_submitit_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(errors.UsageError, match="pip install -e '.\\[slurm\\]'"):
        submission.library()


@pytest.mark.parametrize("run", ["slurm", "local"])
def test_not_in_a_step_of_several_tasks(monkeypatch, run):
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")
    with pytest.raises(errors.UsageError, match="srun started this command 4 times"):
        submission.check(settings.SweepConfig(run=run))


def test_a_shell_on_a_node_submits_as_any_other(monkeypatch):
    """Without what srun would take for its own settings; with what the user has set."""
    own = {"SLURM_CONF": "file", "SBATCH_ACCOUNT": "me", "SLURM_CPU_BIND": "quiet"}
    own |= {"SBATCH_PARTITION": "slow", "SBATCH_OUTPUT": "/dev/null"}
    for name, text in own.items():
        monkeypatch.setenv(name, text)
    with submission._outside_of_jobs(settings.SweepConfig(partition="fast")):
        there = own.keys() & os.environ.keys()
    assert there == {"SLURM_CONF", "SBATCH_ACCOUNT"}
    assert os.environ["SLURM_CPU_BIND"] == "quiet"


# Of the same cluster: a shell on a compute node, a task of an array, one of four tasks.
SHELL = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_JOB_NODELIST": "node1"}
ONE = {"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0", "SLURM_STEP_NODELIST": "node1"}
ARRAY = SHELL | ONE | {"SLURM_NTASKS": "1", "SLURM_ARRAY_TASK_ID": "3"}
FOUR = SHELL | ONE | {"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "2"}


@pytest.mark.parametrize(
    "variables, joined",
    [({}, None), (SHELL, None), (SHELL | ONE, None), (ARRAY, None), (FOUR, (4, 2))],
)
def test_who_joins_other_processes(monkeypatch, variables, joined):
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        monkeypatch.delenv(name)
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    called = []

    def initialize(coordinator, number, process_id, **options):
        called.append((number, process_id))
        raise InterruptedError  # as far as it goes here

    monkeypatch.setattr("jax.distributed.initialize", initialize)
    monkeypatch.setattr(threading.Timer, "start", lambda self: None)
    with contextlib.suppress(InterruptedError):
        processes.join(None, 0, None)
    assert called == ([joined] if joined else [])


# ----------------------------------------------------------------- a task by itself


def of_probe(tmp_path, **given):
    """(the sweep's folder, its one job, the task of it)."""
    (job,) = plan.jobs(plan.read(probes(**given)), [], 1, 1)
    own = folder.SweepFolder(tmp_path / "all")
    own.write([job])
    return own, job, submission._task(job, own, 30.0)


@pytest.fixture
def nodes(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", f"{TESTS}:{TESTS.parent}")
    usual = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGUSR2)}
    yield submission.library()
    for number, handler in usual.items():
        signal.signal(number, handler)


@pytest.mark.slow
def test_a_task_in_this_process(nodes, tmp_path):
    """submitit's debug executor; what has ended is not done again."""
    own, job, task = of_probe(tmp_path, value=3)
    for _ in range(2):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # of submitit's logs
            nodes.DebugExecutor(tmp_path / "logs").submit(task).result()
        assert own.end_of(job).code == 0 and own.end_of(job).last == ("value 3",)
    assert list(tries(tmp_path / "all").values()) == [1]


def test_a_task_needs_python_and_submitit_alone(nodes, tmp_path):
    _, _, task = of_probe(tmp_path)
    nodes.helpers.DelayedSubmission(task).dump(tmp_path / "task.pkl")
    code = (
        "import sys; from submitit.core.utils import DelayedSubmission as D; "
        f"task = D.load({str(tmp_path / 'task.pkl')!r}); task.function.checkpoint(); "
        "assert not {'jax', 'rnn_research'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "max_timeouts, act", [(5, "wait, and fail where asked to end"), (0, "wait")]
)
def test_a_task_that_is_interrupted(nodes, tmp_path, max_timeouts, act):
    """submitit's local executor: asked to save, and begun again while it may be."""
    own, job, task = of_probe(tmp_path, act=act)
    executor = nodes.LocalExecutor(tmp_path / "logs", max_num_timeout=max_timeouts)
    executor.update_parameters(timeout_min=5)  # all interruptions are timeouts
    made = executor.submit(task)
    (begun,) = wait_for(lambda: list(tmp_path.glob("all/runs/*/tries")))
    interrupt(made)
    if max_timeouts:
        wait_for(lambda: len(begun.read_text().split()) == 2)
        (begun.parent / "go").touch()
    end = wait_for(lambda: own.end_of(job))
    made.wait()
    if max_timeouts:
        assert end.code == 0
    else:
        assert end.code == -signal.SIGTERM and "timed-out too many" in end.last[-1]


def interrupt(job):
    """`job._interrupt` of a local job signals its controller, which has no answer."""
    (task,) = [int(pid) for pid in children_of(job._process.pid)]
    os.kill(task, signal.SIGUSR2)


def children_of(pid):
    return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


# ------------------------------------------------------------------- SLURM itself


@pytest.mark.long
def test_slurm_itself(sweeping, tmp_path, monkeypatch, capsys):
    """Where it is installed: the same as on the one of tests, which this holds true."""
    if missing := real_slurm.missing():
        pytest.skip(f"needs {missing}")
    with (
        tempfile.TemporaryDirectory() as own,
        real_slurm.started(pathlib.Path(own)) as variables,
    ):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        check_results(sweeping, tmp_path)
        check_two_tasks(sweeping, tmp_path / "two")
        with pytest.raises(SystemExit):
            sweeping(probes(act="end"), "--partition=none at all", workdir="refused")
        assert "refuses the jobs: invalid partition" in capsys.readouterr().err
        cancelling = threading.Thread(
            target=_cancel_when_begun, args=(tmp_path,), daemon=True
        )
        cancelling.start()
        sweeping(probes(act="wait"), workdir="cancelled")
        cancelling.join()
        said = "cancelled; the same command submits it again"
        assert said in capsys.readouterr().out
        flags = "--array_limit=2", "--at_once=2"
        sweeping(probes(value=range(3)), *flags, workdir="array")
        assert len(list(tmp_path.glob("array/runs/*/value"))) == 3


def _cancel_when_begun(tmp_path):
    wait_for(lambda: list(tmp_path.glob("cancelled/runs/*/tries")), 300)
    subprocess.run(["scancel", "--user=root"], check=True)
