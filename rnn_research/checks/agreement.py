"""The laws by which engines and derivatives agree."""

import jax
import numpy as np

from rnn_research import engines
from rnn_research.checks.report import (
    ROUNDING,
    Fault,
    difference,
)
from rnn_research.checks.subject import LOOP


def agree(candidates, *, with_resets: bool = True):
    """Against the plain loop, with a mask, a state and a gradient through it."""

    def law(s) -> float:
        loop, worst = s.by_loop(with_resets), 0.0
        fit = s.fit(candidates)
        results = s.pulled(fit, with_resets=with_resets)
        for engine, result in zip(
            fit, results(s.cotangents, s.x, s.state), strict=True
        ):
            if result is None:
                continue
            error = difference(result, loop)
            if not error <= ROUNDING:
                raise Fault(
                    f"{engine} differs from {engines.sequential()} by {error:.1e} in "
                    "values or gradients; is the associative form the step?"
                )
            worst = max(worst, error)
        return worst

    return law


AT_ONCE = (engines.sequential(project="sequence"), engines.associative())
ANEW = (engines.checkpointed(chunk=3), engines.adjoint(chunk=3))
NEWTON = (engines.newton(),)
REVERSIBLE = (engines.reversible(chunk=3),)  # with resets it is another one


def finite_differences(s) -> float:
    reverse, _, slope = s.slopes
    return abs(reverse - slope) / max(1.0, abs(slope))


def forward_mode(s) -> float:
    reverse, forward, _ = s.slopes
    return abs(reverse - forward) / max(1.0, abs(forward))


def every_parameter_matters(s) -> float:
    """No leaf, but those labelled 'fixed', has a gradient of zero in the outputs."""
    outputs, final = s.cotangents
    cotangents = outputs, jax.tree.map(np.zeros_like, final)
    ((_, (gradient, *_)),) = s.pulled(LOOP)(cotangents, s.x, s.state)
    labels = jax.tree.leaves(s.cell.groups(s.params))
    named = jax.tree_util.tree_leaves_with_path(gradient)
    idle = [
        jax.tree_util.keystr(path).strip(".[]'")
        for (path, leaf), label in zip(named, labels, strict=True)
        if label != "fixed" and not np.asarray(leaf).any()
    ]
    if idle:
        raise Fault(
            f"nothing depends on {', '.join(idle)}; is it missing in a formula?"
        )
    return 0.0
