"""Indexing: `x[i]`, its adjoint, and updates of elements that leave the old array unchanged."""

import math
from typing import Any

import numpy as np

from chainrule.core.facts import Complex, Moves
from chainrule.core.inplace import Target, viewed
from chainrule.core.kinds import Linear
from chainrule.core.memory.alias import View, alias_of, innermost
from chainrule.core.operation import Array, case
from chainrule.core.tensor import Tensor, value_of
from chainrule.core.traces.capturing import (
    captured_in,
    example,
    is_captured,
    picked_from,
    plain,
    refuse,
    replaced,
    running,
)
from chainrule.core.transforms.batch import Call, Done, Mine, Settings, Values, everywhere, lifted
from chainrule.core.transforms.mapped import constant_like, is_mapped
from chainrule.kernels.suitable import LARGE, suitable
from chainrule.rules.elementary.selection import where

from .layout import Laid, in_layout, relaid
from .row_index import add_rows, row_part, set_rows, take_rows
from .shape import shaped

ROWS = np.array([2, 0, 2])
COLUMNS = np.array([[1], [-1]])
MASK = np.array([[True, False, True], [False, False, True]])
EVERYTHING = slice(None)

BASIC = (int, slice, np.integer, type(None), type(Ellipsis))
"""The parts of an index for which NumPy returns a view."""
PLAIN_PARTS = frozenset((int, slice))
"""The types of most of them."""


class DiagonalIndex(tuple[Any, ...]):
    """The index of a diagonal of the last two axes, by rows and columns: its result is a view, as in NumPy."""

    def of(self, x: Array) -> Array:
        """Return the diagonal of a plain array."""
        rows, columns = self[-2:]
        n = len(rows)
        if not n or not isinstance(x, np.ndarray):
            return x[tuple(self)]
        first, second = int(rows[0]), int(columns[0])
        return np.einsum("...ii->...i", x[..., first : first + n, second : second + n])


class GetItem(Linear):
    r"""y = x[\mathrm{index}]

    `unique` promises that no element is taken twice, so the adjoint may write instead of add.
    """

    on_complex = Complex.HOLOMORPHIC
    name = "getitem"
    moves = Moves.PICKED
    picks = True
    symbol = "x[ ]"
    letters = {"x": "E", "y": "s"}
    cases = (
        case((4, 3), index=(slice(1, None, 2), None, -1), unique=True),
        case((4, 3), index=(slice(None, None, -1),), unique=True),
        case((3, 2), index=(ROWS,)),
        case((3, 4), index=(ROWS, COLUMNS)),
        case((2, 3, 2), index=(MASK,)),
        case((3, 2, 3), index=(ROWS, EVERYTHING, COLUMNS)),
        case((0, 3), index=(..., 1), unique=True),
        case((), index=(None,), unique=True),
    )

    @staticmethod
    def of_rows(x: Array, *, index: Any, unique: bool) -> Array:  # noqa: ARG004
        return getitem(x, index)

    @staticmethod
    def primal(x: Array, *, index: Any = (), unique: bool = False) -> Array:  # noqa: ARG004
        return index.of(x) if type(index) is DiagonalIndex else x[index]

    @staticmethod
    def adjoint(y_bar: Array, x_shape: tuple[int, ...], *, index: Any, unique: bool) -> Array:
        r"""\bar x = \operatorname{scatter}(\bar y, \mathrm{index}, \operatorname{shape}(x))"""
        return Scatter.apply(y_bar, shape=x_shape, index=index, unique=unique)

    @staticmethod
    def written(x: Array, y: Array, *, index: Any, unique: bool) -> Array:  # noqa: ARG004
        return IndexSet.apply(x, y, index=index)

    @staticmethod
    def stacked(values: Values, mine: Mine, settings: Settings) -> Call | Done:  # noqa: ARG004
        index = settings["index"]
        if type(index) is DiagonalIndex:
            return values, settings
        settings, many = {**settings, "index": (EVERYTHING, *index)}, _separated(index)
        return (values, settings) if not many else Done(np.moveaxis(GetItem.apply(*values, **settings), many, 0))


