"""The forms in which an operation is written: function pair, layer class, part of a network, torch, JAX.

A form turns an operation and a backward pass into a call of the checker. One whose checker or framework is missing says
so, and is left out.
"""

import importlib
import importlib.util
import inspect
from abc import ABC, abstractmethod
from typing import Any

import numpy as np

import chainrule as cr

from .entry import Array, Bug, Operation, Rule


def checker(name: str) -> Any:
    """Return one of chainrule's checkers, or None."""
    return getattr(cr, name, None) or getattr(interop(), name, None)


def interop() -> Any:
    """Return chainrule's part that knows other frameworks, or None."""
    try:
        return importlib.import_module("chainrule.interop")
    except ImportError:
        return None


class Form(ABC):
    """One way of writing an operation with its backward pass."""

    name: str

    @abstractmethod
    def missing(self) -> str:
        """Return why this form cannot be tried here, or an empty text."""

    def takes(self, operation: Operation, bug: Bug | None = None) -> bool:  # noqa: ARG002
        """Say whether the operation, and the mistake, can be written in this form."""
        return True

    def expected(self, operation: Operation, bug: Bug) -> tuple[str, set[str]]:
        """Return the verdict and the places that are right answers in this form."""
        return bug.verdict, operation.wrong_places(bug)

    @abstractmethod
    def check(self, operation: Operation, rule: Rule) -> Any:
        """Return the checker's report on the operation with that backward pass."""

    def place(self, finding: Any, wrong: set[str]) -> bool:
        """Say whether a finding names a place that is wrong."""
        return finding.argument in wrong


class Pair(Form):
    """Two functions, forward and backward."""

    name = "pair of functions"

    def missing(self) -> str:
        return ""

    def check(self, operation: Operation, rule: Rule) -> Any:
        return cr.check(operation.forward, *operation.copies(), backward=rule)


class LayerForm(Form):
    """A class in the style of courses: `forward(x)` keeps what `backward(dout)` needs, gradients lie beside weights."""

    name = "layer class"

    def missing(self) -> str:
        return "" if checker("check_layer") else "chainrule has no check_layer"

    def takes(self, operation: Operation, bug: Bug | None = None) -> bool:  # noqa: ARG002
        return operation.floating[0] == next(iter(operation.arguments))

    def expected(self, operation: Operation, bug: Bug) -> tuple[str, set[str]]:
        verdict, places = super().expected(operation, bug)
        if verdict == "signature":  # a gradient that is not handed out stays what it was
            return "missing", {operation.floating[-1]}
        first = next(iter(operation.arguments))
        return verdict, {"x" if place == first else place for place in places}

    def check(self, operation: Operation, rule: Rule) -> Any:
        return checker("check_layer")(HandWritten(operation, rule), operation.copies()[0])


class HandWritten:
    """A layer with an operation's arguments, all but the first, as its weights."""

    def __init__(self, operation: Operation, rule: Rule) -> None:
        self._operation, self._rule = operation, rule
        self._names = list(operation.arguments)[1:]
        for name, value in zip(self._names, operation.copies()[1:], strict=True):
            setattr(self, name, value)
            if name in operation.floating:
                setattr(self, f"d{name}", np.zeros_like(value))

    def forward(self, x: Array) -> Array:
        self._x = x
        return self._operation.forward(x, *(getattr(self, name) for name in self._names))

    def backward(self, dout: Array) -> Array:
        found = self._rule(dout, self._x, *(getattr(self, name) for name in self._names))
        dx, *rest = found if isinstance(found, tuple) else (found,)
        for name, gradient in zip((n for n in self._names if n in self._operation.floating), rest, strict=False):
            setattr(self, f"d{name}", gradient)
        return dx


class Network(Form):
    """A custom operation in the middle of a network of chainrule's own operations, which are right."""

    name = "inside a network"

    def missing(self) -> str:
        return ""

    def takes(self, operation: Operation, bug: Bug | None = None) -> bool:  # noqa: ARG002
        return bug is None or bug.verdict != "dtype"  # the engine gives every gradient its argument's dtype

    def check(self, operation: Operation, rule: Rule) -> Any:
        def planted(*args: Any) -> Any:
            return operation.forward(*args)

        names = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY) for name in operation.arguments]
        planted.__signature__ = inspect.Signature(names)
        op = cr.custom(planted)
        op.def_vjp(rule)
        first = next(iter(operation.arguments))

        def network(*args: Any) -> Any:
            mixed = dict(zip(operation.arguments, args, strict=True))
            mixed[first] = 0.9 * mixed[first] + 0.0
            return np.sin(op(*mixed.values()) * 0.5)

        return cr.check(network, *operation.copies())

    def place(self, finding: Any, wrong: set[str]) -> bool:  # noqa: ARG002
        return finding.operation == "planted"


