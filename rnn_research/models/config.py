"""From settings and a task to a model."""

import dataclasses
import functools
from collections.abc import Callable

import jax

from rnn_research import config, engines, errors, layers, values
from rnn_research.cells.base import Cell
from rnn_research.models import looking, readers, starting
from rnn_research.models.base import Model, check_carried, model
from rnn_research.models.from_source import encoder_decoder
from rnn_research.tasks.base import Task


@dataclasses.dataclass(frozen=True)
class ModelConfig(config.Settings):
    """Model:"""

    cell: str = config.setting(
        "gru",
        "the cell, such as gru, lstm or lru, or a whole layer, such as transformer; "
        "with options, 'gru(reset=before)'; wrapped, 'zoneout(gru, rate=0.1)'; your "
        "own, 'my_cells:leaky(alpha=0.3)'",
        names="cells",
    )
    hidden_size: int = config.setting(128, "units of each layer", low=1)
    num_layers: int = config.setting(1, "recurrent layers, stacked", low=1, high=1000)
    dropout: float = config.setting(
        0.0,
        "share of features dropped in training: of embedded tokens, between layers "
        "and before the head",
        low=0.0,
        high=0.99,
    )
    layer_norm: bool = config.setting(
        False, "normalise the input of each further layer"
    )
    residual: bool = config.setting(
        False, "add each further layer's input to its output"
    )
    bidirectional: bool = config.setting(False, "run each layer in both directions")
    embedding_size: int | None = config.setting(
        None,
        "width of the embedding, for tasks on tokens; default: the width of the cell",
        low=1,
    )
    attention: str = config.setting(
        "auto",
        "how a decoder looks at the source, in tasks that have one: inside of the cell "
        "(bahdanau), behind it (luong), or not (none); auto: bahdanau with a cell, "
        "luong with a layer or in a block",
        choices=("auto", *looking.KINDS),
    )
    decoder_start: str = config.setting(
        starting.OWN,
        "the state that a decoder starts from, in tasks that have a source: the cell's "
        "own, or a linear map of what was read; one learned for all sources is "
        "--cell='learned_state(gru)'",
        choices=starting.KINDS,
    )
    block: str = config.setting(
        "auto",
        "the layer around the cell: 'glu' is norm, cell, gate and skip; auto picks glu "
        "for cells whose map is linear, none for others",
        choices=("auto", "none", "glu"),
    )
    engine: str = config.setting(
        "auto",
        f"how the recurrence is evaluated: {', '.join(engines.__all__)}; with options, "
        "'checkpointed(chunk=16)'",
        names="engines",
    )


def build(
    cell: Cell | layers.Layer | Model, task: Task, options: ModelConfig = ModelConfig()
) -> Model:
    """The model of `options` with this cell (or layer) for this task.

    One layer of the cell alone is the plain recurrent network; further layers get
    normalisation and skip as `options` says. Dropout is where Zaremba et al. 2014
    (arXiv 1409.2329) have it: on all that goes into a layer or the head, numbers that
    are inputs apart, and never on what goes from step to step. A cell whose
    input-output map is linear cannot multiply, so by default it is run in its paper's
    block, after a linear layer that brings the inputs to the hidden size.

    Raises:
      errors.UsageError: embedding_size is given for a task on numbers; see `observing`.
    """
    cell = observing(cell, task, options)
    network, embedding_size = task.network, options.embedding_size
    width = layers.output_size(layers.as_layer(cell), network.inputs)
    if network.tokens:
        embedding_size = embedding_size or width
    elif embedding_size is not None:
        raise errors.UsageError(
            f"--embedding_size is for tasks on tokens, and {task.name} gives numbers"
        )
    if network.source is not None:
        return _with_source(cell, task, options, embedding_size, width)
    if options.attention != "auto":
        raise errors.UsageError(
            f"--attention is for tasks that read a source, and {task.name} has none"
        )
    if options.decoder_start != starting.OWN:
        raise errors.UsageError(
            f"--decoder_start is for tasks that read a source, and {task.name} has none"
        )
    drop = [layers.dropout(options.dropout)] if options.dropout else []
    parts = list(drop) if network.tokens else []
    parts += _body(cell, options, width, embedding_size) + drop
    return model(
        _in_a_row(parts),
        input_size=network.inputs,
        output_size=network.outputs,
        head=network.head,
        tokens=network.tokens,
        embedding_size=embedding_size,
    )


def _in_a_row(parts: list):
    return parts[0] if len(parts) == 1 else layers.stack(*parts)


def _is_glu(cell, options: ModelConfig) -> bool:
    linear_map = isinstance(cell, Cell) and cell.structure.linear_map
    return options.block == "glu" or (options.block == "auto" and linear_map)


