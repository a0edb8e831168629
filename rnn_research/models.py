"""Models: layers and a head, from sequences to what a task scores.

    h_t = layers(x_1 ... x_t),    y_t = W_hy h_t + b_y

for every step (head='step', y [T, B, O]) or for the sequence as a whole (head='last',
y [B, O]), from the last step that is there, or from where a layer that reads backward
has come to: `Applied.last`. The y are logits or regression values, as the task's score
takes them.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from rnn_research import blocks, cells, config, engines, errors, layers, values
from rnn_research.cells import initializers, wrappers
from rnn_research.cells.base import Cell
from rnn_research.checks import check_fit
from rnn_research.engines.base import Engine
from rnn_research.interop import flax_cells
from rnn_research.layers import Applied, Call, Layer
from rnn_research.tasks.base import Task

Tree = Any


class ModelParams(NamedTuple):
    body: Tree  # of the layers
    head: layers.LinearParams  # W_hy [H, O], b_y [O]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Model(values.Value):
    """A network for a task.

    Attributes:
      init: (key) -> ModelParams.
      apply: (params, x [T, B, D], context, Call) -> Applied, whose outputs are
        [T, B, O] or [B, O].
      initial_context: (params, batch_shape) -> context.
      groups, retract: as for cells.
    """

    init: Callable[[jax.Array], ModelParams]
    apply: Callable[[ModelParams, jax.Array, Tree, Call], Applied]
    initial_context: Callable[[ModelParams, tuple[int, ...]], Tree]
    groups: Callable[[ModelParams], Tree]
    retract: Callable[[ModelParams], ModelParams]

    def outputs(self, params, x, call: Call = Call()) -> jax.Array:
        """The outputs from the initial context."""
        context = self.initial_context(params, x.shape[1:2])
        return self.apply(params, x, context, call).outputs


@values.factory
def model(body, *, input_size, output_size, head):
    """A layer (or cell) and a linear head; see the module's docstring."""
    body = layers.as_layer(body)
    width = layers.output_size(body, input_size)
    linear = layers.linear(output_size)
    field = {"last": "last", "step": "outputs"}[head]

    def init(key):
        key_body, key_head = jax.random.split(key)
        return ModelParams(
            body.init(key_body, input_size),
            linear.init(key_head, width),
        )

    def apply(params, x, context, call):
        applied = body.apply(params.body, x, context, call)
        call = call._replace(last=applied.last)
        y = linear.apply(params.head, applied.outputs, None, call)
        return applied._replace(outputs=getattr(y, field), last=y.last)

    def groups(params):
        return ModelParams(
            body.groups(params.body), layers.LinearParams(W="free", b="free")
        )

    return Model(
        init=init,
        apply=apply,
        initial_context=lambda params, shape: body.initial_context(params.body, shape),
        groups=groups,
        retract=lambda params: params._replace(body=body.retract(params.body)),
    )


# ------------------------------------------------------------------- from settings


@dataclasses.dataclass(frozen=True)
class ModelConfig(config.Settings):
    """Model:"""

    cell: str = config.setting(
        "gru",
        f"the cell: {', '.join(cells.__all__)}; with options, 'gru(reset=before)'; "
        "wrapped, 'zoneout(gru, rate=0.1)'; your own, 'my_cells:leaky(alpha=0.3)'",
    )
    hidden_size: int = config.setting(128, "units of each layer", low=1)
    num_layers: int = config.setting(
        1, "recurrent layers, one on the other", low=1, high=1000
    )
    dropout: float = config.setting(
        0.0, "share of features dropped between layers in training", low=0.0, high=0.99
    )
    layer_norm: bool = config.setting(
        False, "normalise the input of each further layer"
    )
    residual: bool = config.setting(
        False, "add each further layer's input to its output"
    )
    bidirectional: bool = config.setting(False, "run each layer in both directions")
    block: str = config.setting(
        "auto",
        "the layer around the cell: 'glu' is norm, cell, gate and skip; auto is glu "
        "for cells whose map is linear, none for others",
        choices=("auto", "none", "glu"),
    )
    engine: str = config.setting(
        "auto",
        f"how the recurrence is evaluated: {', '.join(engines.__all__)}; with options, "
        "'checkpointed(chunk=16)'",
    )


def resolve_cell(text: str, hidden_size: int):
    """The cell or layer that `--cell` names, checked to fit together."""
    value = values.resolve(
        text,
        "cell",
        (cells, blocks, wrappers, flax_cells),
        returns=(Cell, Layer),
        inside=(initializers,),
        hidden_size=hidden_size,
    )
    if isinstance(value, Cell):
        check_fit(value, input_size=hidden_size + 1)  # no two sizes alike
    return value


def only_cell(value) -> Cell:
    """The value, if it is a cell and not a layer."""
    if not isinstance(value, Cell):
        raise errors.UsageError(f"{value} is a layer; this needs a cell")
    return value


def resolve_engine(text: str):
    """The engine that `--engine` names."""
    return values.resolve(text, "engine", (engines,), returns=Engine)


def build(cell, task: Task, options: ModelConfig = ModelConfig()) -> Model:
    """The model of `options` with this cell (or layer) for this task.

    One layer of the cell alone is the plain recurrent network; further layers get
    dropout, normalisation and skip as `options` says. A cell whose input-output map is
    linear cannot multiply, so by default it is run in its paper's block, after a
    linear layer that brings the inputs to the hidden size.
    """
    linear_map = isinstance(cell, Cell) and cell.structure.linear_map
    glu = options.block == "glu" or (options.block == "auto" and linear_map)
    width = layers.output_size(layers.as_layer(cell), task.network.inputs)
    parts = [layers.linear(width)] if glu else []
    for index in range(options.num_layers):
        part = layers.as_layer(at_depth(cell, index, options.num_layers))
        if options.bidirectional:
            part = layers.bidirectional(part, part)
        if glu:
            if options.bidirectional:
                part = layers.stack(part, layers.linear(width))
            part = layers.block(part, dropout_rate=options.dropout)
        elif index > 0:
            before = [layers.layer_norm()] if options.layer_norm else []
            drop = [layers.dropout(options.dropout)] if options.dropout else []
            part = layers.stack(*before, *drop, part) if before + drop else part
            part = layers.residual(part) if options.residual else part
        parts.append(part)
    body = parts[0] if len(parts) == 1 else layers.stack(*parts)
    return model(
        body,
        input_size=task.network.inputs,
        output_size=task.network.outputs,
        head=task.network.head,
    )


def at_depth(cell, index: int, count: int):
    """The cell as layer `index` of `count`, where it asks for that (`layer=`)."""
    if not isinstance(cell, values.Value) or cell.origin is None:
        return cell
    arguments = dict(cell.origin.arguments)
    changes = {
        name: at_depth(given, index, count)
        for name, given in arguments.items()
        if isinstance(given, values.Value)
    }
    if "layer" in arguments:
        changes["layer"] = (index, count)
    changed = any(arguments[name] != given for name, given in changes.items())
    return values.remade(cell, **changes) if changed else cell


@functools.singledispatch
def as_model(value, task: Task) -> Model:
    """The model that `value`, a cell, a layer or a model, stands for."""
    return build(value, task)


@as_model.register
def _(value: Model, task: Task) -> Model:
    return value
