"""A program for sweeps to run that ends as it is told to."""

import dataclasses
import os
import pathlib
import signal
import time

from rnn_research import config, errors


@dataclasses.dataclass(frozen=True)
class ProbeConfig(config.Settings):
    """Probe:"""

    act: str = config.setting("end", "how it ends")
    value: int = config.setting(0, "any number")
    workdir: str = config.setting("runs/probe", "its folder")


def main(settings: ProbeConfig):
    folder = pathlib.Path(settings.workdir)
    folder.mkdir(parents=True, exist_ok=True)
    tries = folder / "tries"
    with tries.open("a") as file:
        file.write(f"{os.getpid()}\n")
    print(f"value {settings.value}", flush=True)
    if settings.act == "fail":
        raise errors.RunError("asked to fail")
    if settings.act == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if settings.act == "die once" and len(tries.read_text().split()) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        while settings.act.startswith("wait") and not (folder / "go").exists():
            time.sleep(0.05)
    except errors.Interrupted:
        if settings.act == "wait, and fail where asked to end":
            raise errors.RunError("another process has ended") from None
        raise
    (folder / "value").write_text(str(settings.value))


SETTINGS = (ProbeConfig(),)

if __name__ == "__main__":
    config.run(main, *SETTINGS)
