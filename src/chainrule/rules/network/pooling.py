"""Pooling: one number per window, its sum or its largest element, over the windows of `windows.py`.

Averages are sums divided by a constant, so they need no operation of their own.

Above the size that takes NumPy a tenth of a millisecond, `chainrule.kernels.pooling.passes` does the same in one pass.
"""

import functools
import math
from typing import Any

import numpy as np

from chainrule.core.kinds import Fused, Linear
from chainrule.core.operation import Array, Kink, case
from chainrule.core.traces.capturing import plain
from chainrule.core.transforms.batch import all_in_stacks, on_last_axes
from chainrule.kernels.suitable import HAS_COMPILER
from chainrule.rules.arrays.windows import CASES, Ints, Windows, geometry, wide

from . import proofs_of_windows as proofs_of

PAIRS = Windows.of((2,), stride=2)
INSIDE = tuple(one for one in CASES if not any(map(any, one.settings["windows"].padding)))
"""The cases without padding, where every tap of a window may win."""
KERNEL_FROM = 2**16
"""Kernels are used from this many image elements on: a program with fewer never waits for Numba's import."""


def _kernels(dtype: Any, elements: int, windows: Windows) -> Any:
    """Return the kernel module if it applies and there is enough work, otherwise None."""
    if not HAS_COMPILER or elements < KERNEL_FROM or dtype not in (np.float32, np.float64):
        return None
    if windows.axes > 3 or windows.places > 255:
        return None
    from chainrule.kernels.pooling import passes as pooling

    return pooling


class SumPool(Linear):
    r"""y_i = \sum_k x_{s i + d k - p}

    Of x `[…, size]`, the sum of each window, `[…, positions]`; elements outside of x are zero.
    """

    letters = {"y": "p"}
    proofs = proofs_of.SUM_POOL
    cases = CASES
    stacked = staticmethod(on_last_axes)

    @staticmethod
    def primal(x: Array, *, windows: Windows) -> Array:
        out = windows.count(x.shape[-windows.axes :])
        if kernels := _kernels(x.dtype, x.size, windows):
            return kernels.total(np.asarray(x), geometry(windows), windows.axes)
        padded = windows.padded(wide(x))
        y = np.zeros((*x.shape[: -windows.axes], *out), padded.dtype)
        for offset in windows.offsets:
            y += padded[windows.at(offset, out)]
        return y.astype(x.dtype, copy=False)

    @staticmethod
    def adjoint(y_bar: Array, x_shape: Ints, *, windows: Windows) -> Array:
        r"""\bar x_j = \sum_{k, i: s i + d k - p = j} \bar y_i"""
        return SumUnpool.apply(y_bar, windows=windows, size=x_shape[-windows.axes :])


