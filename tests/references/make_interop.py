"""Write interop.npz: outputs of other libraries' networks, with their weights.

    pip install torch flax keras equinox && python tests/references/make_interop.py

PyTorch 2.13.0, flax 0.12.8, Keras 3.15.0 (on JAX) and Equinox 0.13.8 made the file that
is committed, so the tests need none of them. All weights are random, the biases too: a
bias of zero hides where it is added. Names are case/outputs, case/final_state/index and
case/weights/name; inputs are x [T, B, D].
"""

import os
import pathlib

os.environ["KERAS_BACKEND"] = "jax"

import equinox
import jax
import jax.numpy as jnp
import keras
import numpy as np
import torch
from flax import linen, nnx

T, B, D, H, C = 6, 2, 3, 4, 5
RANDOM = np.random.default_rng(0)


def random_like(array):
    return 0.5 * RANDOM.standard_normal(array.shape)


def from_torch(x):
    layers = {
        "rnn": torch.nn.RNN(D, H),
        "rnn_relu_2_layers": torch.nn.RNN(D, H, num_layers=2, nonlinearity="relu"),
        "gru": torch.nn.GRU(D, H),
        "gru_both_ways": torch.nn.GRU(D, H, num_layers=2, bidirectional=True),
        "lstm": torch.nn.LSTM(D, H),
        "lstm_projected": torch.nn.LSTM(D, C, proj_size=H),
        "lstm_without_bias": torch.nn.LSTM(D, H, bias=False),
    }
    for name, layer in layers.items():
        layer = layer.double()
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.copy_(torch.from_numpy(random_like(parameter)))
            outputs, state = layer(torch.from_numpy(x))
        states = state if isinstance(state, tuple) else (state,)
        weights = {key: value.numpy() for key, value in layer.state_dict().items()}
        yield f"pytorch/{name}", outputs.numpy(), [s.numpy() for s in states], weights


def from_linen(x):
    for name in ("SimpleCell", "GRUCell", "LSTMCell", "OptimizedLSTMCell"):
        cell = getattr(linen, name)(H, param_dtype=jnp.float64)
        rnn = linen.RNN(cell, time_major=True, return_carry=True)
        variables = rnn.init(jax.random.key(0), x)
        variables = jax.tree.map(random_like, variables)
        carry, outputs = rnn.apply(variables, x)
        weights = variables["params"]["cell"]
        yield f"linen/{name}", outputs, jax.tree.leaves(carry), flat(weights)


def from_nnx(x):
    for name in ("SimpleCell", "GRUCell", "LSTMCell", "OptimizedLSTMCell"):
        cell = getattr(nnx, name)(
            D, H, dtype=None, param_dtype=jnp.float64, rngs=nnx.Rngs(0)
        )
        weights = nnx.to_pure_dict(nnx.state(cell, nnx.Param))
        weights = jax.tree.map(random_like, weights)
        nnx.update(cell, weights)
        rnn = nnx.RNN(cell, time_major=True, return_carry=True)
        start = jax.tree.map(
            lambda leaf: leaf.astype(jnp.float64),
            cell.initialize_carry((B, D), nnx.Rngs(0)),
        )
        carry, outputs = rnn(x, initial_carry=start)
        yield f"nnx/{name}", outputs, jax.tree.leaves(carry), flat(weights)


def from_keras(x):
    options = {"return_sequences": True, "return_state": True}
    layers = {
        "SimpleRNN": keras.layers.SimpleRNN(H, **options),
        "GRU": keras.layers.GRU(H, **options),
        "GRU_reset_before": keras.layers.GRU(H, reset_after=False, **options),
        "GRU_without_bias": keras.layers.GRU(H, use_bias=False, **options),
        "LSTM": keras.layers.LSTM(H, **options),
    }
    for name, layer in layers.items():
        batch_first = np.swapaxes(x, 0, 1)
        layer.build(batch_first.shape)
        layer.set_weights([random_like(array) for array in layer.get_weights()])
        outputs, *states = layer(jnp.asarray(batch_first, jnp.float32))
        weights = dict(enumerate(layer.get_weights()))
        yield f"keras/{name}", np.swapaxes(outputs, 0, 1), states, weights


def from_equinox(x):
    modules = {
        "GRUCell": equinox.nn.GRUCell(D, H, key=jax.random.key(0)),
        "LSTMCell": equinox.nn.LSTMCell(D, H, key=jax.random.key(0)),
        "GRUCell_without_bias": equinox.nn.GRUCell(
            D, H, use_bias=False, key=jax.random.key(0)
        ),
    }
    for name, module in modules.items():
        fields = ("weight_ih", "weight_hh", "bias", "bias_n")
        given = {key: getattr(module, key, None) for key in fields}
        weights = {key: random_like(a) for key, a in given.items() if a is not None}
        module = equinox.tree_at(
            lambda module, names=tuple(weights): [getattr(module, n) for n in names],
            module,
            list(weights.values()),
        )
        zeros = jnp.zeros((B, H))
        state, outputs = (zeros, zeros) if "LSTM" in name else zeros, []
        for x_t in x:
            state = jax.vmap(module)(x_t, state)
            outputs.append(state[0] if "LSTM" in name else state)
        yield f"equinox/{name}", outputs, jax.tree.leaves(state), weights


def flat(nested):
    return {
        f"{a}/{b}": leaf for a, dense in nested.items() for b, leaf in dense.items()
    }


def main():
    x = RANDOM.standard_normal((T, B, D))
    arrays = {"x": x}
    for make in (from_torch, from_linen, from_nnx, from_keras, from_equinox):
        # Keras 3.15's SimpleRNN mixes the two types where asked for float64.
        with jax.enable_x64(make is not from_keras):
            cases = list(make(x))
        for case, outputs, states, weights in cases:
            arrays[f"{case}/outputs"] = outputs
            arrays |= {f"{case}/final_state/{i}": s for i, s in enumerate(states)}
            arrays |= {f"{case}/weights/{name}": w for name, w in weights.items()}
    arrays = {name: np.asarray(array, np.float64) for name, array in arrays.items()}
    np.savez_compressed(pathlib.Path(__file__).with_name("interop.npz"), **arrays)


if __name__ == "__main__":
    main()
