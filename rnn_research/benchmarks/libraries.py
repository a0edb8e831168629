"""The last outputs y_T of the networks that each library has.

LIBRARIES goes from a name to a function

    build(cell, weights, hidden_size, dtype) -> Built

where `cell` is elman, gru or lstm and `weights` a PyTorch state dict of NumPy arrays,
which all but PyTorch itself get by way of `interop`. x is [T, B, D]. `dtype`, a name,
is that of parameters and x when it runs; a state that starts in float32 would have the
products in float32 too. A library whose network is another by
definition says so in Built.variant.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Built(NamedTuple):
    """A network ready to be differentiated.

    Attributes:
      last: (params, x) -> y_T [B, H].
      params: its parameters.
      recurrent: gradient -> the arrays of it that belong to the matrices the state is
        multiplied with, by whose norm results are compared.
      variant: what is other than in PyTorch: 'relu' (Elman), 'reset before' (GRU).
    """

    last: Callable
    params: Any
    recurrent: Callable
    variant: str = ""

    def loss(self, params, x):
        """The mean of y_T^2."""
        return (self.last(params, x) ** 2).mean()


def ours(cell, weights, hidden_size, dtype) -> Built:
    from rnn_research import engines, unroll

    del dtype  # the state has that of the parameters
    value, params = _own(cell, weights, hidden_size)

    def last(params, x):
        return unroll(value, params, x, engine=engines.auto()).outputs[-1]

    def recurrent(gradient):
        named = gradient._asdict()
        return [named[name] for name in ("W_h", "W_hh") if name in named]

    return Built(last, params, recurrent)


def linen(cell, weights, hidden_size, dtype) -> Built:
    import jax
    from flax import linen

    from rnn_research import interop

    kinds = {
        "elman": linen.SimpleCell,
        "gru": linen.GRUCell,
        "lstm": linen.OptimizedLSTMCell,
    }
    module = kinds[cell](hidden_size)
    rnn = linen.RNN(module, time_major=True)
    params = interop.linen.export(*_own(cell, weights, hidden_size))

    def last(params, x):
        start = module.initialize_carry(jax.random.key(0), x.shape[1:])
        start = _in_type(dtype, start)
        return rnn.apply({"params": {"cell": params}}, x, initial_carry=start)[-1]

    def recurrent(gradient):
        return [gradient[name]["kernel"] for name in gradient if name[0] == "h"]

    return Built(last, params, recurrent)


def nnx(cell, weights, hidden_size, dtype) -> Built:
    from flax import nnx

    from rnn_research import interop

    kinds = {
        "elman": nnx.SimpleCell,
        "gru": nnx.GRUCell,
        "lstm": nnx.OptimizedLSTMCell,
    }
    value, params = _own(cell, weights, hidden_size)
    inputs = weights["weight_ih_l0"].shape[1]
    module = kinds[cell](inputs, hidden_size, dtype=dtype, rngs=nnx.Rngs(0))
    nnx.update(module, interop.nnx.export(value, params))
    graph, state = nnx.split(module)

    def last(state, x):
        merged = nnx.merge(graph, state)
        start = _in_type(dtype, merged.initialize_carry(x.shape[1:], nnx.Rngs(0)))
        return nnx.RNN(merged, time_major=True)(x, initial_carry=start)[-1]

    return Built(last, state, lambda g: [g["dense_h"]["kernel"][...]])


def haiku(cell, weights, hidden_size, dtype) -> Built:
    """Its Elman network has ReLU, its GRU the reset before the product."""
    import haiku
    import jax
    import jax.numpy as jnp

    kinds = {"elman": haiku.VanillaRNN, "gru": haiku.GRU, "lstm": haiku.LSTM}

    @haiku.without_apply_rng
    @haiku.transform
    def network(x):
        core = kinds[cell](hidden_size)
        start = _in_type(dtype, core.initial_state(x.shape[1]))
        return haiku.dynamic_unroll(core, x, start)[0]

    x = np.zeros((1, 1, weights["weight_ih_l0"].shape[1]), np.float32)
    W_x, W_h = weights["weight_ih_l0"].T, weights["weight_hh_l0"].T
    b = weights["bias_ih_l0"] + weights["bias_hh_l0"]
    params, recurrent, variant = HAIKU_LAYOUTS[cell](W_x, W_h, b)
    like = network.init(jax.random.key(0), x)
    params = {
        outer: {inner: jnp.asarray(params[outer][inner]) for inner in like[outer]}
        for outer in like
    }

    def matrices(gradient):
        outer, inner = recurrent
        return [gradient[outer][inner][-hidden_size:]]

    return Built(lambda p, x: network.apply(p, x)[-1], params, matrices, variant)


def _haiku_elman(W_x, W_h, b):
    params = {
        "vanilla_rnn/linear": {"w": W_x, "b": b},
        "vanilla_rnn/linear_1": {"w": W_h, "b": 0 * b},
    }
    return params, ("vanilla_rnn/linear_1", "w"), "relu"


def _haiku_gru(*arrays):
    """In the order z, r, n, and z weights the candidate."""
    W_x, W_h, b = (
        np.concatenate([-z, r, n], -1)
        for r, z, n in (np.split(a, 3, -1) for a in arrays)
    )
    return {"gru": {"w_i": W_x, "w_h": W_h, "b": b}}, ("gru", "w_h"), "reset before"


def _haiku_lstm(*arrays):
    """In the order i, g, f, o, with 1 added to f."""
    W_x, W_h, b = (
        np.concatenate([i, g, f, o], -1)
        for i, f, g, o in (np.split(a, 4, -1) for a in arrays)
    )
    b = b - np.repeat(np.float32([0, 0, 1, 0]), len(b) // 4)
    params = {"lstm/linear": {"w": np.concatenate([W_x, W_h]), "b": b}}
    return params, ("lstm/linear", "w"), ""


HAIKU_LAYOUTS = {"elman": _haiku_elman, "gru": _haiku_gru, "lstm": _haiku_lstm}


def equinox(cell, weights, hidden_size, dtype) -> Built | None:
    """It has no Elman network."""
    import equinox
    import jax
    import jax.numpy as jnp

    from rnn_research import interop

    kinds = {"gru": (equinox.nn.GRUCell, 1), "lstm": (equinox.nn.LSTMCell, 2)}
    if cell not in kinds:
        return None
    kind, parts = kinds[cell]
    inputs = weights["weight_ih_l0"].shape[1]
    module = kind(inputs, hidden_size, key=jax.random.key(0))
    params = interop.equinox.export(*_own(cell, weights, hidden_size))
    params = jax.tree.map(jnp.asarray, params)

    def last(params, x):
        filled = equinox.tree_at(
            lambda module: [getattr(module, name) for name in params],
            module,
            list(params.values()),
        )
        zeros = jnp.zeros((x.shape[1], hidden_size), dtype)

        def step(state, x_t):
            state = jax.vmap(filled)(x_t, state)
            return state, jax.tree.leaves(state)[0]  # h, or (h, c)

        start = zeros if parts == 1 else (zeros,) * parts
        return jax.lax.scan(step, start, x)[1][-1]

    return Built(last, params, lambda gradient: [gradient["weight_hh"]])


def keras(cell, weights, hidden_size, dtype) -> Built:
    import keras

    from rnn_research import interop

    kinds = {
        "elman": keras.layers.SimpleRNN,
        "gru": keras.layers.GRU,
        "lstm": keras.layers.LSTM,
    }
    options = {"dtype": dtype, "recurrent_initializer": "zeros"}
    layer = kinds[cell](hidden_size, **options)
    layer.build((None, None, weights["weight_ih_l0"].shape[1]))
    layer.set_weights(interop.keras.export(*_own(cell, weights, hidden_size)))
    other = [variable.value for variable in layer.non_trainable_variables]

    def last(params, x):
        return layer.stateless_call(params, other, _batch_first(x))[0]

    params = [variable.value for variable in layer.trainable_variables]
    return Built(last, params, lambda gradient: [gradient[1]])


def pytorch(cell, weights, hidden_size, dtype) -> Built:
    import torch

    del dtype  # the state has that of x
    kinds = {"elman": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}
    module = kinds[cell](weights["weight_ih_l0"].shape[1], hidden_size)
    module.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()})

    def last(params, x):
        del params
        return module(x)[0][-1]

    return Built(last, module, lambda module: [module.weight_hh_l0.grad.float().cpu()])


def cudnn(cell, weights, hidden_size, dtype) -> Built | None:
    """The LSTM of cuDNN, by `jax.experimental.rnn`: on NVIDIA GPUs, in float32."""
    import jax
    import jax.numpy as jnp
    from jax.experimental import rnn

    del dtype
    kinds = {"lstm": rnn.lstm}
    if cell not in kinds:
        return None
    inputs = weights["weight_ih_l0"].shape[1]
    shape = {
        "input_size": inputs,
        "hidden_size": hidden_size,
        "num_layers": 1,
        "bidirectional": False,
    }

    def last(params, x):
        x = _batch_first(x)
        zeros = jnp.zeros((1, x.shape[0], hidden_size))
        lengths = jnp.full(x.shape[0], x.shape[1], jnp.int32)
        highest = jax.lax.Precision.HIGHEST
        options = shape | {"dropout": 0.0, "precision": highest}
        y, _, _ = kinds[cell](x, zeros, zeros, params, lengths, **options)
        return y[:, -1]

    def recurrent(gradient):
        _, W_hh, _, _ = rnn.unpack_lstm_weights(gradient, **shape)
        return [W_hh[0]]

    return Built(last, jnp.asarray(cudnn_weights(weights)), recurrent)


def cudnn_weights(weights) -> np.ndarray:
    """One vector, in the order of cuDNN."""
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    return np.concatenate([weights[name].ravel() for name in names])


def _own(cell, weights, hidden_size):
    from rnn_research import cells, interop

    value = getattr(cells, cell)(hidden_size)
    return value, interop.pytorch.load(value, weights)


def _in_type(dtype, state):
    import jax

    return jax.tree.map(lambda leaf: leaf.astype(dtype), state)


def _batch_first(x):
    """[T, B, D] -> [B, T, D], in memory too.

    A transposed array keeps its place in memory under jit, and the kernels of cuDNN,
    which jax 0.11 does not tell, then read other numbers.
    """
    from jax.experimental import layout

    return layout.with_layout_constraint(x.swapaxes(0, 1), layout.Layout((0, 1, 2)))


LIBRARIES = {  # name: (what is imported, build)
    "ours": ("rnn_research", ours),
    "linen": ("flax", linen),
    "nnx": ("flax", nnx),
    "haiku": ("haiku", haiku),
    "equinox": ("equinox", equinox),
    "keras": ("keras", keras),
    "pytorch": ("torch", pytorch),
    "cudnn": ("jax", cudnn),
}
ONLY_ON = {"cudnn": "gpu"}  # library: platform
WITH_VARIANTS = {"haiku"}
