"""The functions of `autograd.numpy` that are not NumPy's, or differ from them."""

from functools import cache as _cache
from functools import wraps as _wraps
from typing import Any

import numpy as _np

import chainrule.numpy as _cnp
from chainrule.core.tensor import Tensor as _Tensor
from chainrule.core.tensor import value_of as _value_of
from chainrule.numpy.wrapping import holds_tensor as _holds_tensor

__all__ = ["array_from_args", "concatenate_args", "make_diagonal", "metadata", "numpy_version", "where"]

numpy_version = _np.__version__
_INTEGERS = frozenset({_np.int8, _np.int16, _np.int32, _np.int64})


def _has_array(x: Any) -> bool:
    if isinstance(x, list | tuple):
        return any(map(_has_array, x))
    return isinstance(x, _np.ndarray | _np.generic | _Tensor)


def where(condition: Any, *args: Any, **named: Any) -> Any:
    """Take from `x` where the condition holds and from `y` elsewhere; Python's own numbers and lists stay Python's.

    >>> where(True, 1, 2)
    1
    """
    if not args and not named:
        return _cnp.where(condition)
    x, y = [*args, *(named[key] for key in ("x", "y") if key in named)]
    found = _cnp.where(condition, x, y)
    if type(condition) is _np.ndarray or type(found) is _Tensor:
        return found
    return found if isinstance(found, _Tensor) or _has_array((condition, x, y)) else found.tolist()


def concatenate_args(axis: int, *args: Any) -> Any:
    """Return arrays joined along an axis."""
    return _cnp.concatenate(args, axis)


def array_from_args(array_args: Any, array_kwargs: Any, *args: Any) -> Any:
    """Return values as one array."""
    return _cnp.array(list(args), *array_args, **array_kwargs)


def make_diagonal(D: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Return matrices with the last axis of `D` on their diagonals. Raises ValueError for other settings.

    >>> make_diagonal(_np.array([1.0, 2.0]), axis1=-1, axis2=-2)
    array([[1., 0.],
           [0., 2.]])
    """
    if (offset, axis1, axis2) != (0, -1, -2):
        raise ValueError("make_diagonal: expected offset=0, axis1=-1, axis2=-2, as in autograd")
    return D[..., None] * _np.eye(D.shape[-1])


def metadata(A: Any) -> tuple[Any, ...]:
    """Return shape, number of axes, dtype, and whether the numbers are complex."""
    value = _value_of(A) if _holds_tensor(A) else A
    return _np.shape(value), _np.ndim(value), _np.result_type(value), _np.iscomplexobj(value)


class _OfValue(type):
    """The class of `int64` and the like: they are NumPy's, and convert a traced value without its gradient."""

    def __call__(cls, value: Any = 0) -> Any:
        return cls.__mro__[1](_value_of(value) if isinstance(value, _Tensor) else value)

    def __instancecheck__(cls, x: Any) -> bool:
        return isinstance(x, cls.__mro__[1])


@_cache
def _integer(plain: type) -> Any:
    return _OfValue(plain.__name__, (plain,), {"__doc__": plain.__doc__})


_JOINS = frozenset({"concatenate", "stack", "vstack", "hstack", "dstack", "column_stack", "row_stack"})


@_cache
def _joining(name: str) -> Any:
    """Return a function that joins any iterable of arrays, such as `params.values()`, where NumPy takes sequences only.

    >>> _joining("stack")({"a": 1.0, "b": 2.0}.values())
    array([1., 2.])
    """
    join = getattr(_cnp, name)

    @_wraps(join)
    def of_iterable(arrays: Any, *args: Any, **settings: Any) -> Any:
        if type(arrays) is not list and type(arrays) is not tuple and not isinstance(arrays, _np.ndarray | _Tensor):
            arrays = list(arrays)
        return join(arrays, *args, **settings)

    of_iterable.__module__, of_iterable.__name__, of_iterable.__qualname__ = __name__, name, name
    return of_iterable


def __getattr__(name: str) -> Any:
    if name in _JOINS:
        return _joining(name)
    found = getattr(_cnp, name)
    return _integer(found) if isinstance(found, type) and found in _INTEGERS else found
