"""Mixed dtypes: a rule computes in the dtype of the result, whatever the dtypes of the other arguments.

NumPy promotes operands when it applies a function, so `x / b` is float64 if `x` is float64 and `b` float32. A rule that
gets only `b` would compute `1 / b` in float32, and round a float64 gradient to seven digits. So the arguments of a rule
are widened first: the values are the same, and the arithmetic is that of the result.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

Rule = Callable[..., Any]


def widened(values: tuple[Any, ...], dtype: Any) -> tuple[Any, ...]:
    """Return `values` with each narrower floating-point array in the precision of `dtype`; the same tuple if there is
    none. Real values stay real, and complex ones complex.

    A Python number has no dtype (None) and adopts that of the others.
    """
    if dtype is None:
        return values
    for x in values:
        if x is not None and getattr(x, "dtype", dtype) is not dtype:
            return tuple(_wide(x, dtype) for x in values)
    return values


def _wide(x: Any, dtype: Any) -> Any:
    own = getattr(x, "dtype", None)
    if own is None or own.kind not in "fc" or _precision(own) >= _precision(dtype):
        return x
    return x.astype(f"{own.kind}{_precision(dtype) * (2 if own.kind == 'c' else 1)}")


def _precision(dtype: Any) -> int:
    """Return the size in bytes of the real numbers in a dtype."""
    return int(dtype.itemsize // 2 if dtype.kind == "c" else dtype.itemsize)


def dtype_of(y: Any) -> Any:
    """Return the dtype that a rule computes in: of an output or cotangent, or the widest of several."""
    if isinstance(y, tuple | list):
        return np.result_type(*(part.dtype for part in y))
    return getattr(y, "dtype", None)


def in_one_dtype(apply: Rule) -> Rule:
    """Return `apply` with its operands promoted beforehand rather than along the way.

    A fused operation may compute something from one argument alone, such as a mean, that is part of the result as well.
    """

    def promoted(*args: Any, **settings: Any) -> Any:
        found = None
        for x in args:
            own = getattr(x, "dtype", None)
            if own is not None and own is not found and own.kind == "f":
                if found is not None:
                    return apply(*widened(args, np.result_type(*_floating(args))), **settings)
                found = own
        return apply(*args, **settings)

    return promoted


def _floating(args: tuple[Any, ...]) -> list[Any]:
    dtypes = (getattr(x, "dtype", None) for x in args)
    return [dtype for dtype in dtypes if dtype is not None and dtype.kind == "f"]
