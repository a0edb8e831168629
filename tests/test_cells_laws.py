"""Every cell and named layer against the conformance kit, and the kit against wrong
cells."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import ALL_CELLS, SIZE, by_cost

from experiments import check_cell as program
from rnn_research import Cell, cells, config, engines, layers
from rnn_research.cells import base
from rnn_research.checks import check_cell, report
from rnn_research.layers import architectures
from rnn_research.resolve import resolve
from rnn_research.unroll import trajectory, unroll

ALL = ALL_CELLS | {name: getattr(architectures, name) for name in architectures.__all__}


# Layers take several seconds each; of wrappers and variants the others are like these.
# The costly laws, and all laws of these, are in the slow selection.
LEFT_TO_IT = {"elman relu", "gru before", "residual min_gru", "resettable lstm"}
LEFT_TO_IT |= set(architectures.__all__) - {"qrnn"}


@pytest.mark.parametrize("name", by_cost(set(ALL) - LEFT_TO_IT, pytest.mark.optimised))
def test_laws_hold_in_brief(name):
    found = check_cell(ALL[name](SIZE), laws="brief")
    assert found.passed, str(found)


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_every_law_holds(name):
    """Without those that were asked above."""
    found = check_cell(ALL[name](SIZE), laws="all" if name in LEFT_TO_IT else "costly")
    assert found.passed, str(found)


@pytest.mark.parametrize("name", [*cells.__all__, *architectures.__all__])
def test_names_make_equal_values_that_fit(name):
    """Quick, so for all: by shapes alone."""
    made = resolve("cell", name, hidden_size=SIZE)
    again = resolve("cell", name, hidden_size=SIZE)
    assert made == again and hash(made) == hash(again)
    assert made != resolve("cell", name, hidden_size=2 * SIZE)
    assert repr(made).startswith(f"{name}({SIZE}")
    assert made.__class__ is Cell or isinstance(made, layers.Layer)


@pytest.mark.first(2)
def test_trajectory_is_every_state(any_cell):
    params, x, state = example(any_cell)
    states = trajectory(any_cell, params, x, state=state)
    last = jax.tree.map(lambda leaf: leaf[-1], states.outputs)
    assert report.difference(last, states.final_state) == 0
    middle = unroll(any_cell, params, x[:5], state=state).final_state
    fifth = jax.tree.map(lambda leaf: leaf[4], states.outputs)
    assert report.difference(fifth, middle) < 1e-12


def example(cell, seed=0):
    """Parameters away from their first values, inputs, and a state that was reached."""
    params = cell.init(jax.random.key(seed), report.INPUTS)
    params = report.disturbed(seed, params, cell.groups(params))
    given = jax.ShapeDtypeStruct((report.LENGTH, report.BATCH, report.INPUTS), float)
    x, before = report.random_like(seed, [given, given])
    return params, x, unroll(cell, params, before).final_state


MORE_ENGINES = [  # besides those of the kit's own law
    engines.auto(),
    engines.associative(),
    engines.checkpointed(),
    engines.checkpointed(chunk=1),
    engines.checkpointed(chunk=4, within=engines.sequential(project="sequence")),
    engines.reversible(),
]


@pytest.mark.slow
@pytest.mark.parametrize("with_flags", [False, True], ids=["plain", "mask+reset"])
def test_further_engines_agree(any_cell, with_flags):
    params, x, state = example(any_cell)
    mask, reset = report.flags() if with_flags else (None, None)

    @functools.partial(jax.jit, static_argnums=0)
    def run(engine):
        def function(params, x, state):
            result = unroll(
                any_cell, params, x, state=state, mask=mask, reset=reset, engine=engine
            )
            return result.outputs, result.final_state

        values, pull = jax.vjp(function, params, x, state)
        return values, pull(report.random_like(7, values))

    reference = run(engines.sequential())
    for engine in MORE_ENGINES:
        if not engine.refusal(any_cell):
            assert report.difference(run(engine), reference) < 1e-10, engine


# ------------------------------------------------------- the kit finds what is wrong


def failures(cell, laws="brief") -> dict:
    found = check_cell(cell, laws=laws)
    assert not found.passed
    text = str(found)
    for check in found.failures:
        assert f"FAIL  {check.name}" in text and check.look_at in text
    return {check.name: check.look_at for check in found.failures}


def test_a_unitary_map_without_the_conjugate():
    """The reflection I - 2 v v^T / ||v||^2 of a complex v is not unitary."""
    right = cells.urnn(8)

    def wrong_reflection(w, h):
        v = jax.lax.complex(jnp.arange(1.0, 5.0), jnp.ones(4)).astype(h.dtype)
        return h - 2 * v * (h @ v)[..., None] / jnp.sum(jnp.abs(v) ** 2)

    cell = right.replace(
        transition=wrong_reflection,
        step=lambda w, h, u: jnp.tanh(wrong_reflection(w, h).real) + 0 * h,
    )
    assert "a missing conjugate" in failures(cell)["orthogonal (unitary)"]


def test_a_retraction_that_never_ends_and_one_that_is_nan():
    elman = cells.elman(8)
    for factor, said in ((0.9, "retract"), (np.nan, "not finite")):
        cell = elman.replace(
            retract=lambda p, by=factor: p._replace(W_hh=by * np.asarray(p.W_hh))
        )
        found = check_cell(cell, laws="brief")
        (failed,) = found.failures
        assert failed.name == "retract is a projection" and said in failed.look_at


def test_a_gru_without_its_bias():
    """The bias inside of the reset product is a parameter that nothing reads."""
    right = cells.gru(8)

    def step(w, h, u):
        return right.step(w._replace(b_hn=jnp.zeros_like(w.b_hn)), h, u)

    found = failures(right.replace(step=step, gated=None))
    assert list(found) == ["every parameter matters"]
    assert "b_hn" in found["every parameter matters"]


def test_an_affine_claim_that_is_false():
    right = cells.elman(8)

    def coefficients(w, u):
        return jnp.diag(w.W_hh), u

    cell = right.replace(associative=base.affine(coefficients))
    found = failures(cell)
    assert (
        "the associative form is false: step is not apply(element)"
        in (found["associative form"])
    )
    assert "associative()" in found["engines agree, values and gradients"]


def test_a_step_that_mixes_the_batch():
    right = cells.elman(8)

    def step(w, h, u):
        return right.step(w, h - jnp.mean(h, axis=0), u)

    found = failures(right.replace(step=step))
    assert "mixes the batch axis" in found["sequences of a batch apart"]
    assert "never axis 0" in found["pointwise in leading axes"]


def test_a_projection_that_peeks_ahead():
    right = cells.elman(8)

    def project(w, x):
        return right.project(w, x + 0.1 * jnp.roll(x, -1, axis=0))

    assert "looks ahead" in failures(right.replace(project=project))["causal"]


@pytest.mark.slow
def test_a_false_diagonal_a_false_inverse_and_a_nan():
    elman = cells.elman(8)
    diagonal = elman.replace(structure=base.Structure(jacobian="diagonal"))
    assert "Jacobian as declared" in failures(diagonal)
    undone = elman.replace(inverse=lambda w, h, u: h)
    assert "inverse undoes step" in failures(undone)
    nan = elman.replace(step=lambda w, h, u: elman.step(w, h, u) * jnp.nan)
    assert "float32" in failures(nan, laws="all")


def test_a_state_that_changes_its_type_is_said_at_once():
    cell = cells.elman(8)
    wrong = cell.replace(step=lambda w, h, u: cell.step(w, h, u)[..., :4])
    (look_at,) = failures(wrong).values()
    assert "structure, shapes and dtypes must stay" in look_at


@pytest.mark.slow
def test_a_layer_that_forgets_its_context():
    right = layers.recurrent(cells.gru(8))

    def apply(params, x, context, call):
        start = right.initial_context(params, x.shape[1:2])
        return right.apply(params, x, start, call)

    assert "two halves are the whole" in failures(right.replace(apply=apply))


@pytest.mark.slow
def test_a_layer_whose_context_does_not_begin_with_the_batch():
    right = layers.recurrent(cells.gru(8))

    def apply(params, x, context, call):
        applied = right.apply(params, x, context.T, call)
        return applied._replace(context=applied.context.T)

    wrong = right.replace(
        apply=apply,
        initial_context=lambda params, shape: right.initial_context(params, shape).T,
    )
    found = failures(wrong)
    assert list(found) == ["a context of each sequence"]
    assert "must begin with batch_shape" in found["a context of each sequence"]


def test_the_program(capsys):
    config.run(program.main, program.CheckConfig(), argv=["--cell=irnn"])
    out = capsys.readouterr().out
    assert "ok    engines agree, values and gradients" in out
    assert "1 checked," in out
    (parsed,) = config.parse(["--cell=all"], program.CheckConfig())
    assert parsed.cell == ("all",)


@pytest.mark.slow
def test_the_program_says_what_fails(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    (tmp_path / "mixing_cells.py").write_text(
        "from rnn_research import cells\n"
        "def mixing(hidden_size):\n"
        "    cell = cells.irnn(hidden_size)\n"
        "    return cell.replace(\n"
        "        step=lambda w, h, u: cell.step(w, h - h.mean(0), u))\n"
    )
    with pytest.raises(SystemExit) as stop:
        config.run(
            program.main,
            program.CheckConfig(),
            argv=["--cell=mixing_cells:mixing,min_gru"],
        )
    assert stop.value.code == 1
    captured = capsys.readouterr()
    assert "FAILED" in captured.out and "mixes the batch axis" in captured.out
    assert captured.err == "stopped: 1 of 2 do not hold their laws\n"


def test_differences_see_nan_and_infinity():
    one = np.ones(3)
    for bad in (np.nan, np.inf):
        assert report.difference(np.array([1.0, bad, 1.0]), one) == np.inf
        assert report.difference(one, np.array([bad, 1.0, 1.0])) == np.inf
    assert report.difference(one, one * (1 + 1e-3)) == pytest.approx(1e-3, rel=1e-2)
    with pytest.raises(report.Fault):
        report.difference(one, np.ones(4))


def test_labels_name_every_leaf_of_a_field_and_leave_out_what_is_absent():
    params = cells.clockwork(6).init(jax.random.key(0), 2)._replace(b_h=None)
    found = base.labels(W_hh="recurrent", b_h="fixed")(params)
    assert set(found.W_hh) == {"recurrent"} and len(found.W_hh) == len(params.W_hh)
    assert found.W_xh == "free" and found.b_h is None
