r"""The functions that formulas know by name, in plain NumPy.

`POINTWISE` functions act on each element, `WHOLE` functions on a whole array. An evaluation may supply further
functions.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Function = Callable[..., Any]

erf: Function = np.vectorize(math.erf, otypes=[float])
erfc: Function = np.vectorize(math.erfc, otypes=[float])


def as_double(x: Any) -> Array:
    """An array in double precision: of real numbers, or of complex ones."""
    array = np.asarray(x)
    return array.astype(complex if array.dtype.kind == "c" else float, copy=False)


def log_sigmoid(x: Array) -> Any:
    """The logarithm of 1 / (1 + exp(−x))."""
    return -np.logaddexp(0.0, -x)


def _sigmoid(x: Array) -> Any:
    """1 / (1 + exp(−x)), without overflow and with full relative precision on both sides."""
    return np.exp(log_sigmoid(x))


def log_of_sum(logs: Array, axis: Any, keepdims: bool) -> Any:
    """The logarithm of the sum of what has these logarithms: the largest is taken out, so that nothing overflows."""
    top = np.max(logs, axis=axis, keepdims=True, initial=-np.inf)
    shift = np.where(np.isfinite(top), top, 0.0)
    total = np.log(np.sum(np.exp(logs - shift), axis=axis, keepdims=True)) + shift
    return total if keepdims else np.squeeze(total, axis=axis)


def _normal_cdf(x: Array) -> Any:
    return 0.5 * erfc(-x / math.sqrt(2.0))


def _normal_pdf(x: Array) -> Any:
    return np.exp(-0.5 * x**2) / math.sqrt(2.0 * math.pi)


def _logsumexp(x: Array) -> Any:
    """Over the last axis, which is kept with length 1."""
    return np.logaddexp.reduce(x, axis=-1, keepdims=True)


def log_softmax(x: Array) -> Any:
    """The logarithm of softmax, over the last axis."""
    return x - _logsumexp(x)


def _softmax(x: Array) -> Any:
    return np.exp(log_softmax(x))


def _diag(x: Array) -> Any:
    """The diagonal matrix of a vector; the diagonal of a matrix or of a stack of matrices."""
    return np.diag(x) if x.ndim == 1 else np.diagonal(x, axis1=-2, axis2=-1)


def _trace(x: Array) -> Any:
    return np.trace(x, axis1=-2, axis2=-1)


def _rowsum(x: Array) -> Any:
    return np.sum(x, axis=-1, keepdims=True)


def _maximum(*x: Array) -> Any:
    return functools.reduce(np.maximum, x)


def _minimum(*x: Array) -> Any:
    return functools.reduce(np.minimum, x)


POINTWISE: dict[str, Function] = {
    **{"exp": np.exp, "log": np.log, "ln": np.log, "expm1": np.expm1, "log1p": np.log1p, "sqrt": np.sqrt},
    **{"sin": np.sin, "cos": np.cos, "tan": np.tan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh},
    **{"arcsin": np.arcsin, "arccos": np.arccos, "arctan": np.arctan, "arctan2": np.arctan2},
    **{"arcsinh": np.arcsinh, "arccosh": np.arccosh, "arctanh": np.arctanh},
    **{"sign": np.sign, "sgn": np.sign, "abs": np.abs, "floor": np.floor, "ceil": np.ceil, "round": np.round},
    **{"erf": erf, "erfc": erfc, "Phi": _normal_cdf, "phi": _normal_pdf},
    **{"sigma": _sigmoid, "sigmoid": _sigmoid, "softplus": lambda x: np.logaddexp(0.0, x)},
    **{"relu": lambda x: np.maximum(x, 0.0), "ReLU": lambda x: np.maximum(x, 0.0)},
    **{"max": _maximum, "min": _minimum, "clip": np.clip},
}
WHOLE: dict[str, Function] = {
    **{"softmax": _softmax, "logsumexp": _logsumexp, "rowsum": _rowsum},
    **{"tr": _trace, "det": np.linalg.det, "diag": _diag},
}
ARITY = {"arctan2": 2, "clip": 3}
"""The number of arguments of functions that do not take one; `max` and `min` take any number."""

REDUCTIONS: dict[str, Function] = {
    **{"sum": np.sum, "prod": np.prod, "max": np.max, "min": np.min, "mean": np.mean, "var": np.var},
    "norm1": lambda x, axis, keepdims: np.sum(np.abs(x), axis=axis, keepdims=keepdims),
    "norm2": lambda x, axis, keepdims: np.sqrt(np.sum(x**2, axis=axis, keepdims=keepdims)),
    "norminf": lambda x, axis, keepdims: np.max(np.abs(x), axis=axis, keepdims=keepdims),
}
IN_LOGARITHMS: dict[Function, Function] = {np.add: np.logaddexp, np.multiply: np.add, np.divide: np.subtract}
"""What becomes of positive numbers' sums, products and quotients when the numbers are given by their logarithms."""
NEUTRAL = {"sum": 0.0, "prod": 1.0, "max": -math.inf, "min": math.inf}
"""The value of a term that a condition excludes."""
