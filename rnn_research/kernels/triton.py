"""The back end that is there today: Pallas through Triton, and interpreted on CPUs.

It says how a product is done, which functions it has no instruction for, and how a
kernel is called. Another back end is another `Backend`.
"""

import dataclasses
import sys
from collections.abc import Callable

import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as pallas_triton

from rnn_research.kernels.blocks import wide
from rnn_research.kernels.precisions import PRECISIONS

# Of the 227 KiB of shared memory of an H100: matrices, and with rows that are copied
# there. The rest is where products reorder what they multiply.
CHIP_BYTES, WITH_ROWS_BYTES = 200 * 2**10, 216 * 2**10
# Of the 64 Ki registers of a multiprocessor. Code for sm_90 spills with more ahead, and
# where a quarter of them is held from the first product on.
AHEAD, MANY = 20 * 2**10, 16 * 2**10


@dataclasses.dataclass(frozen=True)
class Backend:
    """What a kernel asks of the compiler below it.

    Attributes:
      weight: array -> the type that products want it in.
      product: (block [b, K], tile [K, N]) -> [b, N].
      function: elementwise equation -> the function of its blocks.
      warps: features of the widest block -> warps of 32 threads.
      stages: (numbers of the matrices, numbers that are read in their step) -> steps
        in flight.
      call: (kernel, blocks of the batch, shapes of the results, warps, stages) -> the
        function of the arrays that the kernel is given.
      on_chip: numbers of matrices that fit on the chip.
      ahead: values of the next step that are read while a step is done, in number.
      many: from so many on they are read by its last product, not by its first.
    """

    weight: Callable
    product: Callable
    function: Callable
    warps: Callable
    stages: Callable
    call: Callable
    on_chip: int
    ahead: int = AHEAD
    many: int = MANY


def triton(precision: str, interpret: bool = False) -> Backend:
    """The back end for products of a precision.

    Args:
      precision: of products, a key of `PRECISIONS`; states stay float32.
      interpret: run by XLA, on any device; all but 'bfloat16' are then exact products.
    """
    algorithm = PRECISIONS[precision].algorithm
    narrow = algorithm is None

    def weight(tile):
        return tile.astype(jnp.bfloat16 if narrow else wide(tile.dtype))

    def product(block, tile):
        if narrow:
            block = block.astype(jnp.bfloat16)
            return jnp.dot(block, tile, preferred_element_type=jnp.float32)
        exact = interpret or block.dtype == jnp.float64
        how = lax.Precision.HIGHEST if exact else algorithm
        return jnp.dot(block, tile, precision=how)

    def call(kernel, blocks, results, warps, stages):
        return pl.pallas_call(
            kernel,
            results,
            grid=(blocks,),
            interpret=interpret,
            name="kernel",
            compiler_params=pallas_triton.CompilerParams(
                num_warps=warps, num_stages=stages
            ),
        )

    def warps(widest):
        return 4 if widest <= 32 else 8

    def stages(weights, late):  # with three, two steps' rows are on the chip
        used = weights * PRECISIONS[precision].weight_bytes + 2 * 4 * late
        return 3 if late and used <= WITH_ROWS_BYTES else 1

    on_chip = room(precision, interpret)
    return Backend(weight, product, function, warps, stages, call, on_chip)


def room(precision: str, interpret: bool = False) -> int:
    """Numbers of matrices that fit on the chip; any, where there is none.

    Matrices that do not fit would be read at each step: for sm_90 such kernels take
    more shared memory than there is, or `cost` predicts no gain over a plain loop.
    """
    return (
        sys.maxsize if interpret else CHIP_BYTES // PRECISIONS[precision].weight_bytes
    )


def function(equation) -> Callable:
    """The function of blocks that an elementwise equation is."""
    name, params = equation.primitive.name, dict(equation.params)
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    if name == "convert_element_type":
        dtype = wide(params["new_dtype"])
        return lambda block: block.astype(dtype)
    return lambda *blocks: equation.primitive.bind(*blocks, **params)


def _round(x):
    """To the nearest integer, of two the even one."""
    low = jnp.floor(x)
    rest = x - low
    odd = low - 2 * jnp.floor(low / 2) == 1
    return jnp.where((rest > 0.5) | ((rest == 0.5) & odd), low + 1, low)


def _sign(x):
    one = jnp.ones_like(x)
    return jnp.where(x > 0, one, jnp.where(x < 0, -one, x))


FUNCTIONS = {"round": _round, "sign": _sign}
