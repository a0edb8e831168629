"""Connectionist temporal classification: labels of a sequence that is not segmented.

A network says at each step one of O classes, the last of which, the blank, stands for
nothing. What it says in all is read by taking equal neighbours for one, then leaving
out the blanks: 3 3 _ 3 5 5 is 3 3 5. The probability of labels is the sum over all the
ways to say them (Graves, Fernandez, Gomez & Schmidhuber 2006, ICML).
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax


def loss(logits, mask, labels, counts) -> jax.Array:
    """-ln p [B] of the labels, in nats, by optax.

    Args:
      logits: [T, B, O].
      mask: [T, B] bool, False: not there.
      labels: [B, N], padded behind.
      counts: [B], how many labels there are.
    """
    logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
    logits = jnp.where(mask[..., None], logits, 0)
    behind = jnp.arange(labels.shape[1]) >= counts[:, None]
    return optax.ctc_loss(
        jnp.swapaxes(logits, 0, 1),
        1.0 - mask.T.astype(logits.dtype),
        labels,
        behind.astype(logits.dtype),
        blank_id=logits.shape[-1] - 1,
    )


def greedy(logits, mask) -> tuple[jax.Array, jax.Array]:
    """The likeliest class of each step, and which of them are labels, both [T, B].

    A class is a label where it is no blank and another than that of the step before.
    """
    said = jnp.argmax(logits, axis=-1)
    before = jnp.pad(said[:-1], ((1, 0), (0, 0)), constant_values=-1)
    return said, mask & (said != logits.shape[-1] - 1) & (said != before)


def edit_distance(said, taken, labels, counts) -> jax.Array:
    """[B], the fewest insertions, deletions and replacements between two sequences.

    Args:
      said: [T, B], of which only those count that are `taken` [T, B].
      labels, counts: the others, as in `loss`.
    """
    places = jnp.arange(labels.shape[1] + 1)

    def longer(distances, x):
        """Distances [B, N + 1] to the first labels, with one more said."""
        label, is_taken = x
        replaced = distances[:, :-1] + (label[:, None] != labels)
        without = jnp.minimum(distances[:, 1:] + 1, replaced)
        without = jnp.concatenate([distances[:, :1] + 1, without], axis=1)
        found = jax.lax.cummin(without - places, axis=1) + places
        return jnp.where(is_taken[:, None], found, distances), None

    begun = jnp.broadcast_to(places, (len(labels), len(places)))
    distances, _ = jax.lax.scan(longer, begun, (said, taken))
    return jnp.take_along_axis(distances, counts[:, None], axis=1)[:, 0]


def prefix_beam(log_p: np.ndarray, width: int) -> list[tuple[tuple[int, ...], float]]:
    """The likeliest labels with their ln p, the best first, at most `width`.

    Each beginning of labels is kept once, with the probability of all the ways to say
    it so far that end in a blank, and of those that do not (Graves 2012, section 7.5;
    Hannun et al. 2014, arXiv 1408.2873, without a language model). If `width` is above
    the number of all beginnings, the probabilities are exact.

    Args:
      log_p: [T, O], normalised, the blank last.
    """
    blank, scale = log_p.shape[1] - 1, 0.0
    beams = {(): (1.0, 0.0)}
    for p in np.exp(np.asarray(log_p, np.float64)).tolist():
        grown: dict[tuple[int, ...], list[float]] = {}
        for labels, (by_blank, by_label) in beams.items():
            both, last = by_blank + by_label, labels[-1] if labels else None
            same = grown.setdefault(labels, [0.0, 0.0])
            same[0] += both * p[blank]
            same[1] += by_label * (0.0 if last is None else p[last])
            for label in range(blank):
                more = grown.setdefault((*labels, label), [0.0, 0.0])
                more[1] += (by_blank if label == last else both) * p[label]
        kept = sorted(grown.items(), key=lambda each: -sum(each[1]))[:width]
        best = sum(kept[0][1])
        scale += math.log(best)
        beams = {labels: (one / best, two / best) for labels, (one, two) in kept}
    found = [(labels, sum(each)) for labels, each in beams.items() if sum(each)]
    return [(labels, math.log(each) + scale) for labels, each in found]
