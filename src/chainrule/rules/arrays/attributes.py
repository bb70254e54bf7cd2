"""Attributes and methods of NumPy's arrays that are no operations: memory, elements in order, views."""

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.core.memory.alias import innermost
from chainrule.core.operands.protocols import functions
from chainrule.core.tensor import Tensor, value_of
from chainrule.core.traces.capturing import reads_layout

from .in_place import overwrite
from .index import At, getitem
from .shape import flatten


class Flat:
    """What `x.flat` is: the elements in order, last axis fastest. `x.flat[index] = value` writes to x.

    >>> import chainrule as cr
    >>> x = cr.zeros(2, 2)
    >>> x.flat[1:3] = 5.0
    >>> x
    tensor([[0., 5.],
            [5., 0.]])
    """

    def __init__(self, base: Tensor) -> None:
        self.base = base

    def __len__(self) -> int:
        return int(self.base.size)

    def __iter__(self) -> Iterator[Any]:
        return iter(flatten(self.base))

    def __getitem__(self, index: Any) -> Any:
        return getitem(flatten(self.base), index)

    def __setitem__(self, index: Any, value: Any) -> None:
        places = np.arange(self.base.size)[value_of(index) if isinstance(index, Tensor) else index]
        if np.size(value) and np.shape(value) != np.shape(places):
            value = np.resize(value, np.shape(places))  # as NumPy does: repeated, or cut off
        overwrite(self.base, "x.flat", lambda: At(flatten(self.base))[places].set(value).reshape(self.base.shape))

    def copy(self) -> Any:
        """Return the elements as a vector."""
        return flatten(self.base)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(flatten(self.base), dtype=dtype, copy=copy)


def _flat(self: Tensor) -> Flat:
    """The elements in order."""
    return Flat(self)


def _write_flat(self: Tensor, value: Any) -> None:
    Flat(self)[:] = value


def _of_memory(name: str) -> property:
    def attribute(self: Tensor) -> Any:
        if name in ("flags", "strides"):
            reads_layout()
        return getattr(innermost(self), name)

    attribute.__doc__ = f"`{name}` of the array that holds the values."
    return property(attribute)


def item(self: Tensor, *place: Any) -> Any:
    """Return an element as a Python number: the only one, that of a flat index, or that at several indices."""
    self._looked_at()
    self._left()
    return self._value.item(*place) if place else self._value.item()


def view(self: Tensor, dtype: Any = None, type: Any = None, *sizes: int) -> Any:
    """Return a tensor that shares the memory. Raises TypeError for another dtype or class: the bits would change
    meaning.
    """
    if isinstance(dtype, int | tuple | list):
        given = ", ".join(str(n) for n in (dtype, type, *sizes) if n is not None)
        raise TypeError(f"x.view: got {given}, expected a dtype; for another shape write x.reshape({given})")
    cls = dtype if inspect.isclass(dtype) and issubclass(dtype, np.ndarray) else type
    if cls is not None and cls is not np.ndarray:
        raise TypeError(f"x.view: a tensor cannot be viewed as {cls.__name__}; use x.numpy().view(...)")
    if dtype is not None and cls is not dtype and np.dtype(dtype) != self.dtype:
        raise TypeError(f"x.view: got dtype {np.dtype(dtype)}, expected {self.dtype}; for another one use x.astype")
    return getitem(self, ...)


def tobytes(self: Tensor, order: str = "C") -> bytes:
    """Return the values as bytes; operations on them are not differentiated."""
    found: bytes = np.asarray(value_of(self)).tobytes(order)  # type: ignore[arg-type]
    return found


def divmod_(a: Any, b: Any) -> tuple[Any, Any]:
    """Return the quotient rounded down, and the remainder."""
    return np.floor_divide(a, b), np.remainder(a, b)


def _reflected_divmod(a: Any, b: Any) -> tuple[Any, Any]:
    return divmod_(b, a)


METHODS = {
    "flat": property(_flat, _write_flat),
    **{name: _of_memory(name) for name in ("flags", "itemsize", "nbytes", "strides")},
    "item": item,
    "tobytes": tobytes,
    "view": view,
    "nonzero": functions[np.nonzero],
    "argpartition": functions[np.argpartition],
    "searchsorted": functions[np.searchsorted],
    "compress": lambda self, condition, axis=None: functions[np.compress](condition, self, axis),
    "choose": functions[np.choose],
    "__divmod__": divmod_,
    "__rdivmod__": _reflected_divmod,
}
for _name, _method in METHODS.items():
    setattr(Tensor, _name, _method)
