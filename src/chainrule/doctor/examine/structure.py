"""What a watched pass shows besides layers: normalisations, attention, the model's ending, the origin of a NaN."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.base.provenance import Source
from chainrule.core.facts import Moves, Role
from chainrule.core.operation import Operation, record_of
from chainrule.doctor.engines.trace import Box, Event, Record, plain
from chainrule.rules.elementary.compare import StopGradient
from chainrule.rules.elementary.exponential import Log
from chainrule.rules.elementary.selection import Where
from chainrule.rules.linalg.matmul import Matmul
from chainrule.rules.network.softmax import LogSoftmax, Softmax

from .moments import size_after
from .steps import NORMS, class_name

MASKED = ((-9e3, 450.0), (-50.0, 10.0))
"""Scores below the first number are taken for masked ones where all others are smaller than the second: BERT adds −10⁴,
Swin −100, others the smallest number of the dtype."""


@dataclass(frozen=True)
class NormUse:
    """A normalisation: how much its input and its output vary between samples, and how many values it has.

    `stored` is the values' size after stored moments were used, nan for moments of the batch.
    """

    path: str
    type: str
    before: float
    after: float
    values: int
    is_last: bool
    of_input: bool
    stored: float = math.nan
    axes: int = 2


@dataclass(frozen=True)
class Attention:
    """An attention: its scale relative to 1/√d (nan if written by hand), its scores, and each row's largest weight."""

    path: str
    scale: float
    peaked: float
    spread: float
    source: Source | None
    width: int = 0
    query: int = 0
    """The id of the box that holds the queries, for finding the weights that produced them."""


@dataclass(frozen=True)
class Ending:
    """The interface of model and loss: the operation that made the output, and what the loss does with it."""

    operation: str = ""
    path: str = ""
    softmax_in_loss: bool = False
    sigmoid_in_loss: bool = False

    @property
    def record(self) -> type[Operation]:
        """The record of the operation."""
        return record_of(self.operation)


@dataclass(frozen=True)
class FirstNotFinite:
    """The first operation whose result is not finite although its arguments were."""

    operation: str
    layer: str
    source: Source | None
    shapes: tuple[tuple[int, ...], ...]
    backward: bool
    in_input: bool = False


def norms_of(record: Record, output: Any) -> list[NormUse]:
    """Return every call of a normalisation module."""
    found = []
    for call in record.calls:
        kind = class_name(call.module)
        if kind not in NORMS or not call.args:
            continue
        x, y = (np.asarray(plain(v), np.float64) for v in (call.args[0], call.output))
        if x.ndim < 2:
            continue
        is_input = not isinstance(call.args[0], Box)
        batch = kind.startswith("BatchNorm")
        if batch:
            values = x.size // x.shape[1]
        else:
            values = int(np.prod(getattr(call.module, "normalized_shape", x.shape[1:])))
            values //= getattr(call.module, "num_groups", 1)
        size = size_after(call.module, x) if batch else math.nan
        found.append(
            NormUse(call.path, kind, _between(x), _between(y), values, call.output is output, is_input, size, x.ndim)
        )
    return found


def _between(x: Any) -> float:
    """Return how much samples differ from each other."""
    return float(x.std(axis=0).mean())


