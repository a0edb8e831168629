"""The loop as one kernel on a GPU, generated from the cell's step."""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.engines import base
from rnn_research.engines.adjoint import check_fits, default_chunk, differentiable
from rnn_research.engines.backward import over_time
from rnn_research.kernels.precisions import PRECISIONS

Tree = Any
LEAST_BLOCK, LARGEST_BLOCK = 16, 128


@base.engine
def fused(*, block=16, precision="float32", interpret=False) -> base.Engine:
    """The loop as one kernel for GPUs, made from the step of any cell that qualifies.

        forward:   h_t = step(w, h_{t-1}, u_t)                     one kernel over all t
        backward:  a_{t-1} = (dh_t/dh_{t-1})^T a_t + dL/dh_{t-1}    another one
        around:    project, readout, dL/dw                          wide products

    A loop that launches several small kernels a step spends its time on launches. Here
    each block of sequences runs through all times within one kernel, which keeps the
    state and the weights on the chip. What does not qualify are states that are
    matrices or complex, steps that gather, sort or loop, and networks whose matrices
    do not fit on the chip.

    Opt-in: held against `sequential` on CPUs, and not yet measured on a GPU. Reverse
    mode of first order only. What a derivative is multiplied with is multiplied before
    the loop: factors whose product is beyond the largest number overflow there.

    Args:
      block: sequences in a block, a power of two from 16 to 128; a batch is filled up
        to a multiple.
      precision: of the step's products. 'float32' takes three products in TF32, about
        22 bits; 'tf32' one, 11 bits; 'bfloat16x3' three in bfloat16, about 16 bits;
        'bfloat16' one, 8 bits. States and sums are float32. In this order a weight
        takes 8, 4, 4 or 2 bytes of the chip's 200 KiB: an LSTM of 128 units has room
        in bfloat16 alone, a GRU in all but float32.
      interpret: run the kernel as XLA on any device, slowly and with exact products:
        for tests.

    Raises:
      UsageError: there is no GPU, or the step does not qualify.
    """
    errors.check_option("precision", precision, tuple(PRECISIONS))
    errors.check_flags(interpret=interpret)
    errors.check_size(block=block)
    if not LEAST_BLOCK <= block <= LARGEST_BLOCK or block & (block - 1):
        raise errors.UsageError(f"block must be 16, 32, 64 or 128, not {block}")

    def refusal(cell):
        if jax.default_backend() != "gpu" and not interpret:
            return "needs a GPU; to test it on this machine give fused(interpret=True)"
        return complaint(cell, None if interpret else precision)

    def run(recurrence, state, inputs):
        check_fits("fused", recurrence, state, inputs)
        scan = functools.partial(_scan, block, precision, interpret)
        size = default_chunk(recurrence, state, inputs, platform="gpu")
        forward = functools.partial(_forward, scan)
        outputs, final = differentiable(recurrence, state, inputs, size, forward, scan)
        engine = fused(block=block, precision=precision, interpret=interpret)
        return outputs, final, base.Record(engine)

    return base.Engine(run, refusal)


def complaint(cell, precision: str | None = None) -> str:
    """Why the step of a cell or its derivative cannot become a kernel, or ''.

    Args:
      precision: of products, whose matrices have to fit on the chip; None: any size.
    """
    from rnn_research.cells.base import least_input_size
    from rnn_research.kernels import plan, triton

    size, found = least_input_size(cell), []
    most = None if precision is None else triton.room(precision)

    def at_start(seed):
        params = cell.init(jax.random.key(seed), size)
        w = cell.weights(params)
        h = cell.initial_state(params, (LEAST_BLOCK,))
        x = jnp.zeros((LEAST_BLOCK, size))
        u = cell.project(w, x if cell.noise is None else (x, None))

        def ahead(h, u):
            return (cell.step(w, h, u),) * 2

        def back(a, at_t):
            h, u = at_t
            return jax.vjp(lambda h: cell.step(w, h, u), h)[1](a)[0], a

        steps = (ahead, h, u), (back, h, (h, u))
        found.extend(plan.complaint(*each, most) for each in steps)

    jax.eval_shape(at_start, 0)
    return found[0] or found[1]


def _scan(block, precision, interpret, body, carry, streams, reverse=False):
    # not at the top: a second that every command would wait for
    from rnn_research.kernels import equations, loop, triton

    backend = triton.triton(precision, interpret)
    options = {"backend": backend, "block": block, "reverse": reverse}
    try:
        return loop.scan(body, carry, streams, **options)
    except equations.Unfit as why:
        raise errors.UsageError(
            f"engine fused: {why}; use --engine=sequential"
        ) from None


def _forward(scan, recurrence, state, inputs):
    """(outputs, final state, states h_1 ... h_T, no products) of the loop."""
    drive = recurrence.project(inputs)

    def body(h, drive):
        h = recurrence.step(h, drive)
        return h, h

    final, states = scan(body, state, drive)
    return over_time(recurrence).readout(states, drive), final, states, ()
