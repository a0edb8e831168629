"""A random tanh network from order to chaos, and four driven cells.

    python -m experiments.lyapunov --config=configs/lyapunov_gains.py

Expected: the largest exponent is below -0.09 at a gain of 0.9, within 0.001 of zero at
1, 0.3 at 3; those of the driven cells are all negative (results/lyapunov).
Time: a minute on 2 cores of an AMD EPYC.
"""


def get_config():
    return {
        "gains": (0.4, 0.6, 0.8, 0.9, 1.0, 1.1, 1.2, 1.4, 1.7, 2.0, 2.5, 3.0),
        "cells": ("elman", "gru", "lstm", "cornn"),
        "network_size": 200,
        "length": 1500,
        "transient": 500,
    }
