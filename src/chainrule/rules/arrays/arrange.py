"""Elements rearranged, repeated or padded."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.facts import Complex, Moves
from chainrule.core.inplace import viewed
from chainrule.core.kinds import Linear
from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array, case
from chainrule.core.tensor import value_of
from chainrule.core.traces.capturing import running
from chainrule.core.transforms.batch import Call, Done, Mine, Settings, Values, along_axes, on_last_axes, past_leading

from .gather import take
from .padding import EDGES, pad_by_edges
from .shape import Axes, BroadcastTo, Copy, Reshape, as_tuple, axes_of, axis_of, ravel, shaped, swapaxes


def _roll_rows(values: Values, mine: Mine, settings: Settings) -> Call | Done:  # noqa: ARG001
    """Shift each row of a stack; without an axis its elements, in order."""
    (x,), axis = values, settings["axis"]
    if axis is not None:
        return values, {**settings, "axis": past_leading(as_tuple(axis), x.ndim - 1)}
    flat = x.reshape((x.shape[0], int(np.prod(x.shape[1:]))))
    shift = settings["shift"] if isinstance(settings["shift"], int | np.integer) else sum(settings["shift"])
    return Done(Roll.apply(flat, shift=shift, axis=(1,)).reshape(x.shape))


def _pad_rows(values: Values, mine: Mine, settings: Settings) -> Call:  # noqa: ARG001
    return values, {"widths": ((0, 0), *settings["widths"])}


class Flip(Linear):
    r"""y = \operatorname{flip}(x)"""

    on_complex = Complex.HOLOMORPHIC
    moves = Moves.REORDERED
    cases = (case((2, 3)), case((2, 3), axis=1), case((2, 3, 2), axis=(0, -1)), case(()), case((0, 2), axis=0))
    stacked = staticmethod(along_axes)

    @staticmethod
    def primal(x: Array, *, axis: Any = None) -> Array:
        return np.flip(x, axis)

    @staticmethod
    def adjoint(y_bar: Array, *, axis: Any) -> Array:
        r"""\bar x = \operatorname{flip}(\bar y)"""
        return Flip.apply(y_bar, axis=axis)

    @staticmethod
    def written(x: Array, y: Array, *, axis: Any) -> Array:  # noqa: ARG004
        return Flip.apply(y, axis=axis)


def _rolled(x: Array, shift: int, axis: int) -> Array:
    """Return `np.roll` along one axis, in two copies: NumPy's takes ten times as long where arrays are small."""
    y = np.empty_like(x)
    before = (slice(None),) * axis
    shift %= x.shape[axis]
    y[*before, shift:] = x[*before, : x.shape[axis] - shift]
    y[*before, :shift] = x[*before, x.shape[axis] - shift :]
    return y


class Roll(Linear):
    r"""y = \operatorname{roll}(x, \mathrm{shift})"""

    on_complex = Complex.HOLOMORPHIC
    moves = Moves.REORDERED
    cases = (
        case((2, 3), shift=1),
        case((2, 3), shift=-4, axis=1),
        case((2, 3), shift=-4, axis=(1,)),
        case((2, 3, 2), shift=5, axis=(1,)),
        case((2, 3), shift=(1, 2), axis=(0, 1)),
        case((2, 3), shift=2, axis=(0, 1)),
        case((0, 2), shift=1, axis=0),
    )
    stacked = staticmethod(_roll_rows)
    reference = staticmethod(lambda x, *, shift, axis=None: np.roll(x, shift, axis))

    @staticmethod
    def primal(x: Array, *, shift: Any = 0, axis: Any = None) -> Array:
        if type(axis) is tuple and len(axis) == 1 and type(shift) is int and type(x) is np.ndarray and x.size:
            return _rolled(x, shift, axis[0])
        return np.roll(x, shift, axis)

    @staticmethod
    def adjoint(y_bar: Array, *, shift: Any, axis: Any) -> Array:
        r"""\bar x = \operatorname{roll}(\bar y, -\mathrm{shift})"""
        back = tuple(-places for places in shift) if isinstance(shift, tuple) else -shift
        return Roll.apply(y_bar, shift=back, axis=axis)


