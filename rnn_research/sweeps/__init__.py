"""Sweeps: many runs from one file, on this machine or on a cluster.

    from rnn_research.sweeps import each, product

    def get_config():
        grid = product(cell=["gru", "lstm"], length=[50, 100], seed=range(5))
        return each("adding_problem", grid, num_steps=2000)

A list or a range is an axis, anything else one value. `experiments.sweep` runs such a
file: see its docstring, and docs/sweeps.md.
"""

from rnn_research.sweeps.grid import chain, each, product, when, zip_

__all__ = ["chain", "each", "product", "when", "zip_"]
