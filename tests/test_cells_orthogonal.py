"""Orthogonal and unitary cells: equations by plain NumPy, and what must be exact."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.linalg
from papers import B, D, inputs, sigmoid

from rnn_research import errors, values
from rnn_research.cells import initializers, orthogonal_rnn
from rnn_research.cells.exprnn import dtriv, exprnn
from rnn_research.cells.goru import goru
from rnn_research.cells.householder import householder
from rnn_research.cells.nnrnn import nnrnn
from rnn_research.cells.orthogonal_rnn import linear_orthogonal
from rnn_research.cells.scornn import scornn
from rnn_research.cells.spectral_rnn import spectral_rnn
from rnn_research.cells.urnn import reflect, unitary, urnn
from rnn_research.unroll import trajectory, unroll

H = 6
EPS = 1e-12


def random_params(cell, seed=0):
    """Normal numbers of standard deviation 1/2, but for what is never trained."""
    params = cell.init(jax.random.key(seed), D)
    rng = np.random.default_rng(seed)

    def draw(leaf, label):
        noise = 0.5 * rng.standard_normal(leaf.shape)
        return np.asarray(leaf) if label == "fixed" else noise

    return jax.tree.map(draw, params, cell.groups(params))


def assert_close(ours, theirs):
    np.testing.assert_allclose(np.asarray(ours), theirs, rtol=1e-10, atol=EPS)


def transition_matrix(cell, params):
    """W of the equations, W h, from the cell's own map of the basis."""
    w = cell.weights(params)
    h = jax.tree.leaves(cell.initial_state(params, ()))[0]
    return np.asarray(cell.transition(w, jnp.eye(h.shape[-1], dtype=h.dtype))).T


def defect(matrix):
    return np.abs(matrix.conj().T @ matrix - np.eye(len(matrix))).max()


# ---------------------------------------------------------------------------- NumPy


def numpy_skew(entries, size):
    A = np.zeros((size, size))
    at = 0
    for i in range(size):
        for j in range(i + 1, size):
            A[i, j], A[j, i] = entries[at], -entries[at]
            at += 1
    assert at == len(entries)
    return A


def numpy_mod_relu(z, b):
    return np.maximum(np.abs(z) + b, 0) * z / np.abs(z)


def numpy_network(W, p, x, f=None):
    h, ys = np.zeros((B, len(W))), []
    for x_t in x:
        a = np.stack([W @ h[i] + p.W_x.T @ x_t[i] for i in range(B)])
        h = numpy_mod_relu(a, p.b) if f is None else f(a + p.b)
        ys.append(h)
    return np.stack(ys)


def numpy_exprnn(p, x, f=None):
    return numpy_network(scipy.linalg.expm(numpy_skew(p.A, H)), p, x, f)


def numpy_dtriv(p, x):
    return numpy_network(p.B @ scipy.linalg.expm(numpy_skew(p.A, H)), p, x)


def numpy_scornn(p, x, negatives):
    A, eye = numpy_skew(p.A, H), np.eye(H)
    signs = np.diag([1.0] * (H - negatives) + [-1.0] * negatives)
    return numpy_network(np.linalg.inv(eye + A) @ (eye - A) @ signs, p, x)


def numpy_reflections(entries, size, count):
    W, at = np.eye(size), 0
    for i in range(count):
        u = np.zeros(size)
        u[i:] = entries[at : at + size - i]
        at += size - i
        W = W @ (np.eye(size) - 2 * np.outer(u, u) / (u @ u))
    assert at == len(entries)
    return W


def numpy_householder(p, x, count):
    W = numpy_reflections(p.U, H, count)
    return numpy_network(W, p, x, lambda a: np.where(a < 0, a / 10, a))


