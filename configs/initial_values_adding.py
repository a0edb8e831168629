"""Initial values of the LSTM's forget gate crossed with learning rates, on adding.

    python -m experiments.compare --config=configs/initial_values_adding.py

Expected: at 3e-3 all four solve it, after 300 to 400 updates, at 1e-3 after 600 to 800,
at 3e-4 none within 1,000; 2 of 2 seeds each. The rate matters, the start hardly does.
Time: 3 minutes on 2 cores that were shared.
"""


def get_config():
    return {
        "cells": (
            "lstm(forget_bias=0)",
            "lstm(forget_bias=1)",
            "lstm(forget_bias=chrono(t_max=25))",
            "lstm(forget_bias=uniform_gate)",
        ),
        "task": "adding",
        "length": 25,
        "learning_rates": (3e-4, 1e-3, 3e-3),
        "num_seeds": 2,
        "hidden_size": 32,
        "batch_size": 32,
        "num_steps": 1000,
    }