class Tril(Linear):
    r"""y = \operatorname{tril}(x)

    Zeros above diagonal k of the last two axes.
    """

    on_complex = Complex.HOLOMORPHIC
    cases = (case((3, 3)), case((2, 3, 4), k=1), case((3, 2), k=-1), case((0, 3)))
    stacked = staticmethod(on_last_axes)

    @staticmethod
    def primal(x: Array, *, k: int = 0) -> Array:
        return np.tril(x, k)

    @staticmethod
    def adjoint(y_bar: Array, *, k: int) -> Array:
        r"""\bar x = \operatorname{tril}(\bar y)"""
        return Tril.apply(y_bar, k=k)


class Triu(Linear):
    r"""y = \operatorname{triu}(x)

    Zeros below diagonal k of the last two axes.
    """

    on_complex = Complex.HOLOMORPHIC
    cases = (case((3, 3)), case((2, 3, 4), k=1), case((3, 2), k=-1), case((0, 3)))
    stacked = staticmethod(on_last_axes)

    @staticmethod
    def primal(x: Array, *, k: int = 0) -> Array:
        return np.triu(x, k)

    @staticmethod
    def adjoint(y_bar: Array, *, k: int) -> Array:
        r"""\bar x = \operatorname{triu}(\bar y)"""
        return Triu.apply(y_bar, k=k)


class Pad(Linear):
    r"""y = \operatorname{pad}(x)

    Zeros before and after each axis, as many as `widths` gives.
    """

    on_complex = Complex.HOLOMORPHIC
    cases = (case((2, 3), widths=((1, 0), (0, 2))), case((0,), widths=((1, 1),)), case((), widths=()))
    stacked = staticmethod(_pad_rows)

    @staticmethod
    def primal(x: Array, *, widths: tuple[tuple[int, int], ...] = ()) -> Array:
        return np.pad(x, widths) if np.ndim(x) else np.array(x)

    @staticmethod
    def adjoint(y_bar: Array, *, widths: tuple[tuple[int, int], ...]) -> Array:
        r"""\bar x = \operatorname{unpad}(\bar y)"""
        inside = zip(widths, y_bar.shape, strict=True)
        return y_bar[tuple(slice(before, n - after) for (before, after), n in inside)]


@implements(np.flip)
def flip(x: Array, axis: Axes | None = None) -> Array:
    """Return `x` with the order along `axis`, or along all axes, reversed."""
    x = shaped(x)
    return viewed(Flip, x, {"axis": None if axis is None else axes_of("flip", axis, x.ndim)})


@implements(np.flipud)
def flipud(x: Array) -> Array:
    """Return `x` reversed along axis 0."""
    return flip(x, 0)


@implements(np.fliplr)
def fliplr(x: Array) -> Array:
    """Return `x` reversed along axis 1."""
    return flip(x, 1)


@implements(np.rot90)
def rot90(x: Array, k: int = 1, axes: Sequence[int] = (0, 1)) -> Array:
    """Return `x` rotated `k` times by 90 degrees, from the first of two axes towards the second."""
    x = shaped(x)
    first, second = axes_of("rot90", tuple(axes), x.ndim)
    if k % 2 == 0:
        return flip(x, (first, second)) if k % 4 else flip(x, ())
    return swapaxes(flip(x, second), first, second) if k % 4 == 1 else flip(swapaxes(x, first, second), second)


@implements(np.roll)
def roll(x: Array, shift: Axes, axis: Axes | None = None) -> Array:
    """Return `x` shifted cyclically along `axis`, or flattened for the shift without it."""
    x = shaped(x)
    shift = shift if isinstance(shift, int | np.integer) else tuple(shift)
    # An axis may be given twice: its shifts then add up.
    if axis is not None:
        axis = tuple(axis_of("roll", k, x.ndim) for k in (axis if isinstance(axis, Sequence) else (axis,)))
    return Roll.apply(x, shift=shift, axis=axis)


@implements(np.tile)
def tile(x: Array, reps: Axes) -> Array:
    """Return `x` laid side by side, `reps` times along each axis.

    >>> tile(np.array([1.0, 2.0]), 2)
    array([1., 2., 1., 2.])
    """
    x = shaped(x)
    counts = tuple(int(count) for count in np.atleast_1d(reps))
    ndim = max(x.ndim, len(counts))
    shape = (1,) * (ndim - x.ndim) + x.shape
    counts = (1,) * (ndim - len(counts)) + counts
    pairs = list(zip(counts, shape, strict=True))
    x = Reshape.apply(x, shape=tuple(m for n in shape for m in (1, n)))
    x = BroadcastTo.apply(x, shape=tuple(m for pair in pairs for m in pair))
    return Copy.apply(Reshape.apply(x, shape=tuple(count * n for count, n in pairs)))


