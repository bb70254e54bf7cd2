"""`from_torch_function`: a PyTorch function as a chainrule operation."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.base.optional import needed
from chainrule.core.custom import Custom, is_floating
from chainrule.interop.foreign import Function, Library, is_array, operation

from .arrays import Torch, check_numpy_dtype

WHAT = "from_torch_function"


def from_torch_function(f: Function, several: bool = False) -> Custom:
    """Return `f`, a function of PyTorch tensors, as a chainrule operation: a `cr.custom` with both rules.

    `f(*args, **settings)` gets tensors with copies of the arrays and returns one tensor, or a tuple of tensors with
    `several`. PyTorch differentiates it with respect to the floating arguments, in reverse mode and, by
    `torch.func.jvp` or else two backward passes, in forward mode, to any order that its operations support. Keyword
    arguments are passed through. Anything `f` refers to besides its arguments is constant. It may move tensors to
    another device; results come back.

    Raises TypeError for a module whose parameters would be constants, and at the call if the result is not a tensor of
    a real dtype that NumPy has.

    >>> import chainrule as cr
    >>> import torch, numpy as np
    >>> erf = from_torch_function(torch.erf)
    >>> cr.elementwise_grad(erf)(np.array([0.0, 1.0]))
    array([1.12837917, 0.4151075 ])
    """
    torch = needed("torch", WHAT)
    if not callable(f):
        raise TypeError(f"{WHAT}: expected a function, got {type(f).__name__}")
    if isinstance(f, torch.nn.Module) and any(p.requires_grad for p in f.parameters()):
        raise TypeError(
            f"{WHAT}: the parameters of {type(f).__name__} would be constants; use from_torch(module), which makes "
            "them chainrule's, pass them as arguments by torch.func.functional_call, or freeze them with "
            "module.requires_grad_(False)"
        )
    return operation(PyTorch(torch), f, several)


class PyTorch(Library):
    """PyTorch as a provider of operations."""

    def __init__(self, torch: Any) -> None:
        self.torch = torch

    def run(self, f: Function, args: Sequence[Any], settings: dict[str, Any]) -> list[Any]:
        """Return the outputs, without a graph."""
        with self.torch.no_grad():
            return [self.array(y) for y in self.outputs(f(*map(self.tensor, args), **settings))]

    def record(self, f: Function, args: Sequence[Any], settings: dict[str, Any]) -> tuple[list[Any], Function]:
        """Return the outputs, and the pullback by their graph."""
        with self.torch.enable_grad():
            tensors = [self.tensor(x).requires_grad_() if is_floating(x) else self.tensor(x) for x in args]
            outputs = self.outputs(f(*tensors, **settings))
        floating = [t for t, x in zip(tensors, args, strict=True) if is_floating(x)]

        def pullback(bars: Sequence[Any]) -> list[Any]:
            found = self.gradients(outputs, floating, [self.tensor(bar) for bar in bars], create_graph=False)
            return [self.array(g) for g in found]

        return [self.array(y) for y in outputs], pullback

    def pulled(self, f: Function, count: int) -> Function:
        """Return the function of cotangents."""

        def pull(*tensors: Torch, **settings: Any) -> tuple[Torch, ...]:
            bars, args = tensors[:count], tensors[count:]
            create_graph = any(self.is_floating(t) and t.requires_grad for t in tensors)
            with self.torch.enable_grad():
                args = tuple(
                    x.detach().requires_grad_() if self.is_floating(x) and not x.requires_grad else x for x in args
                )
                outputs = self.outputs(f(*args, **settings))
                return tuple(self.gradients(outputs, list(filter(self.is_floating, args)), bars, create_graph))

        return pull

    def pushed(self, f: Function, count: int) -> Function:
        """Return the function of tangents."""

        def push(*tensors: Torch, **settings: Any) -> Any:
            args, dots = tensors[:count], tensors[count:]
            places = [k for k, x in enumerate(args) if self.is_floating(x)]

            def of_floating(*some: Torch) -> Any:
                filled = list(args)
                for k, x in zip(places, some, strict=True):
                    filled[k] = x
                return f(*filled, **settings)

            return self.tangents(of_floating, tuple(args[k] for k in places), dots)

        return push

    # PyTorch's two modes

    def gradients(
        self, outputs: Sequence[Torch], inputs: Sequence[Torch], bars: Sequence[Torch], create_graph: bool
    ) -> list[Torch]:
        """Return the cotangents of the inputs, zeros for unreachable ones."""
        pairs = [(y, bar.to(y)) for y, bar in zip(outputs, bars, strict=True) if y.requires_grad]
        if not pairs:
            return [self.torch.zeros_like(x) for x in inputs]
        ys, y_bars = zip(*pairs, strict=True)
        found = self.torch.autograd.grad(
            ys, inputs, y_bars, retain_graph=True, create_graph=create_graph, allow_unused=True
        )
        return [self.torch.zeros_like(x) if g is None else g for g, x in zip(found, inputs, strict=True)]

    def tangents(self, f: Function, xs: tuple[Torch, ...], dots: tuple[Torch, ...]) -> Any:
        """Return the tangents of the outputs by forward mode, or by the adjoint of the adjoint if that is missing."""
        create_graph = any(t.requires_grad for t in (*xs, *dots))
        try:
            # PyTorch's forward mode loads a part of itself that warns of another part's age.
            with warnings.catch_warnings(action="ignore", category=DeprecationWarning), self.torch.enable_grad():
                return self.torch.func.jvp(f, xs, dots)[1]
        except RuntimeError:
            with self.torch.enable_grad():
                return self.torch.autograd.functional.jvp(f, xs, dots, create_graph=create_graph)[1]

    # Arrays and tensors

    def is_floating(self, x: Any) -> bool:
        """Whether an argument is a tensor of floats."""
        return isinstance(x, self.torch.Tensor) and bool(x.is_floating_point())

    def tensor(self, x: Any) -> Any:
        """Return an array as a new tensor, which the function may write to; anything else unchanged."""
        if not is_array(x):
            return x
        array = np.array(x, order="C")
        check_numpy_dtype(WHAT, array.dtype)
        return self.torch.from_numpy(array)

    def array(self, y: Torch) -> Any:
        """Return a tensor as a new array, or a NumPy scalar."""
        if y.dtype is self.torch.bfloat16 or y.is_complex():
            step = "return .float()" if y.dtype is self.torch.bfloat16 else "return its real and imaginary parts"
            raise TypeError(f"the result is {y.dtype}, expected real numbers that NumPy has; {step}")
        return np.array(y.detach().cpu().to_dense().resolve_neg().numpy())[()]

    def outputs(self, y: Any) -> list[Torch]:
        """Return what a function returned as a list of tensors."""
        found = list(y) if isinstance(y, tuple | list) else [y]
        for item in found:
            if not isinstance(item, self.torch.Tensor):
                raise TypeError(f"the result is {type(item).__name__}, expected tensors of PyTorch")
        return found
