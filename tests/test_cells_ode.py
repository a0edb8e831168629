"""Cells from differential equations: equations by plain NumPy, and exact facts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
import scipy.special
from papers import B, D, assert_close, inputs, random_params, sigmoid

from rnn_research import errors
from rnn_research.cells import initializers
from rnn_research.cells.antisymmetric import antisymmetric
from rnn_research.cells.cfc import cfc
from rnn_research.cells.cornn import OscillatorState, cornn, unicornn
from rnn_research.cells.lem import lem
from rnn_research.cells.lipschitz import lipschitz
from rnn_research.cells.lmu import LMUState, legendre_delay, lmu
from rnn_research.unroll import trajectory, unroll

H = 5


def transition_matrix(cell, params):
    size = jax.tree.leaves(cell.initial_state(params, ()))[0].shape[-1]
    return np.asarray(cell.transition(cell.weights(params), jnp.eye(size))).T


# ---------------------------------------------------------------------------- NumPy


def numpy_antisymmetric(p, x, gated, epsilon, gamma):
    W = np.zeros((H, H))
    W[np.triu_indices(H, 1)] = p.A
    V_h, V_z = p.W_x[:, :H], p.W_x[:, H:]
    b_h, b_z = p.b[:H], p.b[H:]
    h, ys = np.zeros((B, H)), []
    for x_t in x:
        Mh = (W @ h.T - W.T @ h.T).T - gamma * h
        new = np.tanh(Mh + x_t @ V_h + b_h)
        if gated:
            new = new * sigmoid(Mh + x_t @ V_z + b_z)
        h = h + epsilon * new
        ys.append(h)
    return np.stack(ys)


def numpy_cornn(p, x, dt, gamma, epsilon, damping):
    W_y, W_z = p.W_h[:H], p.W_h[H:]
    y, z, ys = np.zeros((B, H)), np.zeros((B, H)), []
    for x_t in x:
        f = np.tanh(y @ W_y + z @ W_z + x_t @ p.W_x + p.b)
        if damping == "explicit":
            z = z + dt * f - dt * gamma * y - dt * epsilon * z
        else:  # z_t - z_{t-1} = dt (f - gamma y - epsilon z_t), solved for z_t
            z = (z + dt * f - dt * gamma * y) / (1 + dt * epsilon)
        y = y + dt * z
        ys.append(y)
    return np.stack(ys)


def numpy_unicornn(p, x, dt, alpha):
    y, z, ys = np.zeros((B, H)), np.zeros((B, H)), []
    step = dt * sigmoid(p.c)
    for x_t in x:
        z = z - step * (np.tanh(p.w_h * y + x_t @ p.W_x + p.b) + alpha * y)
        y = y + step * z
        ys.append(y)
    return np.stack(ys)


def numpy_lem(p, x, dt):
    (W1, W2, Wz), (V1, V2, Vz, Vy) = np.split(p.W_h, 3, 1), np.split(p.W_x, 4, 1)
    b1, b2, bz, by = np.split(p.b, 4)
    y, z, ys = np.zeros((B, H)), np.zeros((B, H)), []
    for x_t in x:
        s = dt * sigmoid(y @ W1 + x_t @ V1 + b1)
        r = dt * sigmoid(y @ W2 + x_t @ V2 + b2)
        z = (1 - s) * z + s * np.tanh(y @ Wz + x_t @ Vz + bz)
        y = (1 - r) * y + r * np.tanh(z @ p.W_y + x_t @ Vy + by)
        ys.append(y)
    return np.stack(ys)


def numpy_lipschitz(p, x, method, beta, gamma, epsilon):
    eye = np.eye(H)
    A, W = (
        (1 - beta) * (M + M.T) + beta * (M - M.T) - gamma * eye for M in (p.M_A, p.M_W)
    )

    def f(h, x_t):
        return (A @ h.T).T + np.tanh((W @ h.T).T + x_t @ p.W_x + p.b)

    h, ys = np.zeros((B, H)), []
    for x_t in x:
        k = f(h, x_t)
        if method == "rk2":
            k = f(h + epsilon / 2 * k, x_t)
        h = h + epsilon * k
        ys.append(h)
    return np.stack(ys)


def numpy_delay(order, theta):
    """The zero-order hold of the Pade delay, by solving the equation over one step."""
    a, b = np.zeros((order, order)), np.zeros(order)
    for i in range(order):
        b[i] = (2 * i + 1) * (-1) ** i / theta
        for j in range(order):
            sign = -1 if i < j else (-1) ** (i - j + 1)
            a[i, j] = (2 * i + 1) * sign / theta

    def after_a_step(m, u):
        return scipy.integrate.solve_ivp(
            lambda t, m: a @ m + b * u, (0, 1), m, "DOP853", rtol=1e-13, atol=1e-14
        ).y[:, -1]

    A = np.stack([after_a_step(e, 0.0) for e in np.eye(order)], axis=1)
    return A, after_a_step(np.zeros(order), 1.0)


def numpy_lmu(p, x, order, theta):
    A, B_ = numpy_delay(order, theta)
    h, m, ys = np.zeros((B, H)), np.zeros((B, order)), []
    for x_t in x:
        u = x_t @ p.e_x + h @ p.e_h + m @ p.e_m
        m = np.stack([A @ m[i] + B_ * u[i] for i in range(B)])
        h = np.tanh(x_t @ p.W_x + h @ p.W_h + m @ p.W_m)
        ys.append(h)
    return np.stack(ys)


def numpy_cfc(p, x, dt):
    W_h, W_g, W_a, W_b = np.split(p.W_k, 4, 1)
    b_h, b_g, b_a, b_b = np.split(p.b, 4)
    y, ys = np.zeros((B, H)), []
    for x_t in x:
        both = np.concatenate([y, x_t], axis=1)
        k = 1.7159 * np.tanh(0.666 * (both @ np.vstack([p.W_h, p.W_x]) + p.b_k))
        s = sigmoid((k @ W_a + b_a) * dt + k @ W_b + b_b)
        y = (1 - s) * np.tanh(k @ W_h + b_h) + s * np.tanh(k @ W_g + b_g)
        ys.append(y)
    return np.stack(ys)


CASES = {
    "antisymmetric": (
        antisymmetric(H, epsilon=0.3, gamma=0.2),
        lambda p, x: numpy_antisymmetric(p, x, False, 0.3, 0.2),
    ),
    "antisymmetric gated": (
        antisymmetric(H, gated=True),
        lambda p, x: numpy_antisymmetric(p, x, True, 0.01, 0.01),
    ),
    "cornn": (
        cornn(H),
        lambda p, x: numpy_cornn(p, x, 0.06, 66.0, 15.0, "explicit"),
    ),
    "cornn implicit": (
        cornn(H, damping="implicit", dt=0.5, gamma=0.7, epsilon=3.0),
        lambda p, x: numpy_cornn(p, x, 0.5, 0.7, 3.0, "implicit"),
    ),
    "unicornn": (unicornn(H), lambda p, x: numpy_unicornn(p, x, 0.19, 30.65)),
    "lem": (lem(H), lambda p, x: numpy_lem(p, x, 1.0)),
    "lem dt": (lem(H, dt=0.2), lambda p, x: numpy_lem(p, x, 0.2)),
    "lipschitz": (
        lipschitz(H),
        lambda p, x: numpy_lipschitz(p, x, "euler", 0.7, 0.001, 0.05),
    ),
    "lipschitz rk2": (
        lipschitz(H, method="rk2", beta=0.8, gamma=0.3, epsilon=0.4),
        lambda p, x: numpy_lipschitz(p, x, "rk2", 0.8, 0.3, 0.4),
    ),
    "lmu": (lmu(H), lambda p, x: numpy_lmu(p, x, H, 100.0)),
    "lmu order": (
        lmu(H, order=3, theta=6.5),
        lambda p, x: numpy_lmu(p, x, 3, 6.5),
    ),
    "cfc": (cfc(H), lambda p, x: numpy_cfc(p, x, 1.0)),
    "cfc dt": (
        cfc(H, backbone_units=7, dt=0.3),
        lambda p, x: numpy_cfc(p, x, 0.3),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_equation(name):
    cell, reference = CASES[name]
    params, x = random_params(cell), inputs()
    assert_close(unroll(cell, params, x).outputs, reference(params, x))


# ------------------------------------------------------------- antisymmetric, peers' D4


@pytest.mark.parametrize("gated", [False, True])
def test_antisymmetric_eigenvalues_are_minus_gamma_plus_imaginary(gated):
    cell = antisymmetric(6, gated=gated, gamma=0.37)
    M = transition_matrix(cell, random_params(cell))
    np.testing.assert_allclose(np.linalg.eigvals(M).real, -0.37, atol=1e-12)
    assert_close(M + M.T, -0.74 * np.eye(6))
    assert "antisymmetric" in cell.structure.properties


def test_diffusion_multiplies_the_state():
    """D4: a scalar in place of gamma h would move a state of zero."""
    state = np.random.default_rng(0).standard_normal((B, H))
    epsilon, gamma = 0.1, 0.7
    cell = antisymmetric(H, epsilon=epsilon, gamma=gamma)
    p = jax.tree.map(np.zeros_like, random_params(cell))
    silent = np.zeros((1, B, D))
    assert not np.asarray(unroll(cell, p, silent).outputs).any()
    assert_close(
        unroll(cell, p, silent, state=state).outputs[0],
        state + epsilon * np.tanh(-gamma * state),
    )
    cell = lipschitz(H, epsilon=epsilon, gamma=gamma)
    p = jax.tree.map(np.zeros_like, random_params(cell))
    assert not np.asarray(unroll(cell, p, silent).outputs).any()
    assert_close(
        unroll(cell, p, silent, state=state).outputs[0],
        state + epsilon * (-gamma * state + np.tanh(-gamma * state)),
    )


def test_antisymmetric_initial_values_and_counts():
    size, inputs_ = 128, 40
    p = antisymmetric(size, sigma_w=2.0).init(jax.random.key(0), inputs_)
    assert p.A.size == 128 * 127 // 2
    assert abs(float(jnp.std(p.A)) / (2 / size**0.5) - 1) < 0.03
    assert abs(float(jnp.std(p.W_x)) * inputs_**0.5 - 1) < 0.05
    p = antisymmetric(size, gated=True).init(jax.random.key(0), inputs_)
    assert (p.b[:size] == 0).all() and (p.b[size:] == 1).all()
    total = sum(leaf.size for leaf in p)
    assert total == 128 * 127 // 2 + 2 * size * (inputs_ + 1)  # M is shared


# -------------------------------------------------------------------------- oscillators


def test_cornn_step_size_multiplies_every_term():
    """D4: with dt = 0 nothing moves; the change is that of the equation as dt -> 0."""
    rng = np.random.default_rng(0)
    y, z = rng.standard_normal((2, B, H))
    x = rng.standard_normal((1, B, D))
    params = random_params(cornn(H))
    force = np.tanh(
        y @ params.W_h[:H] + z @ params.W_h[H:] + x[0] @ params.W_x + params.b
    )
    wanted = force - 2.0 * y - 0.5 * z
    for damping in ("explicit", "implicit"):
        for dt, tolerance in ((0.0, 0), (1e-6, 1e-5)):
            cell = cornn(H, dt=dt, gamma=2.0, epsilon=0.5, damping=damping)
            new = unroll(cell, params, x, state=OscillatorState(y, z)).final_state
            np.testing.assert_allclose(
                (new.z - z), dt * wanted, atol=dt * tolerance + 1e-15
            )
            np.testing.assert_allclose((new.y - y), dt * z, atol=dt * tolerance + 1e-15)


def oscillator(cell, steps):
    """y over time with no force, from y = 1 at rest."""
    params = jax.tree.map(np.zeros_like, random_params(cell))
    state = OscillatorState(jnp.ones((1, H)), jnp.zeros((1, H)))
    return trajectory(cell, params, np.zeros((steps, 1, D)), state=state).outputs


@pytest.mark.parametrize("damping", ["explicit", "implicit"])
def test_cornn_converges_to_the_damped_oscillator(damping):
    """y'' = -gamma y - epsilon y' from y = 1, y' = 0, at time 1: first order in dt."""
    gamma, epsilon = 9.0, 1.0
    omega = np.sqrt(gamma - epsilon**2 / 4)
    exact = np.exp(-epsilon / 2) * (np.cos(omega) + epsilon / 2 / omega * np.sin(omega))
    errors = []
    for steps in (100, 200):
        cell = cornn(H, dt=1 / steps, gamma=gamma, epsilon=epsilon, damping=damping)
        errors.append(float(oscillator(cell, steps).y[-1, 0, 0]) - exact)
    assert abs(errors[1]) < 0.03 and 1.7 < errors[0] / errors[1] < 2.3


def test_implicit_damping_is_stable_for_any_friction():
    stiff = {"dt": 0.1, "gamma": 1.0, "epsilon": 1000.0}
    assert float(jnp.abs(oscillator(cornn(H, **stiff), 60).y).max()) > 1e10
    implicit = oscillator(cornn(H, damping="implicit", **stiff), 60)
    assert float(jnp.abs(implicit.y).max()) <= 1 + 1e-12


def test_position_takes_the_new_velocity():
    for cell, dt in ((cornn(H), 0.06), (unicornn(H), None)):
        params = random_params(cell)
        state = OscillatorState(jnp.ones((B, H)), jnp.full((B, H), 0.5))
        new = unroll(cell, params, inputs()[:1], state=state).final_state
        step = 0.19 * sigmoid(params.c) if dt is None else dt
        assert_close(new.y, 1 + step * np.asarray(new.z))


def test_cornn_initial_values():
    p = cornn(100).init(jax.random.key(0), 56)
    bound = 1 / 16  # 1 / sqrt(56 + 200)
    for leaf in p:
        assert float(jnp.abs(leaf).max()) <= bound
    assert abs(float(jnp.std(p.W_h)) / (bound / 3**0.5) - 1) < 0.03
    p = cornn(8, recurrent=initializers.orthogonal()).init(jax.random.key(0), 2)
    for W in np.split(np.asarray(p.W_h), 2):
        assert_close(W.T @ W, np.eye(8))


def test_unicornn_preserves_volume_in_the_plane_of_each_unit():
    cell = unicornn(H)
    params = random_params(cell)
    w = cell.weights(params)
    u = cell.project(w, inputs()[0, 0])
    rng = np.random.default_rng(2)
    state = OscillatorState(*rng.standard_normal((2, H)))

    def step(flat):
        return jnp.concatenate(cell.step(w, OscillatorState(*jnp.split(flat, 2)), u))

    J = np.asarray(jax.jacobian(step)(jnp.concatenate(state)))
    blocks = J.reshape(2, H, 2, H)
    for i in range(H):
        assert_close(np.linalg.det(blocks[:, i, :, i]), 1)
        for j in range(H):
            assert i == j or not blocks[:, i, :, j].any()
    swap = np.block([[np.zeros((H, H)), np.eye(H)], [-np.eye(H), np.zeros((H, H))]])
    assert_close(J.T @ swap @ J, swap)  # symplectic


def test_unicornn_is_undone_over_a_long_sequence():
    cell = unicornn(H)
    params = cell.init(jax.random.key(0), D)
    w = cell.weights(params)
    x = np.random.default_rng(0).standard_normal((500, B, D))
    start = OscillatorState(jnp.ones((B, H)), jnp.zeros((B, H)))
    end = unroll(cell, params, x, state=start).final_state

    def back(state, x_t):
        return cell.inverse(w, state, cell.project(w, x_t)), None

    found = jax.lax.scan(back, end, x[::-1])[0]
    for ours, theirs in zip(found, start, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-10)


def test_unicornn_initial_values():
    size, inputs_ = 1000, 10
    p = unicornn(size).init(jax.random.key(0), inputs_)
    assert 0 <= float(p.w_h.min()) and float(p.w_h.max()) <= 1
    assert abs(float(p.w_h.mean()) - 0.5) < 0.03
    assert (
        float(jnp.abs(p.c).max()) <= 0.1 and abs(float(jnp.std(p.c)) - 0.0577) < 0.003
    )
    bound = (6 / 650) ** 0.5
    assert float(jnp.abs(p.W_x).max()) <= bound
    assert abs(float(jnp.std(p.W_x)) / (bound / 3**0.5) - 1) < 0.03
    assert sum(leaf.size for leaf in p) == size * (inputs_ + 3)


# --------------------------------------------------------------------------------- LEM


def test_lem_stays_within_the_bounds_of_its_contents():
    cell = lem(H)
    params = jax.tree.map(lambda leaf: 20 * leaf, random_params(cell))
    states = trajectory(cell, params, 10 * inputs()).outputs
    assert float(jnp.abs(states.y).max()) <= 1 and float(jnp.abs(states.z).max()) <= 1


def test_lem_step_size_scales_the_shares_and_zero_keeps_the_state():
    params, x = random_params(lem(H)), inputs()[:1]
    gates = {}
    for dt in (1.0, 0.25):
        cell = lem(H, dt=dt)
        w = cell.weights(params)
        gates[dt] = cell.gates(
            w, cell.initial_state(params, (B,)), cell.project(w, x[0])
        )
    assert_close(gates[0.25].dt_z, 0.25 * np.asarray(gates[1.0].dt_z))
    assert_close(gates[0.25].dt_y, 0.25 * np.asarray(gates[1.0].dt_y))
    start = jax.tree.map(lambda leaf: leaf + 0.3, lem(H).initial_state(params, (B,)))
    final = unroll(lem(H, dt=0.0), params, x, state=start).final_state
    assert all((a == b).all() for a, b in zip(final, start, strict=True))


def test_lem_initial_values_and_counts():
    size, inputs_ = 64, 10
    p = lem(size).init(jax.random.key(0), inputs_)
    for leaf in p:
        assert float(jnp.abs(leaf).max()) <= 1 / 8
    assert abs(float(jnp.std(p.W_h)) / (1 / 8 / 3**0.5) - 1) < 0.03
    assert sum(leaf.size for leaf in p) == 4 * size * (size + inputs_ + 1)


# --------------------------------------------------------------------------- Lipschitz


def test_lipschitz_matrices_have_the_symmetry_of_beta():
    gamma = 0.25
    for beta in (0.0, 0.5, 0.8, 1.0):
        cell = lipschitz(H, beta=beta, gamma=gamma)
        params = random_params(cell)
        both = np.asarray(cell.weights(params).AW)
        for transposed, M in zip(
            np.split(both, 2, axis=1), (params.M_A, params.M_W), strict=True
        ):
            A = transposed.T + gamma * np.eye(H)
            assert_close((A + A.T) / 2, (1 - beta) * (M + M.T))
            assert_close((A - A.T) / 2, beta * (M - M.T))
            if beta == 0.5:
                assert_close(A, M)
            top = np.linalg.eigvalsh((A + A.T) / 2)[-1] - gamma
            real = np.linalg.eigvals(transposed.T).real.max()
            assert real <= top + 1e-10


@pytest.mark.parametrize("method, order", [("euler", 1), ("rk2", 2)])
def test_lipschitz_converges_at_the_order_of_its_method(method, order):
    size = 4
    params = random_params(lipschitz(size))
    x = np.full((1, 1, D), 0.5)
    A, W = (
        0.3 * (M + M.T) + 0.7 * (M - M.T) - 0.001 * np.eye(size)
        for M in (params.M_A, params.M_W)
    )
    exact = scipy.integrate.solve_ivp(
        lambda t, h: A @ h + np.tanh(W @ h + x[0, 0] @ params.W_x + params.b),
        (0, 1),
        np.zeros(size),
        rtol=1e-12,
        atol=1e-13,
    ).y[:, -1]
    errors = []
    for steps in (64, 128):
        cell = lipschitz(size, method=method, epsilon=1 / steps)
        end = unroll(cell, params, np.repeat(x, steps, axis=0)).final_state[0]
        errors.append(np.linalg.norm(end - exact))
    assert abs(np.log2(errors[0] / errors[1]) - order) < 0.15


def test_lipschitz_initial_values():
    p = lipschitz(100).init(jax.random.key(0), 44)
    for M in (p.M_A, p.M_W):
        assert abs(float(jnp.std(M)) / 0.06 - 1) < 0.03
    assert abs(float(jnp.std(p.W_x)) / (2 / 144) ** 0.5 - 1) < 0.05 and not p.b.any()


# --------------------------------------------------------------------------------- LMU


def memory_alone(size, order, theta):
    """An LMU whose memory sees the one input and nothing else."""
    cell = lmu(size, order=order, theta=theta)
    params = cell.init(jax.random.key(0), 1)
    zero = jax.tree.map(jnp.zeros_like, params)
    return cell, zero._replace(e_x=jnp.ones(1))


def legendre(order, r):
    """P_i(2 r - 1), i < order."""
    return np.stack([scipy.special.eval_legendre(i, 2 * r - 1) for i in range(order)])


def test_lmu_remembers_its_window_in_legendre_polynomials():
    order, theta, length = 12, 200.0, 700
    time = np.arange(length)
    signal = np.sin(2 * np.pi * time / 160) + 0.5 * np.cos(2 * np.pi * time / 230)
    cell, params = memory_alone(4, order, theta)
    m = trajectory(cell, params, signal[:, None, None]).outputs.m[-1, 0]
    for r in (0.0, 0.1, 0.5, 0.9, 1.0):
        recalled = np.asarray(m) @ legendre(order, r)
        # u_t is held over (t - 1, t], half a step on average
        at = length - 1 - r * theta + 0.5
        wanted = np.sin(2 * np.pi * at / 160) + 0.5 * np.cos(2 * np.pi * at / 230)
        assert abs(recalled - wanted) < 0.02, r


def test_lmu_holds_a_constant_as_the_first_polynomial():
    cell, params = memory_alone(4, 6, 10.0)
    m = trajectory(cell, params, np.ones((2000, 1, 1))).outputs.m[-1, 0]
    np.testing.assert_allclose(m, [1, 0, 0, 0, 0, 0], atol=1e-10)


def test_lmu_is_the_pade_approximation_of_a_delay():
    """C (s I - A)^-1 B with C_i = P_i(1), against [1/2] of exp(-s)."""
    A, B_ = legendre_delay(2, 1.0)
    a = scipy.linalg.logm(A).real
    b = np.linalg.solve(np.linalg.inv(a) @ (A - np.eye(2)), B_)
    for s in (0.3, 1.0 + 2.0j):
        ours = np.ones(2) @ np.linalg.solve(s * np.eye(2) - a, b)
        np.testing.assert_allclose(
            ours, (1 - s / 3) / (1 + 2 * s / 3 + s**2 / 6), rtol=1e-9
        )


def test_lmu_is_stable_and_its_constants_are_not_parameters():
    for order, theta in ((6, 3.0), (64, 100.0), (256, 784.0)):
        A, _ = legendre_delay(order, theta)
        assert np.abs(np.linalg.eigvals(A)).max() < 1
    N, d = 7, 4
    p = lmu(N, order=d).init(jax.random.key(0), D)
    assert sum(leaf.size for leaf in p) == (D + N + d) * (N + 1)
    assert not p.e_m.any()
    p = lmu(300).init(jax.random.key(0), 100)
    bound = (3 / 300) ** 0.5
    assert 0.95 * bound < float(jnp.abs(p.e_h).max()) <= bound
    assert abs(float(jnp.std(p.W_h)) * 300**0.5 - 1) < 0.03
    assert abs(float(jnp.std(p.W_x)) / (2 / 400) ** 0.5 - 1) < 0.03
    with pytest.raises(errors.UsageError, match="theta must be positive"):
        lmu(4, theta=0.0)


def test_lmu_hidden_state_takes_the_new_memory():
    cell, params = memory_alone(3, 2, 5.0)
    params = params._replace(W_m=jnp.ones((2, 3)))
    state = unroll(cell, params, np.ones((1, 1, 1))).final_state
    assert isinstance(state, LMUState)
    _, B_ = legendre_delay(2, 5.0)
    assert_close(state.m[0], B_)
    assert_close(state.h[0], np.tanh(np.full(3, B_.sum())))


# --------------------------------------------------------------------------------- CfC


def test_cfc_time_gate_goes_from_one_content_to_the_other():
    """With W_a k + b_a > 0, y -> g for long steps; with < 0, y -> h."""
    cell, x = cfc(H, dt=1e6), inputs()[:1]
    params = random_params(cell)
    w = cell.weights(params)
    W_k = np.array(params.W_k)
    W_k[:, 2 * H : 3 * H] = 0
    b = np.array(params.b)
    for sign, name in ((1.0, "g"), (-1.0, "h")):
        b[2 * H : 3 * H] = sign
        w = params._replace(W_k=W_k, b=b)
        u = cell.project(w, x[0])
        start = cell.initial_state(w, (B,))
        gates = cell.gates(w, start, u)
        assert_close(cell.step(w, start, u), getattr(gates, name))


def test_cfc_initial_values_and_counts():
    size, units, inputs_ = 40, 60, 20
    p = cfc(size, backbone_units=units).init(jax.random.key(0), inputs_)
    joint = (6 / (size + inputs_ + units)) ** 0.5
    for W in (p.W_h, p.W_x):
        assert 0.98 * joint < float(jnp.abs(W).max()) <= joint
    assert 0.98 * (6 / 100) ** 0.5 < float(jnp.abs(p.W_k).max()) <= (6 / 100) ** 0.5
    assert float(jnp.abs(p.b).max()) <= units**-0.5
    total = (size + inputs_ + 1) * units + (units + 1) * 4 * size
    assert sum(leaf.size for leaf in p) == total
