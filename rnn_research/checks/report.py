"""What the kit reports, and the measures that the laws share."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import errors

Tree = Any
LENGTH, BATCH, INPUTS = 7, 4, 3
EXACT, ROUNDING, DIFFERENCES = 1e-12, 1e-10, 1e-5


class Check(NamedTuple):
    """One law.

    Attributes:
      error: by how much it fails, relative; None where it cannot be measured.
      limit: what is allowed.
      look_at: where the fault is likely to be.
    """

    name: str
    passed: bool
    error: float | None
    limit: float | None
    look_at: str

    @property
    def share(self) -> float:
        """The error as a share of its limit; infinite where it failed."""
        if not self.passed:
            return math.inf
        return self.error / self.limit if self.limit else 0.0


@dataclasses.dataclass(frozen=True)
class Report:
    """What `check_cell` found."""

    cell: str
    checks: tuple[Check, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    @property
    def failures(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if not check.passed)

    def __str__(self) -> str:
        width = max(len(check.name) for check in self.checks)
        lines = [self.cell]
        for check in self.checks:
            verdict = "ok  " if check.passed else "FAIL"
            numbers = ""
            if check.error is not None:
                numbers = f"{check.error:8.1e} (limit {check.limit:.0e})"
            elif not check.passed:
                numbers = "cannot be measured"
            line = f"  {verdict}  {check.name.ljust(width)}  {numbers}"
            lines.append(line if check.passed else f"{line}\n        {check.look_at}")
        return "\n".join(lines)


class Fault(Exception):
    """A law does not hold, in a way that has no size; the message says how."""


def measure(name, subject, function, limit, look_at) -> Check:
    try:
        error = float(function(subject))
    except Fault as fault:
        return Check(name, False, None, limit, str(fault))
    except Exception as problem:
        return Check(name, False, None, limit, errors.one_line(problem))
    return Check(name, error <= limit, error, limit, look_at)  # NaN is not <=


class Law(NamedTuple):
    """What must hold.

    Attributes:
      error: (subject) -> by how much it fails, relative to the largest entry; raises
        Fault where the failure has no size.
      concerns: (cell) -> whether it makes the claim.
      costly: its programs take long to compile; `check_cell(cell, laws="brief")`
        leaves it out.
    """

    name: str
    error: Callable[[Any], float]
    limit: float
    look_at: str
    concerns: Callable[[Any], bool] = lambda cell: True
    costly: bool = False


# ---------------------------------------------------------------------- measuring


def difference(a: Tree, b: Tree) -> float:
    """The largest difference relative to the largest entry; what is not finite, or of
    another shape or type, is infinite."""
    worst = 0.0
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        x, y = _numbers(x), _numbers(y)
        if x.shape != y.shape or x.dtype != y.dtype:
            raise Fault(f"{x.dtype}{list(x.shape)} where {y.dtype}{list(y.shape)} is")
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            return np.inf
        if x.dtype == bool:
            x, y = x.astype(float), y.astype(float)
        if x.size:
            worst = max(worst, np.abs(x - y).max() / max(np.abs(y).max(), 1e-300))
    return worst


def _numbers(leaf) -> np.ndarray:
    is_key = jnp.issubdtype(jnp.result_type(leaf), jax.dtypes.prng_key)
    return np.asarray(jax.random.key_data(leaf) if is_key else leaf)


def random_like(seed: int, tree: Tree) -> Tree:
    """Normal random numbers in the shapes and types of `tree`, drawn by NumPy."""
    draw = np.random.default_rng(seed).standard_normal

    def like(leaf):
        if jnp.issubdtype(leaf.dtype, jnp.complexfloating):
            both = draw((2, *leaf.shape)) * np.sqrt(0.5)
            return jnp.asarray(both[0] + 1j * both[1], leaf.dtype)
        return jnp.asarray(draw(leaf.shape), leaf.dtype)

    return jax.tree.map(like, tree)


def disturbed(seed: int, params: Tree, labels: Tree) -> Tree:
    """Parameters somewhat away from their first values: no bias is zero.

    Those labelled 'fixed' stay, as they do in training.
    """
    return jax.tree.map(
        lambda p, noise, label: p if label == "fixed" else p + 0.1 * noise,
        params,
        random_like(seed, params),
        labels,
    )


def flags() -> tuple[jax.Array, jax.Array]:
    """A mask and a reset [T, B] in which all combinations meet."""
    mask = np.array(
        [
            [0, 1, 1, 1, 0, 1, 1],
            [1, 1, 0, 1, 1, 1, 0],
            [1, 0, 0, 1, 1, 0, 1],
            [1, 1, 1, 1, 1, 1, 1],
        ],
        bool,
    )
    reset = np.array(
        [
            [0, 0, 0, 1, 0, 0, 0],
            [1, 0, 0, 0, 1, 0, 0],
            [0, 0, 1, 0, 0, 1, 0],
            [0, 0, 0, 0, 0, 0, 0],
        ],
        bool,
    )
    return jnp.asarray(mask.T), jnp.asarray(reset.T)