class Torch(Form):
    """A `torch.autograd.Function` that computes in NumPy."""

    name = "torch.autograd.Function"

    def missing(self) -> str:
        if importlib.util.find_spec("torch") is None:
            return "torch is not installed"
        return "" if checker("check_torch") else "chainrule has no check_torch"

    def check(self, operation: Operation, rule: Rule) -> Any:
        return checker("check_torch")(torch_function(operation, rule), *torch_arguments(operation))

    def place(self, finding: Any, wrong: set[str]) -> bool:
        return True if finding.argument in wrong else _by_number(finding.argument) is not None and bool(wrong)


def torch_arguments(operation: Operation) -> list[Any]:
    """Return the arguments as tensors of which gradients are asked."""
    import torch

    tensors = [torch.from_numpy(np.asarray(x)) for x in operation.copies()]
    return [t.requires_grad_() if t.is_floating_point() else t for t in tensors]


def torch_function(operation: Operation, rule: Rule) -> Any:
    """Return the operation as a function on tensors, by an `autograd.Function`."""
    import torch

    class Planted(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *args: Any) -> Any:
            ctx.save_for_backward(*args)
            return torch.as_tensor(operation.forward(*(a.detach().numpy() for a in args)))

        @staticmethod
        def backward(ctx: Any, y_bar: Any) -> Any:
            args = [a.detach().numpy() for a in ctx.saved_tensors]
            found = rule(y_bar.detach().numpy(), *args)
            rest = iter(found if isinstance(found, tuple) else (found,))
            grads = [next(rest) if a.is_floating_point() else None for a in ctx.saved_tensors]
            return tuple(None if g is None else torch.as_tensor(np.ascontiguousarray(g)) for g in grads)

    return Planted


class Jax(Form):
    """A `jax.custom_vjp` function that computes in NumPy, through a callback."""

    name = "jax.custom_vjp"

    def missing(self) -> str:
        if importlib.util.find_spec("jax") is None:
            return "jax is not installed"
        return "" if checker("check_jax") else "chainrule has no check_jax"

    def check(self, operation: Operation, rule: Rule) -> Any:
        return checker("check_jax")(jax_function(operation, rule), *jax_arguments(operation))

    def place(self, finding: Any, wrong: set[str]) -> bool:
        return True if finding.argument in wrong else _by_number(finding.argument) is not None and bool(wrong)


def jax_arguments(operation: Operation) -> list[Any]:
    """Return the arguments as JAX arrays, in float64."""
    import jax

    jax.config.update("jax_enable_x64", True)
    return [jax.numpy.asarray(x) for x in operation.copies()]


def jax_function(operation: Operation, rule: Rule) -> Any:
    """Return the operation as a `custom_vjp` function."""
    import jax

    jax.config.update("jax_enable_x64", True)
    shape = jax.ShapeDtypeStruct(np.shape(operation.forward(*operation.copies())), np.float64)
    floating = [k for k, name in enumerate(operation.arguments) if name in operation.floating]

    def run(*args: Any) -> Any:
        return np.asarray(operation.forward(*(np.array(a) for a in args)), np.float64)

    def run_back(y_bar: Any, *args: Any) -> Any:
        found = rule(np.array(y_bar), *(np.array(a) for a in args))
        return found if isinstance(found, tuple) else (found,)

    @jax.custom_vjp
    def planted(*args: Any) -> Any:
        return jax.pure_callback(run, shape, *args)

    def forward(*args: Any) -> Any:
        return planted(*args), args

    def backward(args: Any, y_bar: Any) -> Any:
        like = tuple(jax.ShapeDtypeStruct(args[k].shape, args[k].dtype) for k in floating)
        found = dict(zip(floating, jax.pure_callback(run_back, like, y_bar, *args), strict=True))
        zeros = {k: np.zeros(a.shape, jax.dtypes.float0) for k, a in enumerate(args) if k not in found}
        return tuple((found | zeros)[k] for k in range(len(args)))

    planted.defvjp(forward, backward)
    return planted


def _by_number(argument: str) -> int | None:
    digits = "".join(c for c in argument if c.isdigit())
    return int(digits) if digits else None


FORMS: tuple[Form, ...] = (Pair(), LayerForm(), Network(), Torch(), Jax())
