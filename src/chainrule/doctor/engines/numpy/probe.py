"""One forward and backward pass that is watched: what every operation computed, and the gradient it received.

A probe is a tape of its own. The parameters of a copy of the model are put on it, so every operation on them comes by;
the model's code is not touched, and the eager tape's fast way is not made longer.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from chainrule.base.provenance import Source, users_line
from chainrule.core.facts import Role
from chainrule.core.tensor import Tensor, copied, value_of
from chainrule.core.traces.node import Leaf, Node, keep_grad
from chainrule.core.traces.reverse import walk
from chainrule.core.traces.tape import EAGER, Tape, next_level
from chainrule.doctor.engines.patches import guarded
from chainrule.doctor.engines.trace import Box, Call, Cut, Event, Gradients, Record, mapped
from chainrule.rules.elementary.compare import StopGradient
from chainrule.rules.elementary.selection import Maximum


class OwnBox(Box):
    """A tensor of chainrule."""

    __slots__ = ("tensor",)

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor

    @property
    def value(self) -> Any:
        """The values as an array."""
        return np.asarray(value_of(self.tensor))

    @property
    def grad(self) -> Any:
        """∂L/∂(value), or None where the loss does not reach it."""
        grad = getattr(self.tensor._link, "grad", None)
        return None if grad is None else value_of(grad)

    @property
    def needs_grad(self) -> bool:
        """Whether it leads to a parameter that asks for a gradient."""
        return self.tensor.requires_grad

    @property
    def source(self) -> Source | None:
        """The line of the user's that made it."""
        node = self.tensor.node
        return None if node is None else node.source

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape."""
        return self.tensor.shape


class OwnEvent(Event):
    """An operation of chainrule, with its record."""

    __slots__ = ("_record", "_source")

    def __init__(self, op: Any, args: Any, output: Any, settings: Any, path: str, in_loss: bool) -> None:
        super().__init__(str(op.name), args, output, settings, path, in_loss, op.kind == "constant")
        self._record = op
        node = self.node
        self._source = node.source if node is not None else None

    @property
    def record(self) -> Any:
        """The operation, which may be one of the user's."""
        return self._record

    @property
    def node(self) -> Node | None:
        """The tape's node, where the result leads to a parameter."""
        link = self.output.tensor._link if isinstance(self.output, OwnBox) else None
        return link if isinstance(link, Node) else None

    @property
    def source(self) -> Source | None:
        """The line of the user's that called it."""
        return self._source

    def slope(self) -> Any:
        """Return the derivative at every element, or None where it was not kept."""
        node = self.node
        if self.record is Maximum:
            return (self.value > 0).astype(self.value.dtype)
        if node is None or node.saved is None or not node.op.adjoints:
            return None
        return value_of(node.op.adjoints[0](np.ones(node.shape, node.dtype), node.saved, node.settings))


class Watched(Tensor):
    """A box of a probe: it tells the probe where it is detached."""

    __slots__ = ()

    def detach(self) -> Tensor:
        """Return the values as a constant; note the line, or pass them on where the probe tries that."""
        probe = self._trace
        if not self.requires_grad:
            return super().detach()
        probe.cuts.append(Cut(".detach()", probe.path, users_line()))
        return self if "attach" in probe.patches else probe.boxed(super().detach())

    def numpy(self) -> Any:
        """Return the values as a read-only array; note the line."""
        if self.requires_grad:
            self._trace.cuts.append(Cut(".numpy()", self._trace.path, users_line()))
        return super().numpy()


