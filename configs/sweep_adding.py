"""Four cells add two numbers at three distances, five seeds each: 60 runs.

    python -m experiments.sweep --config=configs/sweep_adding.py

Expected: the GRU solves it at all three, 5 of 5 seeds each, after 200, 250 and 350
updates (medians), the LSTM after 300, 400 and 750; the Elman network and the LRU at
T = 25 alone, after 1150 and 1000.
Time: 10 minutes on 2 cores that were shared, killed three times on the way.
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
