"""A GRU of 16 units forecasts the daily maximum temperature of Seattle, a week ahead.

    python -m experiments.forecasting --config=configs/forecasting_weather_gru.py

Expected: test CRPS 2.184 and 2.124 degrees for seeds 0 and 1, better than climatology
(2.54), persistence (2.66), drift (2.66) and seasonal-naive (2.98), and no better than a
linear autoregression (2.119).
Time: under a minute on 2 cores.
"""


def get_config():
    return {
        "cell": "gru",
        "hidden_size": 16,
        "length": 14,
        "horizon": 7,
        "corrects": "linear autoregression",
        "batch_size": 50,
        "learning_rate": 2e-3,
        "weight_decay": 7.0,
        "eval_every": 25,
        "num_steps": 500,
    }
