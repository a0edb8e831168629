"""Compression: a whole sequence from one state."""

import jax
import jax.numpy as jnp

from rnn_research.errors import check_size
from rnn_research.tasks import asked, base, ranges, scores


@base.task
def compression(
    length: int, *, vocabulary=16, shortest: int | None = None
) -> base.Task:
    """Write down the whole sequence from the state after its last step.

    Poli et al. 2024 (MAD), arXiv 2403.17844, with T = 32 and V = vocabulary = 16.
    Tokens: T - 1 random ones of 0 ... V - 2, then V - 1, which says that it is over.
    The outputs of the last step are (T - 1) (V - 1) logits, the classes of all tokens.
    (There a decoder reads this state and a position, and gives them one by one; here
    one linear map gives all.) Two examples with T = 5, V = 4:

        inputs    2 0 0 1 3        inputs    1 2 1 1 3
        targets   2 0 0 1          targets   1 2 1 1

    Lengths are uniform from `shortest` to `length`; None: all have `length`. The logits
    are those of the longest: what a shorter sequence has not is not asked.

    Loss: cross-entropy in nats, over the T - 1 tokens. Memoryless baseline ln(V - 1).
    Metric: recall_accuracy over these tokens, with chance 1 / (V - 1).
    """
    check_size(least=2, length=length)
    check_size(least=3, vocabulary=vocabulary)
    lengths = ranges.check(length, shortest, least=2)
    count, classes = length - 1, vocabulary - 1

    def example(key, n):
        tokens = jax.random.randint(key, (count,), 0, classes)
        targets = jnp.where(jnp.arange(count) < n - 1, tokens, asked.NOT_ASKED)
        return base.Example(jnp.pad(tokens, (0, 1)).at[n - 1].set(classes), targets)

    def score(outputs, batch):
        logits = outputs.reshape(*outputs.shape[:-1], count, classes)
        log_p, there = jax.nn.log_softmax(logits), batch.targets != asked.NOT_ASKED
        chosen = jnp.take_along_axis(log_p, batch.targets[..., None], axis=-1)[..., 0]
        right = jnp.argmax(logits, axis=-1) == batch.targets
        return {
            "loss": scores.mean(-chosen, batch, by_step=False, there=there),
            "recall_accuracy": scores.mean(right, batch, by_step=False, there=there),
        }

    network = base.Network(vocabulary, count * classes, head="last", tokens=True)
    return asked.task(example, network, lengths, classes, score=score)
