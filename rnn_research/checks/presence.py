"""The laws of masks and resets."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research.cells.activations import FLOATS
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

NAME = "what is not there has no effect"
LOOK_AT = "what do project and step make of x = 0?"
FILLS = ((np.nan, np.nan), (np.inf, -np.inf), (1e300, np.nan))  # masked, before a reset


def _past(reset) -> np.ndarray:
    """[T, B], the steps that some reset of their sequence is yet to come after."""
    later = np.cumsum(reset[::-1], axis=0)[::-1]
    return later - reset > 0


def _spoiled(x, mask, past, at_mask: float, before: float) -> np.ndarray:
    x = np.where(mask[..., None], x, at_mask)
    return np.where(past[..., None], before, x)


def without_effect(*groups, with_resets: bool = True):
    """The law for cells, over engines in the groups in which they are compiled."""

    def law(s) -> float:
        mask, reset = (np.asarray(flag) for flag in flags())
        reset = reset if with_resets else np.zeros_like(reset)
        past, forgotten = _past(reset), reset.any(axis=0)
        counted = (mask & ~past)[..., None]
        outputs, final = s.cotangents
        cotangents = outputs * counted, final
        worst = 0.0
        for candidates in groups:
            fit = s.fit(candidates)
            run = s.pulled(fit, with_resets=with_resets)
            right = run(cotangents, s.x, s.state)
            for masked, before in FILLS:
                x = _spoiled(s.x, mask, past, masked, before)
                spoil = functools.partial(where, forgotten, before)
                parts = jax.tree.map(spoil, FLOATS.read(s.state))
                found = run(cotangents, x, FLOATS.write(s.state, parts))
                for engine, own, clean in zip(fit, found, right, strict=True):
                    error = difference(_seen(own, counted), _seen(clean, counted))
                    if not error <= ROUNDING:
                        raise Fault(
                            f"{engine}: {masked:g} in masked steps and {before:g} "
                            f"before resets change values or gradients; {LOOK_AT}"
                        )
                    worst = max(worst, error)
        return worst

    return law


def _seen(result, counted):
    """The result without the outputs that do not count."""
    if result is None:  # of an engine that refuses the cell
        return None
    (outputs, final), gradients = result
    return np.where(counted, outputs, 0), final, gradients


def _without_effect_on_layers(s) -> float:
    mask, reset = (np.asarray(flag) for flag in flags())
    past = _past(reset)
    counted, forgotten = mask & ~past, reset.any(axis=0)

    def loss(params, x, before):
        start = s.layer.initial_context(params, (BATCH,))
        context = s.layer.apply(params, s.x[:3], start, Call()).context
        spoiled = [where(forgotten, leaf + before, leaf) for leaf in floats_of(context)]
        context = filled(context, spoiled)
        call = Call(mask=mask, reset=reset)
        applied = s.layer.apply(params, x, context, call)
        whole = s.layer.apply(params, x, context, call._replace(whole=True)).outputs
        seen = where(counted, applied.outputs, 0), whole
        squares = [jnp.sum(part**2) for part in seen]
        return sum(squares), (seen, floats_of(applied.context))

    run = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))
    right = run(s.params, s.x, 0.0)
    worst = 0.0
    for masked, before in FILLS:
        x = _spoiled(s.x, mask, past, masked, before)
        error = difference(run(s.params, x, before), right)
        if not error <= ROUNDING:
            raise Fault(
                f"{masked:g} in masked steps and {before:g} before resets change "
                "values or gradients; build the layer of those of `layers`, or replace "
                "what is not finite before it is used, as `layers.pointwise` does"
            )
        worst = max(worst, error)
    return worst


def _every_parameter_matters_to_the_whole(s) -> float:
    @jax.jit
    def gradient(params):
        def loss(params):
            start = s.layer.initial_context(params, (BATCH,))
            whole = s.layer.apply(params, s.x, start, Call(whole=True)).outputs
            return jnp.sum(jnp.sin(whole))

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


OF_LAYERS = (
    Law(NAME, _without_effect_on_layers, ROUNDING, "apply", costly=True),
    Law(
        "every parameter matters to the whole",
        _every_parameter_matters_to_the_whole,
        0.0,
        "last, or the outputs at the last step",
    ),
)