class Probe(Tape, Record):
    """A tape that keeps what it sees.

    `patches` are remedies to try without touching the model's code. "attach": detached values stay attached;
    "straight": the gradient passes operations that have none unchanged (Bengio, Léonard & Courville, "Estimating or
    Propagating Gradients Through Stochastic Neurons", 2013); "guard": arguments are kept inside an operation's domain.
    """

    def __init__(self, patches: frozenset[str] = frozenset(), keep: bool = True) -> None:
        super().__init__(next_level())
        self.patches, self.keep = patches, keep
        self.events: list[Event] = []
        self.calls: list[Call] = []
        self.cuts: list[Cut] = []
        self.stack: list[str] = []
        self.in_loss = False
        self.failed = ""
        self._boxes: dict[int, tuple[Tensor, OwnBox]] = {}
        self._names: dict[int, str] = {}

    @property
    def path(self) -> str:
        """The path of the module that is running."""
        return self.stack[-1] if self.stack else ""

    def process(self, op: Any, args: tuple[Any, ...], settings: Any) -> Any:
        """Apply and record as every tape does, then keep the operation."""
        if op is StopGradient and getattr(args[0], "requires_grad", False):
            self.cuts.append(Cut("stop_gradient", self.path, users_line()))
            if "attach" in self.patches:
                return args[0]
        if "guard" in self.patches and op.poles:
            args = guarded(op, args)
        output = self.boxed(super().process(op, args, settings))
        if "straight" in self.patches and op.role is Role.STEP:
            output = args[0] + (value_of(output) - value_of(args[0]))
        if self.keep:
            boxes = [self.box(x) for x in args]
            self.events.append(OwnEvent(op, boxes, self.box(output), settings, self.path, self.in_loss))
        return output

    def box(self, value: Any) -> Any:
        """Return the box of a tensor, the same each time; anything else as it is."""
        if isinstance(value, tuple | list):
            return mapped(self.box, value)
        if not isinstance(value, Tensor):
            return value
        _, found = self._boxes.get(id(value), (None, None))  # kept alive, so no other one gets its identity
        if found is None or found.tensor._link is not value._link:
            # What is written into the tensor later is not what the operation saw.
            is_result = isinstance(value._link, Node) and not isinstance(value._link, Leaf)
            found = OwnBox(copied(value) if is_result else value)
            self._boxes[id(value)] = value, found
        return found

    def named(self, parameters: Mapping[str, Any]) -> None:
        """Take note of the parameters' names."""
        for name, p in parameters.items():
            self._names[id(p)] = name
            if p._link is not None:
                self._names[id(p._link)] = name

    def name_of(self, box: Box) -> str | None:
        """Return the name of the parameter that a box is, or stands for; None for any other box."""
        tensor = box.tensor if isinstance(box, OwnBox) else None
        if tensor is None:
            return None
        return self._names.get(id(tensor)) or self._names.get(id(tensor._link))

    def boxed(self, y: Any) -> Any:
        """Let boxes of this tape tell where they are detached."""
        if isinstance(y, tuple):
            return tuple(self.boxed(item) for item in y)
        if type(y) is Tensor and y._trace is self:
            y.__class__ = Watched
        return y

    def gradients(self, loss: Any, parameters: Mapping[str, Any]) -> Gradients:
        """Walk back from the loss; return each parameter's gradient, where there is one."""
        node = loss.node if isinstance(loss, Tensor) else None
        if node is None:
            return {}
        for event in self.events:
            node_of = event.node if isinstance(event, OwnEvent) else None
            if type(node_of) is Node:
                keep_grad(node_of)
        found: dict[Leaf, Any] = {}
        seed = np.ones(loss.shape, loss.dtype)
        walk([(node, seed)], found.__setitem__, free=not self.keep)
        links = {name: p._link for name, p in parameters.items()}
        return {name: np.asarray(value_of(found[link])) for name, link in links.items() if link in found}


@contextmanager
def watching(model: Any, probe: Probe) -> Iterator[None]:
    """Put a model's parameters on a probe and note its modules' calls, for the time of a block. Give it a copy."""
    parameters = list(model.parameters())
    probe.named(dict(model.named_parameters()))
    before = [p._trace for p in parameters]
    inner = [(module, module.__dict__.get("forward")) for module in model.modules()]
    try:
        for p in parameters:
            p._trace = probe
        if probe.keep:
            for path, module in model.named_modules():
                module.__dict__["forward"] = _noted(probe, path, module, module.forward)
        yield
    finally:
        for p, trace in zip(parameters, before, strict=True):
            p._trace = trace if trace is not probe else EAGER
        for module, own in inner:
            module.__dict__.pop("forward", None)
            if own is not None:
                module.__dict__["forward"] = own


def _noted(probe: Probe, path: str, module: Any, forward: Callable[..., Any]) -> Callable[..., Any]:
    def noted(*args: Any, **kwargs: Any) -> Any:
        probe.stack.append(path)
        try:
            output = forward(*args, **kwargs)
        except Exception:
            probe.failed = probe.failed or path
            raise
        finally:
            probe.stack.pop()
        probe.calls.append(Call(path, module, probe.box(args), probe.box(output)))
        return output

    return noted
