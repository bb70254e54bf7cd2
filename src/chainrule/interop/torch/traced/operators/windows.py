"""ATen's convolutions and poolings, with chainrule's operations."""

# ruff: noqa: ARG001  # ATen's arguments, also those that say nothing here

from collections.abc import Sequence
from typing import Any

from chainrule.interop.torch.traced.call import Call, carries
from chainrule.nn import functional

Ints = Sequence[int]

CONV = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
TRANSPOSED = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d, 3: functional.conv_transpose3d}
MAX_POOL = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}
AVG_POOL = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}
ADAPTIVE_AVG = {
    1: functional.adaptive_avg_pool1d,
    2: functional.adaptive_avg_pool2d,
    3: functional.adaptive_avg_pool3d,
}
ADAPTIVE_MAX = {
    1: functional.adaptive_max_pool1d,
    2: functional.adaptive_max_pool2d,
    3: functional.adaptive_max_pool3d,
}


def numbers(given: Any, axes: int, default: int | None = None) -> Any:
    """Return one number per axis; for an empty list, the default on each axis, or None without one."""
    given = [given] if isinstance(given, int) else list(given)
    if not given:
        return None if default is None else (default,) * axes
    return tuple(given * axes if len(given) == 1 else given)


@carries("conv1d", "conv2d", "conv3d")
def conv(
    call: Call, x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Any:  # fmt: skip
    """Return a convolution."""
    axes = int(call.step.kind[4])
    padding = padding if isinstance(padding, str) else numbers(padding, axes, 0)
    return CONV[axes](x, weight, bias, numbers(stride, axes, 1), padding, numbers(dilation, axes, 1), groups)


@carries("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def conv_transpose(
    call: Call, x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
    groups: int = 1, dilation: Any = 1,
) -> Any:  # fmt: skip
    """Return a transposed convolution."""
    return _transposed(int(call.step.kind[14]), x, weight, bias, stride, padding, output_padding, groups, dilation)


def _transposed(axes: int, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, extra: Any, groups: int,
                dilation: Any) -> Any:  # fmt: skip
    stride, dilation = numbers(stride, axes, 1), numbers(dilation, axes, 1)
    padding, extra = numbers(padding, axes, 0), numbers(extra, axes, 0)
    return TRANSPOSED[axes](x, weight, bias, stride, padding, extra, groups, dilation)


@carries("convolution")
def convolution(
    call: Call, x: Any, weight: Any, bias: Any, stride: Ints, padding: Ints, dilation: Ints, transposed: bool,
    output_padding: Ints, groups: int,
) -> Any:  # fmt: skip
    """Return a convolution or a transposed convolution."""
    axes = weight.ndim - 2
    if transposed:
        return _transposed(axes, x, weight, bias, stride, padding, output_padding, groups, dilation)
    stride, padding, dilation = numbers(stride, axes, 1), numbers(padding, axes, 0), numbers(dilation, axes, 1)
    return CONV[axes](x, weight, bias, stride, padding, dilation, groups)


# Pooling


def _max(call: Call, axes: int, x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool,
         with_indices: bool) -> Any:  # fmt: skip
    return MAX_POOL[axes](
        x, numbers(kernel, axes), numbers(stride, axes), numbers(padding, axes, 0), numbers(dilation, axes, 1),
        ceil_mode, with_indices,
    )  # fmt: skip


@carries("max_pool1d", "max_pool2d", "max_pool3d")
def max_pool(
    call: Call, x: Any, kernel_size: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> Any:
    """Return the maximum of each window."""
    return _max(call, int(call.step.kind[8]), x, kernel_size, stride, padding, dilation, ceil_mode, False)


@carries("max_pool1d_with_indices", "max_pool2d_with_indices", "max_pool3d_with_indices")
def max_pool_with_indices(
    call: Call, x: Any, kernel_size: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> Any:
    """Return the maximum of each window, and its index if a later step uses it."""
    wanted = call.step.dtypes[1] is not None
    y = _max(call, int(call.step.kind[8]), x, kernel_size, stride, padding, dilation, ceil_mode, wanted)
    return y if wanted else (y, None)


@carries("avg_pool1d", "avg_pool2d", "avg_pool3d")
def avg_pool(
    call: Call, x: Any, kernel_size: Any, stride: Any = (), padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: Any = None,
) -> Any:  # fmt: skip
    """Return the mean of each window."""
    axes = int(call.step.kind[8])
    more = {} if divisor_override is None else {"divisor_override": divisor_override}
    kernel, steps = numbers(kernel_size, axes), numbers(stride, axes)
    return AVG_POOL[axes](x, kernel, steps, numbers(padding, axes, 0), ceil_mode, count_include_pad, **more)


@carries("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "_adaptive_avg_pool2d",
         "_adaptive_avg_pool3d")  # fmt: skip
def adaptive_avg_pool(call: Call, x: Any, output_size: Ints) -> Any:
    """Return the means of windows chosen to give the output size."""
    axes = int(call.step.kind.lstrip("_")[17])
    return ADAPTIVE_AVG[axes](x, tuple(output_size))


@carries("adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d")
def adaptive_max_pool(call: Call, x: Any, output_size: Ints) -> Any:
    """Return the maxima of windows chosen to give the output size."""
    if isinstance(call.step.dtypes, tuple) and call.step.dtypes[1] is not None:
        call.refuse("the indices are used, and there are none here")
    y = ADAPTIVE_MAX[int(call.step.kind[17])](x, tuple(output_size))
    return (y, None) if isinstance(call.step.dtypes, tuple) else y


# Windows as columns


@carries("im2col")
def im2col(call: Call, x: Any, kernel_size: Ints, dilation: Ints, padding: Ints, stride: Ints) -> Any:
    """Return the windows of images as columns."""
    return functional.unfold(x, tuple(kernel_size), tuple(dilation), tuple(padding), tuple(stride))


@carries("col2im")
def col2im(
    call: Call, x: Any, output_size: Ints, kernel_size: Ints, dilation: Ints, padding: Ints, stride: Ints
) -> Any:
    """Return images from columns of windows, summed where they overlap."""
    size, kernel = tuple(output_size), tuple(kernel_size)
    return functional.fold(x, size, kernel, tuple(dilation), tuple(padding), tuple(stride))
