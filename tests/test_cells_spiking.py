"""The spiking cell against plain NumPy, forward and back through its surrogate."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from papers import B, T, assert_close, inputs, random_params, sigmoid

from rnn_research import diagnostics, engines, errors, unroll
from rnn_research.cells import lif

H = 5
SLOPES = {
    "fast_sigmoid": lambda r: 1 / (1 + np.abs(r)) ** 2,
    "sigmoid": lambda r: 4 * sigmoid(r) * (1 - sigmoid(r)),
    "triangle": lambda r: np.maximum(0, 1 - np.abs(r)),
}


def forward(p, x, decay=0.9, theta=1.0, reset="subtract"):
    """(v, s) of every step, from zero."""
    if p.decay is not None:
        decay = sigmoid(p.decay)
    v, s, steps = np.zeros((B, H)), np.zeros((B, H)), []
    for x_t in x:
        left = decay * v - theta * s if reset == "subtract" else decay * v * (1 - s)
        v = left + s @ p.W_hh + x_t @ p.W_xh + p.b_h
        s = (v > theta).astype(float)
        steps.append((v, s))
    return steps


def spikes(p, x, **options):
    return np.stack([s for _, s in forward(p, x, **options)])


CASES = {
    "lif": (lif(H, threshold=0.3), functools.partial(spikes, theta=0.3)),
    "lif zero": (
        lif(H, threshold=0.3, decay=0.7, reset="zero"),
        functools.partial(spikes, theta=0.3, decay=0.7, reset="zero"),
    ),
    "lif learned": (
        lif(H, threshold=0.3, learn_decay=True),
        functools.partial(spikes, theta=0.3),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_equation(name):
    cell, reference = CASES[name]
    params, x = random_params(cell), inputs()
    expected = reference(params, x)
    assert 0.1 < expected.mean() < 0.9  # there are spikes, and there are none
    assert_close(unroll(cell, params, x).outputs, expected)


@pytest.mark.parametrize("surrogate", SLOPES)
def test_equation_of_the_gradient(surrogate):
    """dL/dW, L = sum of c * s, by hand: the adjoint of v through spikes and leak."""
    theta, width, height, decay = 0.3, 0.4, 0.5, 0.9
    for reset_gradient in (False, True):
        cell = lif(
            H,
            threshold=theta,
            surrogate=surrogate,
            width=width,
            height=height,
            reset_gradient=reset_gradient,
        )
        params, x = random_params(cell), inputs()
        c = np.random.default_rng(0).normal(size=(T, B, H))

        @jax.jit
        def gradients(params, cell=cell, x=x, c=c):
            def loss(params, engine):
                return jnp.sum(c * unroll(cell, params, x, engine=engine).outputs)

            both = engines.sequential(), engines.adjoint(chunk=3)
            return [jax.grad(loss)(params, engine) for engine in both]

        steps = forward(params, x, theta=theta)
        dW, dv = np.zeros((H, H)), np.zeros((B, H))
        for t in range(T - 1, -1, -1):
            v, _ = steps[t]
            ds = c[t] + dv @ np.asarray(params.W_hh).T - reset_gradient * theta * dv
            dv = decay * dv + height * SLOPES[surrogate]((v - theta) / width) * ds
            if t:
                dW += steps[t - 1][1].T @ dv
        for found in gradients(params):
            assert_close(found.W_hh, dW)


def test_jacobians_are_those_of_the_surrogate():
    """d(v, s)/d(v, s) = [[d, W^T - theta], [g d, g (W^T - theta)]]."""
    cell = lif(H, threshold=0.3, width=0.4, reset_gradient=True)
    params, x = random_params(cell), inputs()
    found = np.asarray(diagnostics.step_jacobians(cell, params, x))
    steps = forward(params, x, theta=0.3)
    for t in range(1, T):
        g = SLOPES["fast_sigmoid"]((steps[t][0] - 0.3) / 0.4)
        for b in range(B):
            left, right = 0.9 * np.eye(H), np.asarray(params.W_hh).T - 0.3 * np.eye(H)
            above = np.concatenate([left, right], axis=1)
            expected = np.concatenate([above, g[b][:, None] * above])
            np.testing.assert_allclose(found[t, b], expected, rtol=1e-9, atol=1e-12)
    with pytest.raises(errors.UsageError, match="derivatives are surrogates"):
        unroll(cell, params, x, engine=engines.newton())


def test_options_of_spiking_units():
    for options, message in (
        ({"surrogate": "relu"}, "must be one of 'fast_sigmoid'"),
        ({"width": 0.0}, "width must be in"),
        ({"decay": 1.5}, "decay must be in"),
        ({"decay": 1.0, "learn_decay": True}, "must start between 0 and 1"),
        ({"reset": "none"}, "reset must be one of"),
    ):
        with pytest.raises(errors.UsageError, match=message):
            lif(H, **options)


def test_a_potential_that_is_no_number_gives_no_spikes_that_are_numbers():
    cell = lif(3)
    params = cell.init(jax.random.key(0), 2)
    x = np.zeros((3, 1, 2))
    x[1] = np.nan
    outputs = np.asarray(unroll(cell, params, jnp.asarray(x)).outputs)
    assert np.isfinite(outputs[0]).all()
    assert np.isnan(outputs[1:]).all()
