"""The parts of a training, and the programs that it compiles.

All runs, each a seed and a learning rate, are trained by one program; many updates are
one call.
"""

import dataclasses
import functools
from typing import Any

import jax
import numpy as np
import optax
from jax.sharding import NamedSharding, PartitionSpec

from rnn_research import engines, runtime
from rnn_research.models import Model, check_carried, fit
from rnn_research.tasks.base import Task
from rnn_research.training import (
    curriculum,
    evaluation,
    objective,
    optimizers,
    resources,
    scheduled_sampling,
    supply,
    update,
)
from rnn_research.training.settings import TrainConfig
from rnn_research.training.state import Runs, State

Tree = Any


@dataclasses.dataclass(frozen=True, eq=False)
class Trainer:
    """The parts of a training, as values; `build` makes it.

    Attributes:
      given: the settings.
      config: the same, with num_steps counted out where epochs were given.
      optimizer, schedule, penalties, sampling: the values that shape an update.
      labels: of the parameters: 'free', 'recurrent' or 'fixed'.
      engines: what runs the recurrences, in order.
      mesh: the devices and how the work is divided over them.
      keeps_best: the best parameters by validation are kept, not the last.
    """

    model: Model
    task: Task
    given: TrainConfig
    config: TrainConfig
    engine: Any
    optimizer: Any
    schedule: optimizers.Schedule
    penalties: tuple
    sampling: scheduled_sampling.Sampling | None
    labels: Tree
    engines: tuple[str, ...]
    mesh: jax.sharding.Mesh
    objective: objective.Objective
    supply: supply.Supply
    runs: Runs
    keeps_best: bool

    def optimizer_of(self, run: Runs) -> optax.GradientTransformation:
        """The whole transformation of a run's gradients."""
        config = self.config
        return optimizers.build(
            self.optimizer,
            self.schedule,
            learning_rate=run.learning_rate,
            num_steps=config.num_steps,
            warmup_steps=config.warmup_steps,
            clip_value=config.clip_value,
            grad_clip=config.grad_clip,
            weight_decay=config.weight_decay,
            recurrent_learning_rate=config.recurrent_learning_rate,
            labels=self.labels,
        )

    @property
    def tracks_best(self) -> bool:
        """Whether evaluations are compared with the best one before."""
        return self.keeps_best or self.config.patience > 0

    @property
    def parts(self) -> tuple:
        """The values that shape an update beside model, task and engine."""
        sampling = () if self.sampling is None else (self.sampling,)
        return self.optimizer, self.schedule, *self.penalties, *sampling

    @property
    def announcement(self) -> str:
        """One line for the user."""
        parameters = jax.tree.leaves(jax.eval_shape(self.model.init, jax.random.key(0)))
        devices, count = self.mesh.devices, self.mesh.devices.size
        kind = devices.flat[0].device_kind
        parts = [
            f"{sum(leaf.size for leaf in parameters):,} parameters",
            ", ".join(dict.fromkeys(self.engines)) or "no recurrence",
            f"{count} {kind} device{'s' * (count > 1)}",
        ]
        if not self.task.is_endless:
            sizes = [f"{self.task.size(split):,}" for split in self.task.splits]
            parts.append(f"{' / '.join(sizes)} rows")
        if self.task.baseline is not None:
            parts.append(f"baseline {self.task.baseline:.5f}")
        if len(self.runs.seed) > 1:
            parts.insert(0, f"{len(self.runs.seed)} runs")
        return " | ".join(parts)

    # ------------------------------------------------------------------- programs

    @functools.cached_property
    def _everywhere(self):
        return NamedSharding(self.mesh, PartitionSpec())

    def _jit(self, function, **options):
        return jax.jit(function, out_shardings=self._everywhere, **options)

    def init(self) -> State:
        """All runs before their first update."""
        return self._init(self.runs)

    @functools.cached_property
    def _init(self):
        one = functools.partial(update.init, self)
        return self._jit(lambda runs: jax.lax.map(one, runs))

    @functools.cached_property
    def _update(self):
        def all_runs(rows, runs, state, limits):
            own, shared = _by_run(rows)
            return runtime.each_run(
                lambda whole, mine, *given: update.many(
                    self, supply.Rows(whole, *mine), *given
                ),
                self.mesh,
                own,
                runs,
                state,
                limits,
                shared=(shared,),
            )

        return self._jit(
            all_runs, donate_argnums=2, compiler_options=runtime.compiler_options()
        )

    @functools.cached_property
    def _evaluate(self):
        def all_runs(plan, rows, span, split, *given):
            one = functools.partial(evaluation.some, self)
            shared = plan, _first(rows), span, split
            return runtime.each_run(one, self.mesh, *given, shared=shared)

        return self._jit(all_runs)

    @functools.cached_property
    def _begin(self):
        def all_runs(plan, *given):
            one = functools.partial(evaluation.begin, self)
            return runtime.each_run(one, self.mesh, *given, shared=(plan,))

        return self._jit(all_runs)

    @functools.cached_property
    def _evaluations(self) -> dict:
        """Compiled evaluations by the shapes of what they are given."""
        return {}

    @functools.cached_property
    def kept_best(self):
        """(state, scores, due [R]) -> the state with the best parameters so far."""
        return self._jit(functools.partial(evaluation.kept_best, self))

    def compile_update(self, state: State):
        """(state, limits [R]) -> state, every run at its limit or stopped before.

        The state that is given is used up.
        """
        compiled = resources.fitting(self, self.lower_update(state))

        def call(state, limits):
            steps = np.asarray(state.step)
            rows, limits = self.supply.training(self.runs, steps, limits)
            return compiled(rows, self.runs, state, limits.astype(np.int32))

        return call

    def lower_update(self, state: State) -> jax.stages.Lowered:
        """The program of `compile_update`, not compiled yet."""
        return self._update.lower(*self._example_update(state))

    def _example_update(self, state: State) -> tuple:
        """Arguments of updates, for what is traced and compiled."""
        count = len(self.runs.seed)
        rows = self.supply.example("train", count, self.config.batch_size)
        return rows, self.runs, state, np.zeros(count, np.int32)

    def compile_evaluate(self, state: State, split: str):
        """(params, step [R], active [R]) -> {metric: [R]} of the active runs."""
        example = self._example_evaluation(state, split)
        plan = example[0]
        shapes = str(jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), example))
        compiled = self._evaluations.get(shapes)
        if compiled is None:
            compiled = resources.fitting(self, self._evaluate.lower(*example))
            self._evaluations[shapes] = compiled

        def call(params, step, active):
            carried = self._begin(plan, self.runs, params)
            for rows, *span in self.supply.evaluating(split, plan.indices):
                whole = self._of_split(plan, rows, span, split)
                given = self.runs, params, step.astype(np.int32), active
                carried = compiled(*whole, *given, carried)
            return evaluation.measured(carried[0])

        return call

    def _of_split(self, plan, rows, span, split: str) -> tuple:
        """What an evaluation of all runs shares."""
        span = tuple(np.int32(place) for place in span)
        return plan, rows, span, np.int32(evaluation.NUMBERS[split])

    def _example_evaluation(self, state: State, split: str) -> tuple:
        """Arguments of an evaluation, for what is traced and compiled."""
        shards = self.mesh.shape["batch"]
        plan = evaluation.plan(self.task, split, self.config, shards)
        rows = self.supply.example(split, 1, plan.indices.shape[1])
        count = len(self.runs.seed)
        carried = jax.eval_shape(self._begin, plan, self.runs, state.params)
        step, active = np.zeros(count, np.int32), np.ones(count, bool)
        given = self.runs, state.params, step, active, carried
        return *self._of_split(plan, rows, (0, 0), split), *given

    # --------------------------------------------------------------- before a start

    def check(self):
        """Trace everything; nothing is compiled for it.

        Raises:
          errors.UsageError: data hold tokens or classes that the network lacks, the
            learning rate does not stay finite, or memory is short.
        """
        self.supply.check()
        state = jax.eval_shape(self._init, self.runs)
        traced = self._update.trace(*self._example_update(state))
        example = self._example_evaluation(state, evaluation.VALIDATION)
        self._evaluate.trace(*example)
        resources.check_rates(self.schedule, self.config)
        resources.check(self, state, traced.jaxpr)


