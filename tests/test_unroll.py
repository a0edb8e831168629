"""Masks, resets, states, and what `unroll` says of wrong arguments."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import BATCH, LENGTH
from test_cells_laws import example

from rnn_research import Cell, cells, engines, errors
from rnn_research.checks import check_fit
from rnn_research.checks.report import difference, flags
from rnn_research.unroll import unroll


@pytest.mark.first(3)
def test_a_masked_step_is_no_step(any_cell):
    """Leaving the masked steps out gives the same outputs and final state."""
    params, x, state = example(any_cell)
    mask, _ = flags()
    result = unroll(any_cell, params, x, state=state, mask=mask)
    for b in range(BATCH):
        there = np.flatnonzero(mask[:, b])
        alone = unroll(
            any_cell,
            params,
            x[there, b : b + 1],
            state=jax.tree.map(lambda leaf, b=b: leaf[b : b + 1], state),
        )
        assert difference(result.outputs[there, b], alone.outputs[:, 0]) < 1e-12
        assert not np.asarray(result.outputs)[~np.asarray(mask[:, b]), b].any()
        final = jax.tree.map(lambda leaf, b=b: leaf[b : b + 1], result.final_state)
        assert difference(final, alone.final_state) < 1e-12


@pytest.mark.first(3)
def test_a_reset_starts_a_new_sequence(any_cell):
    params, x, state = example(any_cell)
    reset = jnp.zeros((LENGTH, BATCH), bool).at[3, 1].set(True)
    result = unroll(any_cell, params, x, state=state, reset=reset)
    fresh = unroll(any_cell, params, x[3:])
    carried = unroll(any_cell, params, x, state=state)
    assert difference(result.outputs[3:, 1], fresh.outputs[:, 1]) < 1e-12
    assert difference(result.outputs[:, 0], carried.outputs[:, 0]) < 1e-12
    assert difference(result.outputs[:3, 1], carried.outputs[:3, 1]) < 1e-12


def test_no_gradient_crosses_a_reset():
    cell = cells.gru(4)
    params, x, _ = example(cell)
    reset = jnp.zeros((LENGTH, BATCH), bool).at[4].set(True)

    def last(x):
        return jnp.sum(unroll(cell, params, x, reset=reset).outputs[-1])

    gradient = jax.grad(last)(x)
    assert not np.asarray(gradient[:4]).any() and np.asarray(gradient[4:]).all()


@pytest.mark.first(3)
def test_two_halves_equal_the_whole(any_cell):
    params, x, state = example(any_cell)
    whole = unroll(any_cell, params, x, state=state)
    first = unroll(any_cell, params, x[:3], state=state)
    second = unroll(any_cell, params, x[3:], state=first.final_state)
    joined = jnp.concatenate([first.outputs, second.outputs])
    assert difference((joined, second.final_state), whole[:2]) < 1e-12


WRONG_CALLS = {
    "batch first": (dict(x=jnp.zeros((2, 3))), r"x must be \[T, B, D\]"),
    "empty": (dict(x=jnp.zeros((0, 2, 3))), "not empty"),
    "tokens": (dict(x=jnp.zeros((4, 2, 3), int)), "one_hot"),
    "mask shape": (dict(mask=jnp.ones((2, 4), bool)), "mask must be bool"),
    "mask type": (dict(mask=jnp.ones((4, 2))), "mask must be bool"),
    "reset": (dict(reset=jnp.ones((4,), bool)), "reset must be bool"),
    "state": (dict(state=jnp.zeros((3, 5))), "state does not fit gru"),
    "engine": (dict(engine=engines.associative()), "gru qualifies for adjoint"),
}


@pytest.mark.parametrize("name", WRONG_CALLS)
def test_wrong_arguments_are_named(name):
    wrong, message = WRONG_CALLS[name]
    cell = cells.gru(5)
    given = {"x": jnp.zeros((4, 2, 3)), **wrong}
    params = cell.init(jax.random.key(0), 3)
    with pytest.raises(errors.UsageError, match=message):
        unroll(cell, params, **given)


def elman_like(**changes):
    cell = cells.elman(5)
    return cell.replace(**changes)


MISFITS = {
    "wider state": (
        dict(step=lambda w, h, u: jnp.concatenate([h, u], -1)),
        "step returns",
    ),
    "two states": (dict(step=lambda w, h, u: (h, u)), "step returns"),
    "type": (dict(step=lambda w, h, u: (h + u).astype(jnp.float32)), "step returns"),
    "product": (dict(step=lambda w, h, u: h @ w.W_xh), "step fails on"),
    "unbatched state": (
        dict(initial_state=lambda p, shape: jnp.zeros(5)),
        "must start with batch_shape",
    ),
    "complex weights": (dict(init=lambda k, d: jnp.zeros(3, complex)), "must be real"),
    "complex output": (dict(readout=lambda w, h, u: h + 1j), "one real array"),
    "groups": (dict(groups=lambda p: "free"), "label every parameter"),
}


@pytest.mark.parametrize("name", MISFITS)
def test_functions_that_do_not_fit_are_named(name):
    changes, message = MISFITS[name]
    with pytest.raises(errors.UsageError, match=message) as caught:
        check_fit(elman_like(**changes), 3)
    assert "\n" not in str(caught.value)


def test_a_cell_needs_a_step():
    with pytest.raises(errors.UsageError, match="step or an associative form"):
        Cell(init=lambda k, d: (), initial_state=lambda p, s: jnp.zeros(s))
