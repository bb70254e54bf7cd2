"""Functions that make arrays: from lists that hold tensors, or, inside a transform, to be written to.

A plain array cannot hold a traced value, so `zeros(3)` inside a transform is a constant tensor, which can. Outside,
and for integers, it is NumPy's array.
"""

import functools
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np

from chainrule.core.tensor import Tensor
from chainrule.core.traces.capturing import running
from chainrule.core.traces.running import is_transforming
from chainrule.core.traces.tape import ARRAYS
from chainrule.core.transforms.values import boxed
from chainrule.rules.arrays.join import nested
from chainrule.rules.arrays.shape import astype

from .wrapping import holds_tensor


def array(object: Any, dtype: Any = None, **settings: Any) -> Any:
    """Return nested lists of numbers, arrays and tensors as one array; a tensor where one is among them.

    `settings` are NumPy's (`copy`, `order`, `ndmin`, …). With a tensor `order`, `subok` and `like` are a TypeError.

    >>> array([[1.0, 2.0], [3.0, 4.0]])
    array([[1., 2.],
           [3., 4.]])
    """
    return _made("array", np.array, object, dtype, {"copy": True, **settings})


def asarray(a: Any, dtype: Any = None, order: Any = None, **settings: Any) -> Any:
    """Return `array(a)`, without a copy where it is one already."""
    return _made("asarray", np.asarray, a, dtype, settings if order is None else {"order": order, **settings})


def asanyarray(a: Any, dtype: Any = None, order: Any = None, **settings: Any) -> Any:
    """Return `asarray(a)`, with the class of `a` where that is a subclass of NumPy's arrays."""
    return _made("asanyarray", np.asanyarray, a, dtype, settings if order is None else {"order": order, **settings})


def ascontiguousarray(a: Any, dtype: Any = None, **settings: Any) -> Any:
    """Return `asarray(a)` with its elements in one block of memory and at least one axis."""
    made = _made("ascontiguousarray", np.ascontiguousarray, a, dtype, settings)
    return made if made.ndim else made.reshape(1)


def asfortranarray(a: Any, dtype: Any = None, **settings: Any) -> Any:
    """Return `asarray(a)` with its elements in the order of columns; for a tensor it is the same values."""
    made = _made("asfortranarray", np.asfortranarray, a, dtype, settings)
    return made if made.ndim else made.reshape(1)


def require(a: Any, dtype: Any = None, requirements: Any = None, **settings: Any) -> Any:
    """Return `a` as an array that meets NumPy's requirements; tensors meet all but a class of its own ("E")."""
    wanted = {requirements} if isinstance(requirements, str) else set(requirements or ())
    if holds_tensor(a):
        if wanted & {"E", "ENSUREARRAY"}:
            raise TypeError("require: a tensor is no np.ndarray, so 'E' cannot be met; leave it out")
        return _made("require", np.require, a, dtype, settings)
    return np.require(a, dtype, requirements, **settings)


def _made(name: str, make: Callable[..., Any], values: Any, dtype: Any, settings: dict[str, Any]) -> Any:
    if not holds_tensor(values):
        if settings.get("copy") is True and name == "array":
            settings = {key: value for key, value in settings.items() if key != "copy"}
        return make(values, dtype=dtype, **settings)
    ndmin, copy = settings.pop("ndmin", 0), settings.pop("copy", None)
    if settings:
        raise TypeError(f"{name}: {next(iter(settings))}= is not supported on tensors; leave it out")
    found = nested(values)
    if dtype is not None and found.dtype != np.dtype(dtype):
        found = astype(found, dtype)
    elif copy and found is values:
        found = found.copy()
    return found.reshape((1,) * (ndmin - found.ndim) + found.shape) if ndmin > found.ndim else found


def fromiter(iter: Any, dtype: Any, count: int = -1, **settings: Any) -> Any:
    """Return a vector of the values that an iterator yields; a tensor where one of them is one."""
    if isinstance(iter, Iterator):
        iter = list(iter if count < 0 else islice(iter, count))
    if holds_tensor(iter):
        return asarray(list(islice(iter, count)) if count >= 0 else iter, dtype)
    return np.fromiter(iter, dtype, count, **settings)


