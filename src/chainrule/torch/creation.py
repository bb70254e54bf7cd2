"""Functions that make tensors: of data, of one value, of ranges, of the shape of others."""

import functools
import inspect
import math
from typing import Any

import numpy as np

from chainrule.core.tensor import value_of

from .dtypes import DTYPES, check_device, default, dtype, numpy_dtype, of_numpy, result_numpy
from .face import F, Tensor, into, unwrapped, wrapped
from .shapes import sizes
from .values import as_values, made_inside


def finished(array: Any, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Return an array as a tensor, as a leaf if it requires a gradient."""
    check_device(device)
    made: Tensor = wrapped(array)
    if requires_grad:
        return made.requires_grad_()
    made._x = made_inside(made._x)
    return made


def tensor(
    data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False
) -> Tensor:
    """Return a tensor with a copy of numbers, nested lists or an array.

    Python floats become float32 (the default dtype), integers int64; an array keeps its dtype.

    >>> import chainrule.torch as torch
    >>> torch.tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    return finished(as_values(data, dtype), requires_grad, device)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """Return data as a tensor; a tensor of that dtype unchanged."""
    if isinstance(data, Tensor):
        return data.to(dtype) if dtype is not None else data
    return tensor(data, dtype=dtype, device=device)


asarray = as_tensor


def from_numpy(ndarray: Any) -> Tensor:
    """Return an array as a tensor; of integers and booleans the memory is shared."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    of_numpy(ndarray.dtype)
    return finished(ndarray if ndarray.dtype.kind in "iub" else ndarray.copy())


def from_dlpack(ext_tensor: Any) -> Tensor:
    """Return another library's tensor, copied."""
    return finished(np.array(np.from_dlpack(ext_tensor)))


def scalar_tensor(s: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a number as a tensor without axes."""
    return finished(np.asarray(s, numpy_dtype(dtype) or default.floating.numpy), requires_grad, device)


def _of_shape(make: Any, size: tuple[Any, ...], dtype: Any, requires_grad: bool, device: Any) -> Tensor:
    return finished(make(sizes(unwrapped(size)), numpy_dtype(dtype) or default.floating.numpy), requires_grad, device)


_WITHOUT_EFFECT = ("layout", "pin_memory", "memory_format")


def making(function: F) -> F:
    """Let a function that makes a tensor take `out=`, `size=`, and settings of memory, which have no effect."""
    takes_sizes = any(p.kind is p.VAR_POSITIONAL for p in inspect.signature(function).parameters.values())

    @functools.wraps(function)
    def made(*args: Any, **settings: Any) -> Any:
        if not settings:
            return function(*args)
        for name in _WITHOUT_EFFECT:
            settings.pop(name, None)
        out = settings.pop("out", None)
        if takes_sizes and "size" in settings:
            args = (*args, settings.pop("size"))
        found = function(*args, **settings)
        return found if out is None else into(out, found)

    return made  # type: ignore[return-value]


@making
def zeros(
    *size: Any,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return zeros of a shape."""
    return _of_shape(np.zeros, size, dtype, requires_grad, device)


@making
def ones(
    *size: Any,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return ones of a shape."""
    return _of_shape(np.ones, size, dtype, requires_grad, device)


@making
def empty(
    *size: Any,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of a shape; its elements are zeros."""
    return _of_shape(np.zeros, size, dtype, requires_grad, device)


@making
def empty_strided(
    size: Any, stride: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return a tensor of a shape."""
    return _of_shape(np.zeros, (size,), dtype, requires_grad, device)


@making
def empty_permuted(
    size: Any, physical_layout: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return a tensor of a shape."""
    return _of_shape(np.zeros, (size,), dtype, requires_grad, device)


@making
def full(size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor of a shape, filled with one value, whose kind decides the dtype."""
    value = np.asarray(value_of(unwrapped(fill_value)))
    kind = numpy_dtype(dtype) or (value.dtype if hasattr(fill_value, "shape") else result_numpy(value.item()))
    return finished(np.full(sizes((unwrapped(size),)), value, kind), requires_grad, device)


@making
def zeros_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return zeros of the shape and dtype of a tensor."""
    return finished(np.zeros(input.shape, numpy_dtype(dtype) or input._x.dtype), requires_grad, device)


@making
def ones_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return ones of the shape and dtype of a tensor."""
    return finished(np.ones(input.shape, numpy_dtype(dtype) or input._x.dtype), requires_grad, device)


empty_like = zeros_like


@making
def full_like(
    input: Tensor, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return a tensor of the shape and dtype of another one, filled with one value."""
    return finished(np.full(input.shape, fill_value, numpy_dtype(dtype) or input._x.dtype), requires_grad, device)


@making
def arange(
    start: Any,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return the numbers from `start` up to but without `end`; integers of integers.

    >>> import chainrule.torch as torch
    >>> torch.arange(3), torch.arange(0, 1, 0.5)
    (tensor([0, 1, 2]), tensor([0.0000, 0.5000]))
    """
    given = [x.item() if isinstance(x, Tensor) else x for x in (start, end, step)]
    first, last, by = (0, given[0], given[2]) if given[1] is None else given
    whole = all(isinstance(x, int | np.integer) for x in (first, last, by))
    if by == 0:
        raise RuntimeError("arange: step must be nonzero")
    if (last - first) * by < 0:
        raise RuntimeError(f"arange: from {first} to {last}: upper bound and lower bound inconsistent with step sign")
    count = math.ceil((last - first) / by)
    array = first + by * np.arange(count, dtype=np.int64 if whole else np.float64)
    return finished(
        array.astype(numpy_dtype(dtype) or (np.int64 if whole else default.floating.numpy)), requires_grad, device
    )


def range_(start: Any, end: Any, step: Any = 1, **settings: Any) -> Tensor:
    """Return the numbers from `start` to `end`, both included."""
    return arange(start, end + step / 2, step, **settings).to(settings.get("dtype") or default.floating)


@making
def linspace(
    start: Any, end: Any, steps: int, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return `steps` numbers at equal distances from `start` to `end`."""
    first, last = (np.asarray(value_of(unwrapped(x)), np.float64) for x in (start, end))
    array = np.linspace(first, last, int(steps))
    kind = numpy_dtype(dtype) or default.floating.numpy
    return finished((np.trunc(array) if kind.kind in "iu" else array).astype(kind), requires_grad, device)


@making
def logspace(
    start: Any,
    end: Any,
    steps: int,
    base: float = 10.0,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return `steps` powers of `base` at equal ratios."""
    first, last = (np.asarray(value_of(unwrapped(x)), np.float64) for x in (start, end))
    array = np.power(float(base), np.linspace(first, last, int(steps)))
    return finished(array.astype(numpy_dtype(dtype) or default.floating.numpy), requires_grad, device)


@making
def eye(n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return the unit matrix."""
    return finished(np.eye(n, m, dtype=numpy_dtype(dtype) or default.floating.numpy), requires_grad, device)


def tril_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Return rows and columns of the lower triangle."""
    return finished(np.stack(np.tril_indices(row, offset, col)).astype(numpy_dtype(dtype) or np.int64), False, device)


def triu_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Return rows and columns of the upper triangle."""
    return finished(np.stack(np.triu_indices(row, offset, col)).astype(numpy_dtype(dtype) or np.int64), False, device)


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """Return the powers of each element as columns."""
    return finished(np.vander(np.asarray(value_of(x._x)), N, increasing))


def complex_(real: Tensor, imag: Tensor) -> Tensor:
    """Return complex numbers of their parts."""
    return wrapped(real._x + 1j * imag._x)  # type: ignore[no-any-return]


def is_tensor(obj: Any) -> bool:
    """Return whether an object is a tensor."""
    return isinstance(obj, Tensor)


def is_floating_point(input: Tensor) -> bool:
    """Return whether the values are floating-point numbers."""
    return input.is_floating_point()


def is_complex(input: Tensor) -> bool:
    """Return whether the values are complex."""
    return input.is_complex()


def numel(input: Tensor) -> int:
    """Return the number of elements."""
    return input.numel()


def is_nonzero(input: Tensor) -> bool:
    """Return whether the only element is not zero."""
    return bool(input)


def result_type(tensor1: Any, tensor2: Any) -> dtype:
    """Return the dtype that an operation on two operands has."""
    from_both = result_numpy(unwrapped(tensor1), unwrapped(tensor2))
    return next(one for one in DTYPES if one.numpy == from_both)


def promote_types(type1: dtype, type2: dtype) -> dtype:
    """Return the dtype that two dtypes have together."""
    both = result_numpy(np.zeros(1, type1.numpy), np.zeros(1, type2.numpy))
    return next(one for one in DTYPES if one.numpy == both)


def can_cast(from_: dtype, to: dtype) -> bool:
    """Return whether a conversion keeps the category."""
    order = "biufc"
    return order.index(from_.numpy.kind) <= order.index(to.numpy.kind) or {from_.numpy.kind, to.numpy.kind} <= {
        "i",
        "u",
    }
