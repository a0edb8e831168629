"""The long short-term memory as first published, without forget gate."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base


class LSTM1997Params(NamedTuple):
    W_h: jax.Array  # [N + 2M, N + 2M], cells, input gates, output gates, both ways
    W_x: jax.Array  # [D, N + 2M]
    b_in: jax.Array  # [M]
    b_out: jax.Array  # [M]
    b_c: jax.Array | None  # [N], where cell_bias


class LSTM1997State(NamedTuple):
    s: jax.Array  # [*, N], the constant error carousel
    y_c: jax.Array  # [*, N], outputs of the cells
    y_in: jax.Array  # [*, M], input gates
    y_out: jax.Array  # [*, M], output gates


class LSTM1997Gates(NamedTuple):
    y_in: jax.Array  # [*, M], in (0, 1)
    y_out: jax.Array  # [*, M], in (0, 1)
    g: base.within(-2.0, 2.0, candidate=True)  # [*, N], cell input, in (-2, 2)


@base.cell
def lstm_1997(
    hidden_size: int,
    *,
    block_size=1,
    cell_bias=True,
    input_bias=None,
    output_bias=None,
    scale=0.1,
    truncated=False,
) -> base.Cell:
    """LSTM without a forget gate (Hochreiter & Schmidhuber 1997, Neural Computation 9).

        net_u(t) = sum_v w_uv y_v(t-1) + sum_k w_uk x_k(t) + b_u
        y_in = sigmoid(net_in),   y_out = sigmoid(net_out)     one pair for each block
        s_c(t) = s_c(t-1) + y_in(t) g(net_c(t)),     g(a) = 4 sigmoid(a) - 2
        y_c(t) = y_out(t) h(s_c(t)),                 h(s) = 2 sigmoid(s) - 1

    where v runs over all cells and all gates: the hidden layer is fully connected, so
    the gates of the previous step are part of the state. There is no forget gate.

    Args:
      hidden_size: N, the number of cells; the output is y_c.
      block_size: cells that share an input and an output gate; M = N / block_size.
      cell_bias: whether cells have a bias; gates always have one.
      input_bias: b_in at the start, a number or one for each block, such as (-3, -6)
        in the paper's adding problem; None is drawn like the weights.
      output_bias: b_out likewise.
      scale: all weights start uniform in [-scale, scale]; 0.1 in that problem.
      truncated: cut the gradient where it leaves a memory cell, as the paper does: what
        gates and cells get from y(t-1) counts as constant, and s alone carries errors
        back.

    The sizes of the paper's networks follow with an output layer fed by the cells:
    93 (adding: 2 blocks of 2 cells), 156 and 308 (temporal order: 2 and 3 blocks of 2)
    with output biases; 102 (two-sequence: 3 blocks of 1) without; 264 and 276 (Reber: 4
    blocks of 1, 3 of 2) without biases of outputs and of cells.
    """
    errors.check_size(hidden_size=hidden_size, block_size=block_size)
    errors.check_flags(cell_bias=cell_bias, truncated=truncated)
    if hidden_size % block_size:
        raise errors.UsageError(
            f"block_size ({block_size}) must divide hidden_size ({hidden_size})"
        )
    if not scale > 0:
        raise errors.UsageError(f"scale must be positive, not {scale!r}")
    size, blocks = hidden_size, hidden_size // block_size
    for name, bias in (("input_bias", input_bias), ("output_bias", output_bias)):
        if isinstance(bias, tuple) and len(bias) != blocks:
            raise errors.UsageError(
                f"{name} must be a number or one for each of the {blocks} blocks, "
                f"not {bias!r}"
            )
    units = size + 2 * blocks

    def init(key, input_size):
        keys = jax.random.split(key, 5)

        def uniform(key, *shape):
            return jax.random.uniform(key, shape, minval=-scale, maxval=scale)

        def bias(given, key):
            drawn = uniform(key, blocks)
            return drawn if given is None else jnp.zeros(blocks) + jnp.asarray(given)

        return LSTM1997Params(
            W_h=uniform(keys[0], units, units),
            W_x=uniform(keys[1], input_size, units),
            b_in=bias(input_bias, keys[2]),
            b_out=bias(output_bias, keys[3]),
            b_c=uniform(keys[4], size) if cell_bias else None,
        )

    def project(w, x):
        b_c = w.b_c if cell_bias else jnp.zeros(size, w.b_in.dtype)
        return x @ w.W_x + jnp.concatenate([b_c, w.b_in, w.b_out])

    def gates(w, state, u):
        sources = jnp.concatenate([state.y_c, state.y_in, state.y_out], axis=-1)
        if truncated:
            sources = jax.lax.stop_gradient(sources)
        a_c, a_in, a_out = jnp.split(
            sources @ w.W_h + u, [size, size + blocks], axis=-1
        )
        return LSTM1997Gates(
            jax.nn.sigmoid(a_in), jax.nn.sigmoid(a_out), 2 * jnp.tanh(a_c / 2)
        )

    def step(w, state, u):
        y_in, y_out, g = gates(w, state, u)
        s = state.s + jnp.repeat(y_in, block_size, axis=-1) * g
        y_c = jnp.repeat(y_out, block_size, axis=-1) * jnp.tanh(s / 2)
        return LSTM1997State(s, y_c, y_in, y_out)

    def readout(w, state, u):
        del w, u
        return state.y_c

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(size, size, blocks, blocks, kind=LSTM1997State),
        project=project,
        step=step,
        matrices=lambda w: {"W_h": w.W_h},
        readout=readout,
        gates=gates,
        groups=base.labels(W_h="recurrent"),
    )
