"""An examination: every batch passed forward and backward through a watched copy, and the observations."""

import math
from collections import defaultdict
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from chainrule.base.provenance import Source
from chainrule.doctor.budget import Budget
from chainrule.doctor.engines.trace import Box, Record, boxes_in, plain

from .branches import Branches, parallel, starved
from .case import Batch, Case, classes_last, to_training
from .measure import Layer, Meter, Noise, norm, weights
from .moments import is_new, is_stored
from .steps import Reader, WeightUse, layer_name
from .structure import (
    Attention,
    Ending,
    FirstNotFinite,
    NormUse,
    attention_of,
    constant_in,
    ending_of,
    first_not_finite,
    norms_of,
)

IDLE = 1e-4
"""A branch with less than this share of its siblings' gradient says nothing about the flow through the network."""
Key = tuple[str, int]
"""A weight's parameter name, and the number of the use."""


@dataclass
class Exam:
    """The observations. `layers` has a row for each use of a weight, in order of execution."""

    layers: list[Layer] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    outputs: list[tuple[Any, Any]] = field(default_factory=list)
    moved: bool = False
    """Whether the classes are on the model output's second axis, and on the last one in `outputs`."""
    gradients: dict[str, float] = field(default_factory=dict)
    """The norm of each parameter's gradient, over all batches; parameters that never got one are missing."""
    used: set[str] = field(default_factory=set)
    frozen: set[str] = field(default_factory=set)
    noise: Noise = field(default_factory=Noise)
    cuts: list[tuple[str, Source | None, str]] = field(default_factory=list)
    constants: tuple[str, Source | None] | None = None
    """The first operation without a derivative that is applied to a tracked value, and its line."""
    norms: list[NormUse] = field(default_factory=list)
    as_given: list[NormUse] = field(default_factory=list)
    """The same for a model that was given in evaluation mode, as it was."""
    attention: list[Attention] = field(default_factory=list)
    ending: Ending = field(default_factory=Ending)
    not_finite: FirstNotFinite | None = None
    inputs: list[Any] = field(default_factory=list)
    """The first layer's inputs, if they are data and not another layer's output."""
    queries: dict[str, str] = field(default_factory=dict)
    """The weight that produces the queries of each attention, by the attention's path."""
    branches: Branches = field(default_factory=list)
    error: Exception | None = None
    error_path: str = ""

    @property
    def loss(self) -> float:
        """The mean loss over the batches."""
        return float(np.mean(self.losses)) if self.losses else math.nan

    @property
    def flow(self) -> list[Layer]:
        """The layers that a gradient reaches.

        Embeddings, frozen layers, those cut off and branches that get none of what their siblings get are left out.
        """
        idle = {layer_name(name) for name in self.starved(IDLE)}
        reached = (layer for layer in self.layers if layer.kind != "embedding" and not math.isnan(layer.gradient))
        return [layer for layer in reached if layer.name not in idle]

    def starved(self, limit: float) -> dict[str, float]:
        """Return the weights of parallel branches with far less gradient than their siblings, and the ratio."""
        return starved(self.branches, self.gradients, limit)


def as_given(case: Case) -> list[NormUse]:
    """Return the normalisations of a model that was given in evaluation mode, as its first batch passes them.

    Those whose moments were never moved are left out: such a model was not trained yet.
    """
    modules = dict(case.model.named_modules())
    if case.model.training or not any(is_stored(module) for module in modules.values()):
        return []
    found = examine(case, case.batches[:1], training=False)
    return [use for use in found.norms if not is_new(modules[use.path])]