class SumUnpool(Linear):
    r"""y_j = \sum_{k, i: s i + d k - p = j} x_i

    Each element of x `[…, positions]` added to its whole window, in zeros `[…, size]`; the adjoint of `SumPool`.
    """

    cases = tuple(
        case(
            (*shape[: -windows.axes], *windows.count(shape[-windows.axes :])),
            windows=windows,
            size=shape[-windows.axes :],
        )
        for shape, windows in ((one.inputs[0], one.settings["windows"]) for one in CASES)
    )
    stacked = staticmethod(on_last_axes)

    @staticmethod
    def primal(x: Array, *, windows: Windows, size: Ints) -> Array:
        out = windows.count(size)
        if x.shape[x.ndim - windows.axes :] != out:
            raise ValueError(f"expected [..., {str(list(out))[1:]} for the size {list(size)}")
        if kernels := _kernels(x.dtype, x.size // math.prod(out) * math.prod(size) if x.size else 0, windows):
            return kernels.spread(np.asarray(x), geometry(windows), tuple(size))
        terms = wide(x)
        y = np.zeros((*x.shape[: x.ndim - windows.axes], *windows.full(size)), terms.dtype)
        for offset in windows.offsets:
            y[windows.at(offset, out)] += terms
        return windows.cut(y, size).astype(x.dtype, copy=False)

    @staticmethod
    def adjoint(y_bar: Array, *, windows: Windows) -> Array:
        r"""\bar x_i = \sum_k \bar y_{s i + d k - p}"""
        return SumPool.apply(y_bar, windows=windows)


def _winners(one: Any) -> Any:
    """Return, for a case in `CASES`, the shape of the windows' results and a tap for each of them."""
    (shape,), windows = one.inputs, one.settings["windows"]
    out = (*shape[: -windows.axes], *windows.count(shape[-windows.axes :]))
    return out, (np.arange(math.prod(out)) % windows.places).reshape(out)


class PoolAt(Linear):
    r"""y_i = x_{s i + d k_i - p}

    Of x `[…, size]`, what lies under tap k of each window, `[…, positions]`; elements outside of x are −∞.
    """

    cases = tuple(case(one.inputs[0], _winners(one)[1], **one.settings) for one in INSIDE)
    stacked = staticmethod(all_in_stacks)

    @staticmethod
    def primal(x: Array, winner: Array, *, windows: Windows) -> Array:
        padded, out = windows.padded(np.asarray(x), -np.inf), winner.shape[-windows.axes :]
        if not winner.size:
            return np.zeros(winner.shape, padded.dtype)
        size, lines = padded.shape[-windows.axes :], math.prod(winner.shape[: -windows.axes])
        places = np.arange(math.prod(size)).reshape(size)
        taps = places[tuple(slice(0, span, d) for span, d in zip(windows.span, windows.dilation, strict=True))].ravel()
        found = taps.take(winner.reshape(lines, -1))
        found += places[windows.at((0,) * windows.axes, out)].reshape(-1)
        found += np.arange(0, lines * places.size, places.size)[:, None]
        return padded.take(found).reshape(winner.shape)

    @staticmethod
    def adjoint_x(y_bar: Array, winner: Array, x_shape: Ints, *, windows: Windows) -> Array:
        r"""\bar x_j = \sum_{i: s i + d k_i - p = j} \bar y_i"""
        return UnpoolAt.apply(y_bar, winner, windows=windows, size=x_shape[-windows.axes :])


class UnpoolAt(Linear):
    r"""y_j = \sum_{i: s i + d k_i - p = j} x_i

    Zeros `[…, size]` with each element of x `[…, positions]` added under tap k of its window; the adjoint of `PoolAt`.
    """

    cases = tuple(
        case(*_winners(one), windows=one.settings["windows"], size=one.inputs[0][-one.settings["windows"].axes :])
        for one in INSIDE
    )
    stacked = staticmethod(all_in_stacks)

    @staticmethod
    def primal(x: Array, winner: Array, *, windows: Windows, size: Ints) -> Array:
        x_shape = (*x.shape[: x.ndim - windows.axes], *size)
        if kernels := _kernels(x.dtype, math.prod(x_shape), windows):
            return kernels.unpool(np.asarray(x), np.asarray(winner), geometry(windows), x_shape, windows.axes)
        y = np.zeros((*x_shape[: -windows.axes], *windows.full(size)), x.dtype)
        for k, offset in enumerate(windows.offsets):
            y[windows.at(offset, winner.shape[-windows.axes :])] += x * (winner == k)
        return windows.cut(y, size)

    @staticmethod
    def adjoint_x(y_bar: Array, winner: Array, *, windows: Windows) -> Array:
        r"""\bar x_i = \bar y_{s i + d k_i - p}"""
        return PoolAt.apply(y_bar, winner, windows=windows)


class MaxPool(Fused):
    r"""y_i = \max_k x_{s i + d k - p}

    Of x `[…, size]`, the largest element of each window, `[…, positions]`; elements outside of x are −∞. Only the tap
    of the kernel that it was under is kept, in one byte for small kernels.
    """

    picks = True
    letters = {"y": "p"}
    proofs = proofs_of.MAX_POOL
    keeps = ("winner",)
    cases = (*CASES, case((1, 4, 4), windows=Windows.of((2, 2), stride=2)))
    kinks = (
        Kink(
            ((1.0, 1.0),),
            ((1.0, 0.0),),
            "the first of equal elements takes it all, as in PyTorch: one place for each window is all that need "
            "be kept, and no element's gradient depends on how many others are equal to it",
        ),
    )
    stacked = staticmethod(on_last_axes)

    @staticmethod
    def composite(x: Array, *, windows: Windows) -> Array:
        winner = plain(lambda x: MaxPool.primal_keeping(np.asarray(x), windows=windows)[1], x, stacks=True)
        return PoolAt.apply(x, winner, windows=windows)

    @staticmethod
    def primal(x: Array, *, windows: Windows = PAIRS) -> Array:
        return MaxPool.primal_keeping(x, windows=windows)[0]

    @staticmethod
    def regain(**_: Any) -> None:
        """Return None: which element won does not say what the others were."""
        return

    @staticmethod
    def anew(kept: dict[str, Any], *, x: Array, windows: Windows) -> Array:
        """Return the composite with the winners that were kept: the others have no influence on the derivatives."""
        return PoolAt.apply(x, kept["winner"], windows=windows)

    @staticmethod
    def primal_keeping(x: Array, *, windows: Windows) -> tuple[Array, Array]:
        x = np.asarray(x)
        out = windows.count(x.shape[-windows.axes :])
        if kernels := _kernels(x.dtype, x.size, windows):
            y, winner = kernels.largest(x, geometry(windows), windows.axes)
            return y, winner
        padded = windows.padded(x, -np.inf)
        candidates = [padded[windows.at(offset, out)] for offset in windows.offsets]
        y = functools.reduce(np.maximum, candidates[1:], candidates[0].copy())
        # Each tap before its own counts as one, so the sum is the tap. NaN is never greater than itself.
        unknown = bool(np.isnan(y).any())
        winner = np.zeros(y.shape, np.min_scalar_type(windows.places))
        found = np.zeros(y.shape, bool)
        for candidate in candidates[:-1]:
            found |= (candidate == y) | np.isnan(candidate) if unknown else candidate == y
            winner += ~found
        return y, winner

    @staticmethod
    def adjoint_x(y_bar: Array, winner: Array, x_shape: Ints, *, windows: Windows) -> Array:
        r"""\bar x_j = \sum_{k, i: s i + d k - p = j} [x_j = y_i] \bar y_i"""
        return UnpoolAt.apply(y_bar, winner, windows=windows, size=x_shape[-windows.axes :])
