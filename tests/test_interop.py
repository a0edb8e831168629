"""Other libraries' cells and weights, against their own outputs."""

import operator
import os
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen, nnx

from rnn_research import cells, checks, errors, interop, layers, models, tasks
from rnn_research.cells import wrappers
from rnn_research.resolve import resolve
from rnn_research.unroll import unroll

T, B, D, H, C = 6, 2, 3, 4, 5  # as in references/make_interop.py
ARRAYS = np.load(pathlib.Path(__file__).parent / "references" / "interop.npz")


def both_ways(cell):
    return layers.bidirectional(cell, cell)


RELU, GRU, LSTM = cells.elman(H, activation="relu"), cells.gru(H), cells.lstm(H)
LOADED = {
    "pytorch/rnn": cells.elman(H),
    "pytorch/rnn_relu_2_layers": layers.stack(RELU, layers.dropout(0.5), RELU),
    "pytorch/gru": GRU,
    "pytorch/gru_both_ways": layers.stack(both_ways(GRU), both_ways(GRU)),
    "pytorch/lstm": LSTM,
    "pytorch/lstm_projected": cells.projected_lstm(H, cell_size=C),
    "pytorch/lstm_without_bias": LSTM,
    "linen/SimpleCell": cells.elman(H),
    "linen/GRUCell": GRU,
    "linen/LSTMCell": LSTM,
    "linen/OptimizedLSTMCell": LSTM,
    "nnx/SimpleCell": cells.elman(H),
    "nnx/GRUCell": GRU,
    "nnx/LSTMCell": LSTM,
    "nnx/OptimizedLSTMCell": LSTM,
    "keras/SimpleRNN": cells.elman(H),
    "keras/GRU": GRU,
    "keras/GRU_reset_before": cells.gru(H, reset="before"),
    "keras/GRU_without_bias": GRU,
    "keras/LSTM": LSTM,
    "equinox/GRUCell": GRU,
    "equinox/GRUCell_without_bias": GRU,
    "equinox/LSTMCell": LSTM,
}


def library_of(case):
    return getattr(interop, case.split("/")[0])


def weights_of(case):
    """As the library hands them out."""
    start = f"{case}/weights/"
    flat = {key.removeprefix(start): ARRAYS[key] for key in ARRAYS if start in key}
    if case.startswith("keras"):
        return list(flat.values())
    nested = {}
    for name, array in flat.items():
        *outer, inner = name.split("/")
        place = nested.setdefault(outer[0], {}) if outer else nested
        place[inner] = array
    return nested


def run(layer, params, x):
    layer = layers.as_layer(layer)
    start = layer.initial_context(params, (x.shape[1],))
    return layer.apply(params, jnp.asarray(x), start, layers.Call())


@pytest.mark.parametrize("case", LOADED)
def test_same_outputs_with_their_weights(case):
    layer = LOADED[case]
    params = library_of(case).load(layer, weights_of(case))
    made = layers.as_layer(layer).init(jax.random.key(0), D)
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, made)
    applied = run(layer, params, ARRAYS["x"])
    accuracy = 1e-6 if case.startswith("keras") else 1e-12  # Keras ran in float32
    np.testing.assert_allclose(
        applied.outputs, ARRAYS[f"{case}/outputs"], rtol=0, atol=accuracy
    )


CARRIES_C = {"pytorch/lstm": 1, "linen/LSTMCell": 0, "keras/LSTM": 1}


@pytest.mark.parametrize("case", CARRIES_C)
def test_same_final_state(case):
    params = library_of(case).load(LSTM, weights_of(case))
    state = run(LSTM, params, ARRAYS["x"]).context
    place = CARRIES_C[case]
    c, h = (ARRAYS[f"{case}/final_state/{i}"] for i in (place, 1 - place))
    np.testing.assert_allclose(state.c, c.reshape(B, H), rtol=0, atol=1e-6)
    np.testing.assert_allclose(state.h, h.reshape(B, H), rtol=0, atol=1e-6)


@pytest.mark.parametrize("case", [c for c in LOADED if "without_bias" not in c])
def test_exported_weights_are_those_in_their_layout(case):
    """Same names and shapes, and loaded again the same params."""
    library, layer, theirs = library_of(case), LOADED[case], weights_of(case)
    params = library.load(layer, theirs)
    options = {"optimized": False} if case == "nnx/LSTMCell" else {}
    exported = library.export(layer, params, **options)
    assert jax.tree.map(jnp.shape, exported) == jax.tree.map(jnp.shape, theirs)
    again = library.load(layer, exported)
    assert jax.tree.all(jax.tree.map(np.array_equal, again, params))


