"""A SLURM of one machine for tests: `python fake_slurm.py sbatch SCRIPT`, and so on.

It knows what submitit and the sweep use: sbatch with arrays, time limits and the signal
before them, srun with several tasks, squeue, sacct, scancel, scontrol requeue. A
process per job starts its tasks and writes their states into the folder $FAKE_SLURM,
where a test also asks for what befalls them: TASK.ask holds cancel, requeue, fail or
forget.
"""

import contextlib
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import time

FOLDER = pathlib.Path(os.environ.get("FAKE_SLURM", "."))
MINUTE = float(os.environ.get("FAKE_SLURM_MINUTE", 60))  # seconds
KILL_WAIT = 3.0  # seconds between SIGTERM and SIGKILL
LARGEST_ARRAY = 1001
COMMANDS = "sbatch", "srun", "squeue", "sacct", "scancel", "scontrol"


def install(folder: pathlib.Path):
    """Put the commands into a folder for PATH."""
    folder.mkdir(parents=True)
    for name in COMMANDS:
        path = folder / name
        call = shlex.join([sys.executable, "-S", __file__, name])
        path.write_text(f'#!/bin/sh\nexec {call} "$@"\n')
        path.chmod(0o755)


def write(name: str, text: str):
    path = FOLDER / name
    partial = path.with_name(f".{name}.{os.getpid()}")
    partial.write_text(text)
    partial.rename(path)


def read(name: str) -> str:
    with contextlib.suppress(OSError):
        return (FOLDER / name).read_text()
    return ""


# ---------------------------------------------------------------------- commands


def sbatch(script):
    text = pathlib.Path(script).read_text()
    found = re.findall(r"^#SBATCH --([\w-]+)(?:=(.*))?$", text, re.MULTILINE)
    options = {name: shlex.split(value or "1")[0] for name, value in found}
    count, _, at_once = options.get("array", "").removeprefix("0-").partition("%")
    count = int(count) + 1 if count else 0
    if options.get("partition") == "nowhere":
        refuse(
            "invalid partition specified: nowhere", "Invalid partition name specified"
        )
    if len(active()) + max(1, count) > int(os.environ.get("FAKE_SLURM_MOST", 1000)):
        refuse("QOSMaxSubmitJobPerUserLimit", "Job violates accounting/QOS policy")
    if count > LARGEST_ARRAY:
        refuse("", "Invalid job array specification")
    number = str(1 + len(list(FOLDER.glob("*.job"))))
    job = {"number": number, "script": script, "options": options}
    job |= {"count": count, "at_once": int(at_once or 1)}
    write(f"{number}.job", json.dumps(job))
    for task in tasks_of(job):
        write(f"{task}.state", "PENDING")
    daemon = [sys.executable, "-S", __file__, "daemon", number]
    null = {name: subprocess.DEVNULL for name in ("stdin", "stdout", "stderr")}
    process = subprocess.Popen(daemon, start_new_session=True, **null)
    write(f"{number}.daemon", str(process.pid))
    print(f"Submitted batch job {number}")


def active():
    states = [path.read_text() for path in FOLDER.glob("*.state")]
    return [state for state in states if state in ("PENDING", "RUNNING")]


def refuse(first, second):
    for line in filter(None, (first, f"Batch job submission failed: {second}")):
        print(f"sbatch: error: {line}", file=sys.stderr)
    sys.exit(1)


def tasks_of(job):
    number, count = job["number"], job["count"]
    return [f"{number}_{i}" for i in range(count)] if count else [number]


def named(output, task):
    array, _, index = task.partition("_")
    return output.replace("%A", array).replace("%a", index).replace("%j", task)


def srun(*argv):
    number = int(os.environ["SLURM_NTASKS"])
    output = argv[argv.index("--output") + 1]
    command = list(argv[argv.index("--output") + 2 :])
    task = os.environ["FAKE_TASK"]
    made = []
    for k in range(number):
        own = {"SLURM_PROCID": k, "SLURM_LOCALID": k, "SLURM_NODEID": 0}
        own |= {"SLURM_STEP_NUM_TASKS": number, "SLURM_STEP_NODELIST": "localhost"}
        env = os.environ | {name: str(value) for name, value in own.items()}
        with open(named(output, task).replace("%t", str(k)), "a") as file:
            streams = {"stdout": file, "stderr": subprocess.STDOUT}
            made.append(subprocess.Popen(command, env=env, **streams))
    write(f"{task}.step", " ".join(str(process.pid) for process in made))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(max(abs(process.wait()) for process in made))


