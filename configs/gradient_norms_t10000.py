"""How gradients of five cells vanish over 10 to 10,000 steps, at initialisation.

    python -m experiments.gradient_norms --config=configs/gradient_norms_t10000.py

Expected: the table and figure in results/gradient_norms.
Time: see results/README.md.
"""


def get_config():
    return {
        "cells": ("elman", "irnn", "gru", "lstm", "lru"),
        "lengths": (10, 30, 100, 300, 1000, 3000, 10_000),
        "num_seeds": 5,
        "jacobian_lags": 0,
    }