# ----------------------------------------------------------------- live comparisons


def trained(layer):
    """Params with no bias of zero."""
    params = layers.as_layer(layer).init(jax.random.key(0), D)
    leaves, tree = jax.tree.flatten(params)
    random = np.random.default_rng(1)
    return tree.unflatten(
        [jnp.asarray(0.5 * random.standard_normal(leaf.shape)) for leaf in leaves]
    )


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("case", [c for c in LOADED if "pytorch" in c])
def test_pytorch_computes_the_same_with_our_weights(case, tmp_path):
    torch = pytest.importorskip("torch")
    layer = LOADED[case]
    params = trained(layer)
    options = {
        "pytorch/rnn_relu_2_layers": {"num_layers": 2, "nonlinearity": "relu"},
        "pytorch/gru_both_ways": {"num_layers": 2, "bidirectional": True},
        "pytorch/lstm_projected": {"proj_size": H},
    }.get(case, {})
    kind = case.split("/")[1].split("_")[0].upper()
    module = getattr(torch.nn, kind)(D, C if "proj_size" in options else H, **options)
    weights = interop.pytorch.export(layer, params)
    module.double().load_state_dict(
        {k: torch.from_numpy(v) for k, v in weights.items()}
    )
    with torch.no_grad():
        theirs = module(torch.from_numpy(ARRAYS["x"]))[0].numpy()
    ours = run(layer, params, ARRAYS["x"]).outputs
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)

    # A checkpoint of a whole network, in float32.
    network = torch.nn.ModuleDict(
        {"encoder": module.float(), "head": torch.nn.Linear(1, 1)}
    )
    torch.save(network.state_dict(), tmp_path / "checkpoint.pt")
    checkpoint = torch.load(tmp_path / "checkpoint.pt")
    loaded = interop.pytorch.load(layer, checkpoint, prefix="encoder.")
    loaded = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), loaded)
    x = ARRAYS["x"].astype(np.float32)
    with torch.no_grad():
        theirs = module(torch.from_numpy(x))[0].numpy()
    ours = run(layer, loaded, x).outputs
    assert ours.dtype == jnp.float32
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("case", [c for c in LOADED if "linen" in c])
def test_linen_computes_the_same_with_our_weights(case):
    cell = LOADED[case]
    params = trained(cell)
    weights = interop.linen.export(cell, params)
    make = getattr(linen, case.split("/")[1])
    module = linen.RNN(make(H, param_dtype=jnp.float64), time_major=True)
    theirs = module.apply({"params": {"cell": weights}}, ARRAYS["x"])
    ours = run(cell, params, ARRAYS["x"]).outputs
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("case", [c for c in LOADED if "nnx" in c])
def test_nnx_computes_the_same_with_our_weights(case):
    cell = LOADED[case]
    params = trained(cell)
    if case == "nnx/GRUCell":
        with pytest.raises(errors.UsageError, match="has no bias b_hn"):
            interop.nnx.export(cell, params)
        params = params._replace(b_hn=jnp.zeros(H))
    weights = interop.nnx.export(cell, params, optimized="Optimized" in case)
    make = getattr(nnx, case.split("/")[1])
    module = make(D, H, dtype=None, param_dtype=jnp.float64, rngs=nnx.Rngs(0))
    nnx.update(module, weights)
    start = module.initialize_carry((B, D), nnx.Rngs(0))
    start = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), start)
    theirs = nnx.RNN(module, time_major=True)(ARRAYS["x"], initial_carry=start)
    ours = run(cell, params, ARRAYS["x"]).outputs
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("case", ["SimpleRNN", "GRU", "GRU_reset_before", "LSTM"])
def test_keras_computes_the_same_with_our_weights(case):
    os.environ.setdefault("KERAS_BACKEND", "jax")
    keras = pytest.importorskip("keras")
    cell = LOADED[f"keras/{case}"]
    params = trained(cell)
    options = {"reset_after": False} if "before" in case else {}
    layer = getattr(keras.layers, case.split("_")[0])(
        H, return_sequences=True, **options
    )
    weights = interop.keras.export(cell, params)
    with jax.enable_x64(False):  # SimpleRNN of Keras 3.15 mixes types in float64
        x = jnp.asarray(np.swapaxes(ARRAYS["x"], 0, 1), jnp.float32)
        layer.build(x.shape)
        layer.set_weights(weights)
        theirs = np.swapaxes(layer(x), 0, 1)
    ours = run(cell, params, ARRAYS["x"]).outputs
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("case", ["GRUCell", "LSTMCell"])
def test_equinox_computes_the_same_with_our_weights(case):
    equinox = pytest.importorskip("equinox")
    cell = LOADED[f"equinox/{case}"]
    params = trained(cell)
    module = getattr(equinox.nn, case)(D, H, key=jax.random.key(0))
    arrays = interop.equinox.export(cell, params)
    module = equinox.tree_at(
        lambda module: [getattr(module, name) for name in arrays],
        module,
        list(arrays.values()),
    )
    zeros = jnp.zeros(H)
    state = (zeros, zeros) if case == "LSTMCell" else zeros
    for x_t in ARRAYS["x"][:, 0]:
        state = module(x_t, state)
    theirs = state[0] if case == "LSTMCell" else state
    ours = run(cell, params, ARRAYS["x"]).outputs[-1, 0]
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)
    again = interop.equinox.load(cell, module)
    assert jax.tree.all(jax.tree.map(np.array_equal, again, params))


