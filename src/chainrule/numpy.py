"""NumPy's names, differentiable.

`np.exp(x)` of a tensor already is chainrule's `exp`: NumPy hands it over. This module has the same functions under
NumPy's names, for code that imports `chainrule.numpy as np`, and `array`, which NumPy cannot hand over because the
tensors stand inside a list. Without a tensor among its arguments each of them is NumPy's own, complex numbers, dates
and errors included. It adds `logsumexp`, `gather` (another name of `take_along_axis`) and `row_stack` (NumPy's old name
of `vstack`). Constants and dtypes are NumPy's own, and so are functions that make arrays of numbers
(`zeros`, `linspace`); everything else that has no derivative here is refused by name.

>>> import chainrule as cr
>>> import chainrule.numpy as cnp
>>> float(cr.grad(lambda x: cnp.sum(cnp.array([x, x * x])))(3.0))
7.0
"""

import functools as _functools
from collections.abc import Callable as _Callable
from typing import Any

import numpy as _np

from chainrule import rules as _rules
from chainrule.core.operands.protocols import functions as _functions
from chainrule.core.operands.protocols import ufuncs as _ufuncs
from chainrule.core.tensor import Tensor as _Tensor
from chainrule.core.tree import flatten as _flatten
from chainrule.rules.arrays.concatenator import c_, r_
from chainrule.rules.arrays.gather import take_along_axis as gather
from chainrule.rules.arrays.join import nested as _nested
from chainrule.rules.arrays.join import row_stack as _row_stack
from chainrule.rules.network.softmax import logsumexp

__all__ = ["array", "asarray", "c_", "gather", "logsumexp", "r_", "row_stack"]

_MAKERS = frozenset(
    [
        *("arange", "asarray_chkfinite", "empty", "empty_like", "eye", "fromfunction", "full", "full_like"),
        *("geomspace", "identity", "indices", "linspace", "logspace", "mgrid", "ogrid", "ones", "ones_like", "tri"),
        *("vander", "zeros", "zeros_like", "isscalar", "shape", "ndim", "size", "result_type", "finfo", "iinfo"),
        *("errstate", "issubdtype", "can_cast", "promote_types", "allclose", "isclose", "array_equal"),
        *("broadcast_shapes", "newaxis"),
    ]
)


def _holds_tensor(tree: Any) -> bool:
    """Whether a tensor is among nested arguments."""
    if isinstance(tree, _Tensor):
        return True
    if isinstance(tree, tuple | list):
        return any(map(_holds_tensor, tree))
    if isinstance(tree, dict):
        return any(map(_holds_tensor, tree.values()))
    return not isinstance(tree, _PLAIN) and any(isinstance(x, _Tensor) for x in _flatten(tree)[0])


_PLAIN = (_np.ndarray, _np.generic, int, float, complex, str, type(None), type, _np.dtype)


class _Function:
    """A function of NumPy: chainrule's where a tensor is among the arguments, and else NumPy's own."""

    def __init__(self, ours: _Callable[..., Any], plain: _Callable[..., Any]) -> None:
        _functools.update_wrapper(self, ours)
        self.__name__ = self.__qualname__ = plain.__name__
        self._ours, self._plain = ours, plain

    def __call__(self, *args: Any, **settings: Any) -> Any:
        return (self._ours if _holds_tensor((args, settings)) else self._plain)(*args, **settings)

    def __getattr__(self, name: str) -> Any:
        """Look up the other attributes of a universal function, such as `reduce`."""
        return getattr(self.__dict__["_plain"], name)

    def __reduce__(self) -> Any:
        return __getattr__, (self.__name__,)

    def __repr__(self) -> str:
        return f"<function chainrule.numpy.{self.__name__}>"


def array(object: Any, dtype: Any = None, **settings: Any) -> Any:
    """Return nested lists of numbers, arrays and tensors as one array; a tensor where one is among them.

    `settings` are NumPy's (`copy`, `order`, `ndmin`, …), for plain data; with a tensor they are a TypeError.

    >>> array([[1.0, 2.0], [3.0, 4.0]])
    array([[1., 2.],
           [3., 4.]])
    """
    return _made("array", _np.array, object, dtype, settings)


def asarray(a: Any, dtype: Any = None, order: Any = None, **settings: Any) -> Any:
    """Return `array(a)`, without a copy where it is one already."""
    return _made("asarray", _np.asarray, a, dtype, settings if order is None else {"order": order, **settings})


def _made(name: str, make: _Callable[..., Any], values: Any, dtype: Any, settings: dict[str, Any]) -> Any:
    if not _holds_tensor(values):
        return make(values, dtype=dtype, **settings)
    if settings:
        raise TypeError(f"{name}: {next(iter(settings))}= is not supported on tensors; leave it out")
    found = _nested(values)
    return found if dtype is None else found.astype(dtype)


def __getattr__(name: str) -> Any:
    """Look a name up as `numpy` would."""
    found = getattr(_np, name)
    if name.startswith("_") or isinstance(found, type | _np.dtype) or not callable(found) or name in _MAKERS:
        return found
    table = _ufuncs if isinstance(found, _np.ufunc) else _functions
    if found in table:
        return _wrapped(found, table[found])
    raise AttributeError(
        f"chainrule.numpy has no {name!r}: chainrule has no derivative for it; use numpy.{name} on plain arrays"
    )


row_stack = _Function(_row_stack, _np.vstack)


@_functools.cache
def _wrapped(plain: _Callable[..., Any], ours: _Callable[..., Any]) -> _Function:
    return _Function(ours, plain)


def __dir__() -> list[str]:
    found = {**_ufuncs, **_functions}
    names = [name for name in dir(_np) if not name.startswith("_") and _known(getattr(_np, name, None), found)]
    return sorted({*__all__, *names, *_MAKERS})


def _known(function: Any, table: dict[Any, Any]) -> bool:
    return isinstance(function, _np.ufunc | type(_np.sum) | type(_np.shape)) and function in table


del _rules
