"""Layers and models: causality, carried context, masks, dropout, heads."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen

from rnn_research import cells, errors, layers, models, tasks
from rnn_research.checks.report import difference
from rnn_research.layers import Call

T, B, D = 8, 3, 4

LAYERS = {
    "recurrent": lambda: layers.recurrent(cells.lstm(5)),
    "stack": lambda: layers.stack(cells.gru(5), layers.layer_norm(), cells.lru(5)),
    "residual": lambda: layers.residual(cells.elman(D)),
    "bidirectional": lambda: layers.bidirectional(cells.gru(3), cells.lstm(2)),
    "glu block": lambda: layers.stack(layers.linear(6), layers.glu_block(cells.lru(6))),
    "dropout": lambda: layers.stack(layers.dropout(0.5), cells.gru(5)),
    "pointwise": lambda: layers.stack(
        layers.linear(6), layers.activation("gelu"), layers.gated_linear()
    ),
}


@pytest.fixture(params=list(LAYERS))
def layer(request):
    return LAYERS[request.param]()


def setup(layer):
    """x, the first context, and (x, context, **flags) -> (outputs, context)."""
    params = jax.jit(lambda: layer.init(jax.random.key(0), D))()
    x = np.random.default_rng(1).standard_normal((T, B, D))

    @jax.jit
    def apply(x, context, flags):
        return layer.apply(params, x, context, Call(**flags))[:2]

    def applied(x, context, **flags):
        return jax.tree.map(np.asarray, apply(x, context, flags))

    return x, layer.initial_context(params, (B,)), applied


@pytest.mark.first(3)
def test_causality(layer):
    x, context, apply = setup(layer)
    first = apply(x, context)[0][:4]
    for moved in range(4, T):  # several, and by as much as is no rounding
        other = x.copy()
        other[moved:] += 1.0
        same = np.array_equal(apply(other, context)[0][:4], first)
        assert same == layer.causal


@pytest.mark.first(3)
def test_two_halves_with_carried_context_equal_the_whole(layer):
    if not layer.causal:
        return
    x, context, apply = setup(layer)
    whole, end = apply(x, context)
    first, middle = apply(x[:3], context)
    second, last = apply(x[3:], middle)
    joined = np.concatenate([first, second])
    assert difference((joined, last), (whole, end)) < 1e-12


@pytest.mark.first(3)
def test_a_reset_divides_the_sequence(layer):
    x, context, apply = setup(layer)
    reset = np.zeros((T, B), bool)
    reset[3] = True
    whole, _ = apply(x, context, reset=reset)
    parts = [apply(part, context)[0] for part in (x[:3], x[3:])]
    assert difference(whole, np.concatenate(parts)) < 1e-12


@pytest.mark.first(3)
def test_padding_does_not_matter(layer):
    x, context, apply = setup(layer)
    mask = np.ones((T, B), bool)
    mask[5:, 1] = False
    padded, end = apply(x, context, mask=mask)
    changed = x.copy()
    changed[5:, 1] = 99.0
    other, other_end = apply(changed, context, mask=mask)
    alone, _ = apply(x[:5], context)
    assert difference(padded[:5, 1], alone[:, 1]) < 1e-12
    assert difference(padded[:5], other[:5]) == 0
    assert difference(end, other_end) == 0


@pytest.mark.first(3)
def test_groups_and_retract_have_the_shape_of_params(layer):
    params = jax.jit(lambda: layer.init(jax.random.key(0), D))()
    assert jax.tree.structure(layer.groups(params)) == jax.tree.structure(params)
    assert jax.tree.structure(layer.retract(params)) == jax.tree.structure(params)


def test_layer_norm_is_that_of_flax():
    layer = layers.layer_norm()
    params = layers.LayerNormParams(jnp.arange(1.0, D + 1), jnp.arange(D) * 0.1)
    x = jax.random.normal(jax.random.key(1), (T, B, D)) * 3 + 1
    theirs = linen.LayerNorm(param_dtype=jnp.float64).apply(
        {"params": {"scale": params.gain, "bias": params.bias}}, x
    )
    assert difference(layer.apply(params, x, None, Call()).outputs, theirs) < 1e-10


@pytest.mark.parametrize("same_over_time", [False, True])
def test_dropout(same_over_time):
    layer = layers.dropout(0.3, same_over_time=same_over_time)
    x = jnp.ones((50, 20, 30))
    assert (layer.apply((), x, None, Call()).outputs == x).all()
    y = np.asarray(layer.apply((), x, None, Call(key=jax.random.key(0))).outputs)
    assert set(np.unique(y).round(9)) == {0.0, round(1 / 0.7, 9)}
    assert (y[0] == y[-1]).all() == same_over_time
    independent = 600 if same_over_time else y.size
    assert abs((y == 0).mean() - 0.3) < 5 * (0.21 / independent) ** 0.5


def test_misfits_are_named():
    with pytest.raises(errors.UsageError, match="put a linear layer before"):
        layers.residual(cells.gru(5)).init(jax.random.key(0), 4)
    with pytest.raises(errors.UsageError, match="expected a cell or a layer"):
        layers.stack("gru")
    with pytest.raises(errors.UsageError, match="less than 1"):
        layers.dropout(1.0)


# ---------------------------------------------------------------------------- models


def test_the_end_is_the_last_step_there():
    outputs = jnp.arange(4.0 * 3).reshape(4, 3, 1)
    mask = jnp.array([[1, 1, 1], [1, 1, 0], [1, 0, 0], [1, 0, 0]], bool)
    assert layers.base.at_end(outputs, Call(mask=mask))[:, 0].tolist() == [9, 4, 2]
    assert layers.base.at_end(outputs, Call())[:, 0].tolist() == [9, 10, 11]


def test_the_plain_network_is_the_textbook_one():
    """h_t = tanh(W_hh h + W_xh x + b_h), y_t = W_hy h_t + b_y."""
    model = models.model(cells.elman(5), input_size=2, output_size=3, head="step")
    params = model.init(jax.random.key(0))
    x = np.random.default_rng(0).standard_normal((6, 1, 2))
    h, p, ys = np.zeros((1, 5)), params.body, []
    for x_t in x:
        h = np.tanh(h @ p.W_hh + x_t @ p.W_xh + p.b_h)
        ys.append(h @ params.head.W + params.head.b)
    np.testing.assert_allclose(model.outputs(params, x), ys, atol=1e-12)


@pytest.mark.parametrize(
    ("cell", "parameters"), [(cells.elman, 16_897), (cells.lstm, 67_201)]
)
def test_parameter_counts(cell, parameters):
    """Li et al. 2018 (arXiv 1803.01271): adding, 128 units."""
    model = models.build(cell(128), tasks.adding(100))
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == parameters


@pytest.mark.parametrize(
    "cell",
    [cells.gru(6), pytest.param(cells.lru(6), marks=pytest.mark.slow)],
    ids=str,
)
def test_options_shape_the_model(cell):
    task = tasks.copy_memory(5)
    options = models.ModelConfig(
        hidden_size=6,
        num_layers=2,
        dropout=0.2,
        layer_norm=True,
        residual=True,
        bidirectional=True,
    )
    model = models.build(cell, task, options)
    params = jax.jit(model.init)(jax.random.key(0))
    batch = task.sample(jax.random.key(1), 2)
    outputs = jax.jit(model.outputs)(params, batch.inputs)
    assert outputs.shape == (task.length, 2, task.network.outputs)
    call = Call(key=jax.random.key(2))
    again = jax.jit(lambda x: model.outputs(params, x, call))(batch.inputs)
    assert float(jnp.abs(outputs - again).max()) > 1e-6


def test_a_linear_map_is_run_in_a_block_unless_told_otherwise():
    task = tasks.adding(10)
    assert "gated_linear" in repr(models.build(cells.lru(6), task))
    plain = models.build(cells.lru(6), task, models.ModelConfig(block="none"))
    assert "gated_linear" not in repr(plain)
    assert "gated_linear" not in repr(models.build(cells.gru(6), task))
