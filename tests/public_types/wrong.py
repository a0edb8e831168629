"""What an editor refuses: an error on each line that is marked, and on no other."""

from rnn_research import cells, engines, layers, models, runs, tasks, training, unroll
from rnn_research.cells import wrappers
from rnn_research.training import optimizers, penalties

cells.gru(128, layernorm=True)  # refused
cells.gru(128, layer_norm="yes")  # refused
cells.gru("128")  # refused
cells.gru(128, "before")  # refused
cells.gru()  # refused
cells.lstm(128, forget_bias="big")  # refused
cells.lsmt(128)  # refused
wrappers.zoneout(128)  # refused
engines.adjoint(chunks=16)  # refused
engines.truncated(window=0.5)  # refused
layers.linear(3, 4)  # refused
tasks.adding(200, symbols=3)  # refused
tasks.copy_memory(50, symbols="ten")  # refused
optimizers.adam(beta1=0.9)  # refused
penalties.omega(strength=1.0)  # refused
models.build(cells.gru(8), cells.gru(8))  # refused
training.TrainConfig(steps=100)  # refused
training.train(cells.gru(8), tasks.adding(20), engine="adjoint")  # refused
training.train("gru", tasks.adding(20))  # refused
runs.train(cells.gru(8), tasks.adding(20), folder="mine", workdir=3)  # refused
unroll(cells.gru(8), (), [1.0], machine=engines.auto())  # refused
runs.load(3)  # refused
print(cells.gru(8).hidden_size)  # refused
