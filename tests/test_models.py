"""Models: embeddings of tokens, heads, what is said of misfits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research import cells, errors, layers, models, tasks
from rnn_research.layers import Call, architectures
from rnn_research.tasks.base import Network, Task

T, B, V, OUT = 7, 3, 5, 4


def sizes(**changes):
    return {"input_size": V, "output_size": OUT, "head": "step"} | changes


def of_tokens(body, head="step"):
    return models.model(body, tokens=True, embedding_size=6, **sizes(head=head))


def on_tokens(head="step"):
    """A task that asks of tokens; what it asks does not matter."""
    return Task(batch=None, score=None, network=Network(V, OUT, head, True), length=T)


def setup(model):
    params = jax.jit(model.init)(jax.random.key(0))
    tokens = np.random.default_rng(1).integers(0, V, (T, B))
    return params, tokens


def test_an_embedding_is_a_linear_map_of_one_hot_tokens():
    model = of_tokens(cells.gru(8))
    params, tokens = setup(model)
    plain = models.model(cells.gru(8), **sizes(input_size=6))
    x = np.eye(V)[tokens] @ np.asarray(params.embedding)
    expected = plain.outputs(params._replace(embedding=None), x)
    np.testing.assert_allclose(model.outputs(params, tokens), expected, atol=1e-12)
    assert model.network == Network(V, OUT, "step", True)


@pytest.mark.parametrize("head", ["step", "last", "pooled"])
def test_a_token_without_a_row_is_not_a_number_unless_masked(head):
    model = of_tokens(cells.elman(4), head)
    params, tokens = setup(model)
    mask = np.ones((T, B), bool)
    mask[5:, 0] = False

    def summed(params, tokens):
        outputs = model.outputs(params, tokens, Call(mask=mask))
        return jnp.sum(outputs), outputs

    run = jax.jit(jax.value_and_grad(summed, has_aux=True))
    (_, right), gradient = run(params, tokens)
    for wrong in (-1, V):
        padded = tokens.copy()
        padded[5:, 0] = wrong
        (_, outputs), again = run(params, padded)
        np.testing.assert_array_equal(outputs, right)
        jax.tree.map(np.testing.assert_array_equal, again, gradient)
        padded[2, 1] = wrong
        (_, outputs), _ = run(params, padded)
        lost = np.isnan(np.asarray(outputs)).any(axis=-1)
        assert lost[..., 1].any() and not lost[..., [0, 2]].any()


def test_the_pooled_head_is_the_mean_over_what_is_there_since_the_reset():
    body = layers.stack(layers.linear(4), cells.gru(4), layers.linear(6))
    step, pooled = (
        models.model(body, **sizes(head=head)) for head in ("step", "pooled")
    )
    params = jax.jit(step.init)(jax.random.key(0))
    x = np.random.default_rng(0).standard_normal((T, B, V))
    mask = np.ones((T, B), bool)
    mask[4:, 1] = mask[:3, 2] = mask[:, 0] = False
    reset = np.zeros((T, B), bool)
    reset[2, 1] = reset[5, 2] = True

    def both(params, x, mask, reset):
        call = Call(mask=mask, reset=reset)
        return step.outputs(params, x, call), pooled.outputs(params, x, call)

    each, found = jax.jit(both)(params, x, mask, reset)
    counted = mask & (np.cumsum(reset, 0) == np.cumsum(reset, 0)[-1])
    for b in (1, 2):
        expected = np.asarray(each)[counted[:, b], b].mean(axis=0)
        np.testing.assert_allclose(found[b], expected, atol=1e-12)
    np.testing.assert_array_equal(found[0], params.head.b)  # of nothing
    spoiled = np.where(mask[..., None], x, np.nan)
    spoiled[0, 1] = np.inf  # forgotten by the reset
    _, again = jax.jit(both)(params, spoiled, mask, reset)
    np.testing.assert_array_equal(again, found)


@pytest.mark.parametrize(
    "cell",
    [cells.gru(8), cells.lru(8), architectures.transformer(8, heads=2)],
    ids=str,
)
def test_any_body_takes_tokens(cell):
    model = models.build(cell, on_tokens("pooled"))
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    assert shapes.embedding.shape == (V, 8)  # as wide as the cell
    tokens = jax.ShapeDtypeStruct((T, B), jnp.int32)
    assert jax.eval_shape(model.outputs, shapes, tokens).shape == (B, OUT)
    model = models.build(cell, on_tokens(), models.ModelConfig(embedding_size=3))
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    assert shapes.embedding.shape == (V, 3)
    assert jax.tree.structure(model.groups(shapes)) == jax.tree.structure(shapes)


def test_misfits_are_named():
    with pytest.raises(errors.UsageError, match="head must be one of 'step', 'last'"):
        models.model(cells.gru(3), **sizes(head="first"))
    with pytest.raises(errors.UsageError, match="embedding_size must be a whole"):
        models.model(cells.gru(3), tokens=True, **sizes())
    with pytest.raises(errors.UsageError, match="give tokens=True"):
        models.model(cells.gru(3), embedding_size=3, **sizes())
    with pytest.raises(errors.UsageError, match="and adding gives numbers"):
        models.build(
            cells.gru(3), tasks.adding(10), models.ModelConfig(embedding_size=3)
        )
    model = of_tokens(cells.gru(3))
    params = jax.eval_shape(model.init, jax.random.key(0))
    for wrong in (jnp.zeros((T, B)), jnp.zeros((T, B, 1), int)):
        with pytest.raises(errors.UsageError, match=r"whole numbers \[T, B\]"):
            jax.eval_shape(model.outputs, params, wrong)