class Scatter(Linear):
    r"""y = \operatorname{scatter}(x, \mathrm{index}, \mathrm{shape})

    Zeros of a shape, with x added at an index; elements that occur twice in the index receive two terms.
    """

    on_complex = Complex.HOLOMORPHIC
    cases = (
        case((2,), shape=(4, 3), index=(slice(1, None, 2), -1), unique=True),
        case((3, 2), shape=(3, 2), index=(ROWS,)),
        case((2, 3), shape=(3, 4), index=(ROWS, COLUMNS)),
        case((3,), shape=(3,), index=(ROWS,)),
        case((), shape=(2,), index=(0,), unique=True),
    )

    @staticmethod
    def of_rows(x: Array, *, shape: tuple[int, ...], index: Any, unique: bool) -> Array:  # noqa: ARG004
        return Place(np.zeros(shape, x.dtype), index).add(x)

    @staticmethod
    def primal(x: Array, *, shape: tuple[int, ...] = (), index: Any = (), unique: bool = False) -> Array:
        if unique:
            y = np.zeros(shape, x.dtype)
            y[index] = x
            return y
        return accumulated(x, shape, index)

    @staticmethod
    def adjoint(y_bar: Array, *, index: Any, unique: bool) -> Array:
        r"""\bar x = \bar y[\mathrm{index}]"""
        return GetItem.apply(y_bar, index=index, unique=unique)

    @staticmethod
    def touches(args: Any, moving: Any, settings: Settings) -> Any:  # noqa: ARG004
        return [(places(settings["shape"], settings["index"]).ravel(), np.arange(math.prod(args[0].shape)))]

    @staticmethod
    def stacked(values: Values, mine: Mine, settings: Settings) -> Call:  # noqa: ARG004
        index, x = settings["index"], values[0]
        shape = (x.shape[0], *settings["shape"])
        if type(index) is DiagonalIndex:
            return values, {**settings, "shape": shape}
        x = np.moveaxis(x, 0, _separated(index)) if _separated(index) else x
        return [x], {**settings, "index": (EVERYTHING, *index), "shape": shape}


def _separated(index: tuple[Any, ...]) -> int:
    """Return how many axes of the result NumPy moves to the front, before the leading axis of a stack.

    These are the axes of index arrays with something else between them; 0 if all is in the order of the index.
    """
    places = [k for k, part in enumerate(index) if not isinstance(part, slice | type(None) | type(Ellipsis))]
    arrays = [index[k] for k in places]
    if all(isinstance(part, BASIC) for part in arrays) or places == list(range(places[0], places[-1] + 1)):
        return 0
    return max(1 if getattr(part, "dtype", None) == np.bool_ else np.ndim(part) for part in arrays)


def _into_stacks(values: Values, mine: Mine, settings: Settings) -> Call:
    """Write each row's value into its own array."""
    index = settings["index"]
    x, v = everywhere(values, mine)
    if type(index) is DiagonalIndex:
        index = tuple(index)
    taken = np.broadcast_to(0.0, x.shape[1:])[replaced(index, example)].ndim
    extra = v.ndim - 1 - taken
    if extra > 0:  # axes of length 1
        v = v.reshape((v.shape[0], *v.shape[1 + extra :]))
    v = lifted(v, taken)
    v = np.moveaxis(v, 0, _separated(index)) if _separated(index) else v
    return [x, v], {**settings, "index": (EVERYTHING, *index)}


