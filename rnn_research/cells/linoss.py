"""The linear oscillatory state-space model."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research import errors
from rnn_research.cells import base
from rnn_research.cells.state_space import apply_skip, init_skip


class LinOSSParams(NamedTuple):
    A: jax.Array  # [N], the squared frequencies are relu(A)
    step: jax.Array  # [N], Delta is sigmoid(step)
    B: jax.Array  # [D, N]
    C: jax.Array  # [N, H]
    D: jax.Array  # [H] where D = H, else [D, H]


class LinOSSWeights(NamedTuple):
    zz: jax.Array  # [N], dz'/dz
    zy: jax.Array  # [N], dz'/dy
    yz: jax.Array  # [N], dy'/dz
    yy: jax.Array  # [N], dy'/dy
    step: jax.Array  # [N], Delta
    B: jax.Array  # [D, N]
    C: jax.Array  # [N, H]
    D: jax.Array  # [H] or [D, H]


class LinOSSState(NamedTuple):
    y: jax.Array  # [*, N], position
    z: jax.Array  # [*, N], velocity


class LinOSSDrive(NamedTuple):
    y: jax.Array  # [*, N], what enters the position
    z: jax.Array  # [*, N], what enters the velocity
    skip: jax.Array  # [*, H], D x


class LinOSSElement(NamedTuple):
    zz: jax.Array  # [*, N] each: the matrix of (z, y) and what is added
    zy: jax.Array
    yz: jax.Array
    yy: jax.Array
    z: jax.Array
    y: jax.Array


@base.cell
def linoss(hidden_size: int, *, state_size=64, discretization="im") -> base.Cell:
    """LinOSS (Rusch & Rus 2024, arXiv 2410.03943): N forced harmonic oscillators.

        y'' = -A y + B x,  A >= 0 diagonal, in steps of Delta
        z_t = z_{t-1} + Delta (-A y_t + B x_t)           'im', or
        z_t = z_{t-1} + Delta (-A y_{t-1} + B x_t)       'imex'
        y_t = y_{t-1} + Delta z_t
        C y_t + D x_t                                    the output

    Unit by unit the map of (z, y) has the determinant 1 / (1 + Delta^2 A) in 'im',
    which forgets, and 1 in 'imex', which preserves volume and is stable for
    Delta^2 A < 4. N is `state_size`.

    A = relu(.) starts ~ U(0, 1), Delta = sigmoid(.) of U(0, 1), B and C uniform on
    +-1/sqrt(D) and +-1/sqrt(N), D as in lru. The authors' code has complex B and C: two
    such systems that share A and Delta. A and Delta are labelled 'recurrent'.
    """
    errors.check_size(hidden_size=hidden_size, state_size=state_size)
    errors.check_option("discretization", discretization, ("im", "imex"))

    def init(key, input_size):
        key_a, key_step, key_b, key_c, key_d = jax.random.split(key, 5)

        def uniform(key, rows, columns):
            bound = rows**-0.5
            return jax.random.uniform(key, (rows, columns), minval=-bound, maxval=bound)

        return LinOSSParams(
            A=jax.random.uniform(key_a, (state_size,)),
            step=jax.random.uniform(key_step, (state_size,)),
            B=uniform(key_b, input_size, state_size),
            C=uniform(key_c, state_size, hidden_size),
            D=init_skip(key_d, input_size, hidden_size),
        )

    def weights(params):
        A, step = jax.nn.relu(params.A), jax.nn.sigmoid(params.step)
        if discretization == "im":
            s = 1 / (1 + step**2 * A)
            matrix = (s, -step * A * s, step * s, s)
        else:
            matrix = (jnp.ones_like(A), -step * A, step, 1 - step**2 * A)
        return LinOSSWeights(*matrix, step, *params[2:])

    def project(w, x):
        force = w.step * (x @ w.B)
        return LinOSSDrive(w.yz * force, w.zz * force, apply_skip(w.D, x))

    def readout(w, h, u):
        return h.y @ w.C + u.skip

    def inverse(w, h, u):
        z, y = h.z - u.z, h.y - u.y
        determinant = w.zz * w.yy - w.zy * w.yz
        return LinOSSState(
            y=(w.zz * y - w.yz * z) / determinant, z=(w.yy * z - w.zy * y) / determinant
        )

    def matrices(w):
        rows = jnp.stack([w.zz, w.yz], -1), jnp.stack([w.zy, w.yy], -1)
        return {"(z, y)": jnp.stack(rows, -2)}

    properties = ("volume-preserving",) if discretization == "imex" else ()
    return base.Cell(
        init=init,
        initial_state=base.zeros_state(state_size, state_size, kind=LinOSSState),
        weights=weights,
        project=project,
        readout=readout,
        associative=base.Associative(_element, _combine, _apply),
        matrices=matrices,
        structure=base.Structure(("block", 1), properties, linear_map=True),
        groups=base.labels(A="recurrent", step="recurrent"),
        inverse=inverse,
    )


def _element(w, u):
    matrix = (jnp.broadcast_to(m, u.z.shape) for m in w[:4])
    return LinOSSElement(*matrix, u.z, u.y)


def _combine(later, earlier):
    b, a = later, earlier
    return LinOSSElement(
        zz=b.zz * a.zz + b.zy * a.yz,
        zy=b.zz * a.zy + b.zy * a.yy,
        yz=b.yz * a.zz + b.yy * a.yz,
        yy=b.yz * a.zy + b.yy * a.yy,
        z=b.zz * a.z + b.zy * a.y + b.z,
        y=b.yz * a.z + b.yy * a.y + b.y,
    )


def _apply(e, h):
    return LinOSSState(y=e.yz * h.z + e.yy * h.y + e.y, z=e.zz * h.z + e.zy * h.y + e.z)
