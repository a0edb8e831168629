"""Numbers that JSON has not, spelled out as "inf", "-inf" and "nan".

Every curve and score is written so, to metrics.jsonl, summary.json and the page of a
report.
"""

import math
from typing import Any

WORDS = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


def spelled(thing: Any) -> Any:
    """A tree of dicts, lists and numbers with words where a float is not finite."""
    if isinstance(thing, dict):
        return {name: spelled(own) for name, own in thing.items()}
    if isinstance(thing, (list, tuple)):
        return [spelled(own) for own in thing]
    if isinstance(thing, float) and not math.isfinite(thing):
        return str(float(thing))
    return thing


def read(thing: Any) -> Any:
    """The tree with numbers for these words."""
    if isinstance(thing, dict):
        return {name: read(own) for name, own in thing.items()}
    if isinstance(thing, list):
        return [read(own) for own in thing]
    return WORDS.get(thing, thing) if isinstance(thing, str) else thing