class IndexSet(Linear):
    r"""y = \operatorname{set}(x, \mathrm{index}, v)

    A copy of x with v at an index. If an element occurs twice in the index, the later value wins.
    """

    on_complex = Complex.HOLOMORPHIC
    stacked = staticmethod(_into_stacks)
    cases = (
        case((4, 3), (2, 3), index=(slice(0, None, 2),)),
        case((4, 3), (), index=(..., 1)),
        case((3, 2), (3, 2), index=(ROWS,)),
        case((2, 3), (3,), index=(MASK,)),
        case((0,), (0,), index=(...,)),
    )

    @staticmethod
    def of_rows(x: Array, v: Array, *, index: Any) -> Array:
        return Place(x, index).set(v)

    @staticmethod
    def primal(x: Array, v: Array, *, index: Any = ()) -> Array:
        y = _copy_for(x, v)
        y[index] = v
        return y

    @staticmethod
    def adjoint_x(y_bar: Array, *, index: Any) -> Array:
        r"""\bar x = \operatorname{set}(\bar y, \mathrm{index}, 0)"""
        return IndexSet.apply(y_bar, 0.0, index=index)

    @staticmethod
    def adjoint_v(y_bar: Array, v_shape: tuple[int, ...], *, index: Any) -> Array:
        r"""\bar v = \operatorname{last}(\mathrm{index}) \odot \bar y[\mathrm{index}]"""
        taken = GetItem.apply(y_bar, index=index, unique=False)
        if not selects_once(y_bar.shape, index):
            taken = np.where(plain(lambda index: last_writes(y_bar.shape, index), index), taken, 0)
        return _with_leading_axes(taken, v_shape)


class IndexAdd(Linear):
    r"""y = x + \operatorname{scatter}(v, \mathrm{index}, \operatorname{shape}(x))"""

    on_complex = Complex.HOLOMORPHIC
    stacked = staticmethod(_into_stacks)
    cases = (
        case((4, 3), (2, 3), index=(slice(0, None, 2),)),
        case((3, 2), (3, 2), index=(ROWS,)),
        case((3, 2), (2,), index=(ROWS,)),
    )

    @staticmethod
    def of_rows(x: Array, v: Array, *, index: Any) -> Array:
        return Place(x, index).add(v)

    @staticmethod
    def primal(x: Array, v: Array, *, index: Any = ()) -> Array:
        y = _copy_for(x, v)
        if _takes_rows(index) and suitable(LARGE, x, v) and x.dtype == v.dtype:
            added = _rows_added(v, x.shape, index[0])
            if added is not None:
                y += added
                return y
        np.add.at(y, index, v)
        return y

    @staticmethod
    def touches(args: Any, moving: Any, settings: Settings) -> Any:
        x, v = args
        taken = places(x.shape, settings["index"])
        added = np.broadcast_to(np.arange(math.prod(v.shape)).reshape(v.shape), taken.shape)
        each = [(np.arange(math.prod(x.shape)),) * 2, (taken.ravel(), added.ravel())]
        return [each[k] for k in moving]

    @staticmethod
    def adjoint_x(y_bar: Array) -> Array:
        r"""\bar x = \bar y"""
        return y_bar

    @staticmethod
    def adjoint_v(y_bar: Array, *, index: Any) -> Array:
        r"""\bar v = \bar y[\mathrm{index}]"""
        return GetItem.apply(y_bar, index=index, unique=False)


def _copy_for(x: Array, v: Array) -> Array:
    """Return a copy of `x` into which `v` can be written; a TypeError if `x` cannot hold it."""
    y, value = in_layout(np.asarray(x)), np.asarray(v)
    if not np.can_cast(value.dtype, y.dtype, "same_kind"):
        raise TypeError(f"{value.dtype} cannot be written into {y.dtype}; convert one of them with astype first")
    return y


def _with_leading_axes(x: Array, shape: tuple[int, ...]) -> Array:
    """Drop leading axes until `x` has as many as `shape`: a written value may have extra axes of length 1."""
    missing = len(shape) - x.ndim
    return x.reshape((1,) * missing + x.shape) if missing > 0 else x


# Indices


