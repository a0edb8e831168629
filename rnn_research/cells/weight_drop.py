"""DropConnect on the weights that a state is multiplied with."""

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base


@base.cell
def weight_drop(cell: base.Cell, *, rate=0.5) -> base.Cell:
    """DropConnect on the recurrent matrices (Merity et al. 2017, arXiv 1708.02182).

    In training each entry of every matrix labelled 'recurrent' is zero with
    probability `rate` for the whole of a sequence batch, and 1/(1 - rate) times itself
    otherwise; evaluation uses the full weights. A matrix is an array of two axes or
    more that `step` reads as it is or as a linear function of it: not the angles or the
    logarithms that a matrix is formed of, and not what multiplies the input.
    """
    errors.check_between("rate", rate, 0.0, 1.0)
    if rate == 1.0:
        raise errors.UsageError("rate must be less than 1")
    params, _ = base.shapes(cell)
    dropped = _weights_of_the_state(cell, params)
    if not any(dropped):
        raise errors.UsageError(
            f"{cell.name} has no recurrent matrix to drop weights of; label one "
            "'recurrent' in its groups"
        )

    def perturb(key, params):
        if cell.perturb is not None:
            key, inner = jax.random.split(key)
            params = cell.perturb(inner, params)
        leaves, tree = jax.tree.flatten(params)
        keys = jax.random.split(key, len(leaves))

        def drop(key, leaf):
            kept = jax.random.bernoulli(key, 1 - rate, leaf.shape)
            return jnp.where(kept, leaf / (1 - rate), 0)

        each = zip(keys, leaves, dropped, strict=True)
        return tree.unflatten([drop(k, leaf) if d else leaf for k, leaf, d in each])

    return cell.replace(perturb=perturb)


def _weights_of_the_state(cell, params) -> list[bool]:
    """Of each leaf of the params, whether it is a matrix of weights of the state."""
    leaves, tree = jax.tree.flatten(params)
    labels = jax.tree.leaves(cell.groups(params))
    read = _read_by_step(cell, params)

    def is_one(index) -> bool:
        if labels[index] != "recurrent" or leaves[index].ndim < 2:
            return False

        def weights(leaf, others):
            given = [*others[:index], leaf, *others[index + 1 :]]
            formed = jax.tree.leaves(cell.weights(tree.unflatten(given)))
            return [own for own, is_read in zip(formed, read, strict=True) if is_read]

        def transposed(leaves):
            """A trace of this fails where the weights are not linear in the leaf."""

            def of_leaf(leaf):
                return weights(leaf, leaves)

            cotangents = jax.tree.map(jnp.ones_like, of_leaf(leaves[index]))
            return jax.linear_transpose(of_leaf, leaves[index])(cotangents)

        if not _depends(weights, leaves[index], leaves):
            return False
        try:
            jax.eval_shape(transposed, leaves)
        except Exception:  # of a type that depends on the operation
            return False
        return True

    return [is_one(index) for index in range(len(leaves))]


def _read_by_step(cell, params) -> list[bool]:
    """Of each leaf of the weights, whether `step` reads it."""
    w = jax.eval_shape(cell.weights, params)
    x = jax.ShapeDtypeStruct((base.least_input_size(cell),), jnp.zeros(()).dtype)
    x = x if cell.noise is None else (x, None)
    h = jax.eval_shape(lambda params: cell.initial_state(params, ()), params)
    u = jax.eval_shape(cell.project, w, x)
    jaxpr = jax.make_jaxpr(cell.step)(w, h, u).jaxpr
    used = {id(atom) for equation in jaxpr.eqns for atom in equation.invars}
    used |= {id(atom) for atom in jaxpr.outvars}
    count = len(jax.tree.leaves(w))
    return [id(var) in used for var in jaxpr.invars[:count]]


def _depends(function, argument, *others) -> bool:
    """Whether what the function gives is made of its first argument."""
    jaxpr = jax.make_jaxpr(function)(argument, *others).jaxpr
    reached = {id(jaxpr.invars[0])}
    for equation in jaxpr.eqns:
        if any(id(atom) in reached for atom in equation.invars):
            reached |= {id(var) for var in equation.outvars}
    return any(id(atom) in reached for atom in jaxpr.outvars)