def squeue(*argv):
    for path in sorted(FOLDER.glob("*.state")):
        name = json.loads(read(f"{path.stem.partition('_')[0]}.job"))["options"]
        print(f"{path.stem}|{path.read_text()}|{name['job-name']}")


def sacct(*argv):
    (task,) = [each.removeprefix("--jobs=") for each in argv if "--jobs=" in each]
    print(read(f"{task}.state") or read(f"{task}.past"))


def scancel(*argv):
    words = [each for each in argv if not each.startswith("--")]
    if "--signal" in argv:
        task, name = words
        number = getattr(signal, f"SIG{name.removeprefix('SIG')}")
        return send(task, number)
    for each in words:
        for path in FOLDER.glob("*.state"):
            if each in (path.stem, path.stem.partition("_")[0]):
                write(f"{path.stem}.ask", "cancel")


def scontrol(what, task):
    assert what == "requeue"
    write(f"{task}.ask", what)


# ----------------------------------------------------- the process that runs a job


def children(pid):
    with contextlib.suppress(OSError):
        text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(each) for each in text.split()]
    return []


def tree(pid):
    return [pid, *(own for child in children(pid) for own in tree(child))]


def send(task, number):
    """To the tasks of the step alone; or, as some sites do, to all below them too."""
    for pid in map(int, read(f"{task}.step").split()):
        whole = number == signal.SIGKILL or "FAKE_SLURM_TREE" in os.environ
        for each in tree(pid) if whole else [pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, number)


class Running:
    def __init__(self, job, task):
        self.task, self.options = task, job["options"]
        number, _, index = task.partition("_")
        ntasks = int(self.options.get("ntasks-per-node", 1))
        env = os.environ | {
            "FAKE_TASK": task,
            "SLURM_JOB_ID": str(int(number) * 10000 + int(index or 0)),
            "SLURM_NTASKS": str(ntasks),
            "SLURM_JOB_NUM_NODES": "1",
            "SLURM_JOB_NODELIST": "localhost",
        }
        if index:
            env |= {"SLURM_ARRAY_JOB_ID": number, "SLURM_ARRAY_TASK_ID": index}
        else:
            env |= {"SLURM_JOB_ID": number}
        write(f"{task}.step", "")
        write(f"{task}.state", "RUNNING")
        self.begun, self.warned, self.asked, self.then = time.monotonic(), False, "", 0
        output = named(self.options["output"], task)
        with open(output, "a") as file:
            streams = {"stdout": file, "stderr": subprocess.STDOUT}
            self.process = subprocess.Popen(["bash", job["script"]], env=env, **streams)

    def look(self):
        """The state in which it ends; PENDING again; '' as long as it runs."""
        limit = float(self.options["time"]) * MINUTE
        name, _, before = self.options["signal"].partition("@")
        since = time.monotonic() - self.begun
        if not self.warned and since > limit - float(before) * MINUTE / 60:
            self.warned = True
            send(self.task, getattr(signal, f"SIG{name}"))
        if not self.asked:
            self.asked = read(f"{self.task}.ask") or "time" * (since > limit)
            if self.asked:
                self.then = time.monotonic()
                hard = self.asked in ("fail", "forget")
                send(self.task, signal.SIGKILL if hard else signal.SIGTERM)
        if self.asked and time.monotonic() - self.then > KILL_WAIT:
            send(self.task, signal.SIGKILL)
        if self.process.poll() is None:
            return ""
        with contextlib.suppress(FileNotFoundError):
            (FOLDER / f"{self.task}.ask").unlink()
        ends = {"cancel": "CANCELLED by 0", "requeue": "PENDING", "fail": "NODE_FAIL"}
        ends |= {"time": "TIMEOUT", "forget": "NODE_FAIL"}
        usual = "FAILED" if self.process.returncode else "COMPLETED"
        return ends.get(self.asked, usual)


def daemon(number):
    job = json.loads(read(f"{number}.job"))
    waiting, running = tasks_of(job), []
    while waiting or running:
        for task in list(waiting):
            if read(f"{task}.ask") == "cancel":
                waiting.remove(task)
                write(f"{task}.state", "CANCELLED by 0")
        while waiting and len(running) < job["at_once"]:
            running.append(Running(job, waiting.pop(0)))
        for own in list(running):
            if state := own.look():
                running.remove(own)
                write(f"{own.task}.state", state.split()[0])
                if state == "PENDING":
                    waiting.append(own.task)
                elif own.asked == "forget":
                    (FOLDER / f"{own.task}.state").rename(FOLDER / f"{own.task}.past")
        time.sleep(0.02)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
