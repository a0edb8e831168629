"""Attention to what an encoder has read: Bahdanau's, inside of a cell, and Luong's.

    share_ts = softmax_s(score(q_t, m_s)),      c_t = sum_s share_ts m_s

with a query q_t [B, H] and the memory m_s [B, S, M].
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_research.cells import base

Tree = Any
BAHDANAU, LUONG, NONE = "bahdanau", "luong", "none"
KINDS = (BAHDANAU, LUONG, NONE)


class BahdanauParams(NamedTuple):
    W_q: jax.Array  # [H, A]
    W_m: jax.Array  # [M, A]
    v: jax.Array  # [A]


class LuongParams(NamedTuple):
    W: jax.Array  # [M, H]


def init(kind: str, key, query_size: int, memory_size: int):
    """Params of an attention; matrices normal of variance 1 over their inputs."""
    if kind == NONE:
        return None
    keys = jax.random.split(key, 3)
    if kind == LUONG:
        return LuongParams(base.lecun_normal(keys[0], memory_size, query_size))
    return BahdanauParams(
        base.lecun_normal(keys[0], query_size, query_size),
        base.lecun_normal(keys[1], memory_size, query_size),
        base.lecun_normal(keys[2], query_size, 1)[:, 0],
    )


def keys_of(params, memory) -> jax.Array:
    """What of the memory [B, S, M] the queries are compared with, [B, S, A]."""
    return memory @ (params.W if isinstance(params, LuongParams) else params.W_m)


def shares(params, query, keys, visible) -> jax.Array:
    """[*, B, S], how the attention of queries [*, B, H] is shared, 0 where not visible.

    score = q^T (m W) (Luong et al. 2015, arXiv 1508.04025, 'general') or
    v^T tanh(q W_q + m W_m) (Bahdanau et al. 2014, arXiv 1409.0473).
    """
    if isinstance(params, LuongParams):
        score = jnp.einsum("...bh,bsh->...bs", query, keys)
    else:
        score = jnp.tanh((query @ params.W_q)[..., None, :] + keys) @ params.v
    lowest = jnp.finfo(score.dtype).min
    return jax.nn.softmax(jnp.where(visible, score, lowest)) * visible


def seen(share, memory) -> jax.Array:
    """c [*, B, M] of shares [*, B, S] and the memory [B, S, M]."""
    return jnp.einsum("...bs,bsm->...bm", share, memory)


class LookingParams(NamedTuple):
    """The params of a cell that looks, and what it looks at."""

    cell: Tree
    attention: BahdanauParams
    keys: jax.Array  # [B, S, A]
    memory: jax.Array  # [B, S, M]
    visible: jax.Array  # [B, S] bool


class Looked(NamedTuple):
    h: Tree  # of the cell
    y: jax.Array  # [B, H], its output, with which the next step looks
    c: jax.Array  # [B, M], what this step has looked at


def looking(cell: base.Cell) -> base.Cell:
    """The cell with Bahdanau's attention, run with `LookingParams`.

        c_t = sum_s share(y_t-1, m_s) m_s,     h_t = step(h_t-1, [x_t, c_t])

    Its output is [y_t, c_t], its gates those of the cell.
    """
    has_noise = cell.noise is not None

    def initial_state(params, batch_shape):
        h = cell.initial_state(params.cell, batch_shape)
        dtype = params.memory.dtype
        width = params.attention.W_q.shape[0]
        y = jnp.zeros((*batch_shape, width), dtype)
        c = jnp.zeros((*batch_shape, params.memory.shape[-1]), dtype)
        return Looked(h, y, c)

    def looked(w, state, u):
        """c_t, and the drive of the cell."""
        x, *noise = u if has_noise else (u,)
        c = seen(shares(w.attention, state.y, w.keys, w.visible), w.memory)
        x = jnp.concatenate([x, c], axis=-1)
        return c, cell.project(w.cell, (x, *noise) if has_noise else x)

    def step(w, state, u):
        c, drive = looked(w, state, u)
        h = cell.step(w.cell, state.h, drive)
        return Looked(h, cell.readout(w.cell, h, drive), c)

    def gates(w, state, u):
        return cell.gates(w.cell, state.h, looked(w, state, u)[1])

    def readout(w, state, u):
        del w, u
        return jnp.concatenate([state.y, state.c], axis=-1)

    perturb = cell.perturb and (
        lambda key, params: params._replace(cell=cell.perturb(key, params.cell))
    )
    return base.Cell(
        init=cell.init,
        initial_state=initial_state,
        weights=lambda params: params._replace(cell=cell.weights(params.cell)),
        step=step,
        readout=readout,
        gates=cell.gates and gates,
        structure=base.Structure(surrogate=cell.structure.surrogate),
        matrices=cell.matrices and (lambda w: cell.matrices(w.cell)),
        perturb=perturb,
        noise=cell.noise,
    )
