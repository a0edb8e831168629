"""Weights of several levels and directions, against the libraries' own outputs."""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research import cells, errors, interop, layers

D, H = 3, 4  # as in references/make_interop.py
FILE = pathlib.Path(__file__).parent / "references" / "interop_layers.npz"
ARRAYS = np.load(FILE)
RNN, GRU, LSTM = cells.elman(H), cells.gru(H), cells.lstm(H)


def both_ways(cell):
    return layers.bidirectional(cell, cell)


GRUS = layers.stack(both_ways(GRU), both_ways(GRU))
LSTMS = layers.stack(LSTM, LSTM)
CASES = {
    "linen/GRU_both_ways": both_ways(GRU),
    "linen/GRU_2_levels_both_ways": GRUS,
    "linen/LSTM_2_levels": layers.stack(LSTM, layers.dropout(0.5), LSTM),
    "nnx/LSTM_both_ways": both_ways(LSTM),
    "nnx/GRU_2_levels_both_ways": GRUS,
    "nnx/LSTM_2_levels": LSTMS,
    "keras/LSTM_both_ways": both_ways(LSTM),
    "keras/GRU_2_levels_both_ways": GRUS,
    "keras/SimpleRNN_2_levels_without_bias": layers.stack(
        RNN, layers.dropout(0.5), layers.recurrent(RNN)
    ),
    "equinox/LSTM_2_levels_both_ways": layers.stack(both_ways(LSTM), both_ways(LSTM)),
}


def library_of(case):
    return getattr(interop, case.split("/")[0])


def weights_of(case):
    """As the library hands them out."""
    start, nested = f"{case}/weights/", {}
    for key in (key for key in ARRAYS if key.startswith(start)):
        *outer, inner = key.removeprefix(start).split("/")
        place = nested
        for name in outer:
            place = place.setdefault(int(name) if name.isdecimal() else name, {})
        place[inner] = ARRAYS[key]
    flat = case.startswith(("keras", "equinox"))
    return list(nested.values()) if flat else nested


def run(layer, params, x):
    @jax.jit
    def outputs(params, x):
        start = layer.initial_context(params, x.shape[1:2])
        return layer.apply(params, x, start, layers.Call()).outputs

    return outputs(params, jnp.asarray(x))


@pytest.mark.first(4)
@pytest.mark.parametrize("case", CASES)
def test_same_outputs_with_their_weights_and_back(case):
    layer, library, theirs = CASES[case], library_of(case), weights_of(case)
    params = library.load(layer, theirs)
    made = jax.eval_shape(lambda key: layer.init(key, D), jax.random.key(0))
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, made)
    accuracy = 1e-6 if case.startswith("keras") else 1e-12  # Keras ran in float32
    np.testing.assert_allclose(
        run(layer, params, ARRAYS["x"]),
        ARRAYS[f"{case}/outputs"],
        atol=accuracy,
        rtol=0,
    )
    if case == "nnx/LSTM_2_levels":  # one of each of nnx's two layouts
        return
    exported = library.export(layer, params)
    if "without_bias" not in case:
        assert jax.tree.map(jnp.shape, exported) == jax.tree.map(jnp.shape, theirs)
    again = library.load(layer, exported)
    assert jax.tree.all(jax.tree.map(np.array_equal, again, params))


def test_levels_under_names_of_your_own():
    theirs = weights_of("linen/LSTM_2_levels")
    mine = {"encoder": theirs["layers_0"], "decoder": theirs["layers_2"]}
    renamed = {"layers_0": mine["encoder"], "layers_1": mine["decoder"]}
    params = interop.linen.load(LSTMS, renamed)
    expected = interop.linen.load(CASES["linen/LSTM_2_levels"], theirs)
    assert jax.tree.all(jax.tree.map(np.array_equal, params, expected[::2]))
    alone = interop.linen.load(LSTM, {"cell": theirs["layers_0"]["cell"]})
    assert jax.tree.all(jax.tree.map(np.array_equal, alone, params[0]))


KERAS = "keras/LSTM_both_ways"
MISTAKES = {
    "0, 1 needed, 0, 2 given": lambda: interop.linen.load(
        LSTMS, weights_of("linen/LSTM_2_levels")
    ),
    "forward_rnn, backward_rnn needed, cell given": lambda: interop.nnx.load(
        both_ways(LSTM), {"cell": {}}
    ),
    "forward_rnn, backward_rnn needed, no mapping given": lambda: interop.linen.load(
        both_ways(LSTM), [1, 2]
    ),
    "6 arrays; its 4 cells have three each": lambda: interop.keras.load(
        GRUS, weights_of(KERAS)
    ),
    r"kernel is \(3, 16\), not \(4, 16\)": lambda: interop.keras.load(
        LSTMS, weights_of(KERAS)
    ),
    "4 cells given, 1 needed": lambda: interop.equinox.load(
        LSTM, weights_of("equinox/LSTM_2_levels_both_ways")
    ),
    "not for layer_norm": lambda: interop.keras.load(
        layers.stack(LSTM, layers.layer_norm()), weights_of(KERAS)
    ),
    "not for stack": lambda: interop.keras.load(
        layers.bidirectional(LSTMS, LSTM), weights_of(KERAS)
    ),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_mistakes(message):
    with pytest.raises(errors.UsageError, match=message) as caught:
        MISTAKES[message]()
    assert "\n" not in str(caught.value)
