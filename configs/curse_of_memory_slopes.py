"""The variance of state and sensitivity against the distance of lambda from 1.

    python -m experiments.curse_of_memory --config=configs/curse_of_memory_slopes.py

Expected: on the closed forms; the sensitivity grows with slope -3 for white and -4 for
constant inputs, two powers more than the state (results/curse_of_memory).
Time: some seconds on 2 cores of an AMD EPYC.
"""


def get_config():
    return {"distances": (0.3, 0.1, 0.03, 0.01), "sequences": 4000, "horizons": 8}
