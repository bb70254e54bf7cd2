"""Convolution layers."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from chainrule.core.operands.keywords import explained

from . import functional
from .functional.arguments import ints
from .init import Generator, initial
from .inputs import floating, in_dtype_of, positive_size
from .module import Module
from .parameter import Parameter


class _Convolution(Module):
    """The base of the convolutions, which differ in how many axes they slide over."""

    function: ClassVar[Callable[..., Any]]
    axes: ClassVar[int]

    @explained
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        init: str | Callable[..., Any] = "kaiming",
        generator: Generator = None,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.in_channels = positive_size(f"{name}: in_channels", in_channels)
        self.out_channels = positive_size(f"{name}: out_channels", out_channels)
        self.groups = positive_size(f"{name}: groups", groups)
        if in_channels % groups or out_channels % groups:
            raise ValueError(f"{name}: groups: expected a divisor of {in_channels} and {out_channels}, got {groups}")
        self.kernel_size = ints(name, "kernel_size", kernel_size, self.axes, 1)
        self.stride = ints(name, "stride", stride, self.axes, 1)
        self.dilation = ints(name, "dilation", dilation, self.axes, 1)
        self.padding = padding if isinstance(padding, str) else ints(name, "padding", padding, self.axes, 0)
        if isinstance(padding, str) and padding != "valid" and (padding != "same" or max(self.stride) > 1):
            raise ValueError(f"{name}: padding: expected numbers, 'valid', or 'same' for stride 1, got {padding!r}")
        dtype = floating(name, dtype)
        shape = (self.out_channels, self.in_channels // self.groups, *self.kernel_size)
        self.weight = Parameter(initial(name, init, shape, generator, dtype))
        self.bias = Parameter(np.zeros(self.out_channels, dtype)) if bias else None

    def forward(self, x: Any) -> Any:
        """Return the convolution of `x`."""
        what = f"{type(self).__name__}({self.in_channels} → {self.out_channels})"
        x = in_dtype_of(self.weight, x, what)
        if x.ndim not in (self.axes + 1, self.axes + 2) or x.shape[-self.axes - 1] != self.in_channels:
            places = "L" if self.axes == 1 else "H, W"
            raise ValueError(f"{what}: expected [batch, {self.in_channels}, {places}], got {list(x.shape)}")
        settings = (self.stride, self.padding, self.dilation, self.groups)
        return type(self).function(x, self.weight, self.bias, *settings)

    def extra_repr(self) -> str:
        """Return the sizes, and the settings that differ from their defaults."""
        usual = {"stride": (1,) * self.axes, "padding": (0,) * self.axes, "dilation": (1,) * self.axes, "groups": 1}
        other = {key: getattr(self, key) for key, value in usual.items() if getattr(self, key) != value}
        if self.bias is None:
            other["bias"] = False
        if self.weight.dtype != np.float32:
            other["dtype"] = self.weight.dtype
        sizes = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"
        return ", ".join([sizes, *(f"{key}={value!s}" for key, value in other.items())])


class Conv1d(_Convolution):
    """`functional.conv1d` of `x [B, C, L]` with `weight [O, C / groups, K]` and `bias [O]`.

    `init` is "kaiming", "xavier", "lecun", "orthogonal", or a function of (shape, generator=, dtype=); biases start at
    zero. Parameters are float32 unless `dtype` says otherwise, and x is converted to their dtype.

    >>> Conv1d(4, 8, kernel_size=3, padding="same")(np.zeros((2, 4, 10))).shape
    (2, 8, 10)
    """

    function = functional.conv1d
    axes = 1


class Conv2d(_Convolution):
    """`functional.conv2d` of images `x [B, C, H, W]` with `weight [O, C / groups, K, L]`; see `Conv1d` for the rest.

    Source: LeCun et al., "Gradient-based learning applied to document recognition" (1998), section II.A.

    >>> Conv2d(3, 16, 3, stride=2, padding=1)
    Conv2d(3, 16, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1))
    >>> Conv2d(3, 16, 3)(np.zeros((3, 8, 8))).shape
    (16, 6, 6)
    """

    function = functional.conv2d
    axes = 2