# ------------------------------------------------------------------ cells as modules


AS_MODULES = {
    "gru": cells.gru(H),
    "lstm": cells.lstm(H),  # two parts of state
    "exprnn": cells.exprnn(H),  # weights of params
    "delta_net": cells.delta_net(H),  # a matrix for a state
    "learned_state lru": wrappers.learned_state(cells.lru(H)),  # a start with params
    "lmu": cells.lmu(H),  # fixed leaves
}


def gradients(outputs, params):
    return jax.grad(lambda params: jnp.sum(jnp.sin(outputs(params))))(params)


def assert_trees_close(ours, theirs):
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.first(1)
@pytest.mark.parametrize("name", AS_MODULES)
def test_a_cell_in_linen(name):
    cell, x = AS_MODULES[name], jnp.asarray(ARRAYS["x"])
    module = linen.RNN(interop.as_linen(cell), time_major=True, return_carry=True)
    variables = module.init(jax.random.key(0), x)
    params = jax.tree.map(lambda a: a + 0.1, variables["params"]["cell"]["cell"])

    def wrapped(params):
        return module.apply({"params": {"cell": {"cell": params}}}, x)

    carry, outputs = wrapped(params)
    result = unroll(cell, params, x)
    np.testing.assert_allclose(outputs, result.outputs, rtol=0, atol=1e-12)
    state = carry.state if name.startswith("learned_state") else carry
    assert_trees_close(state, result.final_state)
    ours = gradients(lambda params: unroll(cell, params, x).outputs, params)
    labels = jax.tree.leaves(cell.groups(params))
    theirs = gradients(lambda params: wrapped(params)[1], params)
    for label, a, b in zip(
        labels, jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True
    ):
        expected = jnp.zeros_like(a) if label == "fixed" else a
        np.testing.assert_allclose(expected, b, rtol=1e-9, atol=1e-12)


def test_linen_cells_of_other_kinds():
    """One that needs two inputs at least; a start with params given by the user."""
    x = jnp.asarray(ARRAYS["x"])
    cell = wrappers.resettable(cells.gru(H))
    module = linen.RNN(interop.as_linen(cell), time_major=True)
    outputs, _ = module.init_with_output(jax.random.key(0), x)
    assert outputs.shape == (T, B, H)
    cell = wrappers.learned_state(cells.gru(H))
    module = linen.RNN(interop.as_linen(cell), time_major=True)
    variables = module.init(jax.random.key(0), x)
    start = jnp.ones((B, H))
    ours = module.apply(variables, x, initial_carry=start)
    params = variables["params"]["cell"]["cell"]
    theirs = unroll(cell, params, x, state=start).outputs
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", AS_MODULES)
def test_a_cell_in_nnx(name):
    cell, x = AS_MODULES[name], jnp.asarray(ARRAYS["x"])
    module = nnx.RNN(interop.as_nnx(cell, D, rngs=nnx.Rngs(0)), time_major=True)
    params = jax.tree.map(lambda a: a + 0.1, module.cell.params)
    module.cell.set_params(params)
    outputs = module(x)
    result = unroll(cell, params, x)
    np.testing.assert_allclose(outputs, result.outputs, rtol=0, atol=1e-12)


