"""Pooling over windows of a given size, or to a given output size."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.traces.capturing import plain
from chainrule.rules.arrays.gather import take, take_along_axis
from chainrule.rules.arrays.shape import expand_dims, moveaxis, reshape, swapaxes
from chainrule.rules.arrays.windows import Windows
from chainrule.rules.network.pooling import MaxPool, SumPool

from .arguments import Ints, batched, check_reach, ints


def _windows(
    name: str, input: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, axes: int
) -> Windows:
    """Return the windows of a pooling; in ceil mode they extend past the padding at the end."""
    kernel = ints(name, "kernel_size", kernel_size, axes, 1)
    steps = ints(name, "stride", kernel if stride is None else stride, axes, 1)
    margin, dilation = ints(name, "padding", padding, axes, 0), ints(name, "dilation", dilation, axes, 1)
    if any(2 * p > k for p, k in zip(margin, kernel, strict=True)):
        raise ValueError(f"{name}: padding: expected at most half of kernel_size {kernel_size}, got {padding}")
    windows = Windows(kernel, steps, tuple((p, p) for p in margin), dilation)
    size = input.shape[-axes:]
    if ceil_mode:
        each = zip(size, steps, margin, windows.span, strict=True)
        windows = replace(windows, padding=tuple((p, p + _overhang(n, s, p, span)) for n, s, p, span in each))
    check_reach(name, windows, size)
    return windows


def _overhang(n: int, stride: int, padding: int, span: int) -> int:
    """Return how far an incomplete last window reaches past the padding: it must start before the end of x."""
    count = -(-(n + 2 * padding - span) // stride) + 1
    if (count - 1) * stride >= n + padding:
        count -= 1
    return max((count - 1) * stride + span - n - 2 * padding, 0)


def _max_pool(
    axes: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    name = f"max_pool{axes}d"
    input, alone = batched(name, input, axes)
    windows = _windows(name, input, kernel_size, stride, padding, dilation, ceil_mode, axes)
    y = MaxPool.apply(input, windows=windows)
    y = y[0] if alone else y
    if not return_indices:
        return y
    indices = plain(lambda x: _indices(x, windows), input)
    return y, indices[0] if alone else indices


def _indices(x: Any, windows: Windows) -> Any:
    """Return where the largest element of each window is, as an index into its image with the axes flattened."""
    winner = MaxPool.primal_keeping(x, windows=windows)[1]
    places = np.unravel_index(winner, windows.kernel)
    size = x.shape[-windows.axes :]
    index: Any = 0
    for axis, (n, out) in enumerate(zip(size, windows.count(size), strict=True)):
        start = windows.stride[axis] * np.arange(out) - windows.padding[axis][0]
        along = start.reshape(-1, *[1] * (windows.axes - axis - 1)) + windows.dilation[axis] * places[axis]
        index = index * n + along
    return index


def max_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the largest element of each window of `input [B, C, L]` (or `[C, L]`).

    `stride` defaults to `kernel_size`; padding, at most half a kernel, is −∞. With `ceil_mode` there is one more window
    if it would reach past the end. The first of equal elements receives the gradient. With `return_indices` the result
    is a pair: the elements, and the index of each in its row.

    >>> max_pool1d(np.array([[[1.0, 3.0, 2.0, 2.0, 5.0]]]), 2, ceil_mode=True)
    array([[[3., 2., 5.]]])
    """
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the largest element of each window of `input [B, C, H, W]` (or `[C, H, W]`); `max_pool1d` says more.

    Settings are numbers, or pairs for the two axes. The indices of `return_indices` count along the rows of an image.

    >>> max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2)
    array([[[[ 5.,  7.], [13., 15.]]]])
    >>> max_pool2d(np.array([[[3.0, 1.0], [4.0, 2.0]]]), 2, return_indices=True)[1]
    array([[[2]]])
    """
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the largest element of each window of `input [B, C, D, H, W]`; `max_pool1d` says more.

    >>> max_pool3d(np.arange(8.0).reshape(1, 1, 2, 2, 2), 2).shape
    (1, 1, 1, 1, 1)
    """
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def _counts(windows: Windows, size: Ints, count_include_pad: bool) -> Any:
    """Return how many elements each window covers, not counting what only `ceil_mode` adds."""
    factors = []
    for k, (n, out) in enumerate(zip(size, windows.count(size), strict=True)):
        before = windows.padding[k][0]
        low, high = (0, n + 2 * before) if count_include_pad else (before, before + n)
        start = windows.stride[k] * np.arange(out)
        factors.append(np.minimum(start + windows.kernel[k], high) - np.maximum(start, low))
    counts: Any = math.prod(np.ix_(*factors))
    return int(counts.flat[0]) if counts.size and (counts == counts.flat[0]).all() else counts


def _avg_pool(
    axes: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None = None,
) -> Any:
    name = f"avg_pool{axes}d"
    input, alone = batched(name, input, axes)
    windows = _windows(name, input, kernel_size, stride, padding, 1, ceil_mode, axes)
    if divisor_override == 0:
        raise ValueError(f"{name}: divisor_override: expected a number that is not 0")
    counts = divisor_override or _counts(windows, input.shape[-axes:], count_include_pad)
    counts = counts.astype(input.dtype) if isinstance(counts, np.ndarray) else counts
    y = SumPool.apply(input, windows=windows) / counts
    return y[0] if alone else y


def avg_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """Return the mean of each window of `input [B, C, L]` (or `[C, L]`).

    `stride` defaults to `kernel_size`. Padding, at most half a kernel, is zeros, which count as elements unless
    `count_include_pad` is False; what lies beyond it in `ceil_mode` never counts.

    >>> avg_pool1d(np.array([[[1.0, 3.0, 2.0, 4.0]]]), 2, padding=1, count_include_pad=False)
    array([[[1. , 2.5, 4. ]]])
    """
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad)


