"""Creating tensors, with PyTorch's everyday names."""

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .errors import GradientError
from .operands.keywords import explained
from .random import source
from .tensor import Tensor, value_of
from .traces.capturing import captured_in, is_captured, running
from .traces.node import Leaf
from .traces.tape import EAGER, check_differentiable


@explained
def tensor(a: Any, requires_grad: bool = False, dtype: Any = None, name: str | None = None) -> Tensor:
    """Return a tensor with a copy of the data `a`: an array, a tensor, a number or nested lists.

    With `requires_grad`, `backward()` leaves its gradient in `.grad`; `name` is its name in reports and errors.
    Floating-point and complex data keep their dtype.

    Raises TypeError for data that are not numbers, and for integers with `requires_grad`; GradientError for a
    value that a transform such as `cr.grad` is tracing, since the copy would lose its gradient.

    >>> import chainrule as cr
    >>> x = cr.tensor([1.0, 2.0], requires_grad=True)
    >>> (x**2).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """
    if is_captured(a):
        box = captured_in(a)
        return _boxed(box if dtype is None else box.astype(dtype), requires_grad, name)
    source = [_data(x) for x in a] if isinstance(a, list | tuple) else _data(a)
    try:
        array = np.array(source, dtype=dtype)
    except ValueError as error:
        raise ValueError(f"tensor: the data do not form an array: {error}") from None
    if array.dtype.kind not in "fiubc":
        raise TypeError(f"tensor: got dtype {array.dtype}, expected numbers")
    return _made(array, requires_grad, name)


def _data(x: Any) -> Any:
    if isinstance(x, Tensor) and x._trace is not EAGER and x.requires_grad:
        raise GradientError(
            "tensor: inside a transform such as cr.grad a copy of the data would be cut off from its gradient; use "
            "np.stack to join values, or x.detach() if no gradient is wanted"
        )
    return value_of(x)


def _boxed(box: Any, requires_grad: bool, name: str | None) -> Tensor:
    """Return a tensor of a capture's value."""
    running.capture.made.append(box._link)
    return Tensor(box, EAGER, Leaf(box.shape, box.dtype, name) if requires_grad else None)


def _made(array: Any, requires_grad: bool, name: str | None = None) -> Tensor:
    if requires_grad:
        check_differentiable("tensor: requires_grad=True", array.dtype)
        return EAGER.leaf(array, name)
    made = Tensor(array, EAGER, None)
    if name is not None:
        made._label = name
    if running.capture is not None:
        running.capture.bears(made)
    return made


def _reduced(self: Tensor) -> tuple[Any, ...]:
    """Copy and pickle a leaf as a leaf, with its gradient and its name, and a constant as a constant."""
    if self._trace is not EAGER or not self.is_leaf:
        raise GradientError(
            "copying or pickling a tensor: this one is the result of an operation, and its copy would be cut off from "
            "its gradient; copy x.detach() instead"
        )
    grad = None if self.grad is None else np.array(self.grad._value)
    return _restored, (np.array(self._value), self.requires_grad, self.name, grad)


def _copied(self: Tensor, memo: Any = None) -> Tensor:
    """Copy a value of a transform as an array is copied, so that derivatives pass through the copy."""
    if self._trace is not EAGER:
        made: Tensor = self.copy()
    else:
        reduced: Any = self.__reduce__()  # a parameter has its own
        rebuild, parts = reduced
        made = rebuild(*(parts if memo is None else copy.deepcopy(parts, memo)))
    if memo is not None:
        memo[id(self)] = made
    return made


def _restored(array: Any, requires_grad: bool, name: str | None, grad: Any) -> Tensor:
    """Rebuild a tensor from the parts that `_reduced` returned; the arrays are its own."""
    made = _made(np.array(array), requires_grad, name)
    if grad is not None:
        made.grad = grad
    return made


Tensor.__reduce__ = _reduced  # type: ignore[method-assign, assignment]
Tensor.__copy__ = Tensor.__deepcopy__ = _copied  # type: ignore[attr-defined]


def _shape(shape: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape


def _new(name: str, make: Callable[..., Any], shape: Any, *rest: Any) -> Any:
    """Return `make(shape, *rest)`; the error for an impossible shape has the function's name."""
    try:
        return make(shape, *rest)
    except (MemoryError, ValueError) as error:
        kind = MemoryError if isinstance(error, MemoryError) else ValueError
        raise kind(f"{name}: {error} (got the shape {shape})") from None


@explained
def zeros(*shape: Any, requires_grad: bool = False, dtype: Any = np.float64) -> Tensor:
    """Return zeros of a shape, given as integers or as one tuple."""
    return _made(_new("zeros", np.zeros, _shape(shape), dtype), requires_grad)


@explained
def ones(*shape: Any, requires_grad: bool = False, dtype: Any = np.float64) -> Tensor:
    """Return ones of a shape, given as integers or as one tuple."""
    return _made(_new("ones", np.ones, _shape(shape), dtype), requires_grad)


@explained
def full(shape: Any, fill_value: complex, requires_grad: bool = False, dtype: Any = None) -> Tensor:
    """Return a tensor of a shape, filled with one value; float64, or complex128 for a complex value, by default."""
    if dtype is None:
        dtype = np.complex128 if np.iscomplexobj(fill_value) else np.float64
    return _made(_new("full", np.full, shape, fill_value, dtype), requires_grad)


@explained
def arange(*limits: float, requires_grad: bool = False, dtype: Any = None) -> Tensor:
    """Return the numbers of `np.arange(start, stop, step)`."""
    return _made(np.arange(*limits, dtype=dtype), requires_grad)


@explained
def randn(*shape: Any, requires_grad: bool = False, dtype: Any = np.float64, generator: Any = None) -> Tensor:
    """Return standard normal numbers, from `generator` (a NumPy Generator) or the global one.

    Complex ones have independent real and imaginary parts of variance 1/2, as in PyTorch.

    >>> import chainrule as cr
    >>> cr.randn(32, 10, requires_grad=True).shape
    (32, 10)
    """
    return _drawn("randn", "standard_normal", shape, requires_grad, dtype, generator)


@explained
def rand(*shape: Any, requires_grad: bool = False, dtype: Any = np.float64, generator: Any = None) -> Tensor:
    """Return numbers uniform in [0, 1), from `generator` (a NumPy Generator) or the global one.

    Complex ones have both parts in that interval.
    """
    return _drawn("rand", "random", shape, requires_grad, dtype, generator)


def _drawn(name: str, method: str, shape: Any, requires_grad: bool, dtype: Any, generator: Any) -> Tensor:
    def draw() -> Any:
        numbers = getattr(source(generator), method)
        if np.dtype(dtype).kind != "c":
            return np.asarray(_new(name, numbers, _shape(shape)), dtype)
        a, b = (_new(name, numbers, _shape(shape)) for _ in range(2))
        return np.asarray((a + 1j * b) * (math.sqrt(0.5) if name == "randn" else 1), dtype)

    if running.maps:
        drawn = running.maps[-1].drawn(name, lambda: _drawn(name, method, shape, False, dtype, generator))
        if requires_grad:
            running.maps[-1].refuse(f"{name} would make a leaf with requires_grad=True in each row")
        return drawn  # type: ignore[no-any-return]
    if running.capture is None:
        return _made(draw(), requires_grad)
    check_differentiable(name, np.dtype(dtype))
    drawn = running.capture.draw(draw, generator, name)
    return _boxed(drawn, requires_grad, None)
