"""The report on trained runs: what is read from their folders, and the page."""

from rnn_research.report.entries import Entry, read
from rnn_research.report.page import render, verdict
from rnn_research.report.ranking import Network, networks, sentence

__all__ = ["Entry", "Network", "networks", "read", "render", "sentence", "verdict"]
