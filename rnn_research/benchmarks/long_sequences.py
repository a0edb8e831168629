"""A gradient through a long sequence, in a process of its own.

    python -m rnn_research.benchmarks.long_sequences

Reads a job as JSON from standard input, writes a line of JSON.
"""

import functools
import json
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import runtime
from rnn_research.benchmarks.process import read_job
from rnn_research.benchmarks.worker import timed
from rnn_research.engines.reversible import reconstructed
from rnn_research.resolve import resolve
from rnn_research.unroll import set_up, trajectory, unroll

INPUT_SIZE = 2


class Job(NamedTuple):
    cell: str
    engine: str
    length: int
    batch_size: int
    hidden_size: int
    rounds: int
    drift: bool  # measure that of undone states


def main():
    job = Job(**read_job())
    runtime.start(
        runtime.RunConfig(platform="cpu", compilation_cache="off"),
        batch_size=1,
        hidden_size=1,
    )
    cell = resolve("cell", job.cell, hidden_size=job.hidden_size)
    engine = resolve("engine", job.engine)
    params = cell.init(jax.random.key(0), INPUT_SIZE)
    x = jax.random.normal(jax.random.key(1), (job.length, job.batch_size, INPUT_SIZE))

    @functools.partial(jax.jit, compiler_options=runtime.compiler_options())
    def gradient(params, x):
        def loss(params):
            final = unroll(cell, params, x, engine=engine).final_state
            return sum(jnp.mean(jnp.abs(h) ** 2) for h in jax.tree.leaves(final))

        return jax.grad(loss)(params)

    compiled = gradient.lower(params, x).compile()
    row = timed(
        lambda: jax.block_until_ready(compiled(params, x)), calls=job.rounds, seconds=0
    )
    drift = float(drift_of(cell, params, x)) if job.drift else None
    result = {
        "us_per_step": 1000 * row["ms"] / job.length,
        "memory_mb": compiled.memory_analysis().temp_size_in_bytes / 2**20,
        "peak_mb": row["peak_mb"],
        "drift": drift,
    }
    print(json.dumps(result))


def drift_of(cell, params, x):
    """The largest difference between the states and those undone from the last."""
    states = jax.jit(lambda p, x: trajectory(cell, p, x).outputs)(params, x)

    @jax.jit
    def largest(params, x, states):
        recurrence, start, inputs = set_up(cell, params, x)
        final = jax.tree.map(lambda leaf: leaf[-1], states)
        undone = reconstructed(recurrence, final, inputs)
        differences = jax.tree.map(
            lambda first, all_, back: jnp.maximum(
                jnp.abs(all_[:-1] - back[1:]).max(), jnp.abs(first - back[0]).max()
            ),
            start,
            states,
            undone,
        )
        return jnp.max(jnp.array(jax.tree.leaves(differences)))

    return largest(params, x, states)


if __name__ == "__main__":
    main()
