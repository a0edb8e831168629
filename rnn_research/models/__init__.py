"""Models: an embedding or numbers, a body of layers, a head.

    base       what a model is, and the one made of these three
    from_source  one that reads a source before it writes
    readers    what it reads the source with: a text, a picture
    looking    attention, inside of a cell and behind it
    config     from settings and a task to a model
    generate   a model of tokens, run on what it has chosen by one of `choices`
    saved      a model and its weights as files that can be handed on
    named      cells, engines and models by the texts that name them, and back

All that others use is here by its name, `models.build`.
"""

from rnn_research.models.base import Model, ModelParams, check_carried, model
from rnn_research.models.choices import Choice, beam, greedy, sample
from rnn_research.models.config import (
    ModelConfig,
    as_model,
    at_depth,
    build,
    observing,
)
from rnn_research.models.from_source import encoder_decoder
from rnn_research.models.generate import Generated, generate
from rnn_research.models.named import only_cell
from rnn_research.models.saved import Saved, load, save

__all__ = [
    "Choice",
    "Generated",
    "Model",
    "ModelConfig",
    "ModelParams",
    "Saved",
    "as_model",
    "at_depth",
    "beam",
    "build",
    "check_carried",
    "encoder_decoder",
    "generate",
    "greedy",
    "load",
    "model",
    "observing",
    "only_cell",
    "sample",
    "save",
]