def _body(cell, options: ModelConfig, width: int, input_size: int | None) -> list:
    """The layers of the cell, of inputs of a size; None: it is not known."""
    glu = _is_glu(cell, options)
    drop = [layers.dropout(options.dropout)] if options.dropout else []
    parts = [layers.linear(width)] if glu and input_size != width else []
    for index in range(options.num_layers):
        part = layers.as_layer(at_depth(cell, index, options.num_layers))
        if options.bidirectional:
            part = layers.bidirectional(part, part)
        if glu:
            if options.bidirectional:
                part = layers.stack(part, layers.linear(width))
            part = layers.glu_block(part, dropout_rate=options.dropout)
        elif index > 0:
            before = [layers.layer_norm()] if options.layer_norm else []
            part = layers.stack(*before, *drop, part) if before + drop else part
            part = layers.residual(part) if options.residual else part
        parts.append(part)
    return parts


def _with_source(
    cell, task: Task, options: ModelConfig, embedding_size: int, width: int
) -> Model:
    """Encoder and decoder of one kind; only the encoder reads in both directions."""
    in_a_cell = isinstance(cell, Cell) and not _is_glu(cell, options)
    attention = options.attention
    if attention == "auto":
        attention = looking.BAHDANAU if in_a_cell else looking.LUONG
    forward = dataclasses.replace(options, bidirectional=False)
    decoder, above = _body(cell, forward, width, None), []
    if attention == looking.BAHDANAU:
        decoder, above = decoder[:1], decoder[1:]
        if not in_a_cell:
            raise errors.UsageError(
                f"--attention=bahdanau is inside of a cell, and {cell} is a layer or "
                "in a block; take --attention=luong"
            )
        decoder = [at_depth(cell, 0, options.num_layers)]
    made = encoder_decoder(
        _reader(cell, task.network.source, options, embedding_size, width),
        _in_a_row(decoder),
        input_size=task.network.inputs,
        output_size=task.network.outputs,
        embedding_size=embedding_size,
        attention=attention,
        above=_in_a_row(above) if above else None,
        start=options.decoder_start,
        dropout=options.dropout,
    )
    check_carried(made, jax.ShapeDtypeStruct((1, 1), "int32"))  # so that it can write
    return made


def _reader(cell, source, options: ModelConfig, embedding_size: int, width: int):
    """What reads tokens or a picture."""
    if isinstance(source, tuple):
        return readers.picture(*source, size=width, dropout=options.dropout)
    return readers.text(
        _in_a_row(_body(cell, options, width, embedding_size)),
        tokens=source,
        embedding_size=embedding_size,
        dropout=options.dropout,
    )


def at_depth(cell: Cell | layers.Layer, index: int, count: int) -> Cell | layers.Layer:
    """The cell as layer `index` of `count`, where it asks for that (`layer=`)."""

    def told(asking, arguments: dict) -> dict:
        return {"layer": (index, count)} if "layer" in arguments else {}

    return _told(cell, told)


def observing(cell, task: Task, options: ModelConfig = ModelConfig()):
    """The cell, told which inputs are values and times, where it asks (`variables=`).

    Raises:
      errors.UsageError: it asks, and would not be given values and their marks.
    """

    def told(asking, arguments: dict) -> dict:
        if "variables" not in arguments:
            return {}
        changes = _observed(asking, arguments, task)
        if options.num_layers > 1 or _is_glu(asking, options):
            raise errors.UsageError(
                f"{asking} reads the values of the data, which only a first layer is "
                "given; set --num_layers=1 and --block=none"
            )
        return changes

    return _told(cell, told)


def _told(cell, told: Callable[[values.Value, dict], dict]):
    """The cell with the arguments that `told` gives it and what is wrapped in it."""
    if not isinstance(cell, values.Value) or cell.origin is None:
        return cell
    arguments = dict(cell.origin.arguments)
    changes = {
        name: _told(given, told)
        for name, given in arguments.items()
        if isinstance(given, values.Value)
    }
    changes |= told(cell, arguments)
    changed = any(arguments[name] != given for name, given in changes.items())
    return values.remade(cell, **changes) if changed else cell


def _observed(cell, arguments: dict, task: Task) -> dict:
    """What becomes of the arguments `variables` and `times`."""
    network, given = task.network, arguments["variables"]
    if not network.observed and given is None:
        raise errors.UsageError(
            f"{cell} reads values and which of them are missing, and {task.name} has "
            "data without gaps; take the cell in it, or give variables= where the "
            "inputs are of that form"
        )
    if network.observed and given not in (None, network.observed):
        raise errors.UsageError(
            f"{cell}: {task.name} has {network.observed} values a step; leave out "
            "variables="
        )
    if not network.observed:
        return {}
    found = {"variables": network.observed}
    return found | ({"times": network.times} if "times" in arguments else {})


@functools.singledispatch
def as_model(value: Cell | layers.Layer | Model, task: Task) -> Model:
    """The model that `value`, a cell, a layer or a model, stands for."""
    return build(value, task)


@as_model.register
def _(value: Model, task: Task) -> Model:
    return value
