"""NumPy's names, differentiable.

`np.exp(x)` of a tensor already is chainrule's `exp`: NumPy hands it over. This module has the same functions under
NumPy's names, for code that imports `chainrule.numpy as np`, and `array`, which NumPy cannot hand over because the
tensors stand inside a list. It adds `logsumexp`, `gather` (another name of `take_along_axis`) and `row_stack` (NumPy's
old name of `vstack`). Constants and dtypes are NumPy's own, and so are functions that make arrays of numbers
(`zeros`, `linspace`); everything else that has no derivative here is refused by name.

>>> import chainrule as cr
>>> import chainrule.numpy as cnp
>>> float(cr.grad(lambda x: cnp.sum(cnp.array([x, x * x])))(3.0))
7.0
"""

from typing import Any

import numpy as _np

from chainrule import rules as _rules
from chainrule.core.protocols import functions as _functions
from chainrule.core.protocols import ufuncs as _ufuncs
from chainrule.core.tensor import Tensor as _Tensor
from chainrule.core.tensor import value_of as _value_of
from chainrule.core.tree import flatten as _flatten
from chainrule.rules.concatenator import c_, r_
from chainrule.rules.gather import take_along_axis as gather
from chainrule.rules.join import row_stack
from chainrule.rules.softmax import logsumexp

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


def array(values: Any, dtype: Any = None) -> Any:
    """Return nested lists of numbers, arrays and tensors as one array; a tensor where one is among them.

    >>> array([[1.0, 2.0], [3.0, 4.0]])
    array([[1., 2.],
           [3., 4.]])
    """
    if isinstance(values, _Tensor):
        return values if dtype is None else values.astype(dtype)
    if not isinstance(values, list | tuple) or not any(isinstance(x, _Tensor) for x in _flatten(values)[0]):
        return _np.array(values, dtype=dtype)
    stacked = _functions[_np.stack]([array(value) for value in values])
    return stacked if dtype is None else stacked.astype(dtype)


def asarray(values: Any, dtype: Any = None) -> Any:
    """Return `array(values)`, without a copy where it is one already."""
    plain = not isinstance(_value_of(values), list | tuple) and not isinstance(values, _Tensor)
    return _np.asarray(values, dtype=dtype) if plain else array(values, dtype)


def __getattr__(name: str) -> Any:
    """Look a name up as `numpy` would."""
    found = getattr(_np, name)
    if name.startswith("_") or isinstance(found, type | _np.dtype) or not callable(found) or name in _MAKERS:
        return found
    table = _ufuncs if isinstance(found, _np.ufunc) else _functions
    if found in table:
        return table[found]
    raise AttributeError(
        f"chainrule.numpy has no {name!r}: chainrule has no derivative for it; use numpy.{name} on plain arrays"
    )


def __dir__() -> list[str]:
    names = [f.__name__ for f in (*_ufuncs, *_functions) if not isinstance(f, tuple)]
    return sorted({*__all__, *names, *_MAKERS})


del _rules
