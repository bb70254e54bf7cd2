"""The same elements in another memory layout, which a write must preserve.

Whether `x.reshape(shape)` is a view or a copy depends on the memory layout of `x`. NumPy's writes do not change it, so
a new value that replaces an old one gets the same layout.
"""

import math
from typing import Any

import numpy as np

from chainrule.core.facts import Complex
from chainrule.core.kinds import Linear
from chainrule.core.memory.alias import innermost
from chainrule.core.operation import Array, case
from chainrule.core.tensor import Tensor
from chainrule.core.traces.capturing import example
from chainrule.core.transforms.batch import Done, Mine, Settings, Values, lifted
from chainrule.core.transforms.mapped import is_mapped

LARGEST_GAP = 8
"""An array's layout is copied, gaps included, if it spans at most this many times its elements' memory."""


class Laid(Linear):
    r"""y = x

    Repeated to a shape, rounded to a dtype, with the elements of the array `strides` bytes apart.
    """

    on_complex = Complex.HOLOMORPHIC
    cases = (
        case((2, 3), shape=(2, 3), dtype=np.float64, strides=(8, 16)),
        case((3,), shape=(2, 3), dtype=np.float64, strides=(48, 16)),
        case((3,), shape=(3,), dtype=np.float64, strides=(-8,)),
        case((), shape=(), dtype=np.float64, strides=()),
        case((0, 2), shape=(0, 2), dtype=np.float64, strides=(8, 8)),
    )

    @staticmethod
    def primal(x: Array, *, shape: tuple[int, ...] = (), dtype: Any = np.float64, strides: Any = ()) -> Array:
        y = blank(shape, np.dtype(dtype), strides)
        y[...] = x
        return y

    @staticmethod
    def adjoint(y_bar: Array) -> Array:
        r"""\bar x = \bar y"""
        return y_bar

    @staticmethod
    def stacked(values: Values, mine: Mine, settings: Settings) -> Done:  # noqa: ARG004
        shape = settings["shape"]
        x: Array = np.broadcast_to(lifted(values[0], len(shape)), (values[0].shape[0], *shape))
        return Done(np.array(x, settings["dtype"]) if not isinstance(x, Tensor) else x.astype(settings["dtype"]))


def blank(shape: tuple[int, ...], dtype: Any, strides: tuple[int, ...]) -> Array:
    """Return an uninitialised array of a shape and dtype with these strides."""
    ends = [(n - 1) * stride for n, stride in zip(shape, strides, strict=True)]
    first = -sum(min(end, 0) for end in ends)
    span = first + sum(max(end, 0) for end in ends) + dtype.itemsize
    size = math.prod(shape) * dtype.itemsize
    if not size or 0 in strides or span > LARGEST_GAP * size:
        return np.empty(shape, dtype)
    return np.ndarray(shape, dtype, np.empty(span, np.uint8), first, strides)


def in_layout(x: Array) -> Array:
    """Return a copy of a plain array with the same strides."""
    y = np.array(x, order="C" if 0 in x.strides else "K")
    if y.strides == x.strides or y.size < 2 or 0 in x.strides:
        return y
    y = blank(x.shape, x.dtype, x.strides)
    y[...] = x
    return y


def laid_as(new: Array, x: Array) -> Array:
    """Return a tensor with the same axis order in memory as `x`, of the same shape."""
    if not isinstance(new, Tensor) or new.ndim < 2 or np.shape(x) != new.shape or is_mapped(new):
        return new
    return relaid_to(new, np.empty_like(example(x), new.dtype))


def relaid(new: Tensor, old: Tensor) -> Tensor:
    """Return `new` with the shape, dtype and memory layout of `old`; `new` itself if it already has them.

    The rows of a `vmap` have no memory of their own, and so no layout.
    """
    if is_mapped(new) or is_mapped(old):
        y = new if new.shape == old.shape else np.broadcast_to(new, old.shape)
        return y if y.dtype == old.dtype else y.astype(old.dtype)  # type: ignore[return-value]
    return relaid_to(new, innermost(old))


def relaid_to(new: Tensor, was: Any) -> Tensor:
    """Return `new` with the shape, the dtype and the memory layout of a plain array."""
    array = innermost(new)
    if new.shape == was.shape and new.dtype == was.dtype:
        same_kind = isinstance(array, np.ndarray) or not isinstance(was, np.ndarray)
        if same_kind and (array.strides == was.strides or array.size < 2):
            return new
    laid: Tensor = Laid.apply(new, shape=was.shape, dtype=was.dtype, strides=was.strides)
    return laid
