"""The same elements in another shape, layout or dtype."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from chainrule.core.facts import Complex, Moves
from chainrule.core.inplace import viewed
from chainrule.core.kinds import Constant, Linear
from chainrule.core.memory.alias import innermost
from chainrule.core.operands.foreign import numbers
from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array, case
from chainrule.core.tensor import Tensor
from chainrule.core.traces.capturing import reads_layout
from chainrule.core.transforms.batch import Call, Mine, Settings, Values, lifted, on_last_axes, past_leading

Axes = int | Sequence[int]

BROADCAST = "it repeats elements of another array (np.broadcast_to, broadcast_arrays); write into a copy of it"
"""Why a broadcast array cannot be written to."""


class Reshape(Linear):
    r"""y = \operatorname{reshape}(x, \mathrm{shape})"""

    on_complex = Complex.HOLOMORPHIC
    moves = Moves.SAME
    cases = (case((2, 3), shape=(3, 2)), case((2, 3), shape=-1), case((), shape=(1, 1)), case((0, 3), shape=(3, 0)))

    @staticmethod
    def primal(x: Array, *, shape: Any = -1) -> Array:
        return x.reshape(shape) if type(x) is np.ndarray else np.reshape(x, shape)

    @staticmethod
    def adjoint(y_bar: Array, x_shape: tuple[int, ...]) -> Array:
        r"""\bar x = \operatorname{reshape}(\bar y, \operatorname{shape}(x))"""
        return Reshape.apply(y_bar, shape=x_shape)

    @staticmethod
    def written(x: Array, y: Array, *, shape: Any) -> Array:  # noqa: ARG004
        return Reshape.apply(y, shape=np.shape(x))

    @staticmethod
    def stacked(values: Values, mine: Mine, settings: Settings) -> Call:  # noqa: ARG004
        return values, {"shape": (values[0].shape[0], *as_tuple(settings["shape"]))}


class Transpose(Linear):
    r"""y = \operatorname{transpose}(x, \mathrm{axes})

    Axis k of y is axis axes[k] of x; without axes their order is reversed.
    """

    on_complex = Complex.HOLOMORPHIC
    moves = Moves.REORDERED
    symbol = "xᵀ"
    cases = (case((2, 3)), case((2, 3, 4), axes=(1, 2, 0)), case((2, 3), axes=(-1, 0)), case(()), case((0, 3)))

    @staticmethod
    def primal(x: Array, *, axes: Sequence[int] | None = None) -> Array:
        return x.transpose(axes) if type(x) is np.ndarray else np.transpose(x, axes)

    @staticmethod
    def adjoint(y_bar: Array, *, axes: Sequence[int] | None) -> Array:
        r"""\bar x = \operatorname{transpose}(\bar y, \operatorname{argsort}(\mathrm{axes}))"""
        if axes is not None:
            places = [axis % len(axes) for axis in axes]
            axes = tuple(sorted(range(len(places)), key=places.__getitem__))
        return Transpose.apply(y_bar, axes=axes)

    @staticmethod
    def written(x: Array, y: Array, *, axes: Sequence[int] | None) -> Array:  # noqa: ARG004
        return Transpose.adjoint(y, axes=axes)

    @staticmethod
    def stacked(values: Values, mine: Mine, settings: Settings) -> Call:  # noqa: ARG004
        ndim, axes = values[0].ndim - 1, settings["axes"]
        return values, {"axes": (0, *past_leading(tuple(range(ndim))[::-1] if axes is None else axes, ndim))}


class BroadcastTo(Linear):
    r"""y = x

    Repeated along new axes and along axes of length 1, over which the cotangent is summed.
    """

    on_complex = Complex.HOLOMORPHIC
    moves = Moves.REPEATED
    cases = (case((3,), shape=(2, 3)), case((2, 1), shape=(4, 2, 3)), case((), shape=(2,)), case((1,), shape=(0,)))

    @staticmethod
    def primal(x: Array, *, shape: Any = ()) -> Array:
        return np.broadcast_to(x, shape)

    @staticmethod
    def adjoint(y_bar: Array) -> Array:
        r"""\bar x = \bar y"""
        return y_bar

    @staticmethod
    def stacked(values: Values, mine: Mine, settings: Settings) -> Call:  # noqa: ARG004
        shape = as_tuple(settings["shape"])
        return [lifted(values[0], len(shape))], {"shape": (values[0].shape[0], *shape)}


def _converted(x: Array, dtype: Any) -> Array:
    return (x if hasattr(x, "astype") else np.asarray(x)).astype(dtype)


class Astype(Linear):
    r"""y = x

    Rounded to another floating dtype.
    """

    on_complex = Complex.HOLOMORPHIC
    moves = Moves.SAME
    is_pointwise = True
    cases = (case((2, 3), dtype=np.float64), case((), dtype=np.float64))

    @staticmethod
    def primal(x: Array, *, dtype: Any = np.float64) -> Array:
        return _converted(x, dtype)

    @staticmethod
    def adjoint(y_bar: Array) -> Array:
        r"""\bar x = \bar y"""
        return y_bar


class AstypeDiscrete(Constant):
    r"""y = \operatorname{astype}(x, \mathrm{dtype})

    To integers, booleans or objects: constant almost everywhere.
    """

    on_complex = Complex.HOLOMORPHIC
    cases = (case((2, 3), dtype=np.int64), case((2, 3), dtype=np.bool_))
    stacked = staticmethod(on_last_axes)

    @staticmethod
    def primal(x: Array, *, dtype: Any = np.int64) -> Array:
        return _converted(x, dtype)


class Copy(Linear):
    r"""y = x"""

    on_complex = Complex.HOLOMORPHIC
    moves = Moves.SAME
    is_pointwise = True
    cases = (case((2, 3)), case((2, 3), order="C"), case(()), case((0,)))

    @staticmethod
    def primal(x: Array, *, order: Any = "K") -> Array:
        return np.copy(x, order=order)

    @staticmethod
    def element(x: Array, *, order: Any = "K") -> Array:  # noqa: ARG004
        return x

    @staticmethod
    def adjoint(y_bar: Array) -> Array:
        r"""\bar x = \bar y"""
        return y_bar


def as_tuple(numbers: Any) -> tuple[int, ...]:
    """Return the numbers of a shape or of axes, which may be a single number, as a tuple."""
    return (int(numbers),) if np.ndim(numbers) == 0 else tuple(numbers)


def shaped(x: Any) -> Array:
    """Return `x` as something with a shape: arrays and tensors unchanged, numbers and lists as arrays."""
    return x if hasattr(x, "shape") else numbers(x)


def axis_of(function: str, axis: int, ndim: int) -> int:
    """Return `axis` counted from the front; a ValueError that names `function` if it is out of range."""
    return normalize_axis_index(axis, ndim, function)


def axes_of(function: str, axis: Axes, ndim: int) -> tuple[int, ...]:
    """Return one or more axes counted from the front, as `axis_of` does."""
    return normalize_axis_tuple(axis, ndim, function)


def _listed(first: Any, more: tuple[Any, ...]) -> Any:
    """Return arguments passed either as one tuple or as several numbers."""
    return (first, *more) if more else first


def _is_c(function: str, x: Array, order: str) -> bool:
    """Whether an order of NumPy's, for this array, is that of rows; it is that of columns otherwise."""
    if order not in ("C", "F", "A"):
        raise ValueError(f"{function}: got order={order!r}, expected 'C', 'F' or 'A'")
    if order != "A":
        return order == "C"
    reads_layout()
    flags = innermost(x).flags if isinstance(x, Tensor) else np.asarray(x).flags
    return not flags.f_contiguous or flags.c_contiguous