# Arrays that can be written to


def _writable(plain: Callable[..., Any]) -> Callable[..., Any]:
    """Return a maker of NumPy's whose floating-point arrays take traced values, inside a transform."""

    @functools.wraps(plain)
    def make(*args: Any, **settings: Any) -> Any:
        made = plain(*args, **settings)
        if is_transforming():
            return _to_write(made)
        capture = running.capture
        if capture is not None and not capture.runs_plain and made.dtype.kind in "fc" and plain in TO_FILL:
            return Tensor(capture.new(made), ARRAYS, None)
        return made

    return make


TO_FILL = (np.zeros, np.ones, np.empty, np.full)
"""Those whose result nobody looks at before it is written to."""


def _to_write(made: Any) -> Any:
    """Return a new array of NumPy's as a constant tensor, if its numbers are floating-point ones."""
    if type(made) is not np.ndarray or made.dtype.kind not in "fc":
        return made
    tensor = boxed(made)
    if running.capture is not None:
        running.capture.bears(tensor)
    return tensor


def _full(shape: Any, fill_value: Any, dtype: Any = None, **settings: Any) -> Any:
    """Return an array filled with one value, which may be traced."""
    if not holds_tensor(fill_value):
        return _plain_full(shape, fill_value, dtype, **settings)
    value = nested(fill_value)
    value = value if dtype is None else astype(value, dtype)
    return np.broadcast_to(value, shape).copy()


def _full_like(a: Any, fill_value: Any, dtype: Any = None, shape: Any = None, **settings: Any) -> Any:
    """Return an array of the shape of another, filled with one value, which may be traced."""
    a = nested(a) if holds_tensor(a) else a
    if not holds_tensor(fill_value):
        return np.full_like(a, fill_value, dtype=dtype, shape=shape, **settings)
    dtype = getattr(a, "dtype", None) if dtype is None else dtype
    return _full(np.shape(a) if shape is None else shape, fill_value, dtype)


def _spaced(plain: Callable[..., Any]) -> Callable[..., Any]:
    """Return a maker of numbers in a range, which may have traced ends."""
    from .wrapping import wrapped

    writable, ours = _writable(plain), wrapped("chainrule.numpy", plain)

    @functools.wraps(plain)
    def make(*args: Any, **settings: Any) -> Any:
        return (ours if holds_tensor((args, settings)) else writable)(*args, **settings)

    return make


def _like(plain: Callable[..., Any]) -> Callable[..., Any]:
    """Return a maker of arrays like another, which NumPy hands over for tensors."""
    writable = _writable(plain)

    @functools.wraps(plain)
    def make(a: Any, *args: Any, **settings: Any) -> Any:
        if holds_tensor(a):
            made = plain(nested(a), *args, **settings)
            return _to_write(made) if is_transforming() else made
        return writable(a, *args, **settings)

    return make


def _einsum_path(*operands: Any, **settings: Any) -> Any:
    """Return the order of contractions, which depends on the shapes alone."""
    shapes = [np.broadcast_to(0.0, x.shape) if isinstance(x, Tensor) else x for x in operands]
    return np.einsum_path(*shapes, **settings)


_plain_full = _writable(np.full)
MAKERS: dict[str, Callable[..., Any]] = {
    **{name: _writable(getattr(np, name)) for name in ("zeros", "ones", "empty", "eye", "identity", "tri")},
    **{name: _like(getattr(np, name)) for name in ("zeros_like", "ones_like", "empty_like")},
    **{name: _spaced(getattr(np, name)) for name in ("arange", "linspace", "logspace", "geomspace", "vander")},
    "einsum_path": functools.wraps(np.einsum_path)(_einsum_path),
    "full": functools.wraps(np.full)(_full),
    "full_like": functools.wraps(np.full_like)(_full_like),
}
"""Makers of arrays by name."""
