"""All experiments, a line each: `python -m experiments`."""

from rnn_research import commands, config

if __name__ == "__main__":
    config.run(commands.main)
