"""A loop as one kernel: `loop.scan` does what `jax.lax.scan` does."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.checks.report import difference
from rnn_research.kernels import lanes, loop, plan, triton
from rnn_research.kernels.equations import Unfit
from rnn_research.kernels.kernel import Kernel

SIZE = 12
BACKEND = triton.triton("float32", interpret=True)


@pytest.mark.parametrize(
    ("reverse", "ahead"), [(False, 10**6), (True, 3000), (True, 0)]
)
def test_blocks_in_the_order_of_their_threads(reverse, ahead):
    """Features, flags and narrow numbers of two blocks of the batch, at full width.

    All of them, the first of them or none are read a step ahead.
    """
    rng = np.random.default_rng(0)
    h, u, v = (rng.normal(size=shape) for shape in [(20, 128), (3, 20, 128), (3, 20)])
    W, flags = rng.normal(size=(128, 128)) / 128**0.5, rng.random((3, 20, 128)) < 0.5
    streams = u, v, flags, v < 0, jnp.asarray(u, jnp.bfloat16)

    def body(h, at_t):
        u, v, flags, few, narrow = at_t
        new = jnp.tanh(h @ W + u * v[:, None] + narrow.astype(h.dtype))
        new = jnp.where(flags, new, jnp.where(few[:, None], h, 0.5))
        return new, (new, new > 0, jnp.sum(new, 1))

    backend = dataclasses.replace(BACKEND, ahead=ahead)
    found = loop.scan(body, h, streams, backend=backend, block=16, reverse=reverse)
    wanted = jax.lax.scan(body, h, streams, reverse=reverse)
    assert difference(found, wanted) < 1e-12


def test_a_thread_finds_its_numbers_side_by_side():
    """Of 8 warps, thread (w, l, k) has rows l, l + 8 and features 8 w + 2 k, + 1."""
    rows, features = jnp.mgrid[:16, :128]
    rows, features = (
        lanes.flat(each, warps=8).reshape(2, 8, 8, 4, 2, 2) for each in (rows, features)
    )
    turn, w, lane, k, second, odd = np.mgrid[:2, :8, :8, :4, :2, :2]
    assert np.array_equal(rows, lane + 8 * second)
    assert np.array_equal(features, 64 * turn + 8 * w + 2 * k + odd)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32, jnp.float64])
@pytest.mark.parametrize("block", [16, 32])
@pytest.mark.parametrize("features", [1, 16, 64, 256])
@pytest.mark.parametrize("warps", [4, 8])
def test_any_block_is_found_again(dtype, block, features, warps):
    given = jnp.arange(2 * block * features).reshape(2, block, features).astype(dtype)
    in_memory = lanes.flat(given, warps)
    assert in_memory.shape == (2, block * features)
    assert np.array_equal(lanes.rows(in_memory, block, warps), given)


def test_wide_states_are_cut_and_values_joined():
    """Halves that change places, in a state of more than one block, without streams."""
    size = 150
    rng = np.random.default_rng(0)
    W = rng.normal(size=(size, 2 * size)) / size**0.5

    def body(h, u):
        a, b = jnp.split(h @ W, 2, axis=1)
        new = jnp.concatenate([a[:, 70:], jnp.tanh(b[:, :70])], axis=1)
        total = jnp.max(new, axis=1, keepdims=True) + jnp.sum(h, axis=1, keepdims=True)
        new = new + jnp.pad(h[:, 3:40], ((0, 0), (60, 53))) * u[:, None]
        return new / jnp.abs(total), (jnp.round(4 * new), u, jnp.sign(total[:, 0]))

    h, u = rng.normal(size=(3, size)), rng.normal(size=(4, 3))
    wanted = jax.jit(lambda h, u: jax.lax.scan(body, h, u, reverse=True))(h, u)

    @jax.jit
    def kernel(h, u):
        return loop.scan(body, h, u, backend=BACKEND, block=16, reverse=True)

    assert difference(kernel(h, u), wanted) < 1e-12


def test_multiples_of_one_row_are_read_once():
    """-2 g u and u + u are made of u in the loop; v is another row."""
    rng = np.random.default_rng(0)
    g, h = rng.normal(size=SIZE), rng.normal(size=(3, SIZE))
    u, v = rng.normal(size=(2, 4, 3, SIZE))

    def body(h, at_t):
        u, v = at_t
        return jnp.tanh(h * (-2 * (g * u))) + jnp.sin(h) * (u + u) + v * u, h

    planned = plan.plan(body, h, (u[0], v[0]))
    assert len(planned.varying) == 2  # u, and v * u
    wanted = jax.lax.scan(body, h, (u, v))
    found = loop.scan(body, h, (u, v), backend=BACKEND, block=16)
    assert difference(found, wanted) < 1e-12


def test_sums_of_integers():
    """In a block that is filled up, with the largest number for a minimum."""
    h, u = -np.ones((3, SIZE)), np.ones((2, 3, SIZE))

    def body(h, u):
        whole = jnp.round(5 * h).astype(jnp.int32)
        return h * u, (jnp.max(whole, 1), jnp.min(-whole, 1), jnp.sum(whole, 1))

    found = loop.scan(body, h, u, backend=BACKEND, block=16)
    assert jax.tree.all(jax.tree.map(np.array_equal, found, jax.lax.scan(body, h, u)))


@pytest.mark.parametrize(("many", "at"), [(0, -1), (10**6, 0)])
def test_when_the_next_step_is_read(many, at):
    """By the first product or the last: the loop is the same."""
    rng = np.random.default_rng(0)
    h, u, W = (rng.normal(size=shape) for shape in [(3, 16), (4, 3, 16), (2, 16, 16)])

    def body(h, u):
        h = jnp.tanh(h * u @ W[0]) @ W[1]
        return h, h

    backend = dataclasses.replace(BACKEND, many=many)
    planned = plan.plan(body, h, u[0])
    kernel = Kernel(planned, backend, len(u), 1, 16, False)
    kinds = [each.primitive.name for each in planned.program.inside]
    products = [i for i, kind in enumerate(kinds) if kind == "dot_general"]
    assert kernel.time_to_read() == products[at]
    found = loop.scan(body, h, u, backend=backend, block=16)
    assert difference(found, jax.lax.scan(body, h, u)) < 1e-12


def test_rows_copied_to_the_chip_where_there_is_room():
    backend = triton.triton("bfloat16")
    assert backend.stages(65_536, late=0) == 1
    assert backend.stages(65_536, late=4 * 2048) == 3
    assert backend.stages(65_536, late=6 * 2048) == 1


def test_more_numbers_than_positions_is_refused():
    """One time more than there are must have positions: the last turn looks ahead."""

    def run(length):
        h = jax.ShapeDtypeStruct((2**20, 128), jnp.float32)
        u = jax.ShapeDtypeStruct((length, 2**20, 128), jnp.float32)
        options = {"backend": BACKEND, "block": 16}
        return jax.eval_shape(lambda *g: loop.scan(add, *g, **options), h, u)

    def add(h, u):
        return h + u, h

    assert run(14)[1].shape == (14, 2**20, 128)
    with pytest.raises(Unfit, match="2,013,265,920 numbers goes through it"):
        run(15)


def test_a_loop_in_a_step():
    def body(h, u):
        return jax.lax.fori_loop(0, 3, lambda i, h: h + u, h), u

    h = jax.ShapeDtypeStruct((2, 3), float)
    assert "its step does" in plan.complaint(body, h, h)


def test_features_that_change_places_at_each_step():
    def shifted(h, u):
        return jnp.roll(h, 3, axis=1) + u, h

    h = jax.ShapeDtypeStruct((2, 24), float)
    assert not plan.complaint(shifted, h, h)
    h = jax.ShapeDtypeStruct((2, 204), float)
    assert "its step cuts a value into" in plan.complaint(shifted, h, h)
