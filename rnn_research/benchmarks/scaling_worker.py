"""One of several processes: `python -m rnn_research.benchmarks.scaling_worker`.

Reads a job as JSON from standard input. All processes of a job make the same updates,
with one thread for computing each; process 0 writes a line of JSON for each row.
"""

import json
import os
import time
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import models, processes, runtime, tasks, training
from rnn_research.benchmarks.process import read_job
from rnn_research.resolve import resolve
from rnn_research.training import trainer
from rnn_research.unroll import unroll

CALLS, SECONDS_PER_CALL = 5, 0.1
EXCHANGES = 10  # in a call
INPUT_SIZE = 2  # of the sequences that gradients are taken over


class Job(NamedTuple):
    """What the processes measure.

    Attributes:
      updates: (cell, T, B, H) of trainings on the adding problem, B over all processes.
      gradients: (cell, T, B, H, engine) of gradients over one sequence, in one process.
      coordinator, num_processes, process_id: as in `runtime.ProcessConfig`.
    """

    updates: list
    gradients: list
    coordinator: str
    num_processes: int
    process_id: int


def main():
    job = Job(**read_job())
    os.environ["NPROC"] = "1"  # of XLA's threads; one core alone would starve Gloo's
    together = runtime.ALONE
    if job.num_processes > 1:
        place = job.coordinator, job.process_id
        together = runtime.ProcessConfig(job.num_processes, *place)
    runtime.start(
        runtime.RunConfig(platform="cpu"),
        batch_size=job.num_processes,
        hidden_size=1,
        num_devices=1,
        together=together,
    )
    for row in job.updates:
        print(json.dumps({"row": row} | update(*row)), flush=True)
    for row in job.gradients:
        print(json.dumps({"row": row} | gradient(*row)), flush=True)


def update(cell, length, batch, hidden) -> dict:
    """Times of an update; of several processes also of what they exchange in it."""
    task = tasks.adding(length)
    model = models.as_model(resolve("cell", cell, hidden_size=hidden), task)
    config = training.TrainConfig(batch_size=batch, num_devices=1)
    made = trainer.build(model, task, config)
    state, limit = made.init(), np.zeros(1, int)
    compiled = made.compile_update(state)

    def several(count):
        nonlocal state
        limit[0] += count
        state = compiled(state, limit)
        jax.block_until_ready(state.loss)

    found = in_calls(several)
    if processes.count() > 1:
        params = jax.tree.leaves(state.params)
        sizes = [1, *(leaf.size for leaf in params)]  # the loss, too
        found["arrays"] = len(sizes)
        found["exchange_ms"] = exchange(made.mesh, sizes)
        found["one_array_ms"] = exchange(made.mesh, [sum(sizes)])
        found["one_number_ms"] = exchange(made.mesh, [1])
    return found


def in_calls(several) -> dict:
    """The ms of one, and those of the processor, in each call of several(count).

    The count is the same in each process. Other programs that run meanwhile lengthen
    the first of these times, and hardly the second.
    """
    several(1)  # the first call is slower
    wall, _ = _spent(lambda: several(1))
    (count,) = processes.highest(max(1, int(1e3 * SECONDS_PER_CALL / wall)))
    pairs = [_spent(lambda: several(count)) for _ in range(CALLS)]
    walls, own = (
        [each / count for each in column] for column in zip(*pairs, strict=True)
    )
    return {"ms": walls, "cpu_ms": own}


def _spent(call) -> tuple[float, float]:
    """The ms that went by in a call, and those that the processor worked for us."""
    begun, own = time.perf_counter(), time.process_time()
    call()
    return 1e3 * (time.perf_counter() - begun), 1e3 * (time.process_time() - own)


def exchange(mesh: jax.sharding.Mesh, sizes: list[int]) -> list[float]:
    """The ms, in each call, of all-reduces of float32 arrays of these sizes."""
    split = jax.sharding.PartitionSpec("batch")

    def mean(_, arrays):
        summed = jax.lax.psum(arrays, "batch")
        return [each / processes.count() for each in summed]

    @jax.jit
    def again(arrays):
        return jax.shard_map(
            lambda own: jax.lax.fori_loop(0, EXCHANGES, mean, own),
            mesh=mesh,
            in_specs=split,
            out_specs=split,
            check_vma=False,
        )(arrays)

    place = jax.sharding.NamedSharding(mesh, split)
    arrays = [
        jax.make_array_from_process_local_data(place, np.ones((1, size), np.float32))
        for size in sizes
    ]

    def several():
        jax.block_until_ready(again(arrays))

    several()  # compiled
    return [_spent(several)[0] / EXCHANGES for _ in range(CALLS)]


def gradient(cell, length, batch, hidden, engine) -> dict:
    """Times of the gradient of mean(y^2) with respect to the parameters."""
    cell = resolve("cell", cell, hidden_size=hidden)
    engine = resolve("engine", engine)
    params = cell.init(jax.random.key(0), INPUT_SIZE)
    x = jax.random.normal(jax.random.key(1), (length, batch, INPUT_SIZE))

    def loss(params, x):
        return jnp.mean(unroll(cell, params, x, engine=engine).outputs ** 2)

    one = jax.jit(jax.grad(loss), compiler_options=runtime.compiler_options())

    def several(count):
        for _ in range(count):
            jax.block_until_ready(one(params, x))

    return in_calls(several)


if __name__ == "__main__":
    main()
