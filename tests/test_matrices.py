"""What cells name as the matrices of their state, against NumPy and SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from rnn_research import cells, diagnostics, errors, layers, models, tasks
from rnn_research.cells import base, wrappers
from rnn_research.checks import products, report
from rnn_research.checks.subject import Subject
from rnn_research.tasks.base import Batch

N, D = 4, 3
# The state meets no square matrix of weights: what decays it is made of the input, or
# constant (retnet), or, in cfc, a nonlinearity lies between two rectangular ones.
NONE = {
    *("cfc", "delta_net", "delta_product", "gated_delta_net", "gilr", "gla", "hgrn"),
    *("linear_attention", "mamba2", "min_gru", "min_lstm", "mlstm", "retnet"),
    *("rg_lru", "rwkv7", "s6", "sru"),
}


def test_every_other_cell_names_its_matrices():
    assert NONE == {
        name for name in cells.__all__ if getattr(cells, name)(8).matrices is None
    }


def named(cell):
    """(params, matrices by name) in NumPy, away from the first values."""

    @jax.jit
    def made():
        params = cell.init(jax.random.key(0), D)
        params = report.disturbed(1, params, cell.groups(params))
        return params, cell.matrices(cell.weights(params))

    return jax.tree.map(np.asarray, made())


def skew(entries, size=N):
    A = np.zeros((size, size))
    A[np.triu_indices(size, 1)] = entries
    return A - A.T


def test_matrices_of_formed_weights():
    """From the parameters by the papers' formulas; `matrices` has the transposes."""
    p, found = named(cells.exprnn(N))
    np.testing.assert_allclose(found["W"].T, scipy.linalg.expm(skew(p.A)), atol=1e-12)

    p, found = named(cells.antisymmetric(N, gamma=0.3))
    M = np.triu(skew(p.A)) - np.triu(skew(p.A)).T - 0.3 * np.eye(N)
    np.testing.assert_allclose(found["M"].T, M, atol=1e-12)

    p, found = named(cells.lipschitz(N, beta=0.7, gamma=0.1))
    for name, M in (("A", p.M_A), ("W", p.M_W)):
        formed = 0.3 * (M + M.T) + 0.7 * (M - M.T) - 0.1 * np.eye(N)
        np.testing.assert_allclose(found[name].T, formed, atol=1e-12)

    p, found = named(cells.unitary(2 * N))
    upper, lower = np.triu(p.A, 1), np.tril(p.A)
    A = upper - upper.T + 1j * (lower + np.tril(p.A, -1).T)
    np.testing.assert_allclose(found["W"].T, scipy.linalg.expm(A), atol=1e-12)

    p, found = named(cells.elman(N, residual=True))
    np.testing.assert_allclose(found["W_hh"], p.W_hh + np.eye(N), atol=1e-12)

    p, found = named(cells.clockwork(N, periods=(1, 2)))
    whole = np.zeros((N, N))
    whole[:, :2], whole[2:, 2:] = p.W_hh
    np.testing.assert_array_equal(found["W_hh"], whole)


@pytest.mark.parametrize("size, capacity", [(N, 3), (5, 5), (5, 1)])
def test_the_capacity_of_goru(size, capacity):
    """Q as a product of dense rotations of two units each."""
    p, found = named(cells.goru(size, capacity=capacity))
    Q, angles = np.eye(size), iter(p.theta)
    for layer in range(capacity):
        for i in range(layer % 2, size - 1, 2):
            angle = next(angles)
            turn = np.eye(size)
            turn[i : i + 2, i : i + 2] = [
                [np.cos(angle), -np.sin(angle)],
                [np.sin(angle), np.cos(angle)],
            ]
            Q = turn @ Q
    assert next(angles, None) is None
    np.testing.assert_allclose(found["Q"].T, Q, atol=1e-12)
    if capacity == size:
        assert len(p.theta) == size * (size - 1) // 2
    with pytest.raises(errors.UsageError, match="capacity must be at most"):
        cells.goru(size, capacity=size + 1)


def test_a_matrix_that_is_only_given_as_a_map():
    """uRNN: the product of its seven factors as dense matrices."""
    p, found = named(cells.urnn(2 * N))
    F = np.exp(-2j * np.pi * np.outer(np.arange(N), np.arange(N)) / N) / N**0.5
    D_1, D_2, D_3 = (np.diag(np.exp(1j * phase)) for phase in p.phases)
    v = p.v[:, 0] + 1j * p.v[:, 1]
    R_1, R_2 = (
        np.eye(N) - 2 * np.outer(one, one.conj()) / np.vdot(one, one).real for one in v
    )
    permuted = np.eye(N)[np.argsort(p.order)]
    W = D_3 @ R_2 @ F.conj().T @ D_2 @ permuted @ R_1 @ F @ D_1
    np.testing.assert_allclose(found["W"].T, W, atol=1e-12)


