"""A watched forward and backward pass of a PyTorch model.

Forward hooks report which module runs, a function mode (`torch.overrides.TorchFunctionMode`) sees every operation, in
modules and in functions alike, and a hook on each result keeps the gradient that arrives there. All of it lasts for
one block, on a copy of the model.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from types import FunctionType
from typing import Any

from chainrule.base.provenance import Source, folder_of, locate, users_frame
from chainrule.core.facts import Role
from chainrule.core.operation import Operation, record_of
from chainrule.doctor.engines.patches import SMALL, pole_of
from chainrule.doctor.engines.trace import Box, Cut, Event, Gradients, ModuleCall, Record, mapped
from chainrule.rules.arrays.shape import Transpose
from chainrule.rules.network.linear import LinearMap

from .names import bare, in_place, translated
from .recurrent import can_unroll, unrolled
from .trace import Held, TorchBox, TorchEvent, Where, array_of

DETACHED = ("detach", "data", "numpy")


class TorchRecord(Record):
    """A record written by a function mode and hooks."""

    def __init__(self, torch: Any, model: Any, patches: frozenset[str], keep: bool) -> None:
        self.torch, self.patches, self.keep = torch, patches, keep
        self.events: list[Event] = []
        self.calls: list[ModuleCall] = []
        self.cuts: list[Cut] = []
        self.stack: list[str] = []
        self.in_loss = self.closed = False
        self.mode: Any = None
        self.hooks: list[Any] = []
        self._boxes: dict[int, TorchBox] = {}
        self._names = {id(p): name for name, p in model.named_parameters()}
        for p in model.parameters():
            self._boxes[id(p)] = TorchBox(p)

    @property
    def path(self) -> str:
        """The path of the module that is running."""
        return self.stack[-1] if self.stack else ""

    @property
    def failed(self) -> str:  # type: ignore[override]
        """The path of the module in which an exception was raised: the one that never returned."""
        return self.path

    def box(self, value: Any) -> Any:
        """Return the box of a tensor that depends on a parameter; other tensors as `Held`, other values unchanged."""
        if isinstance(value, tuple | list):
            return mapped(self.box, value)
        if not isinstance(value, self.torch.Tensor):
            return value
        found = self._boxes.get(id(value))
        if found is not None:
            return found
        if value.requires_grad:
            return self._new(value, None)
        return float(value) if value.ndim == 0 else Held(value)

    def name_of(self, box: Box) -> str | None:
        """Return the name of the parameter that a box is, or None."""
        return self._names.get(id(box.tensor)) if isinstance(box, TorchBox) else None

    def gradients(self, loss: Any, parameters: Mapping[str, Any]) -> Gradients:
        """Backpropagate from the loss; return the gradients of the parameters that have one."""
        self.closed = True
        wanted = {name: p for name, p in parameters.items() if p.requires_grad}
        if not isinstance(loss, self.torch.Tensor) or not loss.requires_grad or not wanted:
            return {}
        seed = self.torch.ones_like(loss)
        found = self.torch.autograd.grad(loss, list(wanted.values()), seed, allow_unused=True)
        return {name: array_of(g) for name, g in zip(wanted, found, strict=True) if g is not None}

    # Called by the mode

    def called(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a PyTorch function, and record it if it involves a parameter."""
        if self.closed:
            return function(*args, **kwargs)
        name = bare(function)
        given = [t for t in self._tensors((*args, *kwargs.values())) if id(t) in self._boxes or t.requires_grad]
        if not given or (function.__name__ == "__get__" and name not in ("T", "mT", "data")):
            return function(*args, **kwargs)
        if name == "multi_head_attention_forward" and self.keep:
            with self.mode:
                return _opened(function)(*args, **kwargs)
        if self.keep and can_unroll(name, args):
            with self.mode:
                return unrolled(self.torch, name, args)
        if name in DETACHED:
            return self._detached(name, function, args, kwargs)
        if self.torch.is_grad_enabled() or not any(t.requires_grad for t in given):
            return self._done(name, function, args, kwargs, given)
        if "attach" in self.patches:
            with self.torch.enable_grad():
                return self._done(name, function, args, kwargs, given)
        output = function(*args, **kwargs)
        if any(t.is_floating_point() for t in self._tensors((output,))):
            self.cuts.append(Cut("torch.no_grad()", self.path, self._source()))
        return output

    def _done(self, name: str, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], given: list[Any]) -> Any:
        """Run and record an operation that has a derivative, or is patched to pass the gradient."""
        kind, listed, settings = translated(name, args, kwargs)
        record = record_of(kind)
        if "guard" in self.patches and record.poles:
            args = self._guarded(record, name, args)
        boxes, changes = self.box(listed), in_place(function, kwargs)
        again = _repeated(function, args, kwargs) if record.role is Role.ACTIVATION and args else None
        if record.role is Role.STEP:  # PyTorch's derivative is zero; here it is None, as in chainrule
            output = function(*(_cut(x) for x in args), **kwargs)
            if "straight" in self.patches:
                output = args[0] + (output - args[0]).detach()
        else:
            if changes:
                self._keep(args[0] if args else given[0])
            output = function(*args, **kwargs)
        result = args[0] if function.__name__ == "__setitem__" else output
        tensors = self._tensors((result,))
        is_new = tensors and (changes or not any(t is x for t in tensors for x in given))
        if not self.keep or not is_new:
            return output
        where = _caller()
        constant = any(t.requires_grad for t in given) and not any(t.requires_grad for t in tensors)
        for t in () if constant else tensors:
            self._new(t, where)
        if record is LinearMap:
            boxes = (boxes[0], self._turned(boxes[1]), *boxes[2:])
        settings = {key: self.box(value) for key, value in settings.items()}
        parts = (kind, boxes, self.box(result), settings, self.path, self.in_loss, constant)
        self.events.append(TorchEvent(*parts, where=where, again=again))
        return output

    def _new(self, tensor: Any, where: Where) -> TorchBox:
        box = self._boxes[id(tensor)] = TorchBox(tensor, where)
        if tensor.requires_grad and self.keep:

            def arrive(gradient: Any) -> None:
                box.arrived = gradient.detach()

            self.hooks.append(tensor.register_hook(arrive))
        return box

    def _keep(self, tensor: Any) -> None:
        """Save a tensor's values before they are modified in place."""
        box = self._boxes.get(id(tensor))
        if box is not None and self.keep:
            box.kept = tensor.detach().clone()

    def _turned(self, weight: Any) -> Any:
        """Return the box of a linear layer's weight as [in, out], as if the model computed `x @ weight.T`."""
        if not isinstance(weight, TorchBox):
            return weight
        with self.torch.no_grad():
            box = TorchBox(weight.tensor.detach().t().requires_grad_(weight.tracked), weight.where)
        parts: tuple[Any, ...] = (Transpose.name, (weight,), box, {}, self.path, self.in_loss, False)
        self.events.append(TorchEvent(*parts, where=weight.where))
        return box

    def _detached(self, name: str, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not args[0].requires_grad:
            return function(*args, **kwargs)
        how = ".data" if name == "data" else f".{name}()"
        self.cuts.append(Cut(how, self.path, self._source()))
        return args[0] if "attach" in self.patches and name != "numpy" else function(*args, **kwargs)

    def _guarded(self, record: type[Operation], name: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the arguments, with the critical one kept away from zero."""
        found = pole_of(record)
        assert found is not None
        k = min(found[0], len(args) - 1)
        k = 0 if name in ("rdiv", "rtruediv") else k
        x = args[k]
        if not isinstance(x, self.torch.Tensor):
            return args
        if found[1]:  # on both sides
            small = x.detach().abs() < SMALL
            safe = self.torch.where(small, self.torch.where(x.detach() < 0, -SMALL, SMALL) - x.detach(), 0.0)
            x = x + safe.to(x.dtype)
        else:
            x = x.clamp_min(SMALL)
        return (*args[:k], x, *args[k + 1 :])

    def _tensors(self, values: Sequence[Any]) -> list[Any]:
        found: list[Any] = []
        for x in values:
            if isinstance(x, self.torch.Tensor):
                found.append(x)
            elif isinstance(x, tuple | list):
                found += self._tensors(x)
        return found

    def _source(self) -> Source | None:
        where = _caller()
        return locate(*where) if where else None

    # Called by the forward hooks

    def begins(self, path: str) -> Callable[..., None]:
        """Return the hook that runs before a module."""

        def begin(module: Any, args: Any) -> None:  # noqa: ARG001
            self.stack.append(path)

        return begin

    def ends(self, path: str) -> Callable[..., None]:
        """Return the hook that runs after a module."""

        def end(module: Any, args: Any, output: Any) -> None:
            self.stack.pop()
            self.calls.append(ModuleCall(path, module, self.box(args), self.box(output)))

        return end


@contextmanager
def torch_watching(torch: Any, model: Any, patches: frozenset[str], keep: bool) -> Iterator[TorchRecord]:
    """Yield a record of what a model does in the block. No hook outlives the block. Pass a copy."""
    record = TorchRecord(torch, model, patches, keep)
    record.mode = _mode()(record)
    with ExitStack() as stack:
        if keep:
            for path, module in model.named_modules():
                if getattr(module, "inplace", None) is True:  # else it would overwrite measured values
                    module.inplace = False
                    stack.callback(setattr, module, "inplace", True)
                stack.callback(module.register_forward_pre_hook(record.begins(path)).remove)
                stack.callback(module.register_forward_hook(record.ends(path)).remove)
        stack.callback(lambda: [hook.remove() for hook in record.hooks])
        with record.mode:
            yield record


@cache
def _mode() -> Any:
    from torch.overrides import TorchFunctionMode

    class Mode(TorchFunctionMode):
        """Passes every PyTorch call to a record."""

        def __init__(self, record: TorchRecord) -> None:
            super().__init__()
            self.record = record

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return self.record.called(func, args, kwargs or {})

    return Mode


def _opened(function: Any) -> Any:
    """Return a PyTorch Python function with its `__torch_function__` dispatch off, so that its inner calls are seen."""
    if not isinstance(function, FunctionType):
        return function
    names = {**function.__globals__, "has_torch_function": lambda *_: False}
    opened = FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    opened.__kwdefaults__ = function.__kwdefaults__
    return opened


def _repeated(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[[Any], Any]:
    """Return the call as a function of its first argument alone, which it does not modify."""
    rest = {k: v.detach() if hasattr(v, "detach") else v for k, v in kwargs.items() if k != "inplace"}
    others = tuple(_cut(x) for x in args[1:])
    return lambda x: function(x.clone(), *others, **rest)


def _cut(x: Any) -> Any:
    return x.detach() if hasattr(x, "detach") else x


def _caller() -> Where:
    """Return the first instruction outside PyTorch and this package on the stack."""
    import torch

    frame = users_frame(folder_of(torch))
    return frame.f_code, frame.f_lasti
