"""Devices, platform and precision: set once, before JAX starts.

Only programs call this (`experiments`), never a library import.
"""

import ctypes
import dataclasses
import functools
import os

import jax
import jax.numpy as jnp

from rnn_research import compiled_programs, config, errors, hardware, processes

# On CPUs a batch divided over one device a core is faster, since each device does all
# but products on one core; but each reads all weights at every step, which too few
# sequences do not repay (measured at the shapes of `engine_speed` and at H = 1024).
SMALLEST_SHARD = 8
UNITS_FOR_A_SEQUENCE = 16

# Gradients took 0 to 7 % less than with the 256 bits that XLA prefers, on a CPU with
# AVX-512; without it the number changes nothing.
VECTOR_BITS = 512

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # glibc's malloc.h


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
    allocator: str = config.setting(
        "keep",
        "on Linux: keep freed memory for the next update, which is faster on CPUs; "
        "default follows the system and its MALLOC_ variables",
        choices=("keep", "default"),
    )
    compilation_cache: str = config.setting(
        "on",
        "keep compiled programs for the next command: on, in the user's cache "
        "directory or where JAX_COMPILATION_CACHE_DIR says; off; or a folder",
    )


@dataclasses.dataclass(frozen=True)
class ProcessConfig(config.Settings):
    """Several processes, the same command for each but for --process_id:"""

    num_processes: int = config.setting(
        0,
        "processes that train together; 0 is as many as srun started, else 1",
        low=0,
        high=100_000,
    )
    coordinator: str | None = config.setting(
        None, "host:port of process 0; srun supplies it"
    )
    process_id: int | None = config.setting(
        None, "0 to num_processes - 1; srun supplies it", low=0
    )


ALONE = ProcessConfig(num_processes=1)


def start(
    run: RunConfig,
    *,
    batch_size: int,
    hidden_size: int,
    num_runs: int = 1,
    num_devices: int = 0,
    together: ProcessConfig = ALONE,
):
    """Apply the settings to JAX; on CPU, make the devices to divide the work over.

    Args:
      num_runs: runs that are trained side by side.
      num_devices: in this process; 0 is one a core where it pays.
      together: the processes to be one of.

    Raises:
      errors.UsageError: the platform is not there, JAX runs already with others, or the
        batch cannot be divided so.
    """
    check_compiles()
    compiled_programs.use(run.compilation_cache)
    if run.allocator == "keep":
        keep_freed_memory()
    if run.platform != "auto":
        jax.config.update(
            "jax_platforms", {"gpu": "cuda"}.get(run.platform, run.platform)
        )
    jax.config.update("jax_enable_x64", run.precision == "float64")
    processes.join(together.coordinator, together.num_processes, together.process_id)
    share, rest = divmod(batch_size, processes.count())
    if rest:
        raise errors.UsageError(
            f"--batch_size={batch_size}: must be a multiple of the number of "
            f"processes, {processes.count()}"
        )
    if num_devices or jax.config.jax_num_cpu_devices < 0:  # not set by the user
        each_a_run = num_runs > 1 and processes.count() == 1
        useful = useful_cores(share, hidden_size)
        if each_a_run:
            useful = min(hardware.cores(), num_runs)
        elif processes.count() > 1:  # all need the same number
            useful = 1
        try:
            jax.config.update("jax_num_cpu_devices", num_devices or useful)
        except RuntimeError:  # JAX has started: a notebook, or a test
            pass
    try:
        count = jax.local_device_count()
    except (RuntimeError, AssertionError) as error:  # by jax 0.10 without the plugin
        why = errors.one_line(error) if str(error) else "JAX finds no such device"
        raise errors.UsageError(
            f"--platform={run.platform} is not there: {why}"
        ) from error
    processes.tie()
    names = {"gpu": ("gpu", "cuda", "rocm")}.get(run.platform, (run.platform,))
    if run.platform != "auto" and jax.default_backend() not in names:
        raise errors.UsageError(
            f"--platform={run.platform} is not there: JAX runs on "
            f"{jax.default_backend()} already"
        )
    if num_devices > count:
        raise errors.UsageError(
            f"--num_devices={num_devices}: there are only {count} devices"
        )


def check_compiles():
    """Raise where JAX is told to compile nothing: then no program here can be built.

    Raises:
      errors.UsageError: it is.
    """
    if jax.config.jax_disable_jit:
        raise errors.UsageError(
            "JAX_DISABLE_JIT is set, but trainings and measurements are compiled "
            "programs; unset it, and look into a step with jax.debug.print"
        )


def keep_freed_memory():
    """Have glibc keep the memory of large arrays when they are freed.

    By default it returns it to the system after every update and fetches it again, with
    a page fault for every 4 KiB: up to half the time of a gradient. Where there is no
    glibc, or a MALLOC_ variable of the user's, nothing is done.
    """
    if any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        return
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mallopt(M_MMAP_MAX, 0)
    mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def compiler_options() -> dict:
    """For `jax.jit`: on CPUs, the widest vectors there are.

    `XLA_FLAGS=--xla_cpu_prefer_vector_width=256` brings XLA's own choice back.
    """
    name = "xla_cpu_prefer_vector_width"
    if not on_cpu() or name in os.environ.get("XLA_FLAGS", ""):
        return {}
    return {name: VECTOR_BITS}


