"""A GRU of 16 units forecasts the daily maximum temperature of Seattle, a week ahead.

    python -m experiments.forecasting --config=configs/forecasting_weather_gru.py

It corrects the linear autoregression of the last 14 days; the strong weight decay draws
it towards that forecast.

Expected: test CRPS 2.095 to 2.139 degrees over five seeds (--num_seeds=5), mean 2.120,
better than the linear autoregression (2.154), climatology (2.54), persistence and drift
(2.66) and seasonal-naive (2.98). By MASE, of the medians alone, it is level with the
linear autoregression: 0.680 to 0.692 against 0.684.
Time: under a minute on 2 cores, a little more with five seeds.
"""


def get_config():
    return {
        "cell": "gru",
        "hidden_size": 16,
        "length": 14,
        "horizon": 7,
        "corrects": "linear autoregression",
        "batch_size": 200,
        "learning_rate": 2e-3,
        "weight_decay": 7.0,
        "eval_every": 25,
        "num_steps": 250,
    }
