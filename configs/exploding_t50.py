"""A tanh network meets the temporal order of two symbols, with and without clipping.

    python -m experiments.exploding --config=configs/exploding_t50.py

Expected: see results/README.md.
Time: see there.
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