def _entry(part: Any) -> Any:
    """Return one part of an index in NumPy's terms; arrays are copied, so that later changes do not affect the tape."""
    if isinstance(part, BASIC):
        return part
    if running.maps and (rows := row_part(part)) is not None:
        return rows
    if isinstance(part, list | tuple) and not len(part):
        return np.zeros(0, np.intp)
    if isinstance(part, list | tuple):
        part = [value_of(item) for item in part]
    if is_captured(part):
        box = captured_in(part)
        if box.dtype == np.bool_:
            if (known := running.capture.known(box)) is not None:
                return known
            refuse(
                "an index of booleans picked as many elements as are true",
                "use np.where(mask, x, 0), and divide sums by mask.sum()",
            )
        return box
    # A capture keeps the array itself: its content at the replay counts.
    capture = running.capture
    part = np.array(value_of(part)) if capture is None else capture.index(part)
    return int(part) if part.ndim == 0 and np.issubdtype(part.dtype, np.integer) else part


def index_of(index: Any) -> tuple[Any, ...]:
    """Return an index as a tuple of parts that NumPy takes, with copies of its arrays."""
    return tuple(map(_entry, index if isinstance(index, tuple) else (index,)))


def plainly_once(index: tuple[Any, ...]) -> bool:
    """Whether it is certain, without reading values, that an index takes no element twice."""
    arrays = [part for part in index if isinstance(part, np.ndarray | Tensor) and part.ndim]
    return not arrays or (len(arrays) == 1 and arrays[0].dtype == np.bool_)


def selects_once(shape: tuple[int, ...], index: tuple[Any, ...]) -> bool:
    """Whether an index takes no element of an array of `shape` twice."""
    if plainly_once(index) or any(map(is_captured, index)):
        return plainly_once(index)
    taken = places(shape[:1] if _takes_rows(index) else shape, index)
    return bool(np.bincount(taken.ravel()).max(initial=0) <= 1)


def _takes_rows(index: tuple[Any, ...]) -> bool:
    return len(index) == 1 and isinstance(index[0], np.ndarray) and index[0].dtype != np.bool_


def places(shape: tuple[int, ...], index: tuple[Any, ...]) -> Array:
    """Return the flat position, in an array of `shape`, of each element that an index takes."""
    if not _takes_rows(index):
        return np.arange(math.prod(shape)).reshape(shape)[index]
    # An embedding table has far more elements than the rows taken from it.
    row = math.prod(shape[1:])
    rows = np.arange(shape[0])[index[0]]
    return (rows[..., None] * row + np.arange(row)).reshape(rows.shape + shape[1:])


def last_writes(shape: tuple[int, ...], index: tuple[Any, ...]) -> Array:
    """Return, for each element that an index takes, whether it is the last one at its position."""
    taken = places(shape, index)
    order = np.arange(taken.size).reshape(taken.shape)
    last = np.empty(math.prod(shape), np.intp)
    last[taken] = order
    return last[taken] == order


def accumulated(x: Array, shape: tuple[int, ...], index: tuple[Any, ...]) -> Array:
    """Return zeros of `shape` with `x` added at an index, in the order of `x`."""
    if _takes_rows(index) and suitable(LARGE, x) and (added := _rows_added(x, shape, index[0])) is not None:
        return added
    y = np.zeros(math.prod(shape), x.dtype)
    # `np.add.at` is several times faster on one axis than on several.
    np.add.at(y, places(shape, index).ravel(), x.ravel())
    return y.reshape(shape)


def _rows_added(x: Array, shape: tuple[int, ...], rows: Array) -> Array | None:
    """Return the same for the numbers of rows, by a kernel; None where there is none for such arrays."""
    from chainrule.kernels.gather import added, fits
    from chainrule.kernels.native.tasks import at_once

    y = np.empty(shape, x.dtype)
    if not fits(y, rows, x):
        return None
    at_once(added(x, rows, y))
    return y


# What users call


