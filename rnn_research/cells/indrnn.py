"""The independently recurrent network: each unit reads itself alone."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base
from rnn_research.cells.elman import ACTIVATIONS


class IndRNNParams(NamedTuple):
    u: jax.Array  # [H], recurrent weights
    W: jax.Array  # [D, H]
    b: jax.Array  # [H]


@base.cell
def indrnn(
    hidden_size: int,
    *,
    activation="relu",
    t_max=None,
    near_one=False,
    input_std=None,
    layer: tuple[int, int] = (0, 1),
) -> base.Cell:
    """Independently recurrent network (IndRNN, Li et al. 2018, arXiv 1803.04831).

        h_t = f(u * h_{t-1} + W x_t + b),    f = relu or tanh

    After each update u is cut to |u| <= 2^(1/t_max), so that no gradient grows by more
    than 2 over t_max steps; without t_max to |u| <= 1, the limit of long sequences. For
    tanh the paper allows more, as its slope is less than 1; the cut here is the same.

    Args:
      hidden_size: H.
      activation: 'relu' or 'tanh'.
      t_max: the longest dependency, in steps.
      near_one: u ~ U(2^(-1/t_max), 2^(1/t_max)) at the start in the last layer, which
        then keeps what it sees until the end; as in the authors' code.
      input_std: standard deviation of W at the start; 1 / sqrt(D) if None, 0.001 in the
        authors' code for the adding problem.
      layer: (index, count) of the layer in its stack.

    u starts uniform on [0, its bound], b zero. Layers, not units, mix: stack two.
    """
    errors.check_size(hidden_size=hidden_size)
    errors.check_option("activation", activation, tuple(ACTIVATIONS))
    errors.check_flags(near_one=near_one)
    if t_max is not None:
        errors.check_between("t_max", t_max, 1, float("inf"))
    elif near_one:
        raise errors.UsageError("near_one needs t_max, the longest dependency in steps")
    if input_std is not None:
        errors.check_between("input_std", input_std, 0.0, float("inf"))
    index, count = layer
    if not 0 <= index < count:
        raise errors.UsageError(f"layer must be (index, count), not {layer!r}")
    bound = 1.0 if t_max is None else 2.0 ** (1 / t_max)
    low = 1 / bound if near_one and index == count - 1 else 0.0
    f = ACTIVATIONS[activation]

    def init(key, input_size):
        key_u, key_w = jax.random.split(key)
        scale = input_size**-0.5 if input_std is None else input_std
        return IndRNNParams(
            u=jax.random.uniform(key_u, (hidden_size,), minval=low, maxval=bound),
            W=scale * jax.random.normal(key_w, (input_size, hidden_size)),
            b=jnp.zeros(hidden_size),
        )

    def project(w, x):
        return x @ w.W + w.b

    def step(w, h, v):
        return f(w.u * h + v)

    def retract(params):
        return params._replace(u=jnp.clip(params.u, -bound, bound))

    return base.Cell(
        init=init,
        initial_state=base.zeros_state(hidden_size),
        project=project,
        step=step,
        matrices=lambda w: {"diag(u)": base.diagonal(w.u)},
        structure=base.Structure(jacobian="diagonal"),
        groups=base.labels(u="recurrent"),
        retract=retract,
    )
