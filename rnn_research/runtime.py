"""Devices, platform and precision: set once, before JAX starts.

Only programs call this (`experiments`), never a library import.
"""

import dataclasses
import os
import platform as host

import jax
import jax.numpy as jnp

from rnn_research import config, values

# On CPUs a batch split over one device a core is faster for small states; wide matrix
# products use all cores already (measured at the five shapes of `engine_speed`).
WIDE_STATE = 384
SMALLEST_SHARD = 20


@dataclasses.dataclass(frozen=True)
class RunConfig(config.Settings):
    """Machine:"""

    platform: str = config.setting(
        "auto",
        "where to compute; auto is what JAX finds",
        choices=("auto", "cpu", "gpu", "tpu"),
    )
    precision: str = config.setting(
        "float32", "floating point type", choices=("float32", "float64")
    )


def start(run: RunConfig, *, batch_size: int, hidden_size: int, num_devices: int = 0):
    """Apply the settings to JAX; on CPU, make the devices the batch is divided over.

    Args:
      num_devices: 0 is one a core where it pays for this batch and state.

    Raises:
      values.UsageError: the platform is not there, or JAX runs already with others.
    """
    if run.platform != "auto":
        jax.config.update(
            "jax_platforms", {"gpu": "cuda"}.get(run.platform, run.platform)
        )
    jax.config.update("jax_enable_x64", run.precision == "float64")
    if num_devices or jax.config.jax_num_cpu_devices < 0:  # not set by the user
        wanted = num_devices or useful_cores(batch_size, hidden_size)
        try:
            jax.config.update("jax_num_cpu_devices", wanted)
        except RuntimeError:  # JAX has started: a notebook, or a test
            pass
    try:
        count = jax.local_device_count()
    except RuntimeError as error:
        raise values.UsageError(
            f"--platform={run.platform} is not there: {values.one_line(error)}"
        ) from error
    names = {"gpu": ("gpu", "cuda", "rocm")}.get(run.platform, (run.platform,))
    if run.platform != "auto" and jax.default_backend() not in names:
        raise values.UsageError(
            f"--platform={run.platform} is not there: JAX runs on "
            f"{jax.default_backend()} already"
        )
    if num_devices > count:
        raise values.UsageError(
            f"--num_devices={num_devices}: there are only {count} devices"
        )
    if num_devices and batch_size % num_devices:
        raise values.UsageError(
            f"--num_devices={num_devices} does not divide --batch_size={batch_size}"
        )


def useful_cores(batch_size: int, hidden_size: int) -> int:
    """How many CPU devices pay for this batch and state."""
    if hidden_size >= WIDE_STATE:
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    return largest_divisor(batch_size, min(cores, max(1, batch_size // SMALLEST_SHARD)))


def largest_divisor(number: int, limit: int) -> int:
    """The largest divisor of `number` that is at most `limit`."""
    return max(n for n in range(1, limit + 1) if number % n == 0)


def batch_mesh(batch_size: int, num_devices: int = 0) -> jax.sharding.Mesh:
    """A mesh, axis 'batch', over the most local devices that divide the batch."""
    count = num_devices or largest_divisor(batch_size, jax.local_device_count())
    return jax.make_mesh(
        (count,),
        ("batch",),
        devices=jax.local_devices()[:count],
        axis_types=(jax.sharding.AxisType.Auto,),
    )


def mean_over_shards(function, mesh: jax.sharding.Mesh, *arguments):
    """The mean over shards of function(*arguments of the shard), a shard a device.

    Args:
      function: returns a tree of arrays; what it closes over is on all devices.
      arguments: trees whose leaves are [shards, ...].
    """
    if mesh.devices.size == 1:  # a vmap of one is up to 20 % slower on CPU
        return function(*jax.tree.map(lambda leaf: leaf[0], arguments))
    split = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("batch"))
    arguments = jax.lax.with_sharding_constraint(arguments, split)
    each = jax.vmap(function, spmd_axis_name="batch")(*arguments)
    return jax.tree.map(lambda leaf: jnp.mean(leaf, axis=0), each)


def describe() -> dict:
    """Device and versions, for the record of a run."""
    import flax
    import jaxlib
    import optax

    device = jax.local_devices()[0]
    return {
        "device": f"{jax.local_device_count()} x {device.device_kind}",
        "platform": device.platform,
        "cpu_cores": os.cpu_count(),
        "versions": {
            "python": host.python_version(),
            "jax": jax.__version__,
            "jaxlib": jaxlib.__version__,
            "flax": flax.__version__,
            "optax": optax.__version__,
        },
    }