def test_matrices_gate_by_gate():
    p, found = named(cells.projected_lstm(N, cell_size=2))
    for i, name in enumerate("ifgo"):
        expected = p.W_r @ p.W_h[:, 2 * i : 2 * i + 2]
        np.testing.assert_allclose(found[f"W_r W_{name}"], expected, atol=1e-12)

    p, found = named(cells.rhn(N, depth=2, coupled=False))
    for i, name in enumerate("HTC"):
        np.testing.assert_array_equal(found[f"R_{name}"], p.R[..., N * i : N * i + N])

    p, found = named(cells.slstm(N, heads=2))
    for i, name in enumerate("ifzo"):
        np.testing.assert_array_equal(found[f"R_{name}"], p.R[:, :, i])

    p, found = named(cells.cornn(N))
    np.testing.assert_array_equal(found["W"], p.W_h[:N])
    np.testing.assert_array_equal(found["W'"], p.W_h[N:])

    p, found = named(cells.scrn(N, context_size=2))
    np.testing.assert_array_equal(found["R"], p.R)
    assert list(found) == ["R"]

    p, found = named(cells.indrnn(N))
    np.testing.assert_array_equal(found["diag(u)"], np.diag(p.u))


def test_radii_and_norms():
    M = np.diag([0.5, -3.0])
    stack = np.stack([np.diag([2.0, 1.0]), np.array([[0.0, 4.0], [0.0, 0.0]])])
    broken = np.full((2, 2), np.nan)
    given = {"M": M, "stack": stack, "broken": broken}
    radii = diagnostics.spectral_radii(given)
    norms = diagnostics.spectral_norms(given)
    assert radii["M"] == 3 and norms["M"] == 3
    assert radii["stack"].tolist() == [2, 0] and norms["stack"].tolist() == [2, 4]
    assert np.isnan(radii["broken"]) and np.isnan(norms["broken"])
    _, found = named(cells.unitary(2 * N))
    np.testing.assert_allclose(diagnostics.spectral_radii(found)["W"], 1, atol=1e-12)


def test_matrices_of_a_model_by_the_number_of_the_recurrence():
    task = tasks.adding(3)
    body = layers.stack(
        cells.gru(N), cells.min_gru(N), wrappers.residual(cells.elman(N))
    )
    model = models.build(body, task)
    params = model.init(jax.random.key(0))

    @jax.jit
    def found(params):
        x = jnp.zeros((3, 1, task.network.inputs))
        setups = diagnostics.recurrences(model, params, Batch(x, None))
        return diagnostics.recurrent_matrices(setups)

    matrices = found(params)
    assert list(matrices) == ["0 W_n", "0 W_r", "0 W_z", "2 W_hh"]
    np.testing.assert_array_equal(matrices["0 W_z"], params.body[0].W_h[:, N : 2 * N])
    np.testing.assert_array_equal(matrices["2 W_hh"], params.body[2].cell.W_hh)


# ------------------------------------------------------------------------ the law


WRONG = {
    "transposed": lambda w: {"W": w.W_h[:, :N].T},
    "another's columns": lambda w: {"W": w.W_h.reshape(N, N, 3)[..., 0]},
    "of the input": lambda w: {"W": w.W_x[:, :D]},
    "not formed": lambda w: {"W": w.W_h[:, :N] + jnp.eye(N)},
    "not square": lambda w: {"W": w.W_h},
}


@pytest.fixture(scope="module")
def gru_subject():
    return Subject(cells.gru(N))


@pytest.mark.parametrize("mistake", WRONG)
def test_the_law_finds_a_wrong_matrix(mistake, gru_subject):
    right = gru_subject.cell
    gru_subject.cell = right.replace(matrices=WRONG[mistake])
    check = report.measure("", gru_subject, products.LAWS[0].error, report.ROUNDING, "")
    gru_subject.cell = right
    assert not check.passed and "matrices: " in check.look_at
    assert report.measure("", gru_subject, products.LAWS[0].error, 1e-10, "").passed


def test_the_law_sees_into_loops_and_calls_of_a_step():
    W = np.random.default_rng(0).normal(size=(2, N, N))

    def step(h):
        def layer(h, W):
            return jax.jit(jnp.tanh)(h @ W), h

        return jax.lax.scan(layer, h, W, reverse=True)

    found = products.products(step, jnp.ones(N))
    np.testing.assert_array_equal(found.matrices, W[::-1])


# ------------------------------------------------------------- weights of the state


@pytest.mark.parametrize("name", ["lru", "s5", "s4d", "s6", "unitary", "urnn"])
def test_weight_drop_takes_no_coordinates_and_no_weights_of_the_input(name):
    """Labelled 'recurrent' for their learning rate, of two axes, and yet no matrix."""
    with pytest.raises(errors.UsageError, match="no recurrent matrix to drop"):
        wrappers.weight_drop(getattr(cells, name)(8))


@pytest.mark.parametrize(
    "cell, dropped",
    [
        (cells.elman(N, residual=True), {"W_hh"}),
        (cells.projected_lstm(N, cell_size=2), {"W_h", "W_r"}),
        (cells.goru(N), {"W_h"}),
        (cells.scrn(N), {"P", "R"}),
    ],
    ids=lambda given: getattr(given, "name", ""),
)
def test_weight_drop_takes_what_the_state_is_multiplied_with(cell, dropped):
    params = jax.tree.map(lambda leaf: np.ones(leaf.shape), base.shapes(cell)[0])
    after = wrappers.weight_drop(cell).perturb(jax.random.key(0), params)
    given = [name for name in params._fields if getattr(params, name) is not None]
    assert {name for name in given if np.any(getattr(after, name) != 1)} == dropped
