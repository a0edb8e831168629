"""Short texts for what holds arrays: what a prompt or a notebook shows of it."""

import jax

from rnn_research import errors

WHOLE = 8  # numbers of an array that are written out
ITEMS = 6  # of a list or a group


def record(value) -> str:
    """The `__repr__` of a NamedTuple that holds arrays: a line of its fields."""
    fields = (f"{name}={short(getattr(value, name))}" for name in value._fields)
    return f"{type(value).__name__}({', '.join(fields)})"


def short(value) -> str:
    """`float32[200, 50, 2]` for an array, `{'W': ...}` for a group of them."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return _array(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return record(value)
    if isinstance(value, dict):
        items = [f"{key!r}: {short(own)}" for key, own in value.items()]
        return f"{{{_some(items)}}}"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return f"[{len(value)} row{'s' * (len(value) > 1)}]"
    if isinstance(value, (list, tuple)):
        ends = "[]" if isinstance(value, list) else "()"
        return f"{ends[0]}{_some([short(own) for own in value])}{ends[1]}"
    return errors.shown(value)


def _array(value) -> str:
    is_small = value.ndim == 1 and value.size <= WHOLE
    is_known = not isinstance(value, (jax.core.Tracer, jax.ShapeDtypeStruct))
    if is_small and is_known and value.dtype.kind in "biuf":
        return f"[{', '.join(f'{number:.4g}' for number in value.tolist())}]"
    return f"{value.dtype}[{', '.join(map(str, value.shape))}]"


def _some(items: list[str]) -> str:
    more = len(items) - ITEMS
    return ", ".join(items[:ITEMS] + [f"and {more} more"] * (more > 0))