def test_the_carry_of_a_cell_in_nnx_is_made_as_asked():
    """As nnx's own LSTMCell does; what only counts or stabilises stays the cell's."""

    def carry_init(key, shape, dtype):
        return jax.random.uniform(key, shape, dtype, 1.0, 2.0)

    module = interop.as_nnx(cells.lstm(H), D, rngs=nnx.Rngs(0))
    own = module.initialize_carry((B, D))
    c, h = module.initialize_carry((B, D), nnx.Rngs(7), carry_init)
    assert not np.any(own.c) and c.shape == h.shape == (B, H)
    assert np.min(c) > 1 and np.min(h) > 1 and not np.array_equal(c, h)
    again = module.initialize_carry((B, D), nnx.Rngs(7), carry_init)
    assert np.array_equal(again.c, c) and np.array_equal(again.h, h)
    module = interop.as_nnx(cells.clockwork(H), D, rngs=nnx.Rngs(0))
    state = module.initialize_carry((B, D), nnx.Rngs(7).carry, carry_init)
    assert np.min(state.h) > 1 and not np.any(state.clock)
    with pytest.raises(errors.UsageError, match="carry_init needs rngs"):
        module.initialize_carry((B, D), carry_init=carry_init)


def test_params_of_another_type_or_shape_in_nnx():
    module = interop.as_nnx(cells.elman(H), D, rngs=nnx.Rngs(0))
    for dtype in (jnp.float32, jnp.bfloat16, jnp.float64):
        params = jax.tree.map(operator.methodcaller("astype", dtype), module.params)
        module.set_params(params)
        assert {leaf.dtype for leaf in module.params} == {jnp.dtype(dtype)}
    with pytest.raises(errors.UsageError, match=r"b_h of elman is \(4,\), not \(1,\)"):
        module.set_params(params._replace(b_h=jnp.ones(1)))
    with pytest.raises(errors.UsageError, match="elman has the params"):
        module.set_params({"W": params.W_hh})
    assert jax.tree.all(jax.tree.map(np.array_equal, module.params, params))


def test_an_nnx_optimizer_trains_a_cell():
    x = jnp.asarray(ARRAYS["x"])
    module = nnx.RNN(interop.as_nnx(cells.lem(H), D, rngs=nnx.Rngs(0)), time_major=True)
    optimizer = nnx.Optimizer(module, optax.adam(1e-2), wrt=nnx.Param)

    def loss(module):
        return jnp.mean((module(x) - 0.3) ** 2)

    @nnx.jit
    def update(module, optimizer):
        optimizer.update(module, nnx.grad(loss)(module))

    first = loss(module)
    for _ in range(20):
        update(module, optimizer)
    assert loss(module) < 0.5 * first


def test_cells_with_noise_are_no_modules():
    with pytest.raises(errors.UsageError, match="zoneout draws random numbers"):
        interop.as_linen(wrappers.zoneout(cells.lstm(H)))
    with pytest.raises(errors.UsageError, match="weight_drop draws random numbers"):
        interop.as_nnx(wrappers.weight_drop(cells.gru(H)), D, rngs=nnx.Rngs(0))


# ------------------------------------------------------------------ modules as cells


class Leaky(linen.RNNCellBase):
    """A user's cell whose output is not in its carry."""

    features: int

    @linen.compact
    def __call__(self, carry, x):
        carry = 0.9 * carry + linen.Dense(self.features, name="in")(x)
        return carry, jnp.tanh(carry)

    @linen.nowrap
    def initialize_carry(self, rng, input_shape):
        return jnp.zeros((*input_shape[:-1], self.features))

    @property
    def num_feature_axes(self):
        return 1


class Counted(linen.RNNCellBase):
    """A user's cell with a whole number in its carry, used as an index."""

    features: int

    @linen.compact
    def __call__(self, carry, x):
        h, count = carry
        signs = jnp.array([1.0, -1.0])[count[..., None] & 1]
        h = jnp.tanh(h + signs * linen.Dense(self.features, name="in")(x))
        return (h, count + 1), h

    @linen.nowrap
    def initialize_carry(self, rng, input_shape):
        shape = input_shape[:-1]
        return jnp.zeros((*shape, self.features)), jnp.zeros(shape, jnp.int32)

    @property
    def num_feature_axes(self):
        return 1


NAMES = ["SimpleCell", "GRUCell", "LSTMCell", "OptimizedLSTMCell"]