def examine(
    case: Case, batches: list[Batch], training: bool = True, weighed: bool = True, clock: Budget | None = None
) -> Exam:
    """Pass batches through a copy, in training mode or in the modes it has; nothing is updated.

    If not `weighed`, the layers have no singular values, which take as long as a step of a large convolution. A `clock`
    may leave out batches.
    """
    own = case.copied()
    if training:
        to_training(own.model)
    exam = Exam()
    meters: dict[Key, Meter] = defaultdict(Meter)
    rows: dict[Key, Layer] = {}
    steps: dict[Key, WeightUse] = {}
    parameters = dict(own.model.named_parameters())
    exam.frozen = {name for name, p in parameters.items() if not p.requires_grad}
    for count, batch in enumerate(batches):
        if clock is not None and clock.stops_examining(count, len(batches)):
            break
        found, gradients, norms = _pass(own, batch, parameters, exam)
        if exam.error is not None:
            return exam
        for name, size in norms.items():
            exam.gradients[name] = exam.gradients.get(name, 0.0) + size
        if _are_finite(gradients, norms):
            exam.noise.add(gradients, len(batch[1]) if np.ndim(batch[1]) else 1, norms)
        uses: dict[str, int] = defaultdict(int)
        for step in found:
            key = step.parameter, uses[step.parameter]
            uses[step.parameter] += 1
            meters[key].add(step)
            rows.setdefault(key, _row(step, key[1]))
            steps[key] = step
    for key, row in rows.items():
        step = steps[key]
        meters[key].read(row)
        if key[1] == 0:
            if weighed and step.kind != "embedding":
                weights(row, step, exam.noise.total.get(step.parameter))
            row.noise_scale = exam.noise.scale([step.parameter])
        row.parameter_gradient = exam.gradients.get(step.parameter, 0.0) / max(len(exam.losses), 1)
        exam.layers.append(row)
    _ratios(exam.flow)
    return exam


def _are_finite(gradients: dict[str, Any], norms: dict[str, float]) -> bool:
    """Whether all elements are; a finite norm says so without another look at them."""
    return all(math.isfinite(norms[name]) or bool(np.isfinite(g).all()) for name, g in gradients.items())


def _row(step: WeightUse, use: int) -> Layer:
    shape = tuple(step.weight.shape)
    return Layer(step.name, step.kind, step.function, use, shape, step.normalised, step.recurrent, gate=step.gate)


def _ratios(layers: list[Layer]) -> None:
    for layer, after in pairwise(layers):
        layer.ratio = layer.gradient / after.gradient if after.gradient > 0 else math.nan


Passed = tuple[list[WeightUse], dict[str, Any], dict[str, float]]


def _pass(case: Case, batch: Batch, parameters: dict[str, Any], exam: Exam) -> Passed:
    """Watch one batch; return its weight uses, and the parameters' gradients with their norms."""
    engine = case.engine
    with engine.watched(case.model, case.patches) as record:
        try:
            loss, output = _value(case, record, batch)
            gradients = record.gradients(loss, parameters)
        except engine.errors as error:
            exam.error, exam.error_path = error, record.failed
            return [], {}, {}
        value = engine.number(loss)
        exam.losses.append(value)
        array = engine.array(output)
        if array is not None:
            ordered = classes_last(array, batch[1])
            exam.moved = ordered is not array
            exam.outputs.append((ordered, batch[1]))
        reader = Reader(record)
        found = reader.steps()
        boxes = [box for e in record.events for box in boxes_in(e.args)]
        exam.used |= {name for box in boxes for name in [record.name_of(box)] if name is not None}
        exam.cuts = [(c.how, c.source, c.path) for c in record.cuts] or exam.cuts
        norms = {name: norm(gradient) for name, gradient in gradients.items()}
        finite = math.isfinite(value) and _are_finite(gradients, norms)
        if not finite and exam.not_finite is None:
            exam.not_finite = first_not_finite(record, batch[0])
        exam.inputs += data_of(found)
        exam.constants = exam.constants or constant_in(record)
        if len(exam.losses) == 1:
            _facts(exam, record, reader, record.box(output))
            exam.branches = parallel(reader, found)
    return found, gradients, norms


def _facts(exam: Exam, record: Record, reader: Reader, output: Any) -> None:
    """Record the facts for which one batch is enough."""
    exam.norms = norms_of(record, output)
    exam.attention = attention_of(record)
    exam.ending = ending_of(record, output)
    for attention in exam.attention:
        maker = reader.made_by(attention.query)
        if maker is not None:
            exam.queries[attention.path] = maker


def data_of(steps: list[WeightUse]) -> list[Any]:
    """Return the first step's input in a list, or an empty list if it depends on a parameter or an embedding."""
    if not steps or steps[0].kind == "embedding" or (isinstance(steps[0].x, Box) and steps[0].x.tracked):
        return []
    return [np.asarray(plain(steps[0].x))]


def _value(case: Case, record: Record, batch: Batch) -> tuple[Any, Any]:
    """Return loss and output, marking in the record where the model ends and the loss begins."""
    inner = case.loss

    def loss(output: Any, y: Any) -> Any:
        record.in_loss = True
        return inner(output, y)

    return replace(case, loss=loss).value(batch)
