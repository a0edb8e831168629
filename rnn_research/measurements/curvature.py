"""The Hessian's largest eigenvalues, and where their directions lie."""

import jax
import numpy as np

from rnn_research import diagnostics, engines
from rnn_research.diagnostics.curvature import check_count
from rnn_research.layers import Call
from rnn_research.measurements import compared
from rnn_research.measurements.driver import Measurement


def plan(settings) -> list[Measurement]:
    """Of every network, on a batch of every seed; cells have weights of that seed.

    Args:
      settings: a `compared.ComparedConfig` with `hidden_size`, `task`, `length`,
        `count` and `batch_size`.
    """
    seeds = settings.all_seeds()
    return [
        of(each, seed, settings.count, settings.batch_size)
        for each in compared.networks(settings, seeds)
        for seed in (seeds if each.trained else (each.seed,))
    ]


def of(
    network: compared.Network, seed: int, count: int, batch_size: int
) -> Measurement:
    """A row for each eigenvalue of the loss on one batch."""
    model, task, params = network.model, network.task, network.params
    batch = task.sample(jax.random.key(seed), batch_size)
    labels = {
        "label": network.label,
        "weights": network.weights,
        "trained_seed": network.seed if network.trained else "",
        "seed": seed,
        "task": str(task),
        "length": task.length,
    }

    def loss(params):
        call = Call(mask=batch.mask, reset=batch.reset, engine=engines.sequential())
        return task.loss(model.outputs(params, batch.inputs, call), batch)

    def trace():
        check_count(params, count)
        return jax.grad(loss)(params)

    def rows():
        groups = model.groups(params)
        found = diagnostics.hessian_eigenvalues(loss, params, groups, count=count)
        shares = found.shares.get("recurrent", np.zeros(count))
        at = float(jax.jit(loss)(params))
        return [
            {
                **labels,
                "loss": at,
                "index": index + 1,
                "eigenvalue": float(value),
                "recurrent_share": float(share),
            }
            for index, (value, share) in enumerate(
                zip(found.eigenvalues, shares, strict=True)
            )
        ]

    return Measurement(network.label, trace, rows, headline)


def headline(rows: list[dict]) -> str:
    """A line for each seed: the largest eigenvalue, and where its direction lies."""
    return "\n".join(
        f"{row['label']}, seed {row['seed']}: loss {row['loss']:.4g}, largest "
        f"eigenvalue {row['eigenvalue']:.4g}, {row['recurrent_share']:.0%} of its "
        "direction in the recurrent weights"
        for row in rows
        if row["index"] == 1
    )
