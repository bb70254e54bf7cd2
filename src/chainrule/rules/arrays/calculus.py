"""Sampled functions: differences, derivatives, integrals, interpolation, convolution."""

from typing import Any

import numpy as np

from chainrule.core.facts import Complex
from chainrule.core.kinds import Bilinear
from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array, case
from chainrule.core.traces.capturing import known, plain

from .gather import take
from .layout import laid_as
from .reduce import arrayed, sum


def _last(x: Array, axis: int) -> Array:
    return x if axis in (-1, x.ndim - 1) else np.swapaxes(x, axis, -1)


@implements(np.diff)
def diff(a: Array, n: int = 1, axis: int = -1, prepend: Array = None, append: Array = None) -> Array:
    """Return the `n`-th differences of neighbours along `axis`, which becomes `n` shorter.

    `prepend` and `append` are put before and after `a` first.

    >>> diff(np.array([1.0, 4.0, 9.0]))
    array([3., 5.])
    """
    a = arrayed(a)
    if n < 0 or a.ndim == 0:
        raise ValueError(f"diff: got n={n} and shape {a.shape}, expected n of 0 or more and at least one axis")
    if n == 0:
        return a
    parts = [_joinable(prepend, a, axis), a, _joinable(append, a, axis)]
    given = [part for part in parts if part is not None]
    x = _last(np.concatenate(given, axis=axis) if len(given) > 1 else a, axis)
    for _ in range(n):
        x = x[..., 1:] - x[..., :-1]
    return _last(x, axis)


def _joinable(part: Array, a: Array, axis: int) -> Array:
    """Return what to join to `a` along an axis; a number becomes one slice."""
    if part is None:
        return None
    part = arrayed(part)
    if part.ndim:
        return part
    slice_shape = tuple(1 if k == axis % a.ndim else m for k, m in enumerate(a.shape))
    return part + np.zeros(slice_shape, a.dtype)