def useful_cores(batch_size: int, hidden_size: int) -> int:
    """How many CPU devices pay for this batch and state."""
    smallest = max(SMALLEST_SHARD, hidden_size // UNITS_FOR_A_SEQUENCE)
    worthwhile = max(1, batch_size // smallest)
    return largest_divisor(batch_size, min(hardware.cores(), worthwhile))


def largest_divisor(number: int, limit: int) -> int:
    """The largest divisor of `number` that is at most `limit`."""
    return max(n for n in range(1, limit + 1) if number % n == 0)


# ---------------------------------------------------------- work over the devices


def on_cpu() -> bool:
    """Whether runs gain nothing from being computed as one batch."""
    return jax.default_backend() == "cpu"


def make_mesh(
    batch_size: int, num_runs: int = 1, num_devices: int = 0
) -> jax.sharding.Mesh:
    """The devices of a training, axes 'runs' and 'batch', of which one has size 1.

    Several runs in one process on CPU get a device each, since cores share nothing;
    otherwise the batch is divided, over the most devices that divide it evenly.

    Args:
      num_devices: of each process; 0 is all that can be used.

    Raises:
      errors.UsageError: `num_devices` does not divide the batch, or there are fewer.
    """
    local = jax.local_device_count()
    if num_runs > 1 and on_cpu() and jax.process_count() == 1:
        shape = (min(num_runs, num_devices or local), 1)
        devices = jax.devices()[: shape[0]]
    else:
        share = batch_size // jax.process_count()
        count = num_devices or largest_divisor(share, local)
        if count > local:
            raise errors.UsageError(f"{count} devices: there are only {local}")
        if share % count:
            raise errors.UsageError(
                f"--num_devices={count} does not divide --batch_size={batch_size}"
                + f" over {jax.process_count()} processes" * (jax.process_count() > 1)
            )
        mine = {index: [] for index in range(jax.process_count())}
        for device in jax.devices():
            mine[device.process_index].append(device)
        devices = [device for each in mine.values() for device in each[:count]]
        shape = (1, len(devices))
    auto = jax.sharding.AxisType.Auto
    return jax.make_mesh(
        shape, ("runs", "batch"), devices=devices, axis_types=(auto, auto)
    )


def each_run(function, mesh: jax.sharding.Mesh, *arguments, shared=()):
    """function(*shared, *arguments of a run) for every run, side by side.

    Args:
      function: of one run; returns a tree of arrays.
      arguments: trees whose leaves are [R, ...].
      shared: trees that all runs are given as they are.

    Returns:
      The tree with leaves [R, ...].
    """

    def in_turn(shared, arguments):
        return jax.lax.map(lambda own: function(*shared, *own), arguments)

    count = jax.tree.leaves(arguments)[0].shape[0]
    if count == 1:
        one = function(*shared, *jax.tree.map(lambda leaf: leaf[0], arguments))
        return jax.tree.map(lambda leaf: leaf[None], one)
    if mesh.shape["runs"] > 1:
        # Filled up to equal shares with runs from the start, whose results are dropped.
        share = -(-count // mesh.shape["runs"])
        filled = jnp.arange(share * mesh.shape["runs"]) % count
        arguments = jax.tree.map(lambda leaf: leaf[filled], arguments)
        split, whole = jax.sharding.PartitionSpec("runs"), jax.sharding.PartitionSpec()
        spread = jax.shard_map(
            in_turn,
            mesh=mesh,
            in_specs=(whole, split),
            out_specs=split,
            check_vma=False,
        )
        return jax.tree.map(lambda leaf: leaf[:count], spread(shared, arguments))
    if on_cpu():
        return in_turn(shared, arguments)
    return jax.vmap(functools.partial(function, *shared))(*arguments)


def copies(tree, mesh: jax.sharding.Mesh):
    """[shards, ...]: a copy for each shard of what they share, such as parameters.

    Their gradient is then summed over the shards once, behind the loop over time; of
    parameters that a loop shares, XLA would sum it at every step.
    """
    shards = mesh.shape["batch"]
    return jax.tree.map(
        lambda leaf: jnp.broadcast_to(leaf, (shards, *jnp.shape(leaf))), tree
    )


def undivided(tree, mesh: jax.sharding.Mesh):
    """The same on every device, so that what makes it is not divided over them."""
    if mesh.shape["batch"] == 1:
        return tree
    whole = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    return jax.lax.with_sharding_constraint(tree, whole)


def over_shards(function, mesh: jax.sharding.Mesh, *arguments):
    """function(*arguments of the shard) for every shard, a shard a device.

    Args:
      function: returns a tree of arrays.
      arguments: trees whose leaves are [shards, ...].

    Returns:
      The tree with leaves [shards, ...].
    """
    if mesh.shape["batch"] == 1:  # a vmap of one is up to 20 % slower on CPU
        one = function(*jax.tree.map(lambda leaf: leaf[0], arguments))
        return jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], one)
    split = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("batch"))
    arguments = jax.lax.with_sharding_constraint(arguments, split)
    return jax.vmap(function, spmd_axis_name="batch")(*arguments)


def in_a_row(tree, axis: int):
    """Leaves [shards, ...] put together along `axis`, in the order of the shards."""

    def join(leaf):
        moved = jnp.moveaxis(leaf, 0, axis)
        return moved.reshape(*moved.shape[:axis], -1, *moved.shape[axis + 2 :])

    return jax.tree.map(join, tree)
