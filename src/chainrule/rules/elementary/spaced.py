"""Arithmetic and geometric sequences between two ends, which may be tensors."""

from typing import Any

import numpy as np

from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array
from chainrule.core.traces.capturing import example, plain
from chainrule.rules.arrays.index import At
from chainrule.rules.arrays.layout import Laid
from chainrule.rules.arrays.questions import boxed_beside
from chainrule.rules.arrays.reduce import arrayed
from chainrule.rules.arrays.shape import astype, broadcast_to, moveaxis


@implements(np.linspace)
def linspace(
    start: Array,
    stop: Array,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,  # noqa: ARG001
) -> Any:
    """Return `num` evenly spaced numbers from `start` to `stop`, along a new `axis`; both ends may be arrays.

    Without `endpoint`, `stop` is left out; with `retstep`, the spacing is returned too. `device` is NumPy's.

    >>> from chainrule.core.transforms.derivatives import grad
    >>> float(grad(lambda stop: linspace(0.0, stop, 5).sum())(1.0))
    2.5
    """
    start, stop = _ends(start, stop)
    gaps = num - 1 if endpoint else num
    whole = stop - start
    step = whole / gaps if gaps > 0 else whole * np.nan
    k = np.arange(num, dtype=whole.dtype).reshape((num,) + (1,) * whole.ndim)
    y = start + k * (step if gaps > 0 else whole)
    if endpoint and num > 1:
        y = At(y)[-1].set(broadcast_to(stop, y.shape[1:]))
    y = moveaxis(y, 0, axis) if axis else y
    y = y if dtype is None else astype(y, dtype)
    return (y, step) if retstep else y


def _ends(start: Array, stop: Array) -> tuple[Array, Array]:
    """Return both ends as arrays of one floating dtype; a Python number takes that of the other."""
    dtype = np.result_type(*(x if type(x) in (int, float) else arrayed(x).dtype for x in (start, stop)))
    dtype = dtype if dtype.kind == "f" else np.dtype(np.float64)
    first, last = (x if x.dtype == dtype else x.astype(dtype) for x in map(arrayed, (start, stop)))
    return first, last


@implements(np.logspace)
def logspace(
    start: Array,
    stop: Array,
    num: int = 50,
    endpoint: bool = True,
    base: Array = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Array:
    """Return `base ** linspace(start, stop, num)`; the base is differentiable too.

    >>> logspace(0.0, 2.0, 3)
    array([  1.,  10., 100.])
    """
    start, stop = _ends(start, stop)
    if np.ndim(base):
        base = arrayed(base)
        shape = np.broadcast_shapes(start.shape, stop.shape, base.shape)
        start, stop = broadcast_to(start, shape), broadcast_to(stop, shape)
        base = base.reshape((1,) * (len(shape) - base.ndim) + base.shape)
    y = np.power(base, linspace(start, stop, num, endpoint))
    y = moveaxis(y, 0, axis) if axis else y
    return y if dtype is None else astype(y, dtype)


@implements(np.geomspace)
def geomspace(
    start: Array, stop: Array, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Array:
    """Return `num` numbers from `start` to `stop` in geometric progression.

    Raises ValueError if an end is zero or the signs differ.

    >>> geomspace(1.0, 8.0, 4)
    array([1., 2., 4., 8.])
    """
    start, stop = _ends(start, stop)

    def common(start: Array, stop: Array) -> Array:
        sign = np.sign(start)
        if np.any(sign * np.sign(stop) <= 0):
            raise ValueError("geomspace: expected ends that are not zero and have one sign; -8 and 8 have no ratio")
        return sign

    sign = plain(common, start, stop)
    y = sign * logspace(np.log10(sign * start), np.log10(sign * stop), num, endpoint)
    # The exact ends, without rounding error.
    if num:
        y = At(y)[0].set(broadcast_to(start, y.shape[1:]))
    if num > 1 and endpoint:
        y = At(y)[-1].set(broadcast_to(stop, y.shape[1:]))
    y = moveaxis(y, 0, axis) if axis else y
    return y if dtype is None else astype(y, dtype)


@implements(np.full_like)
def full_like(a: Array, fill_value: Array, dtype: Any = None, **settings: Any) -> Array:
    """Return an array like `a` filled with `fill_value`, which is differentiable.

    >>> full_like(np.zeros(2), 3.0)
    array([3., 3.])
    """
    like = np.empty_like(example(a), dtype, **settings)
    value = astype(arrayed(fill_value), like.dtype)
    return boxed_beside(a, Laid.apply(value, shape=like.shape, dtype=like.dtype, strides=like.strides))
