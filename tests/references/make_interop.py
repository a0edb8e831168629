"""Write interop.npz and interop_layers.npz: outputs of other libraries' networks, with
their weights, the second of several levels and directions.

    pip install torch flax keras equinox && python tests/references/make_interop.py
    python tests/references/make_interop.py layers      the second file alone

PyTorch 2.13.0, flax 0.12.8, Keras 3.15.0 (on JAX) and Equinox 0.13.8 made the file that
is committed, so the tests need none of them. All weights are random, the biases too: a
bias of zero hides where it is added. Names are case/outputs, case/final_state/index and
case/weights/name; inputs are x [T, B, D].
"""

import os
import pathlib
import sys

os.environ["KERAS_BACKEND"] = "jax"

import equinox
import jax
import jax.numpy as jnp
import keras
import numpy as np
from flax import linen, nnx

T, B, D, H, C = 6, 2, 3, 4, 5
RANDOM = np.random.default_rng(0)
FIRST = RANDOM.bit_generator.state


def random_like(array):
    return 0.5 * RANDOM.standard_normal(array.shape)


def from_torch(x):
    import torch

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


# ------------------------------------------------------- several levels, directions


def levels_of_linen(x):
    def rnn(kind):
        return linen.RNN(kind(H, param_dtype=jnp.float64), time_major=True)

    def both(kind):
        return linen.Bidirectional(rnn(kind), rnn(kind), time_major=True)

    gru, lstm = linen.GRUCell, linen.LSTMCell
    networks = {
        "GRU_both_ways": both(gru),
        "GRU_2_levels_both_ways": linen.Sequential([both(gru), both(gru)]),
        "LSTM_2_levels": linen.Sequential(
            [rnn(lstm), linen.Dropout(0.5, deterministic=True), rnn(lstm)]
        ),
    }
    for name, network in networks.items():
        variables = network.init(jax.random.key(0), x)
        variables = jax.tree.map(random_like, variables)
        outputs = network.apply(variables, x)
        yield f"linen/{name}", outputs, [], flat(variables["params"])


def levels_of_nnx(x):
    class FromZero(nnx.RNN):
        """Starts in float64: nnx's own zeros are float32."""

        def __call__(self, x, **options):
            start = self.cell.initialize_carry((B, x.shape[-1]), nnx.Rngs(0))
            start = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), start)
            return super().__call__(x, **options | {"initial_carry": start})

    def rnn(kind, width):
        options = {"dtype": None, "param_dtype": jnp.float64, "rngs": nnx.Rngs(0)}
        return FromZero(kind(width, H, **options), time_major=True)

    def both(kind, width):
        return nnx.Bidirectional(rnn(kind, width), rnn(kind, width), time_major=True)

    gru, lstm = nnx.GRUCell, nnx.OptimizedLSTMCell
    networks = {
        "LSTM_both_ways": both(lstm, D),
        "GRU_2_levels_both_ways": nnx.Sequential(both(gru, D), both(gru, 2 * H)),
        "LSTM_2_levels": nnx.Sequential(rnn(lstm, D), rnn(nnx.LSTMCell, H)),
    }
    for name, network in networks.items():
        weights = nnx.to_pure_dict(nnx.state(network, nnx.Param))
        weights = jax.tree.map(random_like, weights)
        nnx.update(network, weights)
        yield f"nnx/{name}", network(x), [], flat(weights)


def levels_of_keras(x):
    def of(kind, **options):
        return getattr(keras.layers, kind)(H, return_sequences=True, **options)

    def both(kind, **options):
        return keras.layers.Bidirectional(of(kind, **options))

    networks = {
        "LSTM_both_ways": [both("LSTM")],
        "GRU_2_levels_both_ways": [both("GRU"), both("GRU")],
        "SimpleRNN_2_levels_without_bias": [
            of("SimpleRNN", use_bias=False),
            keras.layers.Dropout(0.5),
            of("SimpleRNN", use_bias=False),
        ],
    }
    for name, parts in networks.items():
        network = keras.Sequential(parts)
        batch_first = np.swapaxes(x, 0, 1)
        network.build(batch_first.shape)
        network.set_weights([random_like(array) for array in network.get_weights()])
        outputs = network(jnp.asarray(batch_first, jnp.float32))
        weights = dict(enumerate(network.get_weights()))
        yield f"keras/{name}", np.swapaxes(outputs, 0, 1), [], weights


def levels_of_equinox(x):
    """Equinox has no layers: two levels of two cells, each run by a loop."""
    cells = [
        equinox.nn.LSTMCell(width, H, key=jax.random.key(0))
        for width in (D, D, 2 * H, 2 * H)
    ]
    fields = ("weight_ih", "weight_hh", "bias")
    weights = [{f: random_like(getattr(c, f)) for f in fields} for c in cells]
    cells = [
        equinox.tree_at(lambda c: [getattr(c, f) for f in fields], c, list(w.values()))
        for c, w in zip(cells, weights, strict=True)
    ]

    def run(cell, x):
        state, outputs = (jnp.zeros((B, H)),) * 2, []
        for x_t in x:
            state = jax.vmap(cell)(x_t, state)
            outputs.append(state[0])
        return np.stack(outputs)

    for ahead, back in (cells[:2], cells[2:]):
        x = np.concatenate([run(ahead, x), run(back, x[::-1])[::-1]], axis=-1)
    yield "equinox/LSTM_2_levels_both_ways", x, [], flat(dict(enumerate(weights)))


def flat(nested):
    """Names of all that lies in each other, with / between them."""
    found = {}
    for name, inner in nested.items():
        if isinstance(inner, dict):
            found |= {f"{name}/{rest}": leaf for rest, leaf in flat(inner).items()}
        else:
            found[str(name)] = inner
    return found


OF_CELLS = (from_torch, from_linen, from_nnx, from_keras, from_equinox)
OF_LAYERS = (levels_of_linen, levels_of_nnx, levels_of_keras, levels_of_equinox)


def main(argv):
    if argv != ["layers"]:  # these need PyTorch
        write("interop.npz", OF_CELLS)
    write("interop_layers.npz", OF_LAYERS)


def write(name, makers):
    RANDOM.bit_generator.state = FIRST  # each file the same without the other
    x = RANDOM.standard_normal((T, B, D))
    arrays = {"x": x}
    for make in makers:
        # Keras 3.15's SimpleRNN mixes the two types where asked for float64.
        with jax.enable_x64("keras" not in make.__name__):
            cases = list(make(x))
        for case, outputs, states, weights in cases:
            arrays[f"{case}/outputs"] = outputs
            arrays |= {f"{case}/final_state/{i}": s for i, s in enumerate(states)}
            arrays |= {f"{case}/weights/{name}": w for name, w in weights.items()}
    arrays = {name: np.asarray(array, np.float64) for name, array in arrays.items()}
    np.savez_compressed(pathlib.Path(__file__).with_name(name), **arrays)


if __name__ == "__main__":
    main(sys.argv[1:])
