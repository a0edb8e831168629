"""Matrix products of a step: saved in the forward pass, reused in the backward pass.

Of everything a step computes they cost the most, and their results say all that its
derivative needs of them.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core
from jax.extend.core.primitives import dot_general_p

Tree = Any


def results_of(step: Callable, *given: Tree) -> list[jax.ShapeDtypeStruct]:
    """Shapes and types of the results of the products in step(*given), in order."""
    eqns = jax.make_jaxpr(step)(*given).jaxpr.eqns
    made = [eqn.outvars[0].aval for eqn in eqns if eqn.primitive is dot_general_p]
    return [jax.ShapeDtypeStruct(each.shape, each.dtype) for each in made]


def recorded(step: Callable) -> Callable:
    """(*given) -> (step(*given), results of its products)."""

    def run(*given):
        results = []

        def product(eqn, a, b):
            results.append(dot_general_p.bind(a, b, **eqn.params))
            return results[-1]

        return _evaluate(step, given, product), results

    return run


def replayed(step: Callable, results: list[jax.Array | None]) -> Callable:
    """The step that is given the results of its products, all derivatives the same.

    Args:
      results: as of `recorded`; None where the product is to be done again.
    """

    def run(*given):
        in_turn = iter(results)

        def product(eqn, a, b):
            result = next(in_turn)
            if result is None:
                return dot_general_p.bind(a, b, **eqn.params)
            return _known(eqn.params, a, b, result)

        return _evaluate(step, given, product)

    return run


def _known(params: dict, a, b, result):
    @jax.custom_vjp
    def product(a, b, result):
        del a, b
        return result

    def forward(a, b, result):
        return result, (a, b)

    def back(factors, cotangent):
        def multiply(a, b):
            return dot_general_p.bind(a, b, **params)

        _, pull = jax.vjp(multiply, *factors)
        return *pull(cotangent), jnp.zeros_like(cotangent)

    product.defvjp(forward, back)
    return product(a, b, result)


def _evaluate(step: Callable, given: tuple, product: Callable) -> Tree:
    """step(*given), with product(equation, a, b) in place of each product."""
    closed, out = jax.make_jaxpr(step, return_shape=True)(*given)
    jaxpr = closed.jaxpr
    values = dict(zip(jaxpr.constvars, closed.consts, strict=True))
    values |= dict(zip(jaxpr.invars, jax.tree.leaves(given), strict=True))

    def value(atom):
        return atom.val if isinstance(atom, core.Literal) else values[atom]

    for eqn in jaxpr.eqns:
        arguments = [value(atom) for atom in eqn.invars]
        if eqn.primitive is dot_general_p:
            found = [product(eqn, *arguments)]
        else:
            params = eqn.primitive.get_bind_params(eqn.params)
            found = eqn.primitive.bind(*arguments, **params)
            found = found if eqn.primitive.multiple_results else [found]
        values |= zip(eqn.outvars, found, strict=True)
    return jax.tree.structure(out).unflatten([value(atom) for atom in jaxpr.outvars])