def avg_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """Return the mean of each window of `input [B, C, H, W]` (or `[C, H, W]`); `avg_pool1d` says more.

    `divisor_override` replaces the number of elements.

    >>> avg_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2)
    array([[[[ 2.5,  4.5], [10.5, 12.5]]]])
    """
    return _avg_pool(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """Return the mean of each window of `input [B, C, D, H, W]`; `avg_pool1d` and `avg_pool2d` say more.

    >>> float(avg_pool3d(np.arange(8.0).reshape(1, 1, 2, 2, 2), 2).item())
    3.5
    """
    return _avg_pool(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def _bounds(n: int, out: int) -> tuple[Any, Any]:
    """Return the start and end of each of `out` windows over n elements: ⌊i n / out⌋ and ⌈(i + 1) n / out⌉."""
    i = np.arange(out)
    return i * n // out, -(-(i + 1) * n // out)


def _mean_of_axis(x: Any, out: int, axis: int) -> Any:
    begin, end = _bounds(x.shape[axis], out)
    j = np.arange(x.shape[axis])[:, None]
    means = ((begin <= j) & (j < end)).astype(x.dtype) / (end - begin).astype(x.dtype)
    return swapaxes(swapaxes(x, axis, -1) @ means, axis, -1)


def _adaptive(name: str, axes: int, input: Any, output_size: Any, pool: Callable[[Any, Ints], Any]) -> Any:
    """Pool to a size; None in it keeps the input's own."""
    input, alone = batched(name, input, axes)
    each = output_size if isinstance(output_size, tuple | list) else (output_size,) * axes
    size = input.shape[2:]
    if len(each) == axes:
        each = tuple(n if out is None else out for n, out in zip(size, each, strict=True))
    if 0 in size:
        raise ValueError(f"{name}: expected an input with elements to pool, got {list(input.shape)}")
    y = pool(input, ints(name, "output_size", each, axes, 1))
    return y[0] if alone else y


def _adaptive_avg_pool(input: Any, sizes: Ints) -> Any:
    for axis, out in enumerate(sizes, 2):
        input = _mean_of_axis(input, out, axis)
    return input


def _adaptive_max_pool(input: Any, sizes: Ints) -> Any:
    axes = len(sizes)
    for axis, out in enumerate(sizes):
        begin, end = _bounds(input.shape[2 + 2 * axis], out)
        # All windows are as long as the longest: a shorter one repeats its last element, and the first maximum is
        # chosen.
        places = np.minimum(begin[:, None] + np.arange((end - begin).max()), end[:, None] - 1)
        input = take(input, places, 2 + 2 * axis)
    input = moveaxis(input, range(3, 3 + 2 * axes, 2), range(-axes, 0))
    input = reshape(input, (*input.shape[: 2 + axes], math.prod(input.shape[2 + axes :])))
    first = plain(lambda x: np.argmax(x, axis=-1), input)
    return take_along_axis(input, expand_dims(first, -1), -1)[..., 0]


def adaptive_avg_pool1d(input: Any, output_size: Any) -> Any:
    """Return the means of `output_size` windows that together cover `input [B, C, L]` (or `[C, L]`).

    Window i of n goes from ⌊i L / n⌋ to ⌈(i + 1) L / n⌉, as in PyTorch: neighbours overlap where n does not divide L.

    >>> adaptive_avg_pool1d(np.array([[[1.0, 2.0, 6.0]]]), 2)
    array([[[1.5, 4. ]]])
    """
    return _adaptive("adaptive_avg_pool1d", 1, input, output_size, _adaptive_avg_pool)


def adaptive_avg_pool2d(input: Any, output_size: Any) -> Any:
    """Return the means of `output_size` windows, a number or a pair, that cover `input [B, C, H, W]`.

    None in the pair keeps that axis; `adaptive_avg_pool1d` says more.

    >>> adaptive_avg_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 1)
    array([[[[7.5]]]])
    """
    return _adaptive("adaptive_avg_pool2d", 2, input, output_size, _adaptive_avg_pool)


def adaptive_max_pool1d(input: Any, output_size: Any) -> Any:
    """Return the largest elements of the windows of `adaptive_avg_pool1d`; the first of equals has the gradient.

    >>> adaptive_max_pool1d(np.array([[[1.0, 2.0, 6.0]]]), 2)
    array([[[2., 6.]]])
    """
    return _adaptive("adaptive_max_pool1d", 1, input, output_size, _adaptive_max_pool)


def adaptive_max_pool2d(input: Any, output_size: Any) -> Any:
    """Return the largest elements of the windows of `adaptive_avg_pool2d`; the first of equals has the gradient.

    >>> adaptive_max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), (2, 1))
    array([[[[ 7.], [15.]]]])
    """
    return _adaptive("adaptive_max_pool2d", 2, input, output_size, _adaptive_max_pool)


def adaptive_avg_pool3d(input: Any, output_size: Any) -> Any:
    """Return the means of `output_size` windows that cover `input [B, C, D, H, W]`; `adaptive_avg_pool1d` says more."""
    return _adaptive("adaptive_avg_pool3d", 3, input, output_size, _adaptive_avg_pool)


def adaptive_max_pool3d(input: Any, output_size: Any) -> Any:
    """Return the largest elements of the windows of `adaptive_avg_pool3d`; the first of equals has the gradient."""
    return _adaptive("adaptive_max_pool3d", 3, input, output_size, _adaptive_max_pool)