def build(
    model: Model,
    task: Task,
    config: TrainConfig,
    *,
    engine=engines.auto(),
    optimizer=optimizers.adam(),
    schedule=optimizers.constant(),
    penalties=(),
    sampling=None,
) -> Trainer:
    """The trainer of `model` on `task` for all runs of `config`.

    Raises:
      errors.UsageError: model and task do not fit together, or the task carries
        context and the model's cannot be carried; or with `sampling` the network does
        not read what it was asked before; or there is a curriculum over one length.
    """
    runtime.check_compiles()
    curriculum.check(task, config.curriculum_steps)
    records = fit.check_fit(model, task, engine).records
    if task.carries:
        batch = jax.eval_shape(lambda: fit.like_batch(task, 2))
        check_carried(model, batch.inputs)
    if (sampling := scheduled_sampling.in_use(sampling)) is not None:
        scheduled_sampling.check(task)
    pairs = config.all_runs()
    mesh = runtime.make_mesh(config.batch_size, len(pairs), config.num_devices)
    everywhere = NamedSharding(mesh, PartitionSpec())
    number_type = jax.numpy.zeros(()).dtype
    return Trainer(
        model=model,
        task=task,
        given=config,
        config=config.counted(task),
        engine=engine,
        optimizer=optimizer,
        schedule=schedule,
        penalties=tuple(penalties),
        sampling=sampling,
        labels=model.groups(jax.eval_shape(model.init, jax.random.key(0))),
        engines=tuple(repr(record.engine) for record in records),
        mesh=mesh,
        objective=objective.Objective(model, task, tuple(penalties), engine, mesh),
        supply=supply.Supply(task, config.batch_size, everywhere),
        runs=Runs(
            np.array([seed for seed, _ in pairs], np.uint32),
            np.array([rate for _, rate in pairs], number_type),
        ),
        keeps_best=config.keeps_best(task),
    )


# ------------------------------------------------------ rows for all runs or for each


def _by_run(rows: supply.Rows):
    """What each run has of its own, and what all share."""
    return (rows.next, rows.first), rows.all


def _first(rows: supply.Rows) -> supply.Rows:
    """The rows that were gathered once for all runs."""
    taken = jax.tree.map(lambda leaf: leaf[0], (rows.next, rows.first))
    return supply.Rows(rows.all, *taken)
