"""A watched forward and backward pass: what every operation computed, and the gradient it received.

A probe is a recorder. The parameters of a copy of the model are put on it, so it sees every operation on them; the
model's code is not touched, and the eager tape's fast path stays as short as it is.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from chainrule.base.provenance import Source, users_line
from chainrule.core.facts import Role
from chainrule.core.tensor import Tensor, value_of
from chainrule.core.traces.reverse import walk
from chainrule.core.traces.tape import EAGER, Tape
from chainrule.doctor.engines.patches import guarded
from chainrule.doctor.engines.trace import Box, Cut, Event, Gradients, ModuleCall, Record, mapped
from chainrule.observe.backward import pull_back
from chainrule.observe.entry import Entry
from chainrule.observe.recorder import Recorder
from chainrule.rules.elementary.compare import StopGradient
from chainrule.rules.elementary.selection import Maximum

Box.register(Entry)


class OwnEvent(Event):
    """A chainrule operation, with its record; arguments and result are entries of the recorder."""

    __slots__ = ("_record",)

    def __init__(self, op: Any, args: Any, output: Any, settings: Any, path: str, in_loss: bool) -> None:
        super().__init__(str(op.name), args, output, settings, path, in_loss, op.kind == "constant")
        self._record = op

    @property
    def record(self) -> Any:
        """The operation, which may be user-defined."""
        return self._record

    @property
    def source(self) -> Source | None:
        """The user's line that called it."""
        made = self.output[0] if isinstance(self.output, tuple) else self.output
        return made.source if isinstance(made, Entry) else None

    def slope(self) -> Any:
        """Return the derivative at every element, or None if it was not kept."""
        node = self.output.node if isinstance(self.output, Entry) else None
        if self.record is Maximum:
            return (self.value > 0).astype(self.value.dtype)
        if node is None or node.saved is None or not node.op.adjoints:
            return None
        return value_of(node.op.adjoints[0](np.ones(node.shape, node.dtype), node.saved, node.settings))


class ProbedTensor(Tensor):
    """A box of a probe, which reports to the probe where it is detached."""

    __slots__ = ()

    def detach(self) -> Tensor:
        """Return the values as a constant and record the line, or keep them attached if the probe tries that."""
        probe = self._trace
        if not self.requires_grad:
            return super().detach()
        probe.cuts.append(Cut(".detach()", probe.path, users_line()))
        return self if "attach" in probe.patches else probe.boxed(super().detach())

    def numpy(self) -> Any:
        """Return the values as a read-only array, and record the line."""
        if self.requires_grad:
            self._trace.cuts.append(Cut(".numpy()", self._trace.path, users_line()))
        return super().numpy()


class ProbeTape(Recorder, Record):
    """A recorder that also sees cuts and module calls, and can apply patches.

    `patches` are remedies to try without touching the model's code. "attach": detached values stay attached;
    "straight": the gradient passes unchanged through operations without one (Bengio, Léonard & Courville, "Estimating
    or Propagating Gradients Through Stochastic Neurons", 2013); "guard": arguments are kept inside an operation's
    domain.
    """

    def __init__(self, patches: frozenset[str] = frozenset(), keep: bool = True) -> None:
        super().__init__()
        self.patches, self.keep = patches, keep
        self.events: list[Event] = []
        self.calls: list[ModuleCall] = []
        self.cuts: list[Cut] = []
        self.in_loss = False

    def process(self, op: Any, args: tuple[Any, ...], settings: Any) -> Any:
        """Apply and record as any tape does, then keep the operation."""
        if op is StopGradient and getattr(args[0], "requires_grad", False):
            self.cuts.append(Cut("stop_gradient", self.path, users_line()))
            if "attach" in self.patches:
                return args[0]
        if "guard" in self.patches and op.poles:
            args = guarded(op, args)
        record = super().process if self.keep else partial(Tape.process, self)
        output = self.boxed(record(op, args, settings))
        if "straight" in self.patches and op.role is Role.STEP:
            output = args[0] + (value_of(output) - value_of(args[0]))
        if self.keep:
            boxes = [self.box(x) for x in args]
            self.events.append(OwnEvent(op, boxes, self.box(output), settings, self.path, self.in_loss))
        return output

    def box(self, value: Any) -> Any:
        """Return the entry of a tensor, the same each time; anything else unchanged."""
        return mapped(self.entry_of, value)

    def name_of(self, box: Box) -> str | None:
        """Return the name of the parameter that an entry is, or None."""
        return (isinstance(box, Entry) and box.name) or None

    def boxed(self, y: Any) -> Any:
        """Make boxes of this tape report where they are detached."""
        if isinstance(y, tuple):
            return tuple(self.boxed(item) for item in y)
        if type(y) is Tensor and y._trace is self:
            y.__class__ = ProbedTensor
        return y

    def returned(self, path: str, module: Any, args: tuple[Any, ...], output: Any) -> None:
        """Record a module call."""
        self.calls.append(ModuleCall(path, module, self.box(args), self.box(output)))

    def gradients(self, loss: Any, parameters: Mapping[str, Any]) -> Gradients:
        """Backpropagate from the loss; return the gradients of the parameters that have one."""
        node = loss.node if isinstance(loss, Tensor) else None
        if node is None:
            return {}
        found: dict[Any, Any] = {}
        seed = np.ones(loss.shape, loss.dtype)
        if self.keep:
            pull_back(self.entries, self.entry_of(loss), seed)
            found = {e.node: e.gradient for e in self.entries if e.is_leaf and e.gradient is not None}
        else:
            walk([(node, seed)], found.__setitem__, free=True)
        links = {name: p._link for name, p in parameters.items()}
        return {name: np.asarray(value_of(found[link])) for name, link in links.items() if link in found}


@contextmanager
def watching(model: Any, probe: ProbeTape) -> Iterator[None]:
    """Put a model's parameters on a probe and record its module calls within a block. Pass a copy."""
    parameters = dict(model.named_parameters())
    before = [p._trace for p in parameters.values()]
    inner = [(module, module.__dict__.get("forward")) for module in model.modules()]
    try:
        for name, p in parameters.items():
            p._trace = probe
            probe.adopt(p, name, is_parameter=True)
        if probe.keep:
            for path, module in model.named_modules():
                module.__dict__["forward"] = probe.announced(path, module)
        yield
    finally:
        for p, trace in zip(parameters.values(), before, strict=True):
            p._trace = trace if trace is not probe else EAGER
        for module, own in inner:
            module.__dict__.pop("forward", None)
            if own is not None:
                module.__dict__["forward"] = own
