"""What tests of equations share: random parameters, inputs, and NumPy functions."""

import jax
import numpy as np

T, B, D = 9, 3, 4


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def silu(a):
    return a * sigmoid(a)


def softplus(a):
    return np.log1p(np.exp(a))


def random_params(cell, *, size=D, seed=0):
    """Every leaf 0.5 * normal, so that no bias is zero."""
    leaves, tree = jax.tree.flatten(cell.init(jax.random.key(seed), size))
    rng = np.random.default_rng(seed)
    return tree.unflatten([0.5 * rng.standard_normal(leaf.shape) for leaf in leaves])


def inputs(*, size=D, seed=1, length=T):
    return np.random.default_rng(seed).standard_normal((length, B, size))


def assert_close(ours, theirs, rtol=1e-10):
    np.testing.assert_allclose(np.asarray(ours), theirs, rtol=rtol, atol=1e-12)
