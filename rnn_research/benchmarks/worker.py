"""One library in a process of its own: `python -m rnn_research.benchmarks.worker`.

Reads a job as JSON from standard input, writes a line of JSON for each row.
"""

import functools
import json
import os
import pathlib
import resource
import statistics
import time
from typing import NamedTuple

import numpy as np

from rnn_research.benchmarks.process import read_job


class Job(NamedTuple):
    """What one process measures.

    Attributes:
      library: a name of LIBRARIES.
      tuned: with the settings of our programs: the allocator, wide vectors, and the
        batch divided over one CPU device a core. Ours always is.
      rows: (cell, T, B, H) of each.
      folder: where `inputs_file` and `weights_file` of each row are.
      seconds: to measure for, of each row, after the first call.
      platform: cpu or gpu.
      precision: float32, with products at the highest precision, or bfloat16, in which
        parameters and inputs are.
    """

    library: str
    tuned: bool
    rows: list
    folder: str
    seconds: float
    platform: str
    precision: str

    @property
    def as_ours(self) -> bool:
        return self.tuned or self.library == "ours"


def inputs_file(length, batch):
    return f"inputs_{length}x{batch}.npy"


def weights_file(cell, hidden):
    return f"weights_{cell}_{hidden}.npz"


def main():
    job = Job(**read_job())
    os.environ["KERAS_BACKEND"] = "jax"
    if job.as_ours:
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

    from rnn_research import hardware, runtime
    from rnn_research.benchmarks.libraries import LIBRARIES

    if job.library == "ours":
        runtime.start(
            runtime.RunConfig(platform=job.platform, compilation_cache="off"),
            batch_size=x.shape[1],
            hidden_size=hidden,
        )
    elif job.tuned:
        jax.config.update("jax_num_cpu_devices", hardware.cores())
    jax.config.update("jax_platforms", "cuda" if job.platform == "gpu" else "cpu")
    if job.precision == "float32":
        jax.config.update("jax_default_matmul_precision", "highest")
    built = LIBRARIES[job.library][1](cell, weights, hidden, job.precision)
    if built is None:
        return None
    batch = x.shape[1]
    devices = 1
    if job.platform == "gpu":
        pass
    elif job.library == "ours":
        devices = runtime.useful_cores(batch, hidden)
    elif job.tuned:
        devices = runtime.largest_divisor(batch, jax.local_device_count())

    mesh = runtime.make_mesh(batch, num_devices=devices)

    options = runtime.compiler_options() if job.as_ours else {}

    @functools.partial(jax.jit, compiler_options=options)
    def gradient(params, x):
        if devices == 1:
            return jax.value_and_grad(built.loss)(params, x)
        parts = x.reshape(x.shape[0], devices, -1, x.shape[-1]).swapaxes(0, 1)

        def mean(params):
            own = runtime.copies(params, mesh)
            return jnp.mean(runtime.over_shards(built.loss, mesh, own, parts))

        return jax.value_and_grad(mean)(params)

    params, x = jax.tree.map(
        lambda leaf: jnp.asarray(leaf, job.precision), (built.params, x)
    )
    if devices > 1:
        everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
        params, x = jax.device_put((params, x), everywhere)
    begun = time.perf_counter()
    gradient = gradient.lower(params, x).compile()
    compiling = time.perf_counter() - begun
    row = timed(lambda: jax.block_until_ready(gradient(params, x)), seconds=job.seconds)
    row["first_s"] += compiling
    if job.platform == "gpu":
        memory = gradient.memory_analysis()
        needed = memory.argument_size_in_bytes + memory.output_size_in_bytes
        row["peak_mb"] = (needed + memory.temp_size_in_bytes) / 2**20
    loss, grads = gradient(params, x)
    kind = jax.local_devices()[0].device_kind
    return row | result(built, loss, grads) | {"devices": devices, "device": kind}


def _measure_torch(job, cell, weights, hidden, x):
    import torch

    from rnn_research.benchmarks.libraries import pytorch

    built = pytorch(cell, weights, hidden, job.precision)
    device = "cuda" if job.platform == "gpu" else "cpu"
    dtype = getattr(torch, job.precision)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    x = torch.from_numpy(x).to(device, dtype)
    built.params.to(device, dtype)

    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()

    def gradient():
        built.params.zero_grad()
        loss = built.loss(built.params, x)
        loss.backward()
        if device == "cuda":
            torch.cuda.synchronize()
        return loss

    row = timed(gradient, seconds=job.seconds)
    if device == "cuda":
        row["peak_mb"] = torch.cuda.max_memory_allocated() / 2**20
    loss = gradient().detach()
    kind = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    found = result(built, loss, built.params)
    return row | found | {"devices": 1, "device": kind}


def timed(call, *, seconds: float, calls: int = 3) -> dict:
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
        pathlib.Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    except OSError:
        pass  # the peak is then that of all rows so far


def _peak_mb() -> float:
    try:
        status = pathlib.Path("/proc/self/status").read_text(encoding="utf-8")
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