@pytest.mark.first(2)
@pytest.mark.parametrize("name", [*NAMES, "MGUCell", Leaky, Counted])
def test_a_linen_module_as_a_cell(name):
    cell = interop.linen_cell(H, module=name)
    params = cell.init(jax.random.key(0), D)
    params = jax.tree.map(lambda a: a + 0.1, params)
    if isinstance(name, str):
        made = getattr(linen, name)(H, param_dtype=jnp.float64)
    else:
        made = name(H)
    module = linen.RNN(made, time_major=True)
    theirs = module.apply({"params": {"cell": params}}, ARRAYS["x"])
    ours = unroll(cell, params, jnp.asarray(ARRAYS["x"])).outputs
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.first(2)
@pytest.mark.parametrize("name", NAMES)
def test_an_nnx_module_as_a_cell(name):
    cell = interop.nnx_cell(H, module=name)
    params = jax.tree.map(lambda a: a + 0.1, cell.init(jax.random.key(0), D))
    ours = unroll(cell, params, jnp.asarray(ARRAYS["x"])).outputs
    own = cells.lstm(H) if "LSTM" in name else cells.gru(H)
    own = cells.elman(H) if name == "SimpleCell" else own
    loaded = interop.nnx.load(own, params)
    theirs = unroll(own, loaded, jnp.asarray(ARRAYS["x"])).outputs
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


FLAX_CELLS = {
    "linen GRU": interop.linen_cell(8),
    "linen LSTM": interop.linen_cell(8, module="LSTMCell"),
    "linen user's": interop.linen_cell(8, module=Leaky),
    "nnx GRU": interop.nnx_cell(8),
    "nnx simple": interop.nnx_cell(8, module="SimpleCell"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FLAX_CELLS)
def test_every_law_holds_for_modules_of_flax(name):
    found = checks.check_cell(FLAX_CELLS[name])
    assert found.passed, str(found)


def test_modules_of_flax_by_name():
    cell = resolve("cell", "linen_cell(module=LSTMCell)", hidden_size=8)
    assert cell == interop.linen_cell(8, module="LSTMCell")
    model = models.build(resolve("cell", "nnx_cell", hidden_size=8), tasks.adding(10))
    assert model.init(jax.random.key(0)).body["dense_h"]["kernel"].shape == (8, 24)


class Counting(nnx.RNNCellBase):
    def __init__(self, input_size, hidden_size, *, rngs):
        self.linear = nnx.Linear(input_size, hidden_size, rngs=rngs)
        self.count = nnx.BatchStat(jnp.zeros(()))


MISTAKES = {
    "has no cell 'GruCell'": lambda: interop.linen_cell(H, module="GruCell"),
    "must be a name or a class": lambda: interop.linen_cell(H, module=3),
    "not a linen RNNCellBase": lambda: interop.linen_cell(H, module=linen.Dense),
    "has 3 axes of features": lambda: interop.linen_cell(
        H, module=lambda size: linen.ConvLSTMCell(size, (3, 3))
    ),
    "has count besides its params": lambda: interop.nnx_cell(H, module=Counting),
    "weights are exchanged for": lambda: interop.pytorch.load(cells.janet(H), {}),
    "the weights of the cell inside": lambda: interop.linen.load(
        wrappers.zoneout(cells.lstm(H)), {}
    ),
    "PyTorch has no gru with reset='before'": lambda: interop.pytorch.load(
        cells.gru(H, reset="before"), {}
    ),
    "Keras has no lstm with peephole=True": lambda: interop.keras.load(
        cells.lstm(H, peephole=True), []
    ),
    "Equinox: weights are exchanged for gru, lstm": lambda: interop.equinox.load(
        cells.elman(H), {}
    ),
    "no weight_ih_l0 among nothing": lambda: interop.pytorch.load(LSTM, {}),
    r"weight_ih_l0 is \(16, 3\), not \(20, D\)": lambda: interop.pytorch.load(
        cells.lstm(5), weights_of("pytorch/lstm")
    ),
    "weight_ih_l1, .* left over": lambda: interop.pytorch.load(
        RELU, weights_of("pytorch/rnn_relu_2_layers")
    ),
    "no i/kernel among params": lambda: interop.linen.load(
        cells.elman(H), {"params": weights_of("linen/SimpleCell")}
    ),
    "no recurrent_kernel among kernel": lambda: interop.keras.load(
        LSTM, weights_of("keras/LSTM")[:1]
    ),
    r"bias is \(2, 12\), not \(12\)": lambda: interop.keras.load(
        cells.gru(H, reset="before"), weights_of("keras/GRU")
    ),
    "weight_ih_l0 is no array": lambda: interop.pytorch.load(
        LSTM, weights_of("pytorch/lstm") | {"weight_ih_l0": "text"}
    ),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_mistakes(message):
    with pytest.raises(errors.UsageError, match=message) as caught:
        MISTAKES[message]()
    assert "\n" not in str(caught.value)
