"""Four cells add two numbers at three distances, five seeds each: 60 runs.

python -m experiments.sweep --config=configs/sweep_adding.py
"""

from rnn_research.sweeps import each, product


def get_config():
    grid = product(
        cell=["elman", "gru", "lstm", "lru"],
        length=[25, 50, 100],
        seed=range(5),
    )
    return each(
        "adding_problem",
        grid,
        hidden_size=32,
        batch_size=32,
        learning_rate=3e-3,
        num_steps=1500,
        eval_every=50,
    )
