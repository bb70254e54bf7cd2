"""Data, indices and names of types from outside, as engine values."""

from typing import Any

import numpy as np

from chainrule.core.creation import tensor as engine_tensor
from chainrule.core.tensor import Tensor as Engine
from chainrule.core.tensor import value_of
from chainrule.core.traces.capturing import mapped_in, running
from chainrule.core.traces.tape import ARRAYS

from .dtypes import DTYPES, default, dtype, numpy_dtype


def raw(x: Any) -> Any:
    """Return the engine value in a tensor; anything else unchanged."""
    return x._x if hasattr(x, "__chainrule__") and not isinstance(x, type) else x


def is_mapped(x: Any) -> bool:
    """Return whether a value holds the rows of a `vmap`, whose values cannot be looked at."""
    return bool(running.maps) and mapped_in(x) is not None


def _plain(x: Any) -> Any:
    x = raw(x)
    if isinstance(x, Engine):
        return np.asarray(value_of(x))
    return [_number(part) for part in x] if isinstance(x, list | tuple | range) else x


def _number(part: Any) -> Any:
    """Return an item of a list: a tensor of one element counts as a number, whatever its shape."""
    found = _plain(part)
    return found.reshape(()) if hasattr(part, "__chainrule__") and found.size == 1 else found


def as_values(data: Any, dtype: Any = None) -> Any:
    """Return a copy of data as an array: Python floats in the default dtype, integers as int64, arrays in their own.

    >>> as_values([1.0, 2.0]).dtype, as_values([1, 2]).dtype, as_values(np.zeros(2)).dtype
    (dtype('float32'), dtype('int64'), dtype('float64'))
    """
    plain = _plain(data)
    try:
        array = np.array(plain)
    except ValueError:
        raise ValueError("expected sequences of equal lengths at every level, got rows of different lengths") from None
    if array.dtype.kind in "OUS":
        raise TypeError(f"tensor: got {type(data).__name__} that NumPy reads as dtype {array.dtype}; pass numbers")
    if dtype is not None:
        return array.astype(numpy_dtype(dtype))
    if not hasattr(plain, "dtype"):
        if not array.size or (array.dtype.kind == "f" and not _first_has_dtype(plain)):
            return array.astype(default.floating.numpy)
        if array.dtype.kind == "c":
            return array.astype(np.complex64)
    return array


def made_inside(x: Any) -> Any:
    """Return a value that was just made; a capture notes that the function may write to it, as each call makes it."""
    if running.capture is None or not isinstance(x, Engine) or x.dtype.kind not in "fc":
        return x
    if x._trace is ARRAYS:  # random numbers
        return engine_tensor(x)
    running.capture.bears(x)
    return x


def _first_has_dtype(x: Any) -> bool:
    while isinstance(x, list | tuple) and x:
        x = x[0]
    return hasattr(x, "dtype")


def _part(part: Any) -> Any:
    if isinstance(part, slice):
        return slice(*(None if x is None else int(x) for x in (raw(part.start), raw(part.stop), raw(part.step))))
    if isinstance(part, range):
        part = list(part)
    if isinstance(part, list):
        part = np.array(_plain(part)) if part else np.zeros(0, np.int64)
    if isinstance(part, np.ndarray):
        if part.dtype == np.uint8:
            return part.astype(bool)
        if part.ndim == 0 and part.dtype.kind in "iu":
            return int(part)
    if isinstance(part, Engine) and part.dtype.kind == "f":
        raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
    return part


def index_parts(index: Any) -> tuple[Any, ...]:
    """Return an index as a tuple of parts that NumPy takes; an element at integers is a view, as in PyTorch."""
    parts = tuple(_part(part) for part in (index if isinstance(index, tuple) else (index,)))
    basic = all((isinstance(part, int | slice) and not isinstance(part, bool)) or part is None for part in parts)
    return (*parts, Ellipsis) if basic else parts


_TYPE_NAMES = {
    **{"Float": "float32", "Double": "float64", "Half": "float16", "Long": "int64", "Int": "int32"},
    **{"Short": "int16", "Char": "int8", "Byte": "uint8", "Bool": "bool"},
}


def type_name(which: dtype) -> str:
    """Return the name of a tensor's type, `torch.FloatTensor`."""
    return next((f"torch.{k}Tensor" for k, v in _TYPE_NAMES.items() if v == which.name), f"torch.{which.name}")


def dtype_named(name: Any) -> Any:
    """Return the dtype of a type: a dtype, `torch.FloatTensor`, or its name."""
    if isinstance(name, dtype):
        return name
    short = getattr(name, "__name__", str(name)).rpartition(".")[2].removesuffix("Tensor")
    found = _TYPE_NAMES.get(short)
    if found is None:
        raise ValueError(f"type: got {name!r}, expected a dtype or a name such as 'torch.FloatTensor'")
    return next(one for one in DTYPES if one.name == found)