def _in_memory(x: Array) -> tuple[int, ...]:
    """Return the axes in the order in which they lie in memory, the fastest last."""
    reads_layout()
    strides = innermost(x).strides if isinstance(x, Tensor) else np.asarray(x).strides
    return tuple(sorted(range(len(strides)), key=lambda k: -abs(strides[k])))


@implements(np.reshape)
def reshape(x: Array, shape: Any, *more: int, order: str = "C", copy: bool | None = None) -> Array:
    """Return the elements of `x`, last axis fastest, in another shape; one length may be -1.

    With `order="F"` the first axis is the fastest. `copy` is NumPy's: True gives a copy, False asks for a view.

    >>> reshape(np.arange(6.0), 2, -1).shape, reshape(np.arange(6.0), (3, 2)).shape
    ((2, 3), (3, 2))
    """
    x, shape = shaped(x), _listed(shape, more)
    if not _is_c("reshape", x, order):
        lengths = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
        y = transpose(viewed(Reshape, transpose(x), {"shape": lengths[::-1]}))
    else:
        y = viewed(Reshape, x, {"shape": shape})
    if not copy:
        reads_layout(only_if_written=copy is None)  # it decides on whether this is a view
    if copy is False and isinstance(x, Tensor) and isinstance(y, Tensor):
        if not np.may_share_memory(innermost(x), innermost(y)):
            raise ValueError(f"reshape: copy=False, but the elements have to be copied for the shape {y.shape}")
        return y
    return Copy.apply(y, order="C") if copy else y


