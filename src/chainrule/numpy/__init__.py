"""NumPy's names, differentiable.

`np.exp(x)` of a tensor already is chainrule's `exp`: NumPy hands it over. This module has the same functions under
NumPy's names, for code that imports `chainrule.numpy as np`. What NumPy cannot hand over works here as well: lists that
hold tensors (`array([x, y])`, `mean([x, y])`), and, inside a transform, writing traced values to an array that was made
with `zeros`, `empty`, `full` and the like.

Without a tensor among its arguments each function is NumPy's own, complex numbers, dates and errors included. The
module adds `logsumexp`, `gather` (another name of `take_along_axis`) and `row_stack` (NumPy's old name of `vstack`).
Constants, dtypes and classes are NumPy's own. A function without a derivative is NumPy's on plain arrays, and with a
tensor an error that names it.

>>> import chainrule as cr
>>> import chainrule.numpy as cnp
>>> float(cr.grad(lambda x: cnp.sum(cnp.array([x, x * x])))(3.0))
7.0
"""

from types import ModuleType as _ModuleType
from typing import Any

import numpy as _np

from chainrule.base.lacking import lacks as _lacks
from chainrule.rules.arrays.concatenator import c_, r_
from chainrule.rules.arrays.gather import take_along_axis as gather
from chainrule.rules.arrays.join import row_stack as _row_stack
from chainrule.rules.network.softmax import logsumexp

from . import fft, lib, linalg
from .making import MAKERS as _MAKERS
from .making import array, asanyarray, asarray, ascontiguousarray, asfortranarray, fromiter, require
from .vectorized import ndenumerate, vectorize
from .wrapping import Function as _Function
from .wrapping import wrapped as _wrapped

__all__ = [
    "array",
    "asanyarray",
    "asarray",
    "ascontiguousarray",
    "asfortranarray",
    "c_",
    "fft",
    "fromiter",
    "gather",
    "lib",
    "linalg",
    "logsumexp",
    "ndenumerate",
    "r_",
    "require",
    "row_stack",
    "vectorize",
]

row_stack = _Function(__name__, _row_stack, _np.vstack)

_PLAIN = frozenset(
    [
        *("fromfunction", "indices", "mgrid", "ogrid", "errstate", "isscalar", "finfo", "iinfo", "issubdtype"),
        *("can_cast", "promote_types", "broadcast_shapes", "newaxis", "printoptions"),
    ]
)
"""Functions that take no arrays, or every value as it is."""


_found: dict[str, Any] = {}
"""What has been looked up. It is kept apart, as what goes through a module (doctest) takes all in it as its own."""


def __getattr__(name: str) -> Any:
    """Look a name up as `numpy` would."""
    if name.startswith("_"):
        return getattr(_np, name)
    if name not in _found:
        _found[name] = _MAKERS[name] if name in _MAKERS else _looked_up(name)
    return _found[name]


def _looked_up(name: str) -> Any:
    if not hasattr(_np, name):
        raise AttributeError(_lacks("numpy", name, dir(_np)))
    found = getattr(_np, name)
    is_plain = isinstance(found, type | _np.dtype | _ModuleType) or not callable(found) or name in _PLAIN
    return found if is_plain else _wrapped(__name__, found)


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in dir(_np) if not name.startswith("_"))})
