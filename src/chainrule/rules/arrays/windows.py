r"""Windows: the positions of a small kernel that slides over the last axes of an array.

Along an axis of length N with padding (p, q), a kernel of K taps with dilation d and stride s has

$$n = \lfloor \frac{N + p + q - d (K - 1) - 1}{s} \rfloor + 1$$

positions, and at position i its tap k lies over the element $s i + d k - p$; elements outside are padding.
(Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", 2016, relationships 14 and 15.)

Every operation on windows needs, for one tap k of the kernel, the elements under it at all positions at once. That is a
strided slice, so a sum over the kernel takes only a few passes over whole arrays.
"""

import functools
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.core.facts import Complex
from chainrule.core.kinds import Linear
from chainrule.core.operation import Array, case
from chainrule.core.transforms.batch import on_last_axes

Ints = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]


def _each(value: Any, axes: int) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,) * axes


@dataclass(frozen=True)
class Windows:
    """A kernel's shape, stride, padding (before, after) and dilation, one entry per windowed axis."""

    kernel: Ints
    stride: Ints
    padding: Pairs
    dilation: Ints

    @classmethod
    def of(cls, kernel: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1) -> "Windows":
        """Make windows from a tuple `kernel`; any other entry may be one number for all axes.

        >>> Windows.of((3, 3), padding=1).count((5, 7))
        (5, 7)
        """
        axes = len(kernel)
        pairs = tuple(_each(pair, 2) for pair in _each(padding, axes))
        return cls(tuple(kernel), _each(stride, axes), pairs, _each(dilation, axes))

    @property
    def axes(self) -> int:
        """The number of kernel axes."""
        return len(self.kernel)

    @property
    def places(self) -> int:
        """The number of taps of the kernel."""
        return math.prod(self.kernel)

    @property
    def offsets(self) -> Iterator[Ints]:
        """The taps of the kernel, last axis fastest."""
        return itertools.product(*map(range, self.kernel))

    @property
    def span(self) -> Ints:
        """The extent of the kernel along each axis."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    def count(self, size: Ints) -> Ints:
        """Return the number of positions along each axis; a ValueError if there is none."""
        full = self.full(size)
        if any(n < span for n, span in zip(full, self.span, strict=True)):
            raise ValueError(f"a kernel that reaches over {self.span} does not fit into {full}, the padded size")
        return tuple((n - span) // s + 1 for n, span, s in zip(full, self.span, self.stride, strict=True))

    def full(self, size: Ints) -> Ints:
        """Return the size with its padding."""
        return tuple(n + before + after for n, (before, after) in zip(size, self.padding, strict=True))

    def at(self, offset: Ints, out: Ints) -> tuple[Any, ...]:
        """Return the index of what lies under one tap in a padded array, at `out` positions."""
        each = zip(offset, out, self.stride, self.dilation, strict=True)
        return (..., *(slice(k * d, k * d + s * (n - 1) + 1, s) for k, n, s, d in each))

    def under(self, offset: Ints) -> tuple[Any, ...]:
        """Return the index of one tap in an array `[…, kernel, positions]`."""
        return (..., *offset, *(slice(None),) * self.axes)

    def padded(self, x: Array, value: float = 0.0) -> Array:
        """Return a plain array with its padding; the array itself if there is none."""
        if not any(map(any, self.padding)):
            return x
        size = x.shape[-self.axes :]
        padded = np.full((*x.shape[: -self.axes], *self.full(size)), value, x.dtype)
        padded[self._inside(size)] = x
        return padded

    def cut(self, padded: Array, size: Ints) -> Array:
        """Return an array without its padding."""
        return padded[self._inside(size)] if any(map(any, self.padding)) else padded

    def _inside(self, size: Ints) -> tuple[Any, ...]:
        return (..., *(slice(before, before + n) for n, (before, _) in zip(size, self.padding, strict=True)))


@functools.lru_cache(256)
def geometry(windows: Windows) -> Any:
    """Return windows as the compiled kernels take them: over three axes, padded in front with length one."""
    from chainrule.kernels.convolution.flat import Geometry

    return Geometry.of(windows.kernel, windows.stride, windows.padding, windows.dilation)


def wide(x: Array) -> Array:
    """Return a plain array, float16 as float32: float16 sums lose digits, and squares overflow from 256 on."""
    x = np.asarray(x)
    return x.astype(np.float32) if x.dtype == np.float16 else x


CASES = (
    case((2, 3, 6), windows=Windows.of((2,))),
    case((2, 7), windows=Windows.of((3,), stride=2, padding=1)),
    case((2, 5, 6), windows=Windows.of((2, 3), stride=(2, 1), padding=((0, 1), (1, 0)), dilation=(1, 2))),
    case((5,), windows=Windows.of((2,), stride=3)),
    case((0, 3, 3), windows=Windows.of((2, 2))),
)
"""The windows that every window operation is tested with."""


class Unfold(Linear):
    r"""y_{k, i} = x_{s i + d k - p}

    What lies under the kernel: of x `[…, size]`, y `[…, kernel, positions]`. Elements outside of x are zero.
    """

    on_complex = Complex.HOLOMORPHIC
    cases = CASES
    stacked = staticmethod(on_last_axes)

    @staticmethod
    def primal(x: Array, *, windows: Windows) -> Array:
        out = windows.count(x.shape[-windows.axes :])
        padded = windows.padded(np.asarray(x))
        y = np.empty((*x.shape[: -windows.axes], *windows.kernel, *out), x.dtype)
        for offset in windows.offsets:
            y[windows.under(offset)] = padded[windows.at(offset, out)]
        return y

    @staticmethod
    def adjoint(y_bar: Array, x_shape: Ints, *, windows: Windows) -> Array:
        r"""\bar x_j = \sum_{k, i: s i + d k - p = j} \bar y_{k, i}"""
        return Fold.apply(y_bar, windows=windows, size=x_shape[-windows.axes :])


def _folded_case(one: Any) -> Any:
    """Return the adjoint's case for a case in `CASES`."""
    (shape,), windows = one.inputs, one.settings["windows"]
    size = shape[-windows.axes :]
    return case((*shape[: -windows.axes], *windows.kernel, *windows.count(size)), windows=windows, size=size)


class Fold(Linear):
    r"""y_j = \sum_{k, i: s i + d k - p = j} x_{k, i}

    Windows `[…, kernel, positions]` summed where they overlap, to `[…, size]`; the adjoint of `Unfold`.
    """

    on_complex = Complex.HOLOMORPHIC
    cases = tuple(map(_folded_case, CASES))
    stacked = staticmethod(on_last_axes)

    @staticmethod
    def primal(x: Array, *, windows: Windows, size: Ints = ()) -> Array:
        out = windows.count(size)
        ahead = x.shape[: x.ndim - 2 * windows.axes]
        if x.shape != (*ahead, *windows.kernel, *out):
            raise ValueError(f"expected windows [..., {(*windows.kernel, *out)}] for the size {size}")
        columns = wide(x)
        y = np.zeros((*ahead, *windows.full(size)), columns.dtype)
        for offset in windows.offsets:
            y[windows.at(offset, out)] += columns[windows.under(offset)]
        return windows.cut(y, size).astype(x.dtype, copy=False)

    @staticmethod
    def adjoint(y_bar: Array, *, windows: Windows) -> Array:
        r"""\bar x_{k, i} = \bar y_{s i + d k - p}"""
        return Unfold.apply(y_bar, windows=windows)