@implements(np.ravel)
def ravel(x: Array, order: str = "C") -> Array:
    """Return the elements flattened, last axis fastest: a view if they are contiguous, else a copy.

    With `order="F"` the first axis is the fastest, and with "K" they are in the order of memory.
    """
    x = shaped(x)
    if order == "K":
        return ravel(transpose(x, _in_memory(x)))
    if not _is_c("ravel", x, order):
        return ravel(transpose(x))
    reads_layout(only_if_written=True)  # it decides on whether this is a view
    if isinstance(x, Tensor) and not is_contiguous(x):
        return flatten(x)
    return viewed(Reshape, x, {"shape": -1})


def is_contiguous(x: Tensor) -> bool:
    """Whether the elements are contiguous in memory, last axis fastest."""
    array = innermost(x)
    return not isinstance(array, np.ndarray) or array.flags.c_contiguous


def contiguous(x: Array) -> Array:
    """Return a tensor that is contiguous in memory, last axis fastest; an array unchanged."""
    return Copy.apply(x, order="C") if isinstance(x, Tensor) and not is_contiguous(x) else x


def flatten(x: Array, order: str = "C") -> Array:
    """Return a flattened copy of the elements, last axis fastest, or in another order of `ravel`."""
    if order == "K":
        return flatten(transpose(x, _in_memory(x)))
    if not _is_c("flatten", x, order):
        return flatten(transpose(x))
    return Reshape.apply(contiguous(x), shape=-1)


@implements(np.transpose, np.permute_dims)
def transpose(x: Array, axes: Any = None, *more: int) -> Array:
    """Return `x` with its axes permuted: reversed, or as `axes` lists them.

    >>> import chainrule as cr
    >>> cr.zeros(2, 3, 4).transpose(1, 0, 2).shape
    (3, 2, 4)
    """
    axes = _listed(axes, more)
    return viewed(Transpose, x, {"axes": None if axes is None else axes_of("transpose", axes, np.ndim(x))})


@implements(np.matrix_transpose)
def matrix_transpose(x: Array) -> Array:
    """Return `x` with its last two axes swapped."""
    if np.ndim(x) < 2:
        raise ValueError(f"matrix_transpose: expected two axes or more, got shape {np.shape(x)}")
    return swapaxes(x, -1, -2)


@implements(np.swapaxes)
def swapaxes(x: Array, axis1: int, axis2: int) -> Array:
    """Return `x` with two axes swapped."""
    x = shaped(x)
    i, j = axis_of("swapaxes", axis1, x.ndim), axis_of("swapaxes", axis2, x.ndim)
    order = list(range(x.ndim))
    order[i], order[j] = j, i
    return viewed(Transpose, x, {"axes": tuple(order)})


@implements(np.moveaxis)
def moveaxis(x: Array, source: Axes, destination: Axes) -> Array:
    """Return `x` with the axes `source` moved to `destination`; the others keep their order."""
    x = shaped(x)
    origins = axes_of("moveaxis: source", source, x.ndim)
    places = axes_of("moveaxis: destination", destination, x.ndim)
    if len(origins) != len(places):
        raise ValueError(f"moveaxis: got {len(origins)} source axes and {len(places)} destinations, expected as many")
    order = [axis for axis in range(x.ndim) if axis not in origins]
    for place, origin in sorted(zip(places, origins, strict=True)):
        order.insert(place, origin)
    return viewed(Transpose, x, {"axes": tuple(order)})


@implements(np.rollaxis)
def rollaxis(x: Array, axis: int, start: int = 0) -> Array:
    """Return `x` with `axis` moved back until it is before axis `start`."""
    x = shaped(x)
    axis = axis_of("rollaxis", axis, x.ndim)
    start = axis_of("rollaxis: start", start, x.ndim + 1)
    return moveaxis(x, axis, start - 1 if axis < start else start)


@implements(np.expand_dims)
def expand_dims(x: Array, axis: Axes) -> Array:
    """Return `x` with new axes of length 1 at positions `axis` of the result.

    >>> expand_dims(np.zeros((2, 3)), (0, -1)).shape
    (1, 2, 3, 1)
    """
    x = shaped(x)
    if type(axis) is int and -1 <= axis <= x.ndim:  # most calls
        shape = x.shape
        return viewed(Reshape, x, {"shape": (*shape[:axis], 1, *shape[axis:]) if axis >= 0 else (*shape, 1)})
    ndim = x.ndim + (len(axis) if isinstance(axis, Sequence) else 1)
    places = axes_of("expand_dims", axis, ndim)
    lengths = iter(x.shape)
    return viewed(Reshape, x, {"shape": tuple(1 if k in places else next(lengths) for k in range(ndim))})