@implements(np.repeat)
def repeat(x: Array, repeats: Any, axis: int | None = None) -> Array:
    """Return `x` with each slice along `axis`, or each element, repeated; `repeats` may give one number for each.

    >>> repeat(np.array([1.0, 2.0]), [1, 3])
    array([1., 2., 2., 2.])
    """
    x = shaped(x)
    if axis is None or x.ndim == 0:
        x, axis = ravel(x), axis or 0
    axis = axis_of("repeat", axis, x.ndim)
    if running.capture is not None and isinstance(repeats, int | np.integer) and repeats >= 0:
        # A program runs a sum along an axis, its gradient, faster than a scatter; a reader sees which element is which.
        front, n, rest = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
        x = BroadcastTo.apply(Reshape.apply(x, shape=(*front, n, 1, *rest)), shape=(*front, n, int(repeats), *rest))
        return Copy.apply(Reshape.apply(x, shape=(*front, n * int(repeats), *rest)))
    return take(x, np.repeat(np.arange(x.shape[axis]), value_of(repeats)), axis)


@implements(np.tril)
def tril(x: Array, k: int = 0) -> Array:
    """Return `x` with zeros above diagonal `k` of its last two axes."""
    return Tril.apply(x, k=k)


@implements(np.triu)
def triu(x: Array, k: int = 0) -> Array:
    """Return `x` with zeros below diagonal `k` of its last two axes."""
    return Triu.apply(x, k=k)


@implements(np.pad)
def pad(x: Array, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0, **settings: Any) -> Array:
    """Return `x` with elements before and after each axis.

    `pad_width` is a number, a pair (before, after) for all axes, or a pair for each. `mode` is "constant" (with
    `constant_values`, in the forms of `pad_width`), "edge", "reflect" or "symmetric" (with `reflect_type` "even" or
    "odd"), "wrap", "linear_ramp" (with `end_values`), or "maximum", "minimum", "mean" or "median" (with `stat_length`),
    as in NumPy.

    >>> pad(np.array([1.0, 2.0, 3.0]), (2, 1), mode="reflect")
    array([3., 2., 1., 2., 3., 2.])
    """
    x = shaped(x)
    widths = _pairs("pad", pad_width, x.ndim)
    if mode == "constant":
        padded = Pad.apply(x, widths=widths)
        border = np.asarray(constant_values, x.dtype)
        return (
            padded if not border.any() else padded + np.pad(np.zeros(x.shape, x.dtype), widths, constant_values=border)
        )
    if mode in EDGES or settings.get("reflect_type", "even") != "even":
        return pad_by_edges(x, widths, mode, settings)
    if mode not in ("edge", "reflect", "symmetric", "wrap"):
        raise ValueError(
            f"pad: got mode={mode!r}, expected 'constant', 'edge', 'reflect', 'symmetric', 'wrap', "
            f"{', '.join(map(repr, EDGES))}"
        )
    for axis, width in enumerate(widths):
        if width != (0, 0):
            # Where each element comes from: the same padding applied to the indices.
            x = take(x, np.pad(np.arange(x.shape[axis]), width, mode=mode), axis)  # type: ignore[call-overload]
    return x if any(map(any, widths)) else Copy.apply(x)


def _pairs(function: str, pad_width: Any, ndim: int) -> tuple[tuple[int, int], ...]:
    """Return (before, after) for each axis."""
    if isinstance(pad_width, dict):
        given = {axis_of(function, axis, ndim): width for axis, width in pad_width.items()}
        pad_width = [np.broadcast_to(given.get(axis, 0), 2) for axis in range(ndim)]
    widths = np.broadcast_to(pad_width, (ndim, 2)).tolist()
    if any(width < 0 for pair in widths for width in pair):
        raise ValueError(f"{function}: got pad_width={pad_width}, expected no negative number")
    return tuple((int(before), int(after)) for before, after in widths)
