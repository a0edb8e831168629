"""The laws of cells."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import values
from rnn_research.cells import base
from rnn_research.cells.activations import FLOATS
from rnn_research.checks import agreement, presence, products, structure
from rnn_research.checks.report import (
    BATCH,
    DIFFERENCES,
    EXACT,
    LENGTH,
    ROUNDING,
    Fault,
    Law,
    difference,
    disturbed,
    flags,
)
from rnn_research.checks.subject import LOOP
from rnn_research.presence import where
from rnn_research.unroll import unroll

HALF = 0.1  # relative error allowed of one step in bfloat16


def _leading_axes(s) -> float:
    """Functions on [T, B] against each entry by itself."""
    h = s.state
    batched = (s.step(s.w, h, s.u_at(0)), s.readout(s.w, h, s.u_at(0)))
    each = jax.vmap(lambda h, u: (s.cell.step(s.w, h, u), s.cell.readout(s.w, h, u)))
    single = jax.jit(each)(h, s.u_at(0))
    alone = [s.project(x) for x in np.asarray(s.x)[:, 0]]
    alone = jax.tree.map(lambda *leaves: np.stack(leaves), *alone)
    whole = jax.tree.map(lambda leaf: np.asarray(leaf)[:, 0], s.u)
    return max(difference(batched, single), difference(whole, alone))


def _causality(s) -> float:
    cut = LENGTH // 2
    other = np.array(s.x)
    other[cut:] += 1.0
    later, _ = s.run(s.params, other, s.state)
    now, _ = s.run(s.params, s.x, s.state)
    return difference(np.asarray(later)[:cut], np.asarray(now)[:cut])


def _batch_independence(s) -> float:
    x = np.array(s.x)
    x[:, 0] += 1.0

    def moved(leaf):
        leaf = np.array(leaf)
        leaf[0] += 0.5
        return leaf

    def rest(x, state):
        outputs, final = s.run(s.params, x, state)
        return np.asarray(outputs)[:, 1:], jax.tree.map(lambda leaf: leaf[1:], final)

    other = FLOATS.write(s.state, jax.tree.map(moved, FLOATS.read(s.state)))
    return difference(rest(x, other), rest(s.x, s.state))


def _flags_against_a_loop(s) -> float:
    """Masks and resets by `unroll` against a loop in Python."""
    mask, reset = flags()
    h, ys = s.state, []
    for t in range(LENGTH):
        h = where(reset[t], s.start, h)
        new = s.step(s.w, h, s.u_at(t))
        h = where(mask[t], new, h)
        y = s.readout(s.w, h, s.u_at(t))
        ys.append(where(mask[t], y, jnp.zeros_like(y)))
    return difference(s.by_loop()[0], (np.stack(ys), h))


def _types(dtype, s) -> float:
    params = jax.tree.map(lambda leaf: leaf.astype(dtype), s.params)
    with jax.enable_x64(dtype == jnp.float64):
        params = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)), params)
        x = jnp.asarray(np.asarray(s.x), dtype)
        result = unroll(s.cell, params, x)
        if result.outputs.dtype != dtype:
            raise Fault(
                f"outputs are {result.outputs.dtype} for {dtype.__name__} inputs"
            )
        if not np.isfinite(result.outputs).all():
            raise Fault(f"outputs in {dtype.__name__} are not finite")
        low = np.asarray(result.outputs, np.float64)
    return difference(low, np.asarray(s.run(s.params, s.x, s.start)[0]))


def _inputs_of_any_size(s) -> float:
    """Counts, prices and years as they are: values and gradients stay finite."""
    for size in (1e3, 1e6):
        (result,) = s.pulled(LOOP)(s.cotangents, size * np.asarray(s.x), s.state)
        leaves = jax.tree.leaves(FLOATS.read(result))
        if not all(np.isfinite(leaf).all() for leaf in leaves):
            raise Fault(f"inputs of size {size:g} give what is not finite")
    return 0.0


def _half_precision(s) -> float:
    """bfloat16 weights and inputs around a float32 state."""

    def cast(tree, dtype):
        def one(leaf):
            if not jnp.issubdtype(leaf.dtype, jnp.inexact):
                return leaf
            if jnp.iscomplexobj(leaf):
                return leaf.astype(jnp.complex64)
            return leaf.astype(dtype)

        return jax.tree.map(one, tree)

    state, w = cast(s.state, jnp.float32), cast(s.w, jnp.bfloat16)
    x = s.x[0].astype(jnp.bfloat16)
    u = s.cell.project(w, x if s.cell.noise is None else (x, None))
    new = s.cell.step(w, state, u)
    kinds = [leaf.dtype for leaf in jax.tree.leaves(new)]
    if kinds != [leaf.dtype for leaf in jax.tree.leaves(state)]:
        raise Fault(f"the float32 state becomes {kinds[0]} under bfloat16 weights")
    exact = FLOATS.read(s.cell.step(s.w, s.state, s.u_at(0)))
    new = FLOATS.read(new)
    widened = jax.tree.map(lambda a, b: a.astype(b.dtype), new, exact)
    return difference(widened, exact)


def _vmap(s) -> float:
    """An ensemble of parameters by vmap against each by itself."""
    other = disturbed(5, s.params, s.cell.groups(s.params))
    both = jax.tree.map(lambda *leaves: jnp.stack(leaves), s.params, other)

    def run(params):
        return s.run(params, s.x, s.state)[0]

    each = jnp.stack([run(s.params), run(other)])
    return difference(jax.vmap(run)(both), each)


def _no_second_compilation(s) -> float:
    traced = []

    def run(cell, params, x):
        traced.append(cell)
        return unroll(cell, params, x).outputs

    jitted = jax.jit(run, static_argnums=0)
    jitted.trace(s.cell, s.params, s.x)
    jitted.trace(values.remade(s.cell), s.params, s.x + 1)
    return len(traced) - 1


def _groups(s) -> float:
    labels = set(jax.tree.leaves(s.cell.groups(s.params)))
    if not labels <= {"recurrent", "free", "fixed"}:
        raise Fault(f"groups has the labels {sorted(labels)}")
    return 0.0


def _retract(s) -> float:
    """What it gives is finite, and stays when retracted again, as what `init` gave.

    Compared by the weights: parameters may tell of one map in several ways.
    """
    once = s.cell.retract(s.params)
    if jax.tree.map(jnp.shape, s.params) != jax.tree.map(jnp.shape, once):
        raise Fault("retract changes the structure or the shapes of the parameters")
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(once)):
        raise Fault("retract gives parameters that are not finite")
    return max(
        difference(s.cell.weights(s.cell.retract(params)), s.cell.weights(params))
        for params in (once, s.first)
    )


def _gates(s) -> float:
    for gate in s.cell.gates(s.w, s.state, s.u_at(0)):
        if gate.shape[0] != BATCH or not np.isfinite(gate).all():
            raise Fault(
                f"a gate of shape {list(gate.shape)} is not [B, ...] and finite"
            )
    return _gated(s) if s.cell.gated else 0.0


def _gated(s) -> float:
    given = s.w, s.state, s.u_at(0)
    gates, step = s.cell.gates(*given), s.cell.step(*given)
    for name, own in base.gate_ranges(type(gates)).items():
        halved = gates._replace(**{name: getattr(gates, name) / 2})
        if not own.candidate and not difference(s.cell.gated(*given, halved), step):
            raise Fault(f"gated does not heed the gate {name}")
    return difference(step, s.cell.gated(*given, gates))


LAWS = (
    Law(
        "pointwise in leading axes",
        _leading_axes,
        EXACT,
        "project, step or readout mixes entries of the leading axes; use axis=-1 and "
        "x @ W, never axis 0",
    ),
    Law(
        "causal",
        _causality,
        0.0,
        "outputs depend on later inputs: project looks ahead",
    ),
    Law(
        "sequences of a batch apart",
        _batch_independence,
        0.0,
        "a sequence changes with another of its batch: step, project or readout mixes "
        "the batch axis",
    ),
    Law(
        "masks and resets as in a loop",
        _flags_against_a_loop,
        EXACT,
        "initial_state, or a state whose leaves do not start with the batch axes",
    ),
    Law(
        "float32",
        functools.partial(_types, jnp.float32),
        1e-3,
        "an intermediate that loses digits: exp or log of large numbers, a difference "
        "of near equals",
        costly=True,
    ),
    Law(
        "finite at inputs of any size",
        _inputs_of_any_size,
        0.0,
        "an exp without a stabiliser, or a sentinel that inputs can pass",
    ),
    Law(
        "bfloat16 around a float32 state",
        _half_precision,
        HALF,
        "step rounds the state to bfloat16, or cancels in half precision",
        costly=True,
    ),
    Law(
        "vmap over parameters",
        _vmap,
        EXACT,
        "a shape read from the parameters",
        costly=True,
    ),
    Law(
        "engines agree, values and gradients",
        agreement.agree(agreement.AT_ONCE),
        ROUNDING,
        "the associative form, or a step that is not pure",
    ),
    Law(
        "engines that compute anew agree",
        agreement.agree(agreement.ANEW),
        ROUNDING,
        "a step that is not pure, or a derivative of its own that is false",
        costly=True,
    ),
    Law(
        "newton agrees",
        agreement.agree(agreement.NEWTON),
        ROUNDING,
        "structure.jacobian, or a derivative of the step that is false",
        costly=True,
    ),
    Law(
        "reversible engine agrees",
        agreement.agree(agreement.REVERSIBLE, with_resets=False),
        ROUNDING,
        "inverse",
        lambda cell: cell.inverse is not None,
        costly=True,
    ),
    Law(
        "gradient is that of finite differences",
        agreement.finite_differences,
        DIFFERENCES,
        "a custom derivative, a stop_gradient, or a step that is not smooth here; "
        "derivatives that are not meant to be those of the values are declared by "
        "Structure(surrogate=True)",
        lambda cell: not cell.structure.surrogate,
        costly=True,
    ),
    Law(
        "forward mode is reverse mode",
        agreement.forward_mode,
        ROUNDING,
        "a custom derivative that is defined for one mode only",
        costly=True,
    ),
    Law(
        "every parameter matters",
        agreement.every_parameter_matters,
        0.0,
        "project and step",
    ),
    Law(
        "a second call does not compile",
        _no_second_compilation,
        0.0,
        "equal calls of the factory make cells that are not equal; are its arguments "
        "hashable?",
    ),
    Law("groups label every leaf", _groups, 0.0, "groups"),
    Law("retract is a projection", _retract, EXACT, "retract"),
    Law(
        "gates",
        _gates,
        EXACT,
        "gates must be a NamedTuple of arrays [*, ...]; with gated, step is what it "
        "makes of them",
        lambda cell: cell.gates is not None,
    ),
    Law(
        presence.NAME,
        presence.without_effect(LOOP, agreement.AT_ONCE),
        ROUNDING,
        presence.LOOK_AT,
    ),
    Law(
        f"{presence.NAME}, other engines",
        presence.without_effect(agreement.ANEW, agreement.NEWTON),
        ROUNDING,
        presence.LOOK_AT,
        costly=True,
    ),
    Law(
        f"{presence.NAME}, reversible engine",
        presence.without_effect(agreement.REVERSIBLE, with_resets=False),
        ROUNDING,
        presence.LOOK_AT,
        lambda cell: cell.inverse is not None,
        costly=True,
    ),
    *structure.LAWS,
    *products.LAWS,
)