@implements(np.squeeze)
def squeeze(x: Array, axis: Axes | None = None) -> Array:
    """Return `x` without its axes of length 1, or without those in `axis`."""
    x = shaped(x)
    ones = tuple(k for k, n in enumerate(x.shape) if n == 1)
    if x.ndim == 0 and isinstance(axis, int) and axis in (0, -1):
        return viewed(Reshape, x, {"shape": ()})  # NumPy allows it
    dropped = ones if axis is None else axes_of("squeeze", axis, x.ndim)
    for k in dropped:
        if x.shape[k] != 1:
            raise ValueError(f"squeeze: axis {k} has length {x.shape[k]}, expected 1 (got shape {x.shape})")
    return viewed(Reshape, x, {"shape": tuple(n for k, n in enumerate(x.shape) if k not in dropped)})


def _atleast(name: str, places: Sequence[tuple[int, ...]]) -> Callable[..., Any]:
    """Return the function that adds the axes `places[ndim]` to an array with fewer than `len(places)` axes."""

    def atleast(*xs: Array) -> Any:
        shapes = map(shaped, xs)
        results = tuple(expand_dims(x, places[x.ndim]) if x.ndim < len(places) else x for x in shapes)
        return results[0] if len(results) == 1 else results

    atleast.__name__ = atleast.__qualname__ = name
    atleast.__doc__ = f"Return the arguments with {len(places)} axes or more, where NumPy puts them."
    return atleast


atleast_1d = implements(np.atleast_1d)(_atleast("atleast_1d", [(0,)]))
atleast_2d = implements(np.atleast_2d)(_atleast("atleast_2d", [(0, 1), (0,)]))
atleast_3d = implements(np.atleast_3d)(_atleast("atleast_3d", [(0, 1, 2), (0, 2), (2,)]))


@implements(np.broadcast_to)
def broadcast_to(x: Array, shape: Any) -> Array:
    """Return `x` repeated along new axes in front and along axes of length 1 (NumPy's broadcasting)."""
    return viewed(BroadcastTo, x, {"shape": shape}, BROADCAST)


@implements(np.broadcast_arrays)
def broadcast_arrays(*xs: Array) -> tuple[Array, ...]:
    """Return the arguments, broadcast to their common shape."""
    arrays = [shaped(x) for x in xs]
    shape = np.broadcast_shapes(*(x.shape for x in arrays))
    return tuple(x if x.shape == shape else viewed(BroadcastTo, x, {"shape": shape}, BROADCAST) for x in arrays)


@implements(np.meshgrid)
def meshgrid(*xs: Array, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Array, ...]:
    """Return coordinate arrays of the grid over vectors; without `copy`, as views."""
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: got indexing={indexing!r}, expected 'xy' or 'ij'")
    order = list(range(len(xs)))
    if indexing == "xy":
        order[:2] = order[:2][::-1]
    grid = [ravel(x) for x in xs]
    grid = [reshape(x, tuple(-1 if k == place else 1 for k in order)) for place, x in enumerate(grid)]
    grid = grid if sparse else list(broadcast_arrays(*grid))
    return tuple(Copy.apply(x, order="C") for x in grid) if copy else tuple(grid)


def astype(x: Array, dtype: Any, copy: bool = True) -> Array:
    """Return `x` in another dtype. Differentiable between floating dtypes; without `copy`, `x` itself if it has it.

    >>> astype(np.array([1.5, -2.5]), np.int64)
    array([ 1, -2])
    """
    dtype = np.dtype(dtype)
    if not copy and isinstance(x, Tensor) and x.dtype == dtype:
        return x
    operation = Astype if np.issubdtype(dtype, np.inexact) else AstypeDiscrete
    return operation.apply(x, dtype=dtype)


if hasattr(np, "astype"):  # NumPy 2.1
    implements(np.astype)(astype)


@implements(np.copy)
def copy(x: Array, order: str = "K", subok: bool = False) -> Array:  # noqa: ARG001
    """Return a copy in NumPy's memory `order`; `subok` has no meaning for tensors."""
    return Copy.apply(x, order=order)


def method_copy(x: Tensor, order: str = "C") -> Array:
    """Return a copy in NumPy's memory `order`: by default the last axis fastest."""
    if not isinstance(innermost(x), np.ndarray):
        return np.positive(x)  # a scalar's copy is a scalar
    return Copy.apply(x, order=order)


METHODS = {
    "reshape": reshape,
    "transpose": transpose,
    "flatten": flatten,
    "astype": astype,
    "copy": method_copy,
    "T": property(transpose),
    "mT": property(matrix_transpose),
}
for name, method in METHODS.items():
    setattr(Tensor, name, method)