@implements(np.gradient)
def gradient(f: Array, *varargs: Array, axis: Any = None, edge_order: int = 1) -> Any:
    """Return the derivative of sampled values along each axis, by second-order differences in the interior.

    `varargs` gives the spacing: nothing (1), one number, or for each axis a number or the coordinates of its samples;
    spacings are differentiable too. `edge_order` 1 or 2 is the order at both ends. Returns an array of the shape of
    `f` for one axis, a tuple of them for several.

    >>> gradient(np.array([1.0, 2.0, 4.0, 7.0]))
    array([1. , 1.5, 2.5, 3. ])
    """
    f = arrayed(f)
    axes = tuple(range(f.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    spacings = varargs * len(axes) if len(varargs) == 1 and np.ndim(varargs[0]) == 0 else varargs or (1.0,) * len(axes)
    if len(spacings) != len(axes):
        raise TypeError(
            f"gradient: got {len(varargs)} spacings for {len(axes)} axes, expected none, one, or one for each"
        )
    if edge_order not in (1, 2):
        raise ValueError(f"gradient: got edge_order={edge_order}, expected 1 or 2")
    found = tuple(_derivative(f, h, k, edge_order) for k, h in zip(axes, spacings, strict=True))
    return found[0] if len(found) == 1 else found


def _derivative(f: Array, spacing: Array, axis: int, edge_order: int) -> Array:
    """Return the derivative along one axis. (A. Quarteroni, R. Sacco, F. Saleri, "Numerical mathematics", 2007.)"""
    x = _last(f, axis)
    n = x.shape[-1]
    if n <= edge_order:
        raise ValueError(f"gradient: got {n} samples along axis {axis}, expected at least {edge_order + 1}")
    spacing = arrayed(spacing)
    h = diff(spacing) if spacing.ndim else spacing * np.ones(n - 1, x.real.dtype)
    if h.shape != (n - 1,):
        raise ValueError(f"gradient: got coordinates of shape {spacing.shape} for {n} samples along axis {axis}")
    floating = x.real.dtype if np.issubdtype(x.dtype, np.inexact) else np.dtype(np.float64)
    h = h if h.dtype == floating else h.astype(floating)
    before, after = h[:-1], h[1:]
    inner = (
        x[..., 1:-1] * ((after - before) / (before * after))
        + x[..., 2:] * (before / (after * (before + after)))
        - x[..., :-2] * (after / (before * (before + after)))
    )
    ends = _end(x, h, edge_order), -_end(x[..., ::-1], h[::-1], edge_order)
    return laid_as(_last(np.concatenate([ends[0], inner, ends[1]], axis=-1), axis), f)


def _end(x: Array, h: Array, order: int) -> Array:
    """Return the derivative at the first sample, with an axis of length 1."""
    first = (x[..., 1:2] - x[..., :1]) / h[:1]
    if order == 1:
        return first
    second = (x[..., 2:3] - x[..., 1:2]) / h[1:2]
    return first - (second - first) * (h[:1] / (h[:1] + h[1:2]))


@implements(np.trapezoid)
def trapezoid(y: Array, x: Array = None, dx: Array = 1.0, axis: int = -1) -> Array:
    """Return the integral of samples along `axis` by the trapezoidal rule, at places `x` or at distances `dx`.

    >>> float(trapezoid(np.array([1.0, 2.0, 3.0]), dx=0.5))
    2.0
    """
    y = _last(arrayed(y), axis)
    if x is not None:
        x = arrayed(x)
        dx = diff(x) if x.ndim == 1 else _last(diff(x, axis=axis), axis)
    # Along a last axis of length 1, so that the remaining axes keep their order.
    total = sum((y[..., 1:] + y[..., :-1]) * dx / 2, axis=-1, keepdims=True)
    result = _last(total, axis).reshape(_without(_last(total, axis).shape, axis))
    return result if result.shape else result[()]  # a scalar, as NumPy's is


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return tuple(n for k, n in enumerate(shape) if k != axis % len(shape))


@implements(np.unwrap)
def unwrap(p: Array, discont: float | None = None, axis: int = -1, *, period: float = 2 * np.pi) -> Array:
    """Return `p` with multiples of `period` added so that neighbours along `axis` differ by half of it at most.

    The added multiples are constant: the derivative is the identity.
    """
    p = arrayed(p)
    return p + plain(lambda p: np.unwrap(p, discont, axis, period=period) - p, p)


@implements(np.interp)
def interp(
    x: Array, xp: Array, fp: Array, left: Array = None, right: Array = None, period: float | None = None
) -> Array:
    """Return the piecewise linear function through the points (`xp`, `fp`), both [N] with `xp` increasing, at `x`.

    Outside, it is constant: `left` and `right`, or the values at the ends; with `period` it repeats. `x`, `xp` and `fp`
    are differentiable; at a point of `xp` the slope is that of the segment to its right.

    >>> from chainrule.core.transforms.derivatives import grad
    >>> float(grad(interp)(0.5, np.array([0.0, 1.0, 2.0]), np.array([0.0, 3.0, 4.0])))
    3.0
    """
    x, xp, fp = arrayed(x), arrayed(xp), arrayed(fp)
    if xp.ndim != 1 or xp.shape != fp.shape or xp.size == 0:
        raise ValueError(f"interp: got xp of shape {xp.shape} and fp of shape {fp.shape}, expected [N] for both, N > 0")
    if period is not None:
        x, xp, fp = _unrolled(x, xp, fp, abs(period))
        left = right = None
    places, knots = known(x), known(xp)
    last = len(knots) - 1
    i = np.clip(np.searchsorted(knots, places, side="right") - 1, 0, max(last - 1, 0))
    j = np.minimum(i + 1, last)
    x_left, x_right, y_left, y_right = take(xp, i), take(xp, j), take(fp, i), take(fp, j)
    width = np.where(take(knots, j) == take(knots, i), 1, x_right - x_left)
    y = y_left + (y_right - y_left) * ((x - x_left) / width)
    y = np.where(places >= knots[-1], fp[-1], y)
    y = np.where(places > knots[-1], fp[-1] if right is None else right, y)
    return np.where(places < knots[0], fp[0] if left is None else left, y)


def _unrolled(x: Array, xp: Array, fp: Array, period: float) -> tuple[Array, Array, Array]:
    """Return one period of a periodic function, with one point from the periods before and after."""
    if period == 0:
        raise ValueError("interp: got period=0, expected another number")
    x, xp = (p - period * np.floor(known(p) / period) for p in (x, xp))
    order = np.argsort(known(xp))
    xp, fp = take(xp, order), take(fp, order)
    around = np.concatenate([xp[-1:] - period, xp, xp[:1] + period])
    return x, around, np.concatenate([fp[-1:], fp, fp[:1]])


class Convolve(Bilinear):
    r"""y_i = \sum_k a_k v_{i - k}

    Of vectors, over all positions where they overlap; `convolve` cuts out what its mode selects.
    """

    on_complex = Complex.HOLOMORPHIC
    cases = (case((5,), (3,)), case((2,), (4,)), case((3,), (1,)))

    @staticmethod
    def primal(a: Array, v: Array) -> Array:
        if a.dtype == np.float16 and v.dtype == np.float16:
            return np.convolve(a.astype(np.float32), v.astype(np.float32)).astype(np.float16)
        return np.convolve(a, v)

    @staticmethod
    def adjoint_a(y_bar: Array, v: Array) -> Array:
        r"""\bar a_k = \sum_i \bar y_i v_{i - k}"""
        return Correlate.apply(y_bar, v)

    @staticmethod
    def adjoint_v(y_bar: Array, a: Array) -> Array:
        r"""\bar v_k = \sum_i \bar y_i a_{i - k}"""
        return Correlate.apply(y_bar, a)


class Correlate(Bilinear):
    r"""y_i = \sum_k a_{i + k} v_k

    Of vectors, over the positions where the shorter `v` lies entirely within `a`. The adjoint of a convolution needs no
    more; the full correlation of two long vectors would take time proportional to the product of their lengths.
    """

    on_complex = Complex.HOLOMORPHIC
    cases = (case((5,), (3,)), case((4,), (4,)), case((3,), (1,)))

    @staticmethod
    def primal(a: Array, v: Array) -> Array:
        if a.dtype == np.float16 and v.dtype == np.float16:
            return np.correlate(a.astype(np.float32), v.astype(np.float32), "valid").astype(np.float16)
        return np.correlate(a, np.conjugate(v) if v.dtype.kind == "c" else v, "valid")  # NumPy conjugates v

    @staticmethod
    def adjoint_a(y_bar: Array, v: Array) -> Array:
        r"""\bar a_k = \sum_i \bar y_i v_{k - i}"""
        return Convolve.apply(y_bar, v)

    @staticmethod
    def adjoint_v(y_bar: Array, a: Array) -> Array:
        r"""\bar v_k = \sum_i \bar y_i a_{i + k}"""
        return Correlate.apply(a, y_bar)


@implements(np.convolve)
def convolve(a: Array, v: Array, mode: str = "full") -> Array:
    """Return the discrete convolution of two vectors, [N] and [M].

    `mode` "full" gives all N + M - 1 positions where they overlap, "same" the middle max(N, M), "valid" those where
    they overlap completely.

    >>> convolve(np.array([1.0, 2.0, 3.0]), np.array([1.0, 10.0]))
    array([ 1., 12., 23., 30.])
    """
    a, v = (x if x.ndim else x.reshape(1) for x in (arrayed(a), arrayed(v)))
    if a.ndim != 1 or v.ndim != 1 or not a.size or not v.size:
        raise ValueError(f"convolve: got shapes {a.shape} and {v.shape}, expected two vectors of length 1 or more")
    more, less = max(a.size, v.size), min(a.size, v.size)
    parts = {"full": (0, more + less - 1), "same": ((less - 1) // 2, more), "valid": (less - 1, more - less + 1)}
    if mode not in parts:
        raise ValueError(f"convolve: got mode={mode!r}, expected 'full', 'same' or 'valid'")
    start, length = parts[mode]
    return Convolve.apply(a, v)[start : start + length]
