"""A cell with all that its laws are measured on."""

import functools

import jax
import jax.numpy as jnp

from rnn_research import engines, errors
from rnn_research.cells.activations import FLOATS
from rnn_research.checks.report import (
    BATCH,
    INPUTS,
    LENGTH,
    disturbed,
    flags,
    random_like,
)
from rnn_research.diagnostics.derivatives import linearize
from rnn_research.unroll import unroll

LOOP = (engines.sequential(),)


class Subject:
    """A cell with parameters, inputs and a state to check it on."""

    def __init__(self, cell):
        self.cell = cell
        self._pulled: dict = {}
        self.step, self.readout = jax.jit(cell.step), jax.jit(cell.readout)
        self.first = jax.jit(cell.init, static_argnums=1)(jax.random.key(0), INPUTS)
        self.params = disturbed(1, self.first, cell.groups(self.first))
        given = jax.ShapeDtypeStruct((LENGTH, BATCH, INPUTS), jnp.float64)
        self.x, before = random_like(2, [given, given])
        self.w, self.start = jax.jit(self._formed)(self.params)
        self._project = jax.jit(cell.project)
        self.state = self.run(self.params, before, self.start)[1]
        self.u = self.project(self.x)

    def _formed(self, params):
        return self.cell.weights(params), self.cell.initial_state(params, (BATCH,))

    def project(self, x):
        return self._project(self.w, x if self.cell.noise is None else (x, None))

    def fit(self, candidates) -> tuple:
        """Those of the engines that the cell qualifies for."""
        return tuple(each for each in candidates if not each.refusal(self.cell))

    def u_at(self, t):
        return jax.tree.map(lambda leaf: leaf[t], self.u)

    @functools.cached_property
    def slopes(self):
        return tuple(_slopes(self))

    @functools.cached_property
    def run(self):
        """(params, x, state) -> (outputs, final state) of the plain loop, compiled."""

        def run(params, x, state):
            engine = engines.sequential(project="sequence")
            result = unroll(self.cell, params, x, state=state, engine=engine)
            return result.outputs, result.final_state

        return jax.jit(run)

    @functools.cached_property
    def cotangents(self):
        """Random, for the outputs and the floats of the final state."""
        outputs, final = jax.eval_shape(self.run, self.params, self.x, self.state)
        return random_like(7, (outputs, FLOATS.read(final)))

    def pulled(self, candidates, *, with_resets: bool = True):
        """(cotangents, x, state) -> [(outputs, final state), gradients] of each engine.

        With a mask. None of an engine that refuses the state or the step.
        """
        key = candidates, with_resets
        if key not in self._pulled:
            self._pulled[key] = self._compiled(candidates, with_resets)
        return self._pulled[key]

    def _compiled(self, candidates, with_resets: bool):
        mask, reset = flags()
        options = {"mask": mask, "reset": reset if with_resets else None}

        def through(engine, cotangents, *arguments):
            def function(params, x, floats):
                state = FLOATS.write(self.state, floats)
                result = unroll(
                    self.cell, params, x, state=state, engine=engine, **options
                )
                final = result.final_state
                return (result.outputs, FLOATS.read(final)), final

            (outputs, _), pull, final = jax.vjp(function, *arguments, has_aux=True)
            return (outputs, final), pull(cotangents)

        def unless_refused(*given):
            try:
                return through(*given)
            except errors.UsageError:
                return None

        run = jax.jit(lambda *given: [unless_refused(e, *given) for e in candidates])
        return lambda cotangents, x, state: run(
            cotangents, self.params, x, FLOATS.read(state)
        )

    def by_loop(self, with_resets: bool = True):
        """The outputs, final state and gradients of the plain loop."""
        run = self.pulled(LOOP, with_resets=with_resets)
        return run(self.cotangents, self.x, self.state)[0]


def _slopes(s):
    """(reverse mode, forward mode, finite differences) along one direction.

    Of two steps the one that agrees better, since a ReLU may have its kink between.
    """

    @jax.jit
    def all_three(direction):
        def loss(shift):
            params, x = jax.tree.map(
                lambda a, d: a + shift * d, (s.params, s.x), direction
            )
            outputs, final = s.run(params, x, s.state)
            parts = jax.tree.leaves(FLOATS.read(final))
            squares = (jnp.sum(jnp.abs(h) ** 2) for h in parts)
            return jnp.sum(jnp.sin(outputs)) + sum(squares)

        steps = jnp.array([1e-5, 1e-6])
        at = jax.lax.map(loss, jnp.concatenate([steps, -steps]))
        slopes = (at[:2] - at[2:]) / (2 * steps)
        reverse = jax.grad(loss)(0.0)
        closest = jnp.argmin(jnp.abs(slopes - reverse))
        forward = linearize(loss, 0.0)[1](1.0)
        return reverse, forward, slopes[closest]

    return map(float, all_three(random_like(3, (s.params, s.x))))
