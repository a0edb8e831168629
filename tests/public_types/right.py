"""What an editor says of public calls: every line is accepted as it stands."""

from typing import Any, assert_type

import numpy as np

from rnn_research import (
    Cell,
    Unrolled,
    cells,
    engines,
    layers,
    load,
    models,
    runs,
    tasks,
    training,
    unroll,
)
from rnn_research.cells import initializers, wrappers
from rnn_research.engines.base import Engine
from rnn_research.layers import Layer
from rnn_research.models import choices, readers
from rnn_research.tasks.base import Task
from rnn_research.training import optimizers, penalties

cell = cells.gru(128)
assert_type(cell, Cell)
assert_type(cells.gru(128, reset="before", layer_norm=True), Cell)
assert_type(cells.lstm(128, forget_bias=initializers.chrono(t_max=200)), Cell)
assert_type(cells.lstm(128, forget_bias=2), Cell)
assert_type(cells.clockwork(12, periods=(1, 2, 4)), Cell)
assert_type(wrappers.zoneout(cell, parts=(("h", 0.1),)), Cell)
assert_type(cell.replace(retract=lambda params: params), Cell)
assert_type(initializers.normal(gain=1.5), initializers.Initializer)

assert_type(engines.adjoint(chunk=16, keep_products=False), Engine)
assert_type(layers.recurrent(cell), Layer)
assert_type(layers.stack(cell, layers.linear(3)), Layer)
assert_type(layers.transformer(64, heads=8, rotary_base=None), Layer)
assert_type(tasks.adding(200), Task)
assert_type(optimizers.adam(b1=0.8), optimizers.Optimizer)
assert_type(optimizers.cosine(), optimizers.Schedule)
assert_type(penalties.omega(weight=1.0), penalties.Penalty)
assert_type(choices.sample(top_k=3), models.Choice)
assert_type(readers.picture(8, 8, 1, size=16, features=(8, 8)), readers.Reader)
assert_type(models.build(cell, tasks.adding(200)), models.Model)

assert_type(unroll(cell, (), np.zeros((7, 4, 3)), engine=engines.auto()), Unrolled)
config = training.TrainConfig(num_steps=20, learning_rate=1e-3)
result = training.train(cell, tasks.adding(200), config, penalties=(penalties.omega(),))
assert_type(result, training.Result)
assert_type(result.runs[0].seed, int)
assert_type(
    runs.train(cell, tasks.adding(200), config, workdir="mine"), training.Result
)
trained = load("mine")
assert_type(trained, runs.Loaded)
assert_type(trained.model, models.Model)
assert_type(trained.params, Any)
