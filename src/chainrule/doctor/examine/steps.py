"""The network as a sequence of steps, read from a watched pass: a weight, its argument, the activation after it."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.core.facts import Role
from chainrule.core.operation import Operation
from chainrule.doctor.engines.trace import Box, Event, ModuleCall, Record, boxes_in, plain
from chainrule.nn.module import Module
from chainrule.rules.arrays.index import GetItem
from chainrule.rules.arrays.shape import Transpose
from chainrule.rules.elementary.arithmetic import Multiply
from chainrule.rules.elementary.selection import Maximum

KINDS = {Role.DENSE: "linear", Role.CONVOLUTION: "convolution"}
"""The kinds of layers with weights, by the role of their operation."""
NORMS = ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "LayerNorm", "RMSNorm", "GroupNorm")
FAR = 16
"""How many values may lie between a layer and the product in which it is a gate."""


def class_name(module: Any) -> str:
    """Return a module's class, for a normalisation the one of NORMS that it is or derives from."""
    kinds = [cls.__name__ for cls in type(module).__mro__]
    own = module._class_name() if isinstance(module, Module) else kinds[0]
    return own if own in NORMS else next((kind for kind in kinds if kind in NORMS), own)


@dataclass
class WeightUse:
    """One use of a weight in one pass: it maps `x` to `z`; `activation` is the one that follows, if any."""

    name: str
    parameter: str
    kind: str
    weight: Any
    x: Any
    z: Event
    activation: Event | None
    normalised: bool
    recurrent: bool = False
    turned: bool = False
    """Whether the parameter is the transpose of `weight`, stored as [out, in]."""
    gate: bool = False
    """Whether its result only scales something larger, as in squeeze-and-excitation."""

    @property
    def out(self) -> Event:
        """The output of the step."""
        return self.activation or self.z

    @property
    def record(self) -> type[Operation]:
        """The activation's record, or `Operation` for none."""
        return Operation if self.activation is None else self.activation.record

    @property
    def function(self) -> str:
        """The activation's name, or "" for none."""
        return "" if self.activation is None else self.activation.name

    @property
    def units(self) -> int:
        """The axis of the units in the step's output."""
        return 1 if self.kind == "convolution" else -1

    def matrix(self) -> Any:
        """Return the weight as a matrix [in, out]."""
        w = np.asarray(plain(self.weight), np.float64)
        if self.kind == "convolution":
            return w.reshape(len(w), -1).T
        return w.reshape(-1, w.shape[-1])

    def like_matrix(self, gradient: Any) -> Any:
        """Return the parameter's gradient as a matrix [in, out]."""
        own = np.asarray(gradient, np.float64)
        if self.kind == "convolution":
            return own.reshape(len(own), -1).T
        return own.T if self.turned else own.reshape(-1, own.shape[-1])


class Reader:
    """Reads the steps from one watched pass."""

    def __init__(self, record: Record) -> None:
        self.events, self.name_of = record.events, record.name_of
        self.makers: dict[int, Event] = {id(box): e for e in record.events for box in boxes_in((e.output,))}
        self.consumers: dict[int, list[Event]] = defaultdict(list)
        for event in record.events:
            for box in boxes_in(event.args):
                self.consumers[id(box)].append(event)
        self.norms: dict[int, ModuleCall] = {
            id(box): call
            for call in record.calls
            if class_name(call.module) in NORMS
            for box in boxes_in(call.args[:1])
        }

    def steps(self) -> list[WeightUse]:
        """Return all steps, in order of execution."""
        found = [step for event in self.events if not event.in_loss for step in [self._step(event)] if step]
        used: dict[str, int] = defaultdict(int)
        for step in found:
            used[step.parameter] += 1
        for step in found:
            made = isinstance(step.x, Box) and step.x.tracked and id(step.x) in self.makers
            step.recurrent = used[step.parameter] > 1 and made
            step.gate = self._is_gate(step.z.output)
        return found

    def made_by(self, box: int) -> str | None:
        """Return the weight whose product, up to shape and bias, is the box with this id."""
        while box in self.makers:
            event = self.makers[box]
            if event.record.role in KINDS:
                step = self._step(event)
                return None if step is None else step.parameter
            if not is_passed(event.record) or not isinstance(event.args[0], Box):
                return None
            box = id(event.args[0])
        return None

    def _step(self, event: Event) -> WeightUse | None:
        kind = KINDS.get(event.record.role)
        if event.record is GetItem:
            table = event.args[0]
            name = self.name_of(table) if isinstance(table, Box) else None
            if name is None or table.ndim < 2:
                return None
            return WeightUse(layer_name(name), name, "embedding", table, None, event, None, False)
        if kind is None:
            return None
        for k in (1, 0) if len(event.args) > 1 else ():
            weight, x = event.args[k], event.args[1 - k]
            name, turned = self._origin(weight)
            if name is not None and weight.ndim >= 2:
                found = self._after(event)
                return WeightUse(layer_name(name), name, kind, weight, x, event, *found, turned=turned)
        return None

    def _origin(self, box: Any) -> tuple[str | None, bool]:
        """Return the name of the parameter that an argument is, up to shape, and whether it is transposed."""
        turned = False
        while isinstance(box, Box):
            name = self.name_of(box)
            if name is not None:
                return name, turned
            event = self.makers.get(id(box))
            if event is None or event.record.moves is None:
                break
            turned ^= event.record is Transpose
            box = event.args[0]
        return None, False

    def _is_gate(self, box: Any) -> bool:
        """Whether a value goes nowhere but, within a few operations, into products with something larger."""
        found, seen, waiting = False, {id(box)}, [box]
        while waiting and len(seen) < FAR:
            box = waiting.pop()
            following = self.consumers[id(box)]
            if not following or any(e.in_loss or not isinstance(e.output, Box) for e in following):
                return False
            for event in following:
                if event.record is Multiply and event.value.size > np.size(plain(box)):
                    found = True
                elif id(event.output) not in seen:
                    seen.add(id(event.output))
                    waiting.append(event.output)
        return found and not waiting

    def _after(self, event: Event) -> tuple[Event | None, bool]:
        """Return the activation that follows, and whether a normalisation precedes it."""
        normalised, box = False, event.output
        for _ in range(12):
            if id(box) in self.norms:
                normalised, box = True, self.norms[id(box)].output
                continue
            following = self.consumers[id(box)]
            activation = next((e for e in following if is_activation(e)), None)
            if activation is not None:
                return activation, normalised
            passed = [e for e in following if is_passed(e.record) and not e.in_loss]
            if len(following) != 1 or not passed:
                return None, normalised
            normalised |= passed[0].record.role is Role.NORM
            box = passed[0].output
        return None, normalised


def is_passed(record: Any) -> bool:
    """Whether an operation may come between a weight and its activation: a bias, a reshape, a normalisation."""
    return record.moves is not None or record.role in (Role.BIAS, Role.NORM)


def is_activation(event: Event) -> bool:
    """Whether an operation is an activation; `maximum` is one if it compares with a constant 0."""
    if event.record is Maximum:
        return any(not isinstance(x, Box) and np.ndim(x) == 0 and x == 0 for x in event.args)
    return event.record.role is Role.ACTIVATION and not event.in_loss


def layer_name(parameter: str) -> str:
    """Return the layer's name: the parameter's path without `weight`, or the whole path if nothing else is left."""
    path, _, last = parameter.rpartition(".")
    return path if path and last in ("weight", "kernel", "w", "W") else parameter
