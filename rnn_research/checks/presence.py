"""The laws of what is not there: masked steps, and what lies before a reset."""

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import engines, values
from rnn_research.checks.report import (
    BATCH,
    ROUNDING,
    Fault,
    Law,
    difference,
    flags,
)
from rnn_research.engines.floats import filled, floats_of
from rnn_research.layers import Call
from rnn_research.presence import where
from rnn_research.unroll import unroll

FILLS = ((np.nan, np.nan), (np.inf, -np.inf), (1e300, np.nan))  # masked, before a reset


def _past(reset) -> np.ndarray:
    """[T, B], the steps that some reset of their sequence is yet to come after."""
    later = np.cumsum(reset[::-1], axis=0)[::-1]
    return later - reset > 0


def _without_effect(*candidates, with_resets=True):
    """What stands where nothing is there changes no value and no gradient."""

    def law(s) -> float:
        mask, reset = (np.asarray(flag) for flag in flags())
        reset = reset if with_resets else np.zeros_like(reset)
        given = {"mask": mask, "reset": reset if with_resets else None}
        past = _past(reset)
        counted, forgotten = mask & ~past, reset.any(axis=0)
        fit = [engine for engine in candidates if not engine.complaint(s.cell)]

        def loss(params, x, floats, engine):
            state = filled(s.state, floats)
            run = unroll(s.cell, params, x, state=state, engine=engine, **given)
            seen = where(counted, run.outputs, 0), floats_of(run.final_state)
            squares = [jnp.sum(jnp.abs(part) ** 2) for part in jax.tree.leaves(seen)]
            return sum(squares), seen

        def unless_refused(*arguments):
            slopes = jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True)
            try:
                return slopes(*arguments)
            except values.UsageError:  # an engine that this state is not for
                return ()

        @jax.jit
        def run(*arguments):
            return [unless_refused(*arguments, engine) for engine in fit]

        floats = floats_of(s.state)
        right = run(s.params, s.x, floats)
        worst = 0.0
        for masked, before in FILLS:
            x = np.where(mask[..., None], s.x, masked)
            x = np.where(past[..., None], before, x)
            dirty = [np.array(where(forgotten, before, leaf)) for leaf in floats]
            found = run(s.params, x, dirty)
            for engine, own, clean in zip(fit, found, right, strict=True):
                error = difference(own, clean)
                if not error <= ROUNDING:
                    raise Fault(
                        f"{engine}: {masked:g} in masked steps and {before:g} before "
                        "resets change values or gradients; what does project or step "
                        "make of 0?"
                    )
                worst = max(worst, error)
        return worst

    return law


def _without_effect_on_layers(s) -> float:
    mask, reset = (np.asarray(flag) for flag in flags())
    past = _past(reset)
    counted, forgotten = mask & ~past, reset.any(axis=0)

    def loss(params, x, before):
        start = s.layer.initial_context(params, (BATCH,))
        context = s.layer.apply(params, s.x[:3], start, Call()).context
        spoiled = [where(forgotten, leaf + before, leaf) for leaf in floats_of(context)]
        context = filled(context, spoiled)
        applied = s.layer.apply(params, x, context, Call(mask=mask, reset=reset))
        seen = where(counted, applied.outputs, 0), applied.last
        squares = [jnp.sum(part**2) for part in seen]
        return sum(squares), (seen, floats_of(applied.context))

    run = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))
    right = run(s.params, s.x, 0.0)
    worst = 0.0
    for masked, before in FILLS:
        x = np.where(mask[..., None], s.x, masked)
        x = np.where(past[..., None], before, x)
        error = difference(run(s.params, x, before), right)
        if not error <= ROUNDING:
            raise Fault(
                f"{masked:g} in masked steps and {before:g} before resets change "
                "values or gradients; build the layer of those of `layers`, or replace "
                "what is not finite before it is used, as `layers.pointwise` does"
            )
        worst = max(worst, error)
    return worst


def _every_parameter_matters_to_last(s) -> float:
    @jax.jit
    def gradient(params):
        def loss(params):
            start = s.layer.initial_context(params, (BATCH,))
            return jnp.sum(jnp.sin(s.layer.apply(params, s.x, start, Call()).last))

        return jax.grad(loss)(params)

    named = jax.tree_util.tree_leaves_with_path(gradient(s.params))
    labels = jax.tree.leaves(s.layer.groups(s.params))
    idle = [
        jax.tree_util.keystr(path, simple=True, separator=".")
        for (path, leaf), label in zip(named, labels, strict=True)
        if label != "fixed" and not np.asarray(leaf).any()
    ]
    if idle:
        raise Fault(f"what stands for the whole sequence needs no {', '.join(idle)}")
    return 0.0


NAME = "what is not there has no effect"
OF_CELLS = (
    Law(
        NAME,
        _without_effect(engines.sequential(), engines.associative()),
        ROUNDING,
        "project or step, at x = 0",
    ),
    Law(
        f"{NAME}, other engines",
        _without_effect(
            engines.sequential(project="sequence"),
            engines.checkpointed(chunk=3),
            engines.adjoint(chunk=3),
            engines.newton(),
            engines.truncated(window=4, stride=2),
        ),
        ROUNDING,
        "project or step, at x = 0",
    ),
    Law(
        f"{NAME}, reversible engine",
        _without_effect(engines.reversible(chunk=3), with_resets=False),
        ROUNDING,
        "inverse, at x = 0",
        lambda cell: cell.inverse is not None,
    ),
)
OF_LAYERS = (
    Law(NAME, _without_effect_on_layers, ROUNDING, "apply"),
    Law(
        "every parameter matters to last",
        _every_parameter_matters_to_last,
        0.0,
        "last, or the outputs at the last step",
    ),
)
