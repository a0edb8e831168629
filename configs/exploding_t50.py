"""A tanh network meets the temporal order of two symbols, with and without clipping.

    python -m experiments.exploding --config=configs/exploding_t50.py

Expected: with clipping all 3 seeds solve it, after 1600 to 3400 updates; without, none
does in 10,000, and the spectral radius ends at 4 to 7 (results/exploding).
Time: 45 s on 2 cores of an AMD EPYC.
"""


def get_config():
    return {
        "cell": "elman",
        "hidden_size": 50,
        "task": "temporal_order",
        "length": 50,
        "optimizer": "sgd",
        "learning_rate": 0.1,
        "batch_size": 20,
        "num_steps": 10_000,
        "num_seeds": 3,
    }