def getitem(x: Array, index: Any) -> Array:
    """Return `x[index]`: NumPy's basic and advanced indexing, with arrays, lists and tensors as indices.

    The gradient of an element taken twice is the sum of two cotangents.

    >>> getitem(np.array([1.0, 2.0, 3.0]), [0, 0, 2])
    array([1., 1., 3.])
    """
    if type(index) in PLAIN_PARTS:  # which nothing below is about
        return viewed(GetItem, x, {"index": (index,), "unique": True})
    parts = index_of(index)
    if any(map(is_mapped, parts)):
        return take_rows(x, parts)
    if any(map(is_captured, parts)):
        x = picked_from(x)
    return viewed(GetItem, x, {"index": parts, "unique": plainly_once(parts)})


class Place:
    """The elements of an array at an index, to read or to change in a copy: `x.at[index]`."""

    def __init__(self, x: Array, index: Any) -> None:
        self._index = index_of(index)
        self._x = picked_from(shaped(x)) if any(map(is_captured, self._index)) else shaped(x)

    def get(self) -> Array:
        """Return a copy of `x[index]`."""
        if any(map(is_mapped, self._index)):
            return take_rows(self._x, self._index)
        return GetItem.apply(self._x, index=self._index, unique=plainly_once(self._index))

    def set(self, value: Array) -> Array:
        """Return a copy with `value` there; if an element occurs twice in the index, the later value wins."""
        return _set(self._x, self._index, value)

    def add(self, value: Array) -> Array:
        """Return a copy with `value` added there, twice for an element that occurs twice in the index."""
        if any(map(is_mapped, self._index)):
            return add_rows(self._x, self._index, value)
        return IndexAdd.apply(self._x, value, index=self._index)

    def subtract(self, value: Array) -> Array:
        """Return a copy with `value` subtracted there, twice for an element that occurs twice in the index."""
        return self.add(np.negative(value))

    def multiply(self, value: Array) -> Array:
        """Return a copy with the elements there multiplied by `value`."""
        return self.apply(lambda x: x * value)

    def divide(self, value: Array) -> Array:
        """Return a copy with the elements there divided by `value`."""
        return self.apply(lambda x: x / value)

    def power(self, value: Array) -> Array:
        """Return a copy with the elements there raised to the power `value`."""
        return self.apply(lambda x: x**value)

    def min(self, value: Array) -> Array:
        """Return a copy with the elementwise minimum of the elements there and `value`."""
        return self.apply(lambda x: np.minimum(x, value))

    def max(self, value: Array) -> Array:
        """Return a copy with the elementwise maximum of the elements there and `value`."""
        return self.apply(lambda x: np.maximum(x, value))

    def apply(self, function: Any) -> Array:
        """Return a copy with `function(x[index])` there. Raises ValueError if an element occurs twice in the index."""
        if not selects_once(self._x.shape, self._index):
            raise ValueError(
                "at: the index names an element twice, so which result should stay is not defined; make the indices "
                "unique, or use .set or .add, which say what happens then"
            )
        return self.set(function(self.get()))


def _set(x: Array, index: tuple[Any, ...], value: Any) -> Array:
    """Return a copy of `x` with `value` at an index."""
    if any(map(is_mapped, index)):
        return set_rows(x, index, value)
    return IndexSet.apply(x, value, index=index)


class At:
    """What `x.at` is: `x.at[index].set(value)` and the like return a changed copy.

    The methods of a place are JAX's: get, set, add, subtract, multiply, divide, power, min, max, apply.

    >>> import chainrule as cr
    >>> cr.zeros(3).at[1:].set(5.0)
    tensor([0., 5., 5.])
    """

    def __init__(self, x: Array) -> None:
        self._x = x

    def __getitem__(self, index: Any) -> Place:
        return Place(self._x, index)


