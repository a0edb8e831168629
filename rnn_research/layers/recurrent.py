"""A cell run over the sequence."""

from rnn_research.cells import base
from rnn_research.layers.base import Applied, Layer, as_layer, at_end, handing_on, layer
from rnn_research.unroll import last_output, set_up_and_run


@layer
def recurrent(cell: base.Cell) -> Layer:
    """The cell run over the sequence; the context is its state."""

    def apply(params, x, context, call):
        options = {"mask": call.mask, "reset": call.reset, "key": call.key}
        setup, (outputs, state, record) = set_up_and_run(
            cell, params, x, state=context, engine=call.engine, **options
        )
        if call.whole and (call.mask is None or call.reset is None):
            outputs = last_output(setup, state)  # so that outputs need not be kept
        elif call.whole:
            outputs = at_end(outputs, call)
        return Applied(outputs, state, (record,))

    return Layer(
        init=cell.init,
        apply=handing_on(apply),
        initial_context=cell.initial_state,
        activations=cell.activations,
        groups=cell.groups,
        retract=cell.retract,
    )


@as_layer.register
def _(value: base.Cell) -> Layer:
    return recurrent(value)
