"""A GRU of 8 units forecasts a stock's price three months ahead, beside a random walk.

    python -m experiments.forecasting --config=configs/stocks_gru.py

Prices are logarithms, so the forecast of a random walk is persistence. --target takes
AAPL (the default), AMZN, GOOG, IBM or MSFT.

Expected: MASE 1.285, 1.242 and 1.245 of AAPL on test at seeds 0, 1 and 2, where the
random walk has 1.377 and drift 1.344; of IBM 1.249, 1.191 and 1.273, where the random
walk has 1.185 and wins. The 29 forecasts of test overlap, so this proves nothing.
Time: 8 s of compute on 2 cores that other programs shared, compilation 36 s.
"""


def get_config():
    return {
        "cell": "gru",
        "hidden_size": 8,
        "dataset": "stocks",
        "horizon": 3,
        "corrects": "persistence",
        "length": 12,
        "batch_size": 32,
        "learning_rate": 2e-3,
        "weight_decay": 7.0,
        "num_seeds": 3,
        "num_steps": 200,
        "eval_every": 25,
    }
