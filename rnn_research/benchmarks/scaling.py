"""How long an update takes on many devices: computing its share, and exchanging.

    t = t_share + sum over exchanges of k (ceil(log2 D) latency + (D - 1) / D n / rate)

with D devices, n bytes, k = 2 for an all-reduce and 1 for an all-gather: the least
messages and bytes that do both at once (Thakur, Rabenseifner & Gropp 2005, recursive
halving and doubling). A ring sends D - 1 messages in place of log2 D. The arrays of an
exchange travel together, as NCCL sends them. Nothing is computed meanwhile: the
gradient is there only behind the loop over time.
"""

import math
from typing import NamedTuple

from rnn_research import errors
from rnn_research.benchmarks.collectives import ALL_GATHER, ALL_REDUCE, Collective

PASSES = {ALL_REDUCE: 2, ALL_GATHER: 1}
BATCH_EACH = "batch of each device kept"
BATCH_WHOLE = "whole batch kept"
SEQUENCE = "whole sequence kept"


class Link(NamedTuple):
    """What joins devices.

    Attributes:
      latency: seconds of a message, software included.
      rate: bytes per second that each device sends.
    """

    name: str
    latency: float
    rate: float


def link(text: str) -> Link:
    """The link of `name:microseconds:gigabytes per second`.

    Raises:
      errors.UsageError: it is none.
    """
    name, *numbers = text.split(":")
    try:
        latency, rate = map(float, numbers)
        if not (name and 0 <= latency < math.inf and 0 < rate < math.inf):
            raise ValueError
    except ValueError:
        raise errors.UsageError(
            f"--links={text}: write name:latency in us:GB/s, as ethernet:20:12.5"
        ) from None
    return Link(name, 1e-6 * latency, 1e9 * rate)


def seconds(exchanges: list[Collective], devices: int, over: Link) -> float:
    """The time of these exchanges, one after the other."""
    messages = math.ceil(math.log2(devices)) * over.latency
    part = (devices - 1) / devices / over.rate
    return sum(PASSES[each.kind] * (messages + each.bytes * part) for each in exchanges)


def row(
    way: str,
    what: str,
    devices: int,
    exchanges: list[Collective],
    over: Link,
    *,
    share_ms: float,
    alone_ms: float,
) -> dict:
    """A row of the table.

    Args:
      way: what is kept as devices are added.
      what: cell and shape.
      share_ms: computing a device's share of an update.
      alone_ms: all of the update on one device.
    """
    exchange_ms = 1e3 * seconds(exchanges, devices, over)
    speedup = alone_ms / (share_ms + exchange_ms)
    return {
        "way": way,
        "what": what,
        "devices": devices,
        "link": over.name,
        "exchanges": len(exchanges),
        "bytes": sum(each.bytes for each in exchanges),
        "share_ms": share_ms,
        "exchange_ms": exchange_ms,
        "alone_ms": alone_ms,
        "speedup": speedup,
        "efficiency": speedup / devices,
    }
