"""Sorting and searching."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.facts import Complex
from chainrule.core.kinds import Constant
from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array, case
from chainrule.core.tensor import value_of
from chainrule.core.traces.capturing import plain
from chainrule.core.transforms.batch import Call, Mine, Settings, Values, along_axis

from .gather import take_along_axis
from .layout import laid_as
from .shape import astype, axis_of, ravel, shaped


class Argsort(Constant):
    r"""y = \operatorname{argsort}(x)"""

    on_complex = Complex.HOLOMORPHIC
    cases = (case((3, 4)), case((3, 4), axis=0), case((3, 4), axis=None), case((0, 2)), case((4,), kind="stable"))
    stacked = staticmethod(along_axis)

    @staticmethod
    def primal(x: Array, *, axis: int | None = -1, kind: Any = None) -> Array:
        return np.argsort(x, axis=axis, kind=kind)


class Argpartition(Constant):
    r"""y = \operatorname{argpartition}(x, \mathrm{kth})"""

    on_complex = Complex.HOLOMORPHIC
    cases = (case((3, 4), kth=2), case((3, 4), kth=(0, 1), axis=0), case((5,), kth=-1))
    stacked = staticmethod(along_axis)

    @staticmethod
    def primal(x: Array, *, kth: int | Sequence[int] = 0, axis: int | None = -1) -> Array:
        return np.argpartition(x, kth, axis=axis)


def _search_rows(values: Values, mine: Mine, settings: Settings) -> Call | None:
    """Look up a stack in one sorted array."""
    return None if mine[0] else (values, settings)


class Searchsorted(Constant):
    r"""y = \operatorname{searchsorted}(a, v)

    Where each v would be inserted to keep a in order.
    """

    on_complex = Complex.HOLOMORPHIC
    cases = (
        case(np.array([-1.0, 0.0, 0.5, 2.0]), (2, 3)),
        case(np.array([-1.0, 0.0, 0.5, 2.0]), (), side="right"),
        case(np.array([2.0, -1.0, 0.0]), (3,), sorter=np.array([1, 2, 0])),
    )
    stacked = staticmethod(_search_rows)

    @staticmethod
    def primal(a: Array, v: Array, *, side: Any = "left", sorter: Array | None = None) -> Array:
        return np.searchsorted(a, v, side=side, sorter=sorter)


@implements(np.argsort)
def argsort(x: Array, axis: int | None = -1, kind: Any = None, *, stable: bool | None = None) -> Array:
    """Return the indices that sort `x` along `axis`, which are constant in every derivative."""
    return Argsort.apply(x, axis=axis, kind="stable" if stable else kind)


@implements(np.argpartition)
def argpartition(x: Array, kth: int | Sequence[int], axis: int | None = -1) -> Array:
    """Return the indices that would partition `x`."""
    return Argpartition.apply(x, kth=kth, axis=axis)


@implements(np.sort)
def sort(x: Array, axis: int | None = -1, kind: Any = None, *, stable: bool | None = None) -> Array:
    """Return `x` sorted along `axis`, or flattened and sorted with None.

    The gradient goes back to where each element came from; among equal ones, in the order of `argsort`.
    """
    return _picked(x, axis, "sort", lambda flat, along: argsort(flat, along, kind, stable=stable))


@implements(np.sort_complex)
def sort_complex(a: Array) -> Array:
    """Return `a` sorted along its last axis, by real and then by imaginary parts, as complex numbers."""
    y = sort(a)
    return y if y.dtype.kind == "c" else astype(y, np.result_type(y.dtype, np.complex64))


@implements(np.partition)
def partition(x: Array, kth: int | Sequence[int], axis: int | None = -1) -> Array:
    """Return `x` with element `kth` in its sorted position, smaller ones before it and larger ones after."""
    return _picked(x, axis, "partition", lambda flat, along: argpartition(flat, kth, along))


def _picked(x: Array, axis: int | None, function: str, order: Any) -> Array:
    x = shaped(x)
    if axis is None:
        x, axis = ravel(x), 0
    axis = axis_of(function, axis, x.ndim)
    return laid_as(take_along_axis(x, plain(lambda values: order(values, axis), x), axis), x)


@implements(np.searchsorted)
def searchsorted(a: Array, v: Array, side: str = "left", sorter: Array | None = None) -> Array:
    """Return where each `v` would be inserted to keep the vector `a` sorted: constant in every derivative."""
    return Searchsorted.apply(a, v, side=side, sorter=value_of(sorter))
