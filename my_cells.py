import jax
import jax.numpy as jnp
from rnn_research import Cell

def leaky(hidden_size, *, alpha=0.3):
    def init(key, input_size):
        W = jax.random.normal(key, (input_size + hidden_size, hidden_size))
        return {"W": W[input_size:] / hidden_size**0.5, "U": W[:input_size]}
    return Cell(
        init=init,
        initial_state=lambda params, batch_shape: jnp.zeros((*batch_shape, hidden_size)),
        project=lambda w, x: x @ w["U"],
        step=lambda w, h, u: (1 - alpha) * h + alpha * jnp.tanh(h @ w["W"] + u),
    )
