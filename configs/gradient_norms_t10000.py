"""How gradients of five cells vanish over 10 to 10,000 steps, at initialisation.

    python -m experiments.gradient_norms --config=configs/gradient_norms_t10000.py

Expected: 1 % of the gradient is left after 10 steps of an Elman network, 11 of a GRU,
24 of an LSTM, about 650 of an LRU, at every lag of an IRNN (results/gradient_norms).
Time: 80 s on 2 cores of an AMD EPYC.
"""


def get_config():
    return {
        "cells": ("elman", "irnn", "gru", "lstm", "lru"),
        "lengths": (10, 30, 100, 300, 1000, 3000, 10_000),
        "num_seeds": 5,
        "jacobian_lags": 0,
    }
