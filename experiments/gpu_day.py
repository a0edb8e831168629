"""What is to be measured on a day with a GPU, in the order of its worth.

    python -m experiments.gpu_day --out=results/gpu_day
    python -m experiments.gpu_day --out=/tmp/day --tiny=True

A list of commands, each in a process and a folder of its own, with a log beside it: the
fused kernels against the plain loop and against what `auto` picks, other libraries in
the same hour, eight networks side by side, Lyapunov exponents, gradients by lag, Newton
at T = 100,000. A command that has ended well is not run again; one that failed or was
interrupted is, and takes up what it had written. On an H100 the list is meant for 20
minutes, --minutes is where no further command begins. With --tiny=True the same
commands run at the smallest sizes on a CPU, kernels interpreted: a rehearsal. Writes
done.json, and prints what failed.
"""

import dataclasses
import pathlib
import subprocess
import sys
import time

from rnn_research import config, errors, files
from rnn_research.runs import run_folder

FUSED, LIBRARIES = "experiments.fused_speed", "experiments.engine_speed"
SHAPES = "1000x16x128", "1000x128x128", "200x64x512", "5000x16x32"
FEW = "--cells=elman,gru,lstm,leaky,layer_norm_lstm"
BESIDE = (
    LIBRARIES,
    "--cells=elman,gru,lstm",  # those that other libraries have
    "--libraries=ours,linen,pytorch,cudnn",
    f"--shapes={','.join(SHAPES)}",
    "--rounds=1",
    "--seconds=0.1",
)
PLAN = {  # name: module and settings, the one of most worth first
    "fused_first": (FUSED, FEW, f"--shapes={SHAPES[0]}"),
    "fused_all_cells": (FUSED, "--shapes=50x16x64"),
    "libraries_float32": BESIDE,
    "libraries_bfloat16": (*BESIDE, "--precision=bfloat16"),
    "fused_shapes": (FUSED, FEW, f"--shapes={','.join(SHAPES[1:])}"),
    "eight_seeds": (FUSED, FEW, f"--shapes={SHAPES[0]}", "--seeds=8"),
    "flashrnn_shape": (
        LIBRARIES,
        "--cells=lstm",
        "--libraries=ours,cudnn",
        "--shapes=1024x16x768",
        "--precision=bfloat16",
        "--rounds=1",
    ),
    "newton": (
        "experiments.newton_speed",
        "--lengths=100000",
        "--widths=2",
        "--gains=1.0",
        "--rounds=1",
        "--methods=newton",
    ),
    "lyapunov": ("experiments.lyapunov",),
    "gradient_norms": ("experiments.gradient_norms",),
}
SMALL = "--cells=gru", "--interpret=True", "--rounds=1"
REHEARSAL = {  # settings in place of these, at the smallest sizes
    "fused_first": (*SMALL, "--shapes=3x2x4"),
    "fused_all_cells": (*SMALL, "--shapes=3x2x8"),
    "libraries_float32": ("--cells=gru", "--libraries=ours", "--shapes=3x2x4"),
    "eight_seeds": (*SMALL, "--shapes=3x2x4", "--seeds=2"),
    "newton": ("--lengths=20", "--length=20"),
    "lyapunov": (
        "--cells=gru",
        "--gains=1.0",
        "--count=1",
        "--network_size=4",
        "--hidden_size=3",
        "--length=100",
        "--transient=10",
    ),
    "gradient_norms": ("--cells=gru", "--lengths=5,8", "--hidden_size=4"),
}


@dataclasses.dataclass(frozen=True)
class GpuDayConfig(config.Settings):
    """A day with a GPU:"""

    out: str = config.setting("runs/gpu_day", "folder for all results")
    minutes: float = config.setting(20.0, "no command begins after them", low=0.0)
    tiny: bool = config.setting(False, "a rehearsal on a CPU at the smallest sizes")


def main(settings: GpuDayConfig):
    folder = pathlib.Path(settings.out)
    run_folder.check(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "done.json"
    done = files.read_json(path) or {}
    start, failed = time.monotonic(), []
    for name, command in commands(settings.tiny).items():
        if done.get(name) == command:
            print(f"{name}: done before")
            continue
        if time.monotonic() - start > 60 * settings.minutes:
            print(f"{name}: left for the next call, {settings.minutes:g} min are over")
            continue
        print(f"{name}: {' '.join(command)}", flush=True)
        if run(command, folder / name):
            done[name] = command
            files.write_json(path, done)
        else:
            failed.append(name)
            print(f"{name}: failed, see {folder / name}.log")
    print(f"results: {folder}")
    if failed:
        raise errors.RunError(f"{', '.join(failed)}: failed; the same command resumes")


def run(command: list[str], folder: pathlib.Path) -> bool:
    """Whether the experiment ended well; what it prints is in the log beside it."""
    full = [sys.executable, "-m", *command, f"--workdir={folder}"]
    with open(f"{folder}.log", "w", encoding="utf-8") as log:
        return subprocess.run(full, stdout=log, stderr=log).returncode == 0


def commands(tiny: bool) -> dict[str, list[str]]:
    """Name -> module and settings of each experiment, in order."""
    if not tiny:
        return {name: [*command, "--platform=gpu"] for name, command in PLAN.items()}
    return {
        name: [PLAN[name][0], *config.replaced(PLAN[name][1:], own), "--platform=cpu"]
        for name, own in REHEARSAL.items()
    }


SETTINGS = (GpuDayConfig(),)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
