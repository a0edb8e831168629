r"""Models with their weights, as files to hand on.

    save(folder, model, params)         model.json and weights-1a2b3c....safetensors
    model, params, notes = load(folder)

`model.json` holds the call that makes the model, as a text that is parsed and never
evaluated, and the sha256 of the weights. Any reader of safetensors reads the weights,
by names such as `body.0.W_hh`; of complex ones real and imaginary parts are a last axis
of 2. A trained run is handed on by

    python -c "from rnn_research import models, runs; \
        trained = runs.load('runs/my_run'); \
        models.save('my_model', trained.model, trained.params)"
"""

import hashlib
import json
import pathlib
import re
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import errors, files, texts
from rnn_research.models import named
from rnn_research.models.base import Model

Tree = Any
CONFIG = "model.json"
ROUNDED = None, "float16"
FORMAT = 1  # of the files; one that is not known is refused

# As safetensors names them.
KINDS = {
    "BOOL": jnp.bool_,
    **{f"U{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
    **{f"I{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"F{bits}": f"float{bits}" for bits in (16, 32, 64)},
    "BF16": jnp.bfloat16,
}


class Saved(NamedTuple):
    model: Model
    params: Tree
    notes: dict  # what was saved beside them


def save(
    folder: str | pathlib.Path,
    model: Model,
    params: Tree,
    *,
    notes: dict | None = None,
    rounded: str | None = None,
) -> None:
    """Write a model and its weights; what was saved there before goes at the very end.

    Args:
      folder: made if it is not there.
      notes: what else is to be handed on, as JSON can hold it: an alphabet, a source.
      rounded: 'float16', half the bytes: the floats are rounded to it in the file, and
        are read back in the precision of the model.

    Raises:
      errors.UsageError: the model cannot be made again from a text; the params are not
        its own, or too large for `rounded`; or the notes are no JSON.
      errors.RunError: it cannot be written.
    """
    import safetensors.numpy  # only those who save or load models need it

    folder, text = pathlib.Path(folder), named.text_of(model)
    _check_again(model, text)
    errors.check_option("rounded", rounded, ROUNDED)
    leaves = _named_leaves(params)
    _compare(f"{folder}: the params do not fit the model", model, _kinds(leaves))
    arrays = {
        name: _rounded(name, _reals(leaf), rounded) for name, leaf in leaves.items()
    }
    content = safetensors.numpy.save(arrays)
    digest = hashlib.sha256(content).hexdigest()
    config = {"format": FORMAT, "model": text, "sha256": digest, "notes": notes or {}}
    config |= {"rounded": rounded} if rounded else {}
    try:
        json.dumps(config, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        reason = errors.one_line(error)
        raise errors.UsageError(f"notes are no JSON: {reason}") from None
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise errors.RunError(f"{folder} cannot be made: {error.strerror}") from None
    files.write_atomically(_weights(folder, digest), content)
    files.write_json(folder / CONFIG, config)
    for path in folder.glob("weights-*.safetensors*"):
        if path != _weights(folder, digest):
            path.unlink(missing_ok=True)


def load(folder: str | pathlib.Path, *, allow: tuple[str, ...] = ()) -> Saved:
    """Read what `save` has written.

    Args:
      allow: files of yours, such as 'my_cells', that the model may be made by; they are
        imported. Others are not, whatever the folder says.

    Raises:
      errors.UsageError: there is none, it is damaged, the model needs a file that is
        not allowed, or weights of other shapes or types.
    """
    folder = pathlib.Path(folder)
    try:
        config = files.read_json(folder / CONFIG)
    except errors.RunError as error:
        raise errors.UsageError(str(error)) from None
    if config is None:
        raise errors.UsageError(f"{folder} holds no model: there is no {CONFIG} in it")
    if config.get("format") != FORMAT:
        raise errors.UsageError(
            f"{folder / CONFIG} has the format {errors.shown(config.get('format'))}, "
            f"and this version reads {FORMAT}"
        )
    text, digest, notes = (config.get(name) for name in ("model", "sha256", "notes"))
    rounded = config.get("rounded")
    is_digest = isinstance(digest, str) and re.fullmatch("[0-9a-f]{64}", digest)
    is_known = rounded in ROUNDED
    if not (
        isinstance(text, str) and is_digest and is_known and isinstance(notes, dict)
    ):
        raise errors.UsageError(
            f"{folder / CONFIG} is damaged: it must hold a model, a sha256 and notes"
        )
    arrays = _read(_weights(folder, digest), digest)
    try:
        texts.check_read(text, allow)
        model = named.resolve_model(text)
    except errors.UsageError as error:
        raise errors.UsageError(f"{folder / CONFIG}: {error}") from None
    what = f"{folder}: the weights do not fit the model"
    like = _compare(what, model, _kinds(arrays), rounded)
    leaves = [_like(arrays[name], leaf) for name, leaf in _named_leaves(like).items()]
    params = jax.tree.unflatten(jax.tree.structure(like), leaves)
    return Saved(model, params, notes)


def _weights(folder: pathlib.Path, digest: str) -> pathlib.Path:
    """Named by what it holds, so that the one before stays until model.json is new."""
    return folder / f"weights-{digest[:12]}.safetensors"


def _read(path: pathlib.Path, digest: str) -> dict[str, np.ndarray]:
    import safetensors

    try:
        content = path.read_bytes()
    except OSError as error:
        raise errors.UsageError(f"{path} cannot be read: {error.strerror}") from None
    if hashlib.sha256(content).hexdigest() != digest:
        raise errors.UsageError(
            f"{path} is damaged: it is not what was saved (sha256 differs)"
        )
    arrays = {}
    try:
        for name, tensor in safetensors.deserialize(content):
            kind = np.dtype(KINDS[tensor["dtype"]])
            arrays[name] = np.frombuffer(tensor["data"], kind).reshape(tensor["shape"])
    except (safetensors.SafetensorError, KeyError) as error:
        raise errors.UsageError(
            f"{path} holds no arrays that are known here: {errors.one_line(error)}"
        ) from None
    return arrays


# ---------------------------------------------------------------- trees and names


def _named_leaves(tree: Tree) -> dict[str, Any]:
    """Leaves by `body.0.W`."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    named = {
        jax.tree_util.keystr(path, simple=True, separator="."): leaf
        for path, leaf in leaves
    }
    if len(named) < len(leaves):
        raise errors.UsageError("two parameters have the same name; rename one")
    return named


def _reals(leaf) -> np.ndarray:
    """The array; of a complex one [...] the real and imaginary parts [..., 2]."""
    array = np.asarray(leaf)
    if np.iscomplexobj(array):
        array = np.stack([array.real, array.imag], axis=-1)
    return np.ascontiguousarray(array).reshape(array.shape)


def _rounded(name: str, array: np.ndarray, kind: str | None) -> np.ndarray:
    if kind is None or not jnp.issubdtype(array.dtype, jnp.floating):
        return array
    with np.errstate(over="ignore"):
        found = array.astype(kind)
    if np.any(np.isinf(found) & np.isfinite(array)):
        raise errors.UsageError(f"{name} is too large for {kind}; leave out rounded=")
    return found


def _like(array: np.ndarray, leaf) -> jax.Array:
    """What `_reals` was given, of the kind of `leaf`."""
    if jnp.issubdtype(leaf.dtype, jnp.complexfloating):
        array = array[..., 0] + 1j * array[..., 1]
    return jnp.asarray(array, leaf.dtype)


def _kinds(leaves: dict[str, Any], rounded: str | None = None) -> dict[str, str]:
    """`float32[3, 2]` of each, as it is in a file."""

    def kind(leaf):
        dtype, shape = jnp.result_type(leaf), jnp.shape(leaf)
        if jnp.issubdtype(dtype, jnp.complexfloating):
            dtype, shape = jnp.finfo(dtype).dtype, (*shape, 2)
        if rounded and jnp.issubdtype(dtype, jnp.floating):
            dtype = rounded
        return f"{dtype}{list(shape)}"

    return {name: kind(leaf) for name, leaf in leaves.items()}


def _compare(
    what: str, model: Model, found: dict[str, str], rounded: str | None = None
) -> Tree:
    """The shapes of the model's params; raises unless `found` is of their kinds."""
    like = jax.eval_shape(model.init, jax.random.key(0))
    wanted = _kinds(_named_leaves(like), rounded)
    if unknown := found.keys() - wanted.keys():
        raise errors.UsageError(f"{what}: it has no parameter {min(unknown)}")
    for name, kind in wanted.items():
        if name not in found:
            raise errors.UsageError(f"{what}: {name} is missing")
        if found[name] != kind:
            both = {text.partition("[")[0] for text in (kind, found[name])}
            advice = "; set --precision as it was" * (both == {"float32", "float64"})
            raise errors.UsageError(
                f"{what}: {name} must be {kind}, not {found[name]}{advice}"
            )
    return like


def _check_again(model: Model, text: str):
    try:
        again = named.resolve_model(text)
    except errors.UsageError as error:
        raise errors.UsageError(f"the model could not be read back: {error}") from None
    if again != model:
        raise errors.UsageError(
            f"the model could not be read back: {errors.cut(text, 120)} is another"
        )
