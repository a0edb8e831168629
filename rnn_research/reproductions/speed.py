"""Seconds of a gradient through time, for the claims about speed."""

import statistics
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import interop, unroll
from rnn_research.benchmarks import libraries

INPUTS = 2
CALLS = 5


def inputs(length: int, batch: int) -> jax.Array:
    """[T, B, 2], standard normal."""
    return jax.random.normal(jax.random.key(1), (length, batch, INPUTS))


def of_cell(cell, length: int, batch: int, engine) -> float:
    """Of the gradient of mean(y_T^2), in float32, products in full precision."""
    params = cell.init(jax.random.key(0), INPUTS)

    def loss(params, x):
        return jnp.mean(unroll(cell, params, x, engine=engine).outputs[-1] ** 2)

    return of_loss(loss, params, inputs(length, batch))


def of_cudnn_lstm(hidden_size: int, length: int, batch: int) -> float:
    """As `of_cell`, of the LSTM of cuDNN: a GPU of NVIDIA is needed."""
    from rnn_research import cells

    plain = cells.lstm(hidden_size)
    exported = interop.pytorch.export(plain, plain.init(jax.random.key(0), INPUTS))
    weights = {name: np.asarray(own, np.float32) for name, own in exported.items()}
    built = libraries.cudnn("lstm", weights, hidden_size, "float32")
    return of_loss(built.loss, built.params, inputs(length, batch))


def of_loss(loss: Callable, params, x) -> float:
    """The median of a few calls of the compiled gradient, after one more."""
    with jax.default_matmul_precision("highest"):
        gradient = jax.jit(jax.grad(loss)).lower(params, x).compile()
    jax.block_until_ready(gradient(params, x))
    taken = []
    for _ in range(CALLS):
        begun = time.perf_counter()
        jax.block_until_ready(gradient(params, x))
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)
