"""One forward and backward pass that is watched: what every operation computed, and the gradient it received.

A probe is a tape of its own. The parameters of a copy of the model are put on it, so every operation on them comes by;
the model's code is not touched, and the eager tape's fast way is not made longer.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from chainrule.core.node import Leaf, Node, keep_grad
from chainrule.core.provenance import PACKAGE, Source, locate
from chainrule.core.reverse import walk
from chainrule.core.tape import EAGER, Tape, next_level
from chainrule.core.tensor import Tensor, value_of

STEPS = frozenset({"sign", "round", "floor", "ceil", "trunc", "heaviside"})
"""Operations without a derivative that the gradient can be let pass."""
GUARDS = {"log": 0, "log2": 0, "log10": 0, "sqrt": 0, "power": 0, "divide": 1, "reciprocal": 0}
"""The argument that must not be zero or negative."""
SMALL = 1e-6


def guarded(name: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the arguments with the one that matters kept away from zero."""
    k = GUARDS[name]
    x = args[k]
    if name in ("divide", "reciprocal"):
        value = np.asarray(value_of(x))
        shift = np.where(np.abs(value) < SMALL, np.where(value < 0, -SMALL, SMALL) - value, 0.0).astype(value.dtype)
        x = x + shift
    else:
        x = np.maximum(x, np.asarray(SMALL, x.dtype)) if hasattr(x, "dtype") else max(x, SMALL)
    return (*args[:k], x, *args[k + 1 :])


class Event:
    """One operation: its record, its arguments and result as boxes, and the module it ran in."""

    __slots__ = ("args", "in_loss", "op", "output", "path", "settings", "source")

    def __init__(self, op: Any, args: Any, output: Any, settings: Any, path: str, in_loss: bool) -> None:
        self.op, self.args, self.output, self.settings = op, args, output, settings
        self.path, self.in_loss = path, in_loss
        node = self.node
        self.source: Source | None = node.source if node is not None else None

    @property
    def name(self) -> str:
        """The operation's name."""
        return str(self.op.name)

    @property
    def node(self) -> Node | None:
        """The tape's node, where the result leads to a parameter."""
        link = getattr(self.output, "_link", None)
        return link if isinstance(link, Node) else None

    @property
    def value(self) -> Any:
        """The result as an array."""
        return np.asarray(value_of(self.output))

    @property
    def grad(self) -> Any:
        """∂L/∂(result), or None where the loss does not reach it."""
        grad = getattr(self.node, "grad", None)
        return None if grad is None else value_of(grad)


class Call:
    """One call of a module: its path, what came in, what went out."""

    __slots__ = ("args", "module", "output", "path")

    def __init__(self, path: str, module: Any, args: Any, output: Any) -> None:
        self.path, self.module, self.args, self.output = path, module, args, output


class Cut:
    """A place where a value was detached, with the user's line."""

    __slots__ = ("box", "how", "path", "source")

    def __init__(self, box: Any, how: str, path: str, source: Source | None) -> None:
        self.box, self.how, self.path, self.source = box, how, path, source


class Watched(Tensor):
    """A box of a probe: it tells the probe where it is detached."""

    __slots__ = ()

    def detach(self) -> Tensor:
        """Return the values as a constant; note the line, or pass them on where the probe tries that."""
        probe = self._trace
        if not self.requires_grad:
            return super().detach()
        probe.cuts.append(Cut(self, ".detach()", probe.path, _caller()))
        return self if "attach" in probe.patches else probe.boxed(super().detach())

    def numpy(self) -> Any:
        """Return the values as a read-only array; note the line."""
        if self.requires_grad:
            self._trace.cuts.append(Cut(self, ".numpy()", self._trace.path, _caller()))
        return super().numpy()


class Probe(Tape):
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
        """The path of the module in which an exception was raised."""

    @property
    def path(self) -> str:
        """The path of the module that is running."""
        return self.stack[-1] if self.stack else ""

    def process(self, op: Any, args: tuple[Any, ...], settings: Any) -> Any:
        """Apply and record as every tape does, then keep the operation."""
        if op.name == "stop_gradient" and getattr(args[0], "requires_grad", False):
            self.cuts.append(Cut(args[0], "stop_gradient", self.path, _caller()))
            if "attach" in self.patches:
                return args[0]
        if "guard" in self.patches and op.name in GUARDS:
            args = guarded(op.name, args)
        output = self.boxed(super().process(op, args, settings))
        if "straight" in self.patches and op.name in STEPS:
            output = args[0] + (value_of(output) - value_of(args[0]))
        if self.keep:
            self.events.append(Event(op, args, output, settings, self.path, self.in_loss))
        return output

    def boxed(self, y: Any) -> Any:
        """Let boxes of this tape tell where they are detached."""
        if isinstance(y, tuple):
            return tuple(self.boxed(item) for item in y)
        if type(y) is Tensor and y._trace is self:
            y.__class__ = Watched
        return y

    def gradients(self, loss: Any, parameters: dict[str, Any]) -> dict[str, Any]:
        """Walk back from the loss; return each parameter's gradient, where there is one."""
        node = loss.node if isinstance(loss, Tensor) else None
        if node is None:
            return {}
        for event in self.events:
            if type(event.node) is Node:
                keep_grad(event.node)
        found: dict[Leaf, Any] = {}
        seed = np.ones(loss.shape, loss.dtype)
        walk([(node, seed)], found.__setitem__, free=not self.keep)
        links = {name: p._link for name, p in parameters.items()}
        return {name: found[link] for name, link in links.items() if link in found}


@contextmanager
def watching(model: Any, probe: Probe) -> Iterator[None]:
    """Put a model's parameters on a probe and note its modules' calls, for the time of a block. Give it a copy."""
    parameters = list(model.parameters())
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
        probe.calls.append(Call(path, module, args, output))
        return output

    return noted


def _caller() -> Source | None:
    """Return the first line outside this package on the stack."""
    frame = sys._getframe(1)
    while frame.f_code.co_filename.startswith(PACKAGE) and frame.f_back is not None:
        frame = frame.f_back
    return locate(frame.f_code, frame.f_lasti)
