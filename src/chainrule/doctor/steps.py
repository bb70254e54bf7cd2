"""The network as a sequence of steps, read off a watched pass: a weight, its argument, the activation after it."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.core.node import Leaf
from chainrule.core.tensor import Tensor, value_of
from chainrule.nn.parameter import Parameter

from .probe import Call, Event, Probe

WEIGHTED = {"linear": "linear", "matmul": "linear", "einsum": "linear", "convolution": "convolution"}
RESHAPED = frozenset({"transpose", "reshape", "astype", "broadcast_to", "getitem", "copy"})
"""Operations that a weight may pass through and stay one."""
TWO_SIDED = {"sigmoid": 0.25, "tanh": 1.0, "softsign": 1.0, "hardtanh": 1.0, "hardsigmoid": 1 / 6}
"""Activations that are flat on both sides, with their steepest slope."""
ONE_SIDED = frozenset(
    {
        "relu",
        "maximum",
        "gelu",
        "gelu_tanh",
        "silu",
        "elu",
        "celu",
        "selu",
        "hardswish",
        "mish",
        "softplus",
        "threshold",
    }
)
"""Activations that are flat on the left: a unit that stays there for every sample is dead."""
ZERO_LEFT = frozenset({"relu", "maximum", "gelu", "gelu_tanh", "silu", "hardswish", "mish", "softplus", "threshold"})
"""Those of them that are zero where they are flat: their values show it, without a derivative."""
ACTIVATIONS = frozenset(TWO_SIDED) | ONE_SIDED | {"leaky_relu", "prelu", "logsigmoid", "sin", "square"}
PASSED = RESHAPED | {"add", "subtract", "layer_norm", "rms_norm"}
"""Operations between a weight and its activation: the bias, a new shape, a normalisation."""
NORMS = ("BatchNorm1d", "BatchNorm2d", "LayerNorm", "RMSNorm", "GroupNorm")


@dataclass
class Step:
    """One use of a weight in one pass: `z` is what it makes of `x`, `activation` what follows, if anything does."""

    name: str
    parameter: str
    kind: str
    weight: Any
    x: Any
    z: Event
    activation: Event | None
    normalised: bool
    recurrent: bool = False

    @property
    def out(self) -> Event:
        """What leaves the step."""
        return self.activation or self.z

    @property
    def function(self) -> str:
        """The activation's name, or "" for none."""
        return "" if self.activation is None else self.activation.name

    @property
    def units(self) -> int:
        """The axis of the units in what leaves the step."""
        return 1 if self.kind == "convolution" else -1

    def matrix(self) -> Any:
        """Return the weight as a matrix [in, out]."""
        w = np.asarray(value_of(self.weight), np.float64)
        if self.kind == "convolution":
            return w.reshape(len(w), -1).T
        return w.reshape(-1, w.shape[-1])


class Reader:
    """Reads the steps off one watched pass."""

    def __init__(self, probe: Probe, parameters: dict[str, Any]) -> None:
        self.events = probe.events
        self.names = {id(p): name for name, p in parameters.items()}
        self.leaves = {id(p._link): name for name, p in parameters.items() if p._link is not None}
        self.values = parameters
        self.consumers: dict[int, list[Event]] = defaultdict(list)
        for event in probe.events:
            for box in boxes_in(event.args):
                self.consumers[id(box)].append(event)
        self.norms: dict[int, Call] = {
            id(box): call
            for call in probe.calls
            if type(call.module).__name__ in NORMS
            for box in boxes_in(call.args[:1])
        }

    def steps(self) -> list[Step]:
        """Return all steps, in the order in which they ran."""
        found = [step for event in self.events if not event.in_loss for step in [self._step(event)] if step]
        used: dict[str, int] = defaultdict(int)
        for step in found:
            used[step.parameter] += 1
        for step in found:
            link = getattr(step.x, "_link", None)
            step.recurrent = used[step.parameter] > 1 and link is not None and not isinstance(link, Leaf)
        return found

    def made_by(self, box: int) -> str | None:
        """Return the weight whose product, but for its shape and bias, is the box of this identity."""
        makers = {id(e.output): e for e in self.events}
        while box in makers:
            event = makers[box]
            if event.name in WEIGHTED:
                step = self._step(event)
                return None if step is None else step.parameter
            if event.name not in PASSED or not isinstance(event.args[0], Tensor):
                return None
            box = id(event.args[0])
        return None

    def _step(self, event: Event) -> Step | None:
        kind = WEIGHTED.get(event.name)
        if event.name == "getitem":
            name = self.names.get(id(event.args[0]))
            if name is None or event.args[0].ndim < 2:
                return None
            return Step(layer_name(name), name, "embedding", event.args[0], None, event, None, False)
        if kind is None:
            return None
        for k in (1, 0) if len(event.args) > 1 else ():
            name = self._origin(event.args[k])
            if name is not None and event.args[k].ndim >= 2:
                activation, normalised = self._after(event)
                return Step(
                    layer_name(name), name, kind, event.args[k], event.args[1 - k], event, activation, normalised
                )
        return None

    def _origin(self, box: Any) -> str | None:
        """Return the name of the parameter that an argument is, but for its shape."""
        if not isinstance(box, Tensor):
            return None
        if isinstance(box, Parameter):
            return self.names.get(id(box))
        node = box.node
        while node is not None and not isinstance(node, Leaf):
            if node.op.name not in RESHAPED:
                return None
            node = node.parents[0]
        return self.leaves.get(id(node))

    def _after(self, event: Event) -> tuple[Event | None, bool]:
        """Return the activation that follows, and whether a normalisation stands before it."""
        normalised, box = False, event.output
        for _ in range(12):
            if id(box) in self.norms:
                normalised, box = True, self.norms[id(box)].output
                continue
            following = self.consumers[id(box)]
            activation = next((e for e in following if is_activation(e)), None)
            if activation is not None:
                return activation, normalised
            passed = [e for e in following if e.name in PASSED and not e.in_loss]
            if len(following) != 1 or not passed:
                return None, normalised
            normalised |= passed[0].name.endswith("norm")
            box = passed[0].output
        return None, normalised


def is_activation(event: Event) -> bool:
    """Whether an operation is an activation; `maximum` is one where it compares with a constant 0."""
    if event.name == "maximum":
        return any(not isinstance(x, Tensor) and np.ndim(x) == 0 and x == 0 for x in event.args)
    return event.name in ACTIVATIONS and not event.in_loss


def boxes_in(args: Any) -> list[Tensor]:
    """Return the boxes among some arguments, in tuples as well."""
    found = []
    for x in args:
        if isinstance(x, Tensor):
            found.append(x)
        elif isinstance(x, tuple | list):
            found += boxes_in(x)
    return found


def layer_name(parameter: str) -> str:
    """Return the layer's name: the parameter's path without `weight`, or all of it where it stands alone."""
    path, _, last = parameter.rpartition(".")
    return path if path and last in ("weight", "kernel", "w", "W") else parameter


def slope(event: Event) -> Any:
    """Return the activation's derivative at every element, or None where it was not kept."""
    node = event.node
    if event.name == "maximum":
        return (event.value > 0).astype(event.value.dtype)
    if node is None or node.saved is None or not node.op.adjoints:
        return None
    return value_of(node.op.adjoints[0](np.ones(node.shape, node.dtype), node.saved, node.settings))
