"""How far the gradient of truncated backpropagation is from the gradient."""

import jax
import numpy as np

from rnn_research import diagnostics
from rnn_research.layers import Call
from rnn_research.measurements import compared
from rnn_research.measurements.driver import Measurement


def plan(settings) -> list[Measurement]:
    """Of every network, on batches of all seeds; cells have weights of the first.

    Args:
      settings: a `compared.ComparedConfig` with `hidden_size`, `task`, `length`,
        `windows`, `stride` and `batch_size`.
    """
    return [
        of(
            each,
            settings.windows,
            settings.all_seeds(),
            batch_size=settings.batch_size,
            stride=settings.stride,
        )
        for each in compared.networks(settings, (settings.seed,))
    ]


def of(
    network: compared.Network,
    windows: tuple[int, ...],
    seeds: tuple[int, ...],
    *,
    batch_size: int,
    stride: int | None = None,
) -> Measurement:
    """A row for each window and seed of the data; windows are at most T."""
    model, task, params = network.model, network.task, network.params
    length = task.length
    windows = list(dict.fromkeys(min(window, length) for window in windows))
    batches = {seed: task.sample(jax.random.key(seed), batch_size) for seed in seeds}
    of_run = f"{network.name}, seed {network.seed} ({network.weights})"
    label = of_run if network.trained else network.name

    @jax.jit
    def bias(params, batch):
        def loss(params, engine):
            call = Call(mask=batch.mask, reset=batch.reset, engine=engine)
            return task.loss(model.outputs(params, batch.inputs, call), batch)

        return diagnostics.truncation_bias(loss, params, windows, stride=stride)

    def trace():
        return bias(params, batches[seeds[0]])

    def rows():
        return [
            {
                "label": label,
                "seed": seed,
                "length": length,
                "window": window,
                "cosine": float(cosine),
                "norm_ratio": float(ratio),
            }
            for seed, batch in batches.items()
            for window, cosine, ratio in zip(
                windows, *map(np.asarray, bias(params, batch)), strict=True
            )
        ]

    return Measurement(label, trace, rows, headline)


def headline(rows: list[dict]) -> str:
    """Cosine and ratio of norms at the middle window, the median over seeds."""
    windows = list(dict.fromkeys(row["window"] for row in rows))
    middle = windows[len(windows) // 2]
    at = [row for row in rows if row["window"] == middle]
    return (
        f"{rows[0]['label']}: window {middle} of {rows[0]['length']}: cosine "
        f"{np.median([row['cosine'] for row in at]):.3f}, norm ratio "
        f"{np.median([row['norm_ratio'] for row in at]):.3f}"
    )
