"""SLURM itself on this machine, started and stopped: `with started(folder):`.

Debian's slurmctld, slurmd, slurm-client and munge, as root. Nothing of it is installed
as a service or written outside the folder.
"""

import contextlib
import os
import pathlib
import secrets
import shutil
import socket
import subprocess
import time

PROGRAMS = "munged", "slurmctld", "slurmd", "sbatch"
SETTINGS = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
SlurmctldPort={port}
SlurmdPort={next_port}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
MpiDefault=none
KillWait=5
SchedulerParameters=batch_sched_delay=1,sched_interval=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=2000 State=UNKNOWN
PartitionName=debug Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str:
    """What is not there to start it; empty: nothing."""
    wanted = [name for name in PROGRAMS if shutil.which(name) is None]
    return ", ".join(wanted + ["root"] * (os.getuid() != 0))


@contextlib.contextmanager
def started(folder: pathlib.Path):
    """While entered, the variables with which SLURM's commands find it."""
    for name in ("munge", "state", "spool", "log"):
        (folder / name).mkdir(parents=True)
    key, munge = folder / "munge" / "key", folder / "munge"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    munge.chmod(0o700)
    host, port = socket.gethostname().partition(".")[0], _free_ports()
    names = {"folder": folder, "host": host, "port": port, "next_port": port + 1}
    (folder / "slurm.conf").write_text(SETTINGS.format(**names))
    files = {"socket": "socket", "key-file": "key", "log-file": "log"}
    files |= {"pid-file": "pid", "seed-file": "seed"}
    of_munge = [f"--{name}={munge / file}" for name, file in files.items()]
    variables = {"SLURM_CONF": str(folder / "slurm.conf")}
    with contextlib.ExitStack() as stack:
        for command in (
            ["munged", "--force", "--foreground", *of_munge],
            ["slurmctld", "-D"],
            ["slurmd", "-D", "-N", host],
        ):
            stack.enter_context(_process(command, folder / "log", variables))
            time.sleep(2)
        environment = os.environ | variables
        for _ in range(60):
            asked = ["sinfo", "--noheader", "--format=%t"]
            said = subprocess.run(asked, env=environment, capture_output=True)
            if said.stdout.strip() == b"idle":
                break
            time.sleep(0.5)
        else:
            raise RuntimeError(f"SLURM does not start; see {folder / 'log'}")
        try:
            yield variables
        finally:
            subprocess.run(["scancel", "--user=root"], env=environment)
            _wait_until_empty(environment)


def _wait_until_empty(environment):
    for _ in range(60):
        asked = ["squeue", "--noheader"]
        if not subprocess.run(asked, env=environment, capture_output=True).stdout:
            return
        time.sleep(0.5)


def _free_ports() -> int:
    """The first of two."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1] // 2 * 2


@contextlib.contextmanager
def _process(command, log, variables):
    with (log / command[0]).open("wb") as file:
        process = subprocess.Popen(
            [shutil.which(command[0]), *command[1:]],
            env=os.environ | variables,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
