"""Convolutions and their transposes; unfold and fold."""

import math
from typing import Any

from chainrule.rules.arrays.shape import reshape
from chainrule.rules.arrays.windows import Fold, Unfold, Windows
from chainrule.rules.network.convolution import Convolution, ConvolutionTranspose

from .arguments import Ints, arrayed, batched, check_reach, ints
from .padding import pad


def _same(name: str, kernel: Ints, stride: Ints, dilation: Ints) -> tuple[tuple[int, int], ...]:
    """Return the padding that keeps the size; if it is odd, the extra element goes after, as in PyTorch."""
    if any(s != 1 for s in stride):
        raise ValueError(f"{name}: padding='same' keeps the size, which a stride of {stride} cannot; pass numbers")
    totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    return tuple((total // 2, total - total // 2) for total in totals)


def _windows(name: str, kernel: Ints, stride: Any, padding: Any, dilation: Any) -> Windows:
    axes = len(kernel)
    stride, dilation = ints(name, "stride", stride, axes, 1), ints(name, "dilation", dilation, axes, 1)
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise ValueError(f"{name}: padding: expected 'same', 'valid' or numbers, got {padding!r}")
        pairs = _same(name, kernel, stride, dilation) if padding == "same" else ((0, 0),) * axes
    else:
        pairs = tuple((n, n) for n in ints(name, "padding", padding, axes, 0))
    return Windows(kernel, stride, pairs, dilation)


def _check(name: str, input: Any, weight: Any, bias: Any, groups: Any, transposed: bool) -> None:
    """Raise an error unless channels, groups and bias match."""
    if weight.ndim != input.ndim or 0 in weight.shape:
        what = "C, O / groups" if transposed else "O, C / groups"
        raise ValueError(f"{name}: expected weight [{what}, *kernel] with {input.ndim} axes, got {list(weight.shape)}")
    (groups,) = ints(name, "groups", groups, 1, 1)
    channels = weight.shape[0] if transposed else weight.shape[1] * groups
    if input.shape[1] != channels:
        of_groups = f" and {groups} groups" if groups > 1 else ""
        raise ValueError(
            f"{name}: expected input with {channels} channels (axis 1) for weight {list(weight.shape)}{of_groups}, got "
            f"input {list(input.shape)}"
        )
    if weight.shape[0] % groups:
        raise ValueError(
            f"{name}: expected weight whose first axis makes up {groups} equal groups, got {list(weight.shape)}"
        )
    outputs = weight.shape[1] * groups if transposed else weight.shape[0]
    if bias is not None and arrayed(bias).shape != (outputs,):
        raise ValueError(f"{name}: expected bias [{outputs}], got {list(arrayed(bias).shape)}")


def _finished(y: Any, bias: Any, axes: int, alone: bool) -> Any:
    y = y if bias is None else y + reshape(bias, (-1, *[1] * axes))
    return y[0] if alone else y


def _conv(axes: int, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    name = f"conv{axes}d"
    input, alone = batched(name, input, axes)
    weight = arrayed(weight)
    _check(name, input, weight, bias, groups, transposed=False)
    windows = _windows(name, weight.shape[2:], stride, padding, dilation)
    check_reach(name, windows, input.shape[2:])
    return _finished(Convolution.apply(input, weight, windows=windows, groups=groups), bias, axes, alone)


def _conv_transpose(
    axes: int,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Any:
    name = f"conv_transpose{axes}d"
    input, alone = batched(name, input, axes)
    weight = arrayed(weight)
    _check(name, input, weight, bias, groups, transposed=True)
    padding = ints(name, "padding", padding, axes, 0)
    windows = _windows(name, weight.shape[2:], stride, padding, dilation)
    extra = ints(name, "output_padding", output_padding, axes, 0)
    if any(e >= max(s, d) for e, s, d in zip(extra, windows.stride, windows.dilation, strict=True)):
        raise ValueError(f"{name}: output_padding: expected less than stride or dilation, got {output_padding!r}")
    each = zip(input.shape[2:], windows.stride, windows.span, strict=True)
    reached = tuple((n - 1) * s + span for n, s, span in each)
    size = tuple(n - 2 * p + e for n, p, e in zip(reached, padding, extra, strict=True))
    if min(size) < 1:
        raise ValueError(f"{name}: the output would have the size {size}; use less padding or a larger input")
    if all(e < s for e, s in zip(extra, windows.stride, strict=True)):
        y = ConvolutionTranspose.apply(input, weight, windows=windows, groups=groups, size=size)
    else:  # so large that a convolution of this size has more positions: cut out of what the kernel reaches, and zeros
        whole = _windows(name, weight.shape[2:], stride, 0, dilation)
        y = ConvolutionTranspose.apply(input, weight, windows=whole, groups=groups, size=reached)
        beyond = [max(p + n - r, 0) for p, n, r in zip(padding, size, reached, strict=True)]
        y = pad(y, [n for m in reversed(beyond) for n in (0, m)])
        y = y[(slice(None), slice(None), *(slice(p, p + n) for p, n in zip(padding, size, strict=True)))]
    return _finished(y, bias, axes, alone)


def conv1d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    r"""Return $y_{b, o, i} = \beta_o + \sum_{c, k} w_{o, c, k}\,x_{b, c, s i + d k - p}$, `[B, O, L']`.

    `input [B, C, L]` (or `[C, L]`, without a batch), `weight [O, C / groups, K]`, `bias [O]`. `stride` s, `dilation` d
    and `padding` p, the number of zeros on both sides, are numbers; `padding="same"` keeps the length, "valid" is 0.
    With `groups`, channels are split into that many independent groups. Arguments and layout are PyTorch's.

    Raises ValueError if the shapes do not match, or the kernel does not fit the padded input.

    Source: Dumoulin & Visin, "A guide to convolution arithmetic for deep learning" (2016).

    >>> import numpy as np
    >>> conv1d(np.array([[[1.0, 2.0, 4.0]]]), np.array([[[-1.0, 1.0]]]))
    array([[[1., 2.]]])
    """
    return _conv(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """Return the convolution of `input [B, C, H, W]` with `weight [O, C / groups, K, L]`, as `conv1d` does.

    `stride`, `padding` and `dilation` are numbers, or pairs for the two axes.

    >>> import numpy as np
    >>> conv2d(np.ones((1, 3, 5, 5)), np.ones((2, 3, 3, 3)), padding="same")[0, 0, :2, :2]
    array([[12., 18.], [18., 27.]])
    """
    return _conv(2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """Return the convolution of `input [B, C, D, H, W]` with `weight [O, C / groups, *kernel]`, as `conv1d` does.

    >>> import numpy as np
    >>> conv3d(np.ones((1, 1, 4, 4, 4)), np.ones((2, 1, 3, 3, 3)), stride=(1, 2, 1)).shape
    (1, 2, 2, 1, 2)
    """
    return _conv(3, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """Return the adjoint of `conv1d` with these settings, which makes longer signals from shorter ones.

    `input [B, C, L]`, `weight [C, O / groups, K]`, `bias [O]`; the result is `[B, O, (L - 1) stride - 2 padding +
    dilation (K - 1) + output_padding + 1]`. `output_padding` selects among the lengths that `conv1d` maps to L.

    >>> import numpy as np
    >>> conv_transpose1d(np.array([[[1.0, 2.0]]]), np.array([[[1.0, 10.0]]]), stride=2)
    array([[[ 1., 10.,  2., 20.]]])
    """
    return _conv_transpose(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """Return the transposed convolution of `input [B, C, H, W]` with `weight [C, O / groups, K, L]`.

    `conv_transpose1d` says more; settings are numbers, or pairs for the two axes.

    >>> import numpy as np
    >>> conv_transpose2d(np.ones((1, 2, 3, 3)), np.ones((2, 4, 2, 2)), stride=2).shape
    (1, 4, 6, 6)
    """
    return _conv_transpose(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """Return the transposed convolution of `input [B, C, D, H, W]` with `weight [C, O / groups, *kernel]`.

    `conv_transpose1d` says more; settings are numbers, or one for each of the three axes.

    >>> import numpy as np
    >>> conv_transpose3d(np.ones((1, 1, 1, 2, 2)), np.ones((1, 1, 2, 2, 2))).shape
    (1, 1, 2, 3, 3)
    """
    return _conv_transpose(3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def unfold(input: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Return the windows of `input [B, C, H, W]` as columns, `[B, C K L, positions]`.

    >>> import numpy as np
    >>> unfold(np.arange(4.0).reshape(1, 1, 2, 2), (1, 2))
    array([[[0., 2.], [1., 3.]]])
    """
    input, alone = batched("unfold", input, 2)
    windows = _windows("unfold", ints("unfold", "kernel_size", kernel_size, 2, 1), stride, padding, dilation)
    check_reach("unfold", windows, input.shape[2:])
    y = Unfold.apply(input, windows=windows)
    rows = input.shape[1] * windows.places
    y = reshape(y, (len(input), rows, math.prod(windows.count(input.shape[2:]))))
    return y[0] if alone else y


def fold(input: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Return columns `[B, C K L, positions]` as windows of images `[B, C, *output_size]`, summed where they overlap.

    >>> import numpy as np
    >>> fold(np.array([[[1.0, 2.0], [3.0, 4.0]]]), (1, 3), (1, 2))
    array([[[[1., 5., 4.]]]])
    """
    input = arrayed(input)
    if input.ndim not in (2, 3):
        raise ValueError(f"fold: expected [B, C * kernel, positions] or without B, got {list(input.shape)}")
    kernel, size = ints("fold", "kernel_size", kernel_size, 2, 1), ints("fold", "output_size", output_size, 2, 1)
    windows = _windows("fold", kernel, stride, padding, dilation)
    check_reach("fold", windows, size)
    channels, rest = divmod(input.shape[-2], windows.places)
    out = windows.count(size)
    if rest or input.shape[-1] != math.prod(out):
        raise ValueError(
            f"fold: expected [..., C * {windows.places}, {math.prod(out)}] for the size {size}, got {list(input.shape)}"
        )
    columns = reshape(input, (*input.shape[:-2], channels, *kernel, *out))
    return Fold.apply(columns, windows=windows, size=size)