def attention_of(record: Record) -> list[Attention]:
    """Return every attention: the fused operation, or a softmax in the model followed by a product."""
    found = []
    consumed = {id(box) for e in record.events if e.record is Matmul for box in e.args if isinstance(box, Box)}
    for event in record.events:
        if event.in_loss:
            continue
        if event.record.role is Role.ATTENTION:
            q, k = (np.asarray(plain(x), np.float64) for x in event.args[:2])
            if q.ndim > 2 and q.shape[-3] > k.shape[-3] > 1:  # several queries share a key
                k = np.repeat(k, q.shape[-3] // k.shape[-3], axis=-3)
            scale = event.settings.get("scale")
            scale = q.shape[-1] ** -0.5 if scale is None else scale
            scores = scale * q @ np.swapaxes(k, -1, -2)
            if event.settings.get("causal"):
                scores = np.where(np.tri(*scores.shape[-2:], dtype=np.bool_), scores, -np.inf)
            mask = event.settings.get("mask")
            if mask is not None:
                mask = np.asarray(plain(mask))
                scores = np.where(mask, scores, -np.inf) if mask.dtype == np.bool_ else scores + mask
            found.append(_attention(event, scores, scale * math.sqrt(q.shape[-1]), q.shape[-1]))
        elif event.record is Softmax and id(event.output) in consumed:
            found.append(_attention(event, np.asarray(plain(event.args[0]), np.float64), math.nan, 0))
    return found


def _attention(event: Event, scores: Any, scale: float, width: int) -> Attention:
    scores = _unmasked(scores)
    top = scores.max(axis=-1, keepdims=True)
    powers = np.exp(scores - top)
    several = np.isfinite(scores).sum(axis=-1) > 1
    peaks = (powers / powers.sum(axis=-1, keepdims=True)).max(axis=-1)[several]
    spread = np.std(scores[np.isfinite(scores)]) if np.isfinite(scores).any() else math.nan
    peaked = float(np.mean(peaks)) if peaks.size else 0.0
    return Attention(event.path, scale, peaked, float(spread), event.source, width, id(event.args[0]))


def _unmasked(scores: Any) -> Any:
    """Return scores with −∞ where a mask stands for it by a large negative number: the dtype's smallest, −10⁴ or −100.

    A score that large belongs to no mask if the others are not far smaller.
    """
    for limit, most in MASKED:
        masked = scores <= limit
        others = np.abs(scores[~masked & np.isfinite(scores)]).max(initial=0.0)
        if masked.any() and others < most:
            return np.where(masked, -np.inf, scores)
    return scores


def ending_of(record: Record, output: Any) -> Ending:
    """Return how the model ends, and whether the loss itself begins with a softmax or a sigmoid."""
    makers = {id(e.output): e for e in record.events}
    last = makers.get(id(output))
    while last is not None and last.record.moves in (Moves.SAME, Moves.REORDERED) and id(last.args[0]) in makers:
        last = makers[id(last.args[0])]
    name, inner = last.name if last else "", makers.get(id(last.args[0])) if last and last.record is Log else None
    if inner is not None and inner.record is Softmax:  # written by hand
        name = LogSoftmax.name
    reached = {id(output)}
    softmax = sigmoid = False
    for event in record.events:
        if event.in_loss and any(id(x) in reached for x in event.args):
            softmax |= event.record.role in (Role.SOFTMAX, Role.SOFTMAX_LOSS)
            sigmoid |= event.record.role is Role.SIGMOID_LOSS
            if event.record.moves in (Moves.SAME, Moves.REORDERED):
                reached.add(id(event.output))
    return Ending(name, last.path if last else "", softmax, sigmoid)


def constant_in(record: Record) -> tuple[str, Source | None] | None:
    """Return the first operation without a derivative that is applied to a tracked value, and its line."""
    for event in record.events:
        if event.constant and event.record is not StopGradient and "generator" not in event.settings:
            for x in event.args:
                if isinstance(x, Box) and x.tracked and not event.in_loss:
                    return event.name, x.source
    return None


def first_not_finite(record: Record, inputs: Any) -> FirstNotFinite | None:
    """Return where the first NaN or infinity came from: an input, the forward or the backward pass."""
    if not all(_finite(x) for x in inputs):
        return FirstNotFinite("input", "", None, tuple(np.shape(x) for x in inputs), False, True)
    for event in record.events:
        if (
            event.record is not Where
            and not _finite(plain(event.output))
            and all(_finite(plain(x)) for x in event.args)
        ):
            return _made_by(event, False)
    for event in reversed(record.events):
        if event.gradient is not None and not _finite(event.gradient):
            users = [e for e in record.events if any(x is event.output for x in e.args)]
            return _made_by(users[-1] if users else event, True)
    for event in reversed(record.events):
        if any(isinstance(x, Box) for x in event.args) and event.gradient is not None:
            return _made_by(event, True)
    return None


def _made_by(event: Event, backward: bool) -> FirstNotFinite:
    shapes = tuple(np.shape(plain(x)) for x in event.args)
    layer = "loss" if event.in_loss else event.path
    return FirstNotFinite(event.name, layer, event.source, shapes, backward)


def _finite(x: Any) -> bool:
    if isinstance(x, tuple | list):
        return all(_finite(plain(item)) for item in x)
    array = np.asarray(x)
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())
