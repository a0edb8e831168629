"""The laws of layers."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import values
from rnn_research.checks import presence
from rnn_research.checks.report import (
    BATCH,
    DIFFERENCES,
    INPUTS,
    LENGTH,
    ROUNDING,
    Fault,
    Law,
    difference,
    disturbed,
    flags,
    random_like,
)
from rnn_research.layers.base import Call, at_end


class Subject:
    """A layer with parameters and inputs to check it on."""

    def __init__(self, layer):
        self.layer = layer
        params = layer.init(jax.random.key(0), INPUTS)
        self.params = disturbed(1, params, layer.groups(params))
        given = jax.ShapeDtypeStruct((LENGTH, BATCH, INPUTS), jnp.float64)
        self.x = random_like(2, given)

    @functools.cached_property
    def compiled(self):
        """(params, x, context, flags, whole) -> Applied."""

        def apply(params, x, context, flags, whole):
            call = Call(**flags, whole=whole)
            return self.layer.apply(params, x, context, call)._replace(records=())

        return jax.jit(apply, static_argnums=4)

    @functools.cached_property
    def start(self):
        return self.layer.initial_context(self.params, (BATCH,))

    def apply(self, x, context=None, whole=False, **flags):
        context = self.start if context is None else context
        applied = self.compiled(self.params, x, context, flags, whole)
        return jax.tree.map(np.asarray, applied)


def _layer_causality(s) -> float:
    cut = LENGTH // 2
    later = np.array(s.x)
    later[cut:] += 1.0
    return difference(s.apply(later).outputs[:cut], s.apply(s.x).outputs[:cut])


def _layer_batch(s) -> float:
    other = np.array(s.x)
    other[:, 0] += 1.0
    return difference(s.apply(other).outputs[:, 1:], s.apply(s.x).outputs[:, 1:])


def _layer_context(s) -> float:
    """The sequences the other way round: so is the context, along its first axis."""
    straight, turned = s.apply(s.x).context, s.apply(s.x[:, ::-1]).context
    for leaf in jax.tree.leaves((s.start, straight)):
        if jnp.shape(leaf)[:1] != (BATCH,):
            raise Fault(
                f"for a batch of {BATCH} the context has a leaf "
                f"{list(jnp.shape(leaf))}; shapes must begin with batch_shape"
            )
    return difference(turned, jax.tree.map(lambda leaf: leaf[::-1], straight))


def _halves(s) -> float:
    worst = 0.0
    mask, reset = flags()
    for whole in ({}, {"mask": mask, "reset": reset}):
        for cut in (1, LENGTH // 2):
            first, second = (
                {name: flag[part] for name, flag in whole.items()}
                for part in (slice(cut), slice(cut, None))
            )
            a = s.apply(s.x[:cut], **first)
            b = s.apply(s.x[cut:], a.context, **second)
            joined = np.concatenate([a.outputs, b.outputs])
            worst = max(worst, difference(joined, s.apply(s.x, **whole).outputs))
    return worst


def _layer_resets(s) -> float:
    """After a reset as a sequence that starts there."""
    cut = 3
    reset = np.zeros((LENGTH, BATCH), bool)
    reset[cut] = True
    return difference(
        s.apply(s.x, reset=reset).outputs[cut:], s.apply(s.x[cut:]).outputs
    )


def _layer_masks(s) -> float:
    """Masked steps are not there: the rest is as without them."""
    kept = np.array([0, 1, 3, 4, 6])
    mask = np.zeros((LENGTH, BATCH), bool)
    mask[kept] = True
    return difference(s.apply(s.x, mask=mask).outputs[kept], s.apply(s.x[kept]).outputs)


def _whole(s) -> float:
    """For the whole a causal layer gives its last output there."""
    worst = 0.0
    mask, reset = flags()
    end = np.zeros((LENGTH, BATCH), bool)
    end[-1] = True
    for call in (
        {},
        {"mask": mask},
        {"reset": reset},
        {"mask": ~end, "reset": end},
    ):
        last = at_end(s.apply(s.x, **call).outputs, Call(**call))
        whole = s.apply(s.x, whole=True, **call).outputs
        worst = max(worst, difference(whole, last))
    return worst


def _layer_differences(s) -> float:
    direction = random_like(3, (s.params, s.x))

    def loss(shift):
        p, x = jax.tree.map(lambda a, d: a + shift * d, (s.params, s.x), direction)
        context = s.layer.initial_context(p, (BATCH,))
        return jnp.sum(jnp.sin(s.layer.apply(p, x, context, Call()).outputs))

    loss_and_slope = jax.jit(jax.value_and_grad(loss))
    step = 1e-5
    (above, _), (below, _) = loss_and_slope(step), loss_and_slope(-step)
    slope = float(above - below) / (2 * step)
    return abs(float(loss_and_slope(0.0)[1]) - slope) / max(1.0, abs(slope))


def _layer_compilations(s) -> float:
    traced = []

    def run(layer, params, x):
        traced.append(layer)
        return layer.apply(
            params, x, layer.initial_context(params, (BATCH,)), Call()
        ).outputs

    jitted = jax.jit(run, static_argnums=0)
    jitted.trace(s.layer, s.params, s.x)
    jitted.trace(values.remade(s.layer), s.params, s.x + 1)
    return len(traced) - 1


def _is_causal(layer) -> bool:
    return layer.causal


LAWS = (
    Law("causal", _layer_causality, 0.0, "outputs depend on later inputs", _is_causal),
    Law(
        "sequences of a batch apart",
        _layer_batch,
        0.0,
        "a sequence changes with another of its batch",
    ),
    Law(
        "a context of each sequence",
        _layer_context,
        ROUNDING,
        "the context of a sequence depends on its place in the batch",
    ),
    Law(
        "two halves are the whole",
        _halves,
        ROUNDING,
        "the context does not carry all that the second half needs",
        _is_causal,
    ),
    Law("resets", _layer_resets, ROUNDING, "the past is seen across a reset"),
    Law("masks", _layer_masks, ROUNDING, "masked steps are seen, or move the context"),
    Law(
        "of the whole the last output",
        _whole,
        ROUNDING,
        "an apply with layers.base.handing_on gives other outputs where call.whole",
        _is_causal,
    ),
    Law(
        "gradient is that of finite differences",
        _layer_differences,
        DIFFERENCES,
        "a custom derivative, a stop_gradient, or a map that is not smooth here",
        costly=True,
    ),
    Law(
        "a second call does not compile",
        _layer_compilations,
        0.0,
        "equal calls of the factory make layers that are not equal",
    ),
    *presence.OF_LAYERS,
)
