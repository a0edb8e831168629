"""One library in a process of its own: `python -m rnn_research.benchmarks.worker`.

Reads a job as JSON from standard input, writes a line of JSON for each row.
"""

import json
import os
import pathlib
import resource
import statistics
import sys
import time
from typing import NamedTuple

import numpy as np


class Job(NamedTuple):
    """What one process measures.

    Attributes:
      library: a name of LIBRARIES.
      tuned: with the settings of our programs: the allocator, and the batch divided
        over one CPU device a core. Ours always is.
      rows: (cell, T, B, H) of each.
      folder: where `inputs_file` and `weights_file` of each row are.
      seconds: to measure for, of each row, after the first call.
    """

    library: str
    tuned: bool
    rows: list
    folder: str
    seconds: float


def inputs_file(length, batch):
    return f"inputs_{length}x{batch}.npy"


def weights_file(cell, hidden):
    return f"weights_{cell}_{hidden}.npz"


def main():
    job = Job(**json.load(sys.stdin))
    os.environ["KERAS_BACKEND"] = "jax"
    if job.tuned or job.library == "ours":
        from rnn_research import runtime

        runtime.keep_freed_memory()
    measure = _measure_torch if job.library == "pytorch" else _measure_jax
    folder = pathlib.Path(job.folder)
    for cell, length, batch, hidden in job.rows:
        x = np.load(folder / inputs_file(length, batch))
        weights = dict(np.load(folder / weights_file(cell, hidden)))
        row = measure(job, cell, weights, hidden, x)
        if row:
            names = {"row": [cell, length, batch, hidden]}
            print(json.dumps(names | row), flush=True)


def _measure_jax(job, cell, weights, hidden, x):
    import jax
    import jax.numpy as jnp

    from rnn_research import runtime
    from rnn_research.benchmarks.libraries import LIBRARIES

    if job.library == "ours":
        runtime.start(
            runtime.RunConfig(platform="cpu"), batch_size=x.shape[1], hidden_size=hidden
        )
    elif job.tuned:
        jax.config.update("jax_num_cpu_devices", runtime.cores())
    jax.config.update("jax_platforms", "cpu")
    built = LIBRARIES[job.library][1](cell, weights, hidden)
    if built is None:
        return None
    batch = x.shape[1]
    devices = 1
    if job.library == "ours":
        devices = runtime.useful_cores(batch, hidden)
    elif job.tuned:
        devices = runtime.largest_divisor(batch, jax.local_device_count())

    mesh = runtime.make_mesh(batch, num_devices=devices)

    @jax.jit
    def gradient(params, x):
        def one(part):
            return jax.value_and_grad(built.loss)(params, part)

        if devices == 1:
            return one(x)
        parts = x.reshape(x.shape[0], devices, -1, x.shape[-1]).swapaxes(0, 1)
        return runtime.mean_over_shards(one, mesh, parts)

    x = jnp.asarray(x)
    if devices > 1:
        everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
        params, x = jax.device_put((built.params, x), everywhere)
    else:
        params = built.params
    row = timed(lambda: jax.block_until_ready(gradient(params, x)), seconds=job.seconds)
    loss, grads = gradient(params, x)
    return row | result(built, loss, grads) | {"devices": devices}


def _measure_torch(job, cell, weights, hidden, x):
    import torch

    from rnn_research.benchmarks.libraries import pytorch

    built = pytorch(cell, weights, hidden)
    x = torch.from_numpy(x)

    def gradient():
        built.params.zero_grad()
        loss = built.loss(built.params, x)
        loss.backward()
        return loss

    row = timed(gradient, seconds=job.seconds)
    loss = gradient().detach()
    return row | result(built, loss, built.params) | {"devices": 1}


def timed(call, *, seconds: float, calls: int = 5) -> dict:
    """First call, median of the others, peak memory of the process in these.

    Args:
      seconds, calls: to measure for at least, after the first call.
    """
    _reset_peak()
    begun = time.perf_counter()
    call()
    first = time.perf_counter() - begun
    times = []
    while len(times) < calls or sum(times) < seconds:
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return {
        "first_s": first,
        "ms": 1000 * statistics.median(times),
        "calls": len(times),
        "peak_mb": _peak_mb(),
    }


def _reset_peak():
    try:
        pathlib.Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass  # the peak is then that of all rows so far


def _peak_mb() -> float:
    try:
        status = pathlib.Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    except (OSError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def result(built, loss, gradient) -> dict:
    squares = [
        np.sum(np.asarray(array, np.float64) ** 2)
        for array in built.recurrent(gradient)
    ]
    return {
        "loss": float(loss),
        "norm": float(np.sqrt(sum(squares))),
        "variant": built.variant,
    }


if __name__ == "__main__":
    main()