def setitem(x: Tensor, index: Any, value: Any) -> None:
    """Write `value` into `x` at an index, as NumPy does: everything that shares the memory of `x` sees it.

    What was computed from `x` before keeps the old values, and derivatives pass through the write. Inside `no_grad` the
    values of a leaf are overwritten, as by `x.data[index] = value`.

    Raises GradientError for a leaf that requires a gradient, inside `no_grad` for any other tensor whose gradient would
    be lost, and for a constant that shares memory with a tensor that has one.
    """
    target = Target(x, "x[index] = value")
    if isinstance(index, tuple) and len(index) == 1 and isinstance(index[0], Tensor):
        (index,) = index
    if _is_unknown_mask(index) and not np.ndim(value) and target.leaf is None:
        mask = index.reshape((*index.shape, *(1,) * (x.ndim - index.ndim)))
        target.become(_chosen_at(mask, value, x), relaid)
        return
    parts = index_of(index)
    if is_view_at(value, x, parts):
        return  # the end of `x[index] += …`, which has written through the view
    if target.leaf is not None:
        target.write_values(lambda array: array.__setitem__(parts, value_of(value)))
        return
    target.become(_replaced(x, value) if _is_whole(parts, x) else _set(x, parts, value), relaid)


def _is_unknown_mask(index: Any) -> bool:
    """Whether an index is a mask whose values a capture does not know, or that differs between rows."""
    if not isinstance(index, Tensor) or index.dtype != np.bool_:
        return False
    return is_captured(index) or is_mapped(index)


def _chosen_at(mask: Array, value: Any, x: Array) -> Array:
    """Return `x` with one value where a mask is true."""
    y = where(mask, value, x)
    return y if y.dtype == x.dtype else y.astype(x.dtype)


def _is_whole(index: tuple[Any, ...], x: Tensor) -> bool:
    """Whether an index takes the whole array, each element at its own position."""
    everything = all(part is Ellipsis or (isinstance(part, slice) and part == EVERYTHING) for part in index)
    return everything and 0 < len(index) <= x.ndim and isinstance(innermost(x), np.ndarray)


def _replaced(x: Tensor, value: Any) -> Tensor:
    """Return the value of `x` after `x[...] = value`; no gradient, not even NaN, reaches the old one."""
    value = shaped(value)
    if not np.can_cast(value.dtype, x.dtype, "same_kind"):
        raise TypeError(
            f"index_set: {value.dtype} cannot be written into {x.dtype}; convert one of them with astype first"
        )
    if not _fits(value.shape, x.shape):
        raise ValueError(f"index_set: could not broadcast a value of shape {value.shape} into shape {x.shape}")
    if is_mapped(x):
        return constant_like(np.broadcast_to(value.reshape(value.shape[-x.ndim :]), x.shape).astype(x.dtype), x)
    new = Laid.apply(value, shape=x.shape, dtype=x.dtype, strides=innermost(x).strides)
    return constant_like(new, x)


def _fits(shape: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    """Whether a value can be written into a whole array: axes of length 1 in front do not matter."""
    extra = max(len(shape) - len(whole), 0)
    pairs = zip(shape[extra:][::-1], whole[::-1], strict=False)
    return set(shape[:extra]) <= {1} and all(n in (1, m) for n, m in pairs)


def is_view_at(value: Any, x: Tensor, index: tuple[Any, ...]) -> bool:
    """Whether a value is the view `x[index]` itself."""
    alias = alias_of(value)
    if type(alias) is not View or alias.op is not GetItem or not _is_basic(index):
        return False
    mine = alias_of(x)
    is_from_x = alias.above is mine if type(mine) is View else alias.above is None and alias.root is x
    found = alias.settings["index"]
    return is_from_x and _is_basic(found) and found == index


def _is_basic(index: tuple[Any, ...]) -> bool:
    return all(isinstance(part, BASIC) for part in index)


METHODS = {"__getitem__": getitem, "__setitem__": setitem, "at": property(At)}
for name, method in METHODS.items():
    setattr(Tensor, name, method)
