"""Forecasts of dynamical systems against SciPy, and a linear teacher against a loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from rnn_research import errors, tasks
from rnn_research.checks import check_task
from rnn_research.tasks import base, flows, lorenz
from rnn_research.tasks.fitzhugh_nagumo import FLOW
from rnn_research.tasks.linear_system import filtered, impulse_response, teacher
from rnn_research.tasks.mackey_glass import sample_of
from rnn_research.tasks.mackey_glass import solved as mackey_glass

TASKS = {
    "fitzhugh_nagumo": lambda: tasks.fitzhugh_nagumo(40),
    "linear_system": lambda: tasks.linear_system(40),
    "lorenz63": lambda: tasks.lorenz63(30),
    "lorenz96": lambda: tasks.lorenz96(20, sites=6),
    "mackey_glass": lambda: tasks.mackey_glass(40),
}
EXACT = {"method": "DOP853", "rtol": 1e-11, "atol": 1e-12}


def sampled(task, count, seed=0):
    drawn = jax.jit(task.sample, static_argnums=1)(jax.random.key(seed), count)
    return jax.device_get(drawn)


def solved(field, start, times):
    """The states [t, D] at the times."""
    span = 0, times[-1]
    return solve_ivp(lambda t, x: field(*x), span, start, t_eval=times, **EXACT).y.T


def fitzhugh(v, w):
    return v - v**3 / 3 - w + 0.5, (v + 0.7 - 0.8 * w) / 50


def lorenz_1963(x, y, z):
    return 10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z


def lorenz_1996(*x):
    n = len(x)
    return [(x[(i + 1) % n] - x[i - 2]) * x[i - 1] - x[i] + 8 for i in range(n)]


# ----------------------------------------------------------------------- the equations


def test_a_neuron_is_that_of_scipy():
    """From the first voltage alone, as w is 0: the oracle scores all but exactly."""
    task = tasks.fitzhugh_nagumo(200, horizon=2)
    batch = sampled(task, 3)
    starts = np.asarray(batch.inputs)[0, :, 0]
    assert (abs(starts) < 1).all() and len(set(starts)) == 3
    exact = [solved(fitzhugh, [v, 0], 0.4 * np.arange(202))[:, :1] for v in starts]
    exact = np.stack(exact, axis=1)
    np.testing.assert_allclose(batch.inputs, exact[:200], atol=2e-5)
    np.testing.assert_allclose(batch.targets, exact[2:], atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "flow", "field"),
    [
        (lambda: tasks.lorenz63(60), lambda: lorenz.flow63(0.02, 28.0), lorenz_1963),
        (
            lambda: tasks.lorenz96(40, sites=6),
            lambda: lorenz.flow96(6, 8.0, 0.05),
            lorenz_1996,
        ),
    ],
)
def test_lorenz_is_that_of_scipy(make, flow, field):
    """From the first state, in its units, for one unit of time or two."""
    task, flow = make(), flow()
    batch = sampled(task, 2)
    units = flows.units_of(flows.sample_of(flow, flows.UNIT_STEPS), True)
    found = np.asarray(batch.inputs) * units.scale + units.mean
    times = flow.every * np.arange(task.length)
    for row in range(2):
        exact = solved(field, found[0, row], times)
        gap = abs(found[:, row] - exact).max(axis=1) / units.scale.max()
        assert gap[: len(gap) // 2].max() < 3e-3 and gap.max() < 0.05
    np.testing.assert_array_equal(batch.inputs[1:], batch.targets[:-1])


def test_a_delay_equation_is_that_of_scipy():
    """A delay at a time, each with the last one as a dense solution."""
    start, delay = 0.7, 17
    found = mackey_glass(np.array([start]), 120, delay, 1, np, warm_up=0)[:, 0]
    last, exact, x = (lambda t: start), [], start
    for block in range(8):
        step = solve_ivp(
            lambda t, x, last=last: 0.2 * last(t) / (1 + last(t) ** 10) - 0.1 * x,
            (0, delay),
            [x],
            dense_output=True,
            **EXACT,
        )
        exact += [float(step.sol(t)[0]) for t in range(delay)]
        last = lambda t, sol=step.sol: float(sol(t)[0])  # noqa: E731
        x = float(step.y[0, -1])
        assert block < 8
    np.testing.assert_allclose(found, exact[:120], atol=1e-6)
    in_jax = mackey_glass(jnp.array([start]), 120, delay, 1, jnp, warm_up=0)
    np.testing.assert_allclose(in_jax[:, 0], found, rtol=1e-9)


def test_a_teacher_is_a_loop():
    """A dense matrix, drawn anew here; and a diagonal one of complex numbers."""
    draw = np.random.default_rng(4)
    a = draw.normal(size=(3, 3)) / 3**0.5
    found, basis = np.linalg.eig(a)
    moved = (0.5 + 0.4 * np.tanh(abs(found))) * np.exp(1j * np.angle(found))
    a = (basis @ np.diag(moved) @ np.linalg.inv(basis)).real
    assert (abs(np.linalg.eigvals(a)) >= 0.5).all()
    into = draw.normal(size=3)
    out = draw.normal(size=3) / 3**0.5
    direct = draw.normal()
    task = tasks.linear_system(
        30, hidden=3, min_nu=0.5, max_nu=0.9, max_phase=np.pi, system=4
    )
    batch = sampled(task, 2)
    for row in range(2):
        h = np.zeros(3)
        for t in range(30):
            x = float(batch.inputs[t, row, 0])
            h = a @ h + into * x
            y = out @ h + direct * x
            np.testing.assert_allclose(batch.targets[t, row, 0], y, atol=1e-10)
    eigenvalues, into, out, direct = teacher("diagonal", 5, 0.6, 0.7, 0.3, 1)
    assert ((abs(eigenvalues) >= 0.6) & (abs(eigenvalues) <= 0.7)).all()
    assert (abs(np.angle(eigenvalues)) <= 0.3).all()
    response = impulse_response(4, "diagonal", 5, 0.6, 0.7, 0.3, 1)
    h = into.copy()
    for k in range(4):
        y = (out * h).sum().real + direct * (k == 0)
        np.testing.assert_allclose(response[k], y, atol=1e-12)
        h = eigenvalues * h


def test_the_teacher_of_the_docstring():
    for x, y in (([1, 0], [1.25, 0.125]), ([0, 2], [0, 2.5])):
        response = np.array([0.25 + 1, 0.125])
        found = filtered(response, jnp.array(x, float))
        np.testing.assert_allclose(found, y, atol=1e-12)


# ------------------------------------------------------------------- what all hold


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_tasks_hold_their_laws(name):
    report = check_task(TASKS[name]())
    assert report.passed, report


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_baselines_are_met_by_the_guesses_they_name(name):
    """On sequences of another draw, each guess has its loss to sampling error."""
    task = TASKS[name]()
    batch = sampled(task, 4000, seed=5)
    assert not np.array_equal(batch.inputs, sampled(task, 4000, seed=6).inputs)
    now, target = np.asarray(batch.inputs), np.asarray(batch.targets)
    before = np.concatenate([now[:1], now[:-1]])
    guesses = {
        flows.MEAN: target.mean(axis=(0, 1)),
        flows.PERSISTENCE: now,
        flows.STRAIGHT: 2 * now - before,
        "predicting 0": 0,
    }
    for what, known in task.references["loss"].items():
        if what in guesses:
            each = ((target - guesses[what]) ** 2).mean(axis=(0, 2))
            error = each.std() / 256**0.5  # of the smaller sample
            assert abs(each.mean() - known) < 5 * error + 1e-3 * known, what
    outputs = jnp.asarray(guesses[flows.PERSISTENCE])
    scored = base.means(task.totals(outputs, batch))["loss"]
    assert float(scored) == pytest.approx(((target - now) ** 2).mean())


@pytest.mark.slow
def test_a_linear_teacher_has_exact_baselines():
    task = tasks.linear_system(50, min_nu=0.8, max_nu=0.95)
    batch = sampled(task, 5000)
    x, y = np.asarray(batch.inputs)[..., 0], np.asarray(batch.targets)[..., 0]
    now = (x * y).sum() / (x * x).sum() * x
    for what, guess in (("predicting 0", 0 * y), ("the current input alone", now)):
        each = ((y - guess) ** 2).mean(axis=0)
        known = task.references["loss"][what]
        assert abs(each.mean() - known) < 4 * each.std() / len(each) ** 0.5


@pytest.mark.slow
def test_a_delay_equation_can_be_forecast_from_its_past():
    """An oracle that reads the whole values of before, with cubics between them."""
    task = tasks.mackey_glass(80)
    batch = sampled(task, 4)
    sample = sample_of(flows.UNIT_STEPS, delay=17, every=1)
    units = flows.units_of(sample, True)
    x = np.asarray(batch.inputs)[..., 0] * units.scale + units.mean

    def drive(x):
        return 0.2 * x / (1 + x**10)

    forecasts = np.zeros_like(x)
    for t in range(20, 80):
        left, now, after, right = (x[t - 17 + k] for k in (-1, 0, 1, 2))
        middle = (9 * (now + after) - left - right) / 16
        fade = np.exp(-0.1)
        moved = fade * drive(now) + 4 * fade**0.5 * drive(middle) + drive(after)
        forecasts[t] = fade * x[t] + moved / 6
    error = (forecasts - units.mean) / units.scale - np.asarray(batch.targets)[..., 0]
    assert (error[20:] ** 2).mean() < task.solved_at / 10


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tasks.fitzhugh_nagumo(0), "length must be a whole number"),
        (lambda: tasks.fitzhugh_nagumo(9, horizon=0), "horizon must be a whole"),
        (lambda: tasks.lorenz96(9, sites=3), "sites must be at least 4, not 3"),
        (lambda: tasks.lorenz63(9, every=0.0), r"every must be in \[0.0001, 1.0\]"),
        (lambda: tasks.mackey_glass(9, delay=101), "delay must be at most 100"),
        (lambda: tasks.mackey_glass(9, delay=1.5), "whole number"),
        (lambda: tasks.linear_system(9, min_nu=1.1), r"min_nu must be in \[0.0, 1.0\]"),
        (lambda: tasks.linear_system(9, min_nu=0.9, max_nu=0.5), "at most max_nu"),
        (lambda: tasks.linear_system(9, form="sparse"), "form must be one of"),
        (lambda: tasks.linear_system(9, system=-1), "system must be a whole number"),
    ],
)
def test_impossible_options_are_named(make, message):
    with pytest.raises(errors.UsageError, match=message):
        make()


def started(flow, *state):
    """The first three states, of what the docstrings show."""
    state, found = tuple(map(np.asarray, map(float, state))), []
    for _ in range(3):
        found.append(np.stack(state))
        state = flows.observe(flow, state, np)
    return np.stack(found, axis=1)


def test_worked_examples_of_the_docstrings():
    for start, shown in ((0, (0, 0.244, 0.593)), (-0.5, (-0.5, -0.481, -0.456))):
        np.testing.assert_allclose(started(FLOW, start, 0)[0], shown, atol=6e-4)
    for start, shown in (
        ((1, 1, 1), ((1, 1.049, 1.187), (1, 1.524, 2.089), (1, 0.973, 0.962))),
        ((5, 5, 20), ((5, 5.067, 5.258), (5, 5.723, 6.5), (20, 19.486, 19.087))),
    ):
        found = started(lorenz.flow63(0.02, 28.0), *start)
        np.testing.assert_allclose(found, shown, atol=6e-4)
    (slopes,) = lorenz.flow96(4, 8.0, 0.05).field((np.array([1.0, 2, 3, 4]),), np)
    assert slopes[:2].tolist() == [3, 5]
    for start, at_ten in ((1, 1), (0.5, 0.81544)):
        found = mackey_glass(np.array([start]), 11, 17, 1, np, warm_up=0)
        np.testing.assert_allclose(found[10], at_ten, atol=1e-5)
