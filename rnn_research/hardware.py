"""The machine that a run is on, for its record and for pages of results."""

import contextlib
import importlib.metadata
import os
import platform as host
import sys

import jax


def cores() -> int:
    """CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def describe(mesh: jax.sharding.Mesh) -> dict:
    """Devices, how they are used, and versions, for the record of a run."""
    import flax
    import jaxlib
    import optax

    device = jax.local_devices()[0]
    return {
        "device": f"{jax.device_count()} x {device.device_kind}",
        "processes": jax.process_count(),
        "cpu": cpu_model(),
        "divided": f"runs by {mesh.shape['runs']}, batch by {mesh.shape['batch']}",
        "platform": device.platform,
        "cpu_cores": cores(),
        "versions": {
            "python": host.python_version(),
            "jax": jax.__version__,
            "jaxlib": jaxlib.__version__,
            "flax": flax.__version__,
            "optax": optax.__version__,
        },
    }


def cpu_model() -> str:
    """Its name: XLA compiles for the very CPU, and rounds as that does."""
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    return host.processor()


def machine(packages) -> str:
    """Processor, Python and versions of packages, for pages of results."""
    versions = ", ".join(f"{p} {importlib.metadata.version(p)}" for p in packages)
    python = ".".join(map(str, sys.version_info[:3]))
    return f"{cpu_model()}, {cores()} cores; Python {python}, {versions}."


def differences(then: dict, now: dict) -> list[str]:
    """What differs between two of `describe` and can change rounding."""
    then, now = (
        {**each, **each["versions"], "versions": None, "cpu_cores": None}
        for each in (then, now)
    )
    return [
        f"{name} was {then.get(name)}, is {now.get(name)}"
        for name in sorted(then.keys() | now.keys())
        if then.get(name) != now.get(name)
    ]
