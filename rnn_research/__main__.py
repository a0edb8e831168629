"""All commands, a line each: `python -m rnn_research`."""

from rnn_research import commands, config

if __name__ == "__main__":
    config.run(commands.main)
