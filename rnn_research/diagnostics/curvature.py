"""The sharpest directions of a loss."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import errors, shapes
from rnn_research.diagnostics.vectors import precise

Tree = Any


class Curvature(NamedTuple):
    eigenvalues: np.ndarray  # [k], of the Hessian, the largest modulus first
    shares: dict[str, np.ndarray]  # label -> [k], the squared share of each eigenvector

    __repr__ = shapes.record


@precise
def hessian_eigenvalues(
    loss: Callable[[Tree], jax.Array],
    params: Tree,
    labels: Tree,
    *,
    count: int = 3,
    seed: int = 0,
) -> Curvature:
    """The largest eigenvalues of the Hessian, by Lanczos' method on its products.

    Args:
      loss: twice differentiable, forward over reverse: run recurrences by
        `engines.sequential()`.
      labels: a tree like `params`, such as `cell.groups(params)`: what share of an
        eigenvector is in 'recurrent', say.
      count: how many, k, less than there are parameters.

    Raises:
      UsageError: too many, a loss whose Hessian is not finite, or eigenvalues too close
        to each other for Lanczos' method to tell.
    """
    from scipy.sparse import linalg

    check_count(params, count)
    flat, rebuild = jax.flatten_util.ravel_pytree(params)

    @jax.jit
    def product(vector):
        slope = jax.grad(lambda flat: loss(rebuild(flat)))
        return jax.jvp(slope, (flat,), (vector,))[1]

    operator = linalg.LinearOperator(
        (flat.size, flat.size),
        matvec=lambda v: np.asarray(product(jnp.asarray(v.ravel(), flat.dtype))),
        dtype=np.dtype(flat.dtype),
    )
    start = np.random.default_rng(seed).normal(size=flat.size).astype(flat.dtype)
    if not np.isfinite(product(jnp.asarray(start))).all():
        raise errors.UsageError("the Hessian is not finite; no eigenvalues")
    try:
        found, vectors = linalg.eigsh(operator, k=count, which="LM", v0=start)
    except linalg.ArpackError as error:
        raise errors.UsageError(
            f"the eigenvalues were not found ({error}); take another count or seed"
        ) from error
    order = np.argsort(-np.abs(found))
    each = jax.tree.leaves(
        jax.tree.map(lambda leaf, label: np.full(np.size(leaf), label), params, labels)
    )
    names = np.concatenate(each)
    shares = {
        str(name): np.sum(vectors[names == name][:, order] ** 2, axis=0)
        for name in np.unique(names)
    }
    return Curvature(found[order], shares)


def check_count(params: Tree, count: int):
    """Raise unless there are more parameters than eigenvalues are asked for."""
    errors.check_size(count=count)
    size = sum(np.size(leaf) for leaf in jax.tree.leaves(params))
    if count >= size:
        raise errors.UsageError(
            f"count is {count}, but must be less than the {size} parameters"
        )