def numpy_schur(p, size):
    schur = np.zeros((size, size))
    for k in range(size // 2):
        c, s = np.cos(p.theta[k]), np.sin(p.theta[k])
        block = p.gamma[k] * np.array([[c, -s], [s, c]])
        schur[2 * k : 2 * k + 2, 2 * k : 2 * k + 2] = block
    if size % 2:
        schur[-1, -1] = p.gamma[-1]
    at = 0
    for i in range(size):
        for j in range(i - i % 2):
            schur[i, j] = p.T[at]
            at += 1
    assert at == len(p.T)
    return schur


def numpy_nnrnn(p, x, size):
    P = scipy.linalg.expm(numpy_skew(p.A, size))
    return numpy_network(P @ numpy_schur(p, size) @ P.T, p, x)


def numpy_spectral(p, x, margin, f):
    U = scipy.linalg.expm(numpy_skew(p.A_u, H))
    V = scipy.linalg.expm(numpy_skew(p.A_v, H))
    s = 2 * margin * (sigmoid(p.p) - 0.5) + 1
    return numpy_network(U @ np.diag(s) @ V.T, p, x, f)


def numpy_reflection(v):
    return np.eye(len(v)) - 2 * np.outer(v, v.conj()) / np.vdot(v, v)


def numpy_urnn_matrix(p):
    """Every factor as a dense matrix."""
    N = p.b.size
    F = scipy.linalg.dft(N, scale="sqrtn")
    Pi = np.eye(N)[np.argsort(p.order)]
    D1, D2, D3 = (np.diag(np.exp(1j * phases)) for phases in np.asarray(p.phases))
    R1, R2 = (numpy_reflection(v[0] + 1j * v[1]) for v in np.asarray(p.v))
    return D3 @ R2 @ np.linalg.inv(F) @ D2 @ Pi @ R1 @ F @ D1


def numpy_unitary_matrix(p):
    M = np.asarray(p.A)
    A = np.zeros(M.shape, complex)
    for i in range(len(M)):
        for j in range(len(M)):
            low, high = max(i, j), min(i, j)
            A[i, j] = 1j * M[low, high]
            if i != j:
                A[i, j] += M[high, low] * (1 if i < j else -1)
    return scipy.linalg.expm(A)


def numpy_complex(W, p, x, size):
    V, h_0 = p.W_x[0] + 1j * p.W_x[1], p.h_0[0] + 1j * p.h_0[1]
    h, ys = np.tile(h_0, (B, 1)), []
    for x_t in x:
        z = np.stack([W @ h[i] + V.T @ x_t[i] for i in range(B)])
        h = numpy_mod_relu(z, p.b)
        ys.append(np.concatenate([h.real, h.imag], axis=1)[:, :size])
    return np.stack(ys)


def numpy_goru(p, x):
    Q = scipy.linalg.expm(numpy_skew(p.A, H))
    (Wr, Wg), (Ur, Ug, Uc) = np.split(p.W_h, 2, 1), np.split(p.W_x, 3, 1)
    br, bg = np.split(p.b, 2)
    h, ys = np.zeros((B, H)), []
    for x_t in x:
        r, g = sigmoid(h @ Wr + x_t @ Ur + br), sigmoid(h @ Wg + x_t @ Ug + bg)
        c = numpy_mod_relu(r * (Q @ h.T).T + x_t @ Uc, p.b_c)
        h = g * h + (1 - g) * c
        ys.append(h)
    return np.stack(ys)


def identity(a):
    return a


CASES = {
    "linear_orthogonal": (
        linear_orthogonal(H),
        lambda p, x: numpy_exprnn(p, x, identity),
    ),
    "exprnn": (exprnn(H), numpy_exprnn),
    "exprnn tanh": (
        exprnn(H, activation="tanh"),
        lambda p, x: numpy_exprnn(p, x, np.tanh),
    ),
    "dtriv": (dtriv(H), numpy_dtriv),
    "scornn": (scornn(H), lambda p, x: numpy_scornn(p, x, 3)),
    "scornn no negatives": (
        scornn(H, negatives=0.0),
        lambda p, x: numpy_scornn(p, x, 0),
    ),
    "householder": (householder(H), lambda p, x: numpy_householder(p, x, H)),
    "householder 3": (
        householder(H, reflections=3),
        lambda p, x: numpy_householder(p, x, 3),
    ),
    "nnrnn": (nnrnn(H), lambda p, x: numpy_nnrnn(p, x, H)),
    "nnrnn odd": (nnrnn(5), lambda p, x: numpy_nnrnn(p, x, 5)),
    "spectral_rnn": (
        spectral_rnn(H),
        lambda p, x: numpy_spectral(p, x, 0.1, np.tanh),
    ),
    "spectral_rnn linear": (
        spectral_rnn(H, margin=0.5, activation="linear"),
        lambda p, x: numpy_spectral(p, x, 0.5, identity),
    ),
    "urnn": (urnn(H), lambda p, x: numpy_complex(numpy_urnn_matrix(p), p, x, H)),
    "urnn odd": (
        urnn(5),
        lambda p, x: numpy_complex(numpy_urnn_matrix(p), p, x, 5),
    ),
    "unitary": (
        unitary(H),
        lambda p, x: numpy_complex(numpy_unitary_matrix(p), p, x, H),
    ),
    "unitary odd": (
        unitary(5),
        lambda p, x: numpy_complex(numpy_unitary_matrix(p), p, x, 5),
    ),
    "goru": (goru(H), numpy_goru),
}
ORTHOGONAL = [name for name in CASES if CASES[name][0].structure.properties]


@pytest.mark.first(9)
@pytest.mark.parametrize("name", CASES)
def test_equation(name):
    cell, reference = CASES[name]
    params, x = random_params(cell), inputs()
    assert_close(unroll(cell, params, x).outputs, reference(params, x))


# ----------------------------------------------------------------------- orthogonality


def updated(cell, count, learning_rate=0.1):
    """Parameters after updates by SGD along random gradients, as training makes them.

    The rate moves the angles of W by many turns in 500 updates.
    """
    params = cell.init(jax.random.key(0), D)
    labels = cell.groups(params)
    optimizer = optax.sgd(learning_rate)

    def update(params, key):
        leaves, tree = jax.tree.flatten(params)
        keys = jax.random.split(key, len(leaves))
        gradient = tree.unflatten(
            [jax.random.normal(k, p.shape) for k, p in zip(keys, leaves, strict=True)]
        )
        gradient = jax.tree.map(
            lambda g, label: 0 * g if label == "fixed" else g, gradient, labels
        )
        steps, _ = optimizer.update(gradient, optimizer.init(params))
        return cell.retract(optax.apply_updates(params, steps)), None

    keys = jax.random.split(jax.random.key(1), count)
    return jax.jit(lambda p: jax.lax.scan(update, p, keys)[0])(params)


@pytest.mark.parametrize("name", ORTHOGONAL)
def test_orthogonal_at_the_start_and_after_500_updates(name):
    cell = CASES[name][0]
    assert "orthogonal" in cell.structure.properties
    start = cell.init(jax.random.key(0), D)
    after = updated(cell, 500)
    first, last = transition_matrix(cell, start), transition_matrix(cell, after)
    assert defect(first) < 1e-10 and defect(last) < 1e-10
    assert np.abs(first - last).max() > 0.1


def test_dtriv_moves_its_base_every_k_updates_and_w_stays():
    cell = dtriv(H, rebase_every=3)
    params = cell.init(jax.random.key(0), D)
    entries = 0.3 * jax.random.normal(jax.random.key(1), params.A.shape)
    for count in (1, 2):
        params = cell.retract(params._replace(A=entries))
        assert params.updates == count and (params.A == entries).all()
    before = transition_matrix(cell, params)
    params = cell.retract(params)
    assert params.updates == 0 and not params.A.any()
    np.testing.assert_allclose(transition_matrix(cell, params), before, atol=1e-14)
    assert_close(params.B, before)
    labels = cell.groups(params)
    assert labels.B == labels.updates == "fixed" and labels.A == "recurrent"


def test_dtriv_takes_rounding_errors_out_of_its_base():
    cell = dtriv(H, rebase_every=1)
    params = cell.init(jax.random.key(0), D)
    off = 1e-6 * jax.random.normal(jax.random.key(1), (H, H))
    moved = cell.retract(params._replace(B=params.B + off))
    before = defect(np.asarray(params.B + off))
    assert before > 1e-6 and defect(moved.B) < 10 * before**2


def test_dtriv_starts_where_exprnn_does():
    key = jax.random.key(3)
    ours, theirs = dtriv(H), exprnn(H)
    a, b = ours.init(key, D), theirs.init(key, D)
    np.testing.assert_allclose(
        transition_matrix(ours, a), transition_matrix(theirs, b), atol=1e-13
    )
    assert (a.W_x == b.W_x).all() and (a.b == b.b).all()


def test_determinants():
    for negatives in (0.0, 0.5, 1.0):
        cell = scornn(H, negatives=negatives)
        sign = (-1) ** int(negatives * H)
        assert_close(np.linalg.det(transition_matrix(cell, random_params(cell))), sign)
    for count in (1, 2, H):
        cell = householder(H, reflections=count)
        W = transition_matrix(cell, random_params(cell))
        assert_close(np.linalg.det(W), (-1) ** count)
        fixed = np.sum(np.abs(np.linalg.svd(W - np.eye(H))[1]) < 1e-10)
        assert fixed == H - count  # m reflections move m dimensions
    for cell in (exprnn(H), dtriv(H), linear_orthogonal(H)):
        assert_close(np.linalg.det(transition_matrix(cell, random_params(cell))), 1)


def test_householder_does_not_depend_on_the_length_of_its_vectors():
    cell = householder(H, reflections=2)
    params = random_params(cell)
    scale = np.repeat([3.0, 0.01], [H, H - 1])
    assert_close(
        transition_matrix(cell, params._replace(U=params.U * scale)),
        transition_matrix(cell, params),
    )
    with pytest.raises(errors.UsageError, match="at most the hidden size 4"):
        householder(4, reflections=5)


def test_scornn_turns_by_the_angles_given():
    """At the start the Cayley transform has eigenvalues exp(+-i s), s in (0, pi/2)."""
    cell = scornn(H, negatives=0.0)
    key = jax.random.key(0)
    params = cell.init(key, D)
    W = transition_matrix(cell, params)
    turned = np.sort(np.abs(np.angle(np.linalg.eigvals(W))))
    s = initializers.cayley().make(jax.random.split(key)[0], H // 2)
    np.testing.assert_allclose(turned, np.sort(np.repeat(s, 2)), atol=1e-12)
    A = numpy_skew(params.A, H)
    above = np.sqrt((1 - np.cos(s)) / (1 + np.cos(s)))
    np.testing.assert_allclose(-np.diag(A, 1)[::2], above, atol=1e-12)


def test_unitary_starts_with_the_angles_given_and_reaches_any_matrix():
    cell = unitary(64)
    key = jax.random.key(0)
    W = transition_matrix(cell, cell.init(key, D))
    angles = initializers.henaff().make(jax.random.split(key, 3)[1], 32)
    np.testing.assert_allclose(
        np.sort(np.angle(np.linalg.eigvals(W))), np.sort(angles), atol=1e-10
    )
    rng = np.random.default_rng(0)
    Q, _ = np.linalg.qr(rng.standard_normal((5, 5)) + 1j * rng.standard_normal((5, 5)))
    log = scipy.linalg.logm(Q)
    small = unitary(10)
    params = small.init(key, D)._replace(A=np.triu(log.real, 1) + np.tril(log.imag))
    np.testing.assert_allclose(transition_matrix(small, params), Q, atol=1e-10)


# ------------------------------------------------------------ nothing fades, peers' D3


def test_linear_orthogonal_keeps_the_norm_of_states_and_of_gradients():
    cell = linear_orthogonal(16)
    params = cell.init(jax.random.key(0), D)
    params = params._replace(A=jax.random.normal(jax.random.key(1), params.A.shape))
    w = cell.weights(params)
    length = 300
    state = jax.random.normal(jax.random.key(2), (1, 16))
    silent = jnp.zeros((length, 1, D))
    states = trajectory(cell, params, silent, state=state).outputs
    np.testing.assert_allclose(
        np.linalg.norm(states, axis=-1), np.linalg.norm(state), rtol=1e-12
    )
    x = jax.random.normal(jax.random.key(3), (length, 1, D))
    drives = cell.project(w, x)

    def loss(nudges):
        """A nudge at each step: its gradient is that of the loss by the state."""
        h = state
        for t in range(30):
            h = cell.step(w, h, drives[t]) + nudges[t]
        return jnp.sum(jnp.sin(h))

    gradient = jax.grad(loss)(jnp.zeros((30, 1, 16)))
    norms = np.linalg.norm(gradient, axis=(1, 2))
    np.testing.assert_allclose(norms, norms[-1], rtol=1e-12)


def test_linear_orthogonal_is_undone_over_a_sequence():
    cell = linear_orthogonal(H)
    params, x = random_params(cell), inputs()
    w = cell.weights(params)
    start = jnp.ones((B, H))
    h = unroll(cell, params, x, state=start).final_state
    for x_t in x[::-1]:
        h = cell.inverse(w, h, cell.project(w, x_t))
    np.testing.assert_allclose(h, start, atol=1e-12)


@pytest.mark.parametrize("cell", [urnn(10), unitary(10)], ids=["urnn", "unitary"])
def test_unitary_networks_keep_the_norm_with_zero_bias(cell):
    """With b = 0 modReLU is the identity: a silent input leaves |h_0| as it is."""
    params = cell.init(jax.random.key(0), D)
    states = trajectory(cell, params, jnp.zeros((200, 1, D))).outputs
    start = np.linalg.norm(np.asarray(params.h_0))
    np.testing.assert_allclose(np.linalg.norm(states, axis=-1), start, rtol=1e-12)
    outputs = unroll(cell, params, jnp.zeros((200, 1, D))).outputs
    np.testing.assert_allclose(np.linalg.norm(outputs, axis=-1), start, rtol=1e-12)


def test_reflections_are_reflections():
    """The defects of D3: a conjugate, a square and h itself."""
    rng = np.random.default_rng(0)
    v = rng.standard_normal(5) + 1j * rng.standard_normal(5)
    h = rng.standard_normal((3, 5)) + 1j * rng.standard_normal((3, 5))
    cell = urnn(10)
    params = cell.init(jax.random.key(0), D)
    params = params._replace(v=np.stack([[v.real, v.imag]] * 2))
    unit = np.asarray(cell.weights(params)[0].v[0])
    np.testing.assert_allclose(unit, v / np.linalg.norm(v), atol=1e-14)
    once = np.asarray(reflect(h, unit))
    np.testing.assert_allclose(reflect(once, unit), h, atol=1e-13)
    np.testing.assert_allclose(reflect(v, unit), -v, atol=1e-13)
    np.testing.assert_allclose(
        np.linalg.norm(once, axis=1), np.linalg.norm(h, axis=1), rtol=1e-13
    )
    np.testing.assert_allclose(once, h @ numpy_reflection(v).T, atol=1e-13)


# ----------------------------------------------------------------------------- modReLU


@pytest.mark.parametrize("dtype", [float, complex])
def test_mod_relu_has_no_nan_at_zero(dtype):
    mod_relu = orthogonal_rnn.mod_relu

    def at_zero(b):
        zero = jnp.zeros(3, dtype)

        def real(z, b):
            return jnp.sum(jnp.real(mod_relu(z, b) * (1 + 2 * jnp.arange(3))))

        value = mod_relu(zero, jnp.full(3, b))
        return value, *jax.grad(real, (0, 1))(zero, jnp.full(3, b))

    for b, slope in ((0.0, 1), (-0.1, 0), (0.1, 1)):
        value, by_z, by_b = at_zero(b)
        assert not value.any() and not by_b.any()
        np.testing.assert_allclose(by_z, slope * (1 + 2 * np.arange(3)))


def test_mod_relu_is_silent_below_its_threshold_and_keeps_the_phase():
    z = np.array([0.3 - 0.4j, -2.0 + 0.0j, 1e-3j])
    b = np.array([-0.6, -0.5, 0.1])
    np.testing.assert_allclose(
        orthogonal_rnn.mod_relu(jnp.asarray(z), b), [0, -1.5, 0.101j], atol=1e-15
    )
    np.testing.assert_allclose(
        orthogonal_rnn.mod_relu(jnp.array([-2.0, 0.3]), jnp.array([0.5, -0.4])),
        [-2.5, 0.0],
        atol=1e-15,
    )


@pytest.mark.parametrize(
    "cell", [exprnn(H), scornn(H), nnrnn(H), goru(H)], ids=lambda cell: cell.name
)
def test_gradient_from_a_zero_state_and_silent_input_is_finite(cell):
    params = cell.init(jax.random.key(0), D)
    gradient = jax.grad(
        lambda p: jnp.sum(unroll(cell, p, jnp.zeros((5, 1, D))).outputs)
    )(params)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


# ----------------------------------------------------------------------- spectra, sizes


def test_spectral_margin_bounds_the_singular_values():
    for margin in (0.0, 0.1, 1.0):
        cell = spectral_rnn(H, margin=margin)
        start = transition_matrix(cell, cell.init(jax.random.key(0), D))
        assert defect(start) < 1e-12
        params = updated(cell, 200)
        s = np.linalg.svd(transition_matrix(cell, params))[1]
        assert s.max() <= 1 + margin + EPS and s.min() >= 1 - margin - EPS
        wanted = 2 * margin * (sigmoid(np.asarray(params.p)) - 0.5) + 1
        np.testing.assert_allclose(np.sort(s), np.sort(wanted), atol=1e-12)


@pytest.mark.parametrize("size", [6, 7])
def test_nnrnn_has_the_eigenvalues_of_its_blocks(size):
    cell = nnrnn(size)
    params = random_params(cell)
    W = transition_matrix(cell, params)
    wanted = params.gamma[: size // 2] * np.exp(1j * params.theta)
    wanted = np.concatenate([wanted, wanted.conj(), params.gamma[size // 2 :]])
    got = np.linalg.eigvals(W)
    gaps = np.abs(got[:, None] - wanted[None, :])
    assert gaps.min(axis=0).max() < 1e-9 and gaps.min(axis=1).max() < 1e-9
    assert np.abs(W @ W.T - W.T @ W).max() > 0.1  # not normal
    assert defect(transition_matrix(cell, cell.init(jax.random.key(0), D))) < 1e-12


def count(cell):
    params = jax.eval_shape(lambda key: cell.init(key, D), jax.random.key(0))
    labels = cell.groups(params)
    sizes = jax.tree.map(
        lambda leaf, label: 0 if label == "fixed" else leaf.size, params, labels
    )
    return sum(jax.tree.leaves(sizes))


@pytest.mark.parametrize("size", [1, 2, 7, 8])
def test_parameter_counts(size):
    N, skew, rest = size, size * (size - 1) // 2, D * size + size
    for make in (linear_orthogonal, exprnn, dtriv, scornn):
        assert count(make(N)) == skew + rest
    for m in (1, N):
        expected = m * N - m * (m - 1) // 2 + rest
        assert count(householder(N, reflections=m)) == expected
    assert count(spectral_rnn(N)) == 2 * skew + N + rest
    below = skew - N // 2
    assert count(nnrnn(N)) == skew + N + below + rest
    assert count(goru(N)) == skew + 2 * N * N + 3 * D * N + 3 * N
    units = (N + 1) // 2
    assert count(urnn(N)) == 7 * units + 2 * D * units + 3 * units
    assert count(unitary(N)) == units**2 + 2 * D * units + 3 * units


@pytest.mark.parametrize("size", [1, 2, 7])
def test_outputs_have_the_hidden_size(size):
    for name in CASES:
        make = values.factory(CASES[name][0].origin.factory)
        cell = make(size)

        def run(key, cell=cell):
            params = cell.init(key, D)
            return unroll(cell, params, jnp.ones((2, 3, D))).outputs

        assert jax.eval_shape(run, jax.random.key(0)).shape == (2, 3, size)


# ---------------------------------------------------------------------- initial values


def is_uniform(sample, low, high):
    """Kolmogorov-Smirnov at 1 %."""
    sample = (np.sort(np.ravel(sample)) - low) / (high - low)
    n = sample.size
    return np.abs(sample - (np.arange(n) + 0.5) / n).max() < 1.63 / np.sqrt(n)


def test_initial_angles_are_those_asked_for():
    size, key = 400, jax.random.key(0)
    first = jax.random.split(key, 3)[0]
    for angles, low, high in (
        (initializers.henaff(), -np.pi, np.pi),
        (initializers.cayley(), 0, np.pi / 2),
    ):
        A = numpy_skew(np.asarray(exprnn(size, recurrent=angles).init(key, 1).A), size)
        blocks = -np.diag(A, 1)[::2]
        assert is_uniform(blocks, low, high)
        assert_close(blocks, angles.make(first, size // 2))
        assert np.count_nonzero(A) == size
    with pytest.raises(errors.UsageError, match="cayley, henaff"):
        exprnn(4, recurrent=initializers.identity())


def test_rotations_at_the_start_are_those_of_rotation_matrix():
    key = jax.random.key(5)
    cell = linear_orthogonal(7)
    angles = initializers.henaff().make(jax.random.split(key)[0], 3)
    np.testing.assert_allclose(
        transition_matrix(cell, cell.init(key, D)),
        initializers.rotation_matrix(angles, 7),
        atol=1e-13,
    )


def test_biases_and_input_weights_at_the_start():
    p = exprnn(200).init(jax.random.key(0), 50)
    assert is_uniform(p.b, -0.01, 0.01)
    assert abs(float(jnp.std(p.W_x)) / (2 / 50) ** 0.5 - 1) < 0.05
    p = scornn(200).init(jax.random.key(0), 50)
    assert is_uniform(p.W_x, -0.01, 0.01) and not p.b.any()
    p = householder(200, reflections=20).init(jax.random.key(0), 50)
    bound = (6 / 250) ** 0.5
    assert is_uniform(p.W_x, -bound, bound)
    at = 0
    for i in range(20):
        assert_close(jnp.linalg.norm(p.U[at : at + 200 - i]), 1)
        at += 200 - i
    p = goru(200, forget_bias=1.5).init(jax.random.key(0), 50)
    b_r, b_g = np.split(np.asarray(p.b), 2)
    assert (b_r == 2).all() and (b_g == 1.5).all() and (p.b_c == 0.01).all()


def test_urnn_initial_values():
    units, inputs_ = 500, 20
    p = urnn(2 * units).init(jax.random.key(0), inputs_)
    assert is_uniform(p.phases, -np.pi, np.pi) and is_uniform(p.v, -1, 1)
    bound = (6 / (inputs_ + 2 * units)) ** 0.5
    assert is_uniform(p.W_x, -bound, bound) and not p.b.any()
    assert is_uniform(p.h_0, -((1.5 / units) ** 0.5), (1.5 / units) ** 0.5)
    # |h_0|^2 has mean 1: 2 N terms of variance a^2 / 3
    assert abs(float(jnp.sum(p.h_0**2)) - 1) < 0.1
    assert (np.sort(p.order) == np.arange(units)).all()
    assert (np.asarray(p.order) != np.arange(units)).mean() > 0.9


def test_spectral_angles_fill_the_circle():
    size = 300
    p = spectral_rnn(size).init(jax.random.key(0), 1)
    angles = np.abs(np.linalg.eigvals(numpy_skew(np.asarray(p.A_u), size)).imag)
    assert 0.9 * np.pi < angles.max() < 1.1 * np.pi


def test_goru_keeps_its_state_where_the_forget_bias_is_large():
    cell = goru(H, forget_bias=40.0)
    params = cell.init(jax.random.key(0), D)
    state = jax.random.normal(jax.random.key(1), (B, H))
    final = unroll(cell, params, inputs(), state=state).final_state
    np.testing.assert_allclose(final, state, atol=1e-12)
    cell = goru(400, forget_bias=initializers.chrono(t_max=100))
    b_g = np.asarray(cell.init(jax.random.key(0), D).b[400:])
    assert is_uniform(np.exp(b_g), 1, 99)
