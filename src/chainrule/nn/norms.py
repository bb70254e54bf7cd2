"""Normalisation: over the last axes of each sample, over groups of its channels, or over the batch.

Parameters are float32 unless `dtype` says otherwise, and inputs are converted to their dtype.
"""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from chainrule.core.operands.keywords import explained
from chainrule.core.transforms.checkpoint import recomputing

from . import functional
from .inputs import check_last_axes, floating, in_dtype_of, positive_size
from .module import Module
from .parameter import Parameter


def _checked_eps(name: str, eps: float) -> float:
    if not 0 <= eps < math.inf:
        raise ValueError(f"{name}: eps: expected a finite number, 0 or more, got {eps}")
    return float(eps)


class _OverLastAxes(Module):
    """The base of the normalisations over the last axes."""

    @explained
    def __init__(self, normalized_shape: int | Sequence[int], eps: float, affine: bool, bias: bool, dtype: Any) -> None:
        super().__init__()
        name = type(self).__name__
        sizes = (normalized_shape,) if isinstance(normalized_shape, int | np.integer) else tuple(normalized_shape)
        if not sizes:
            raise ValueError(f"{name}: normalized_shape: expected at least one axis, got none")
        self.normalized_shape = tuple(positive_size(f"{name}: normalized_shape", n) for n in sizes)
        self.eps = _checked_eps(name, eps)
        dtype = floating(name, dtype)
        self.weight = Parameter(np.ones(self.normalized_shape, dtype)) if affine else None
        if bias:
            self.bias = Parameter(np.zeros(self.normalized_shape, dtype)) if affine else None

    def _input(self, x: Any) -> Any:
        what = f"{type(self).__name__}({', '.join(map(str, self.normalized_shape))})"
        x = in_dtype_of(self.weight, x, what)
        check_last_axes(what, x, self.normalized_shape)
        return x

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.weight is not None}"


class LayerNorm(_OverLastAxes):
    """Mean 0 and variance 1 over the last axes, then `weight` times it plus `bias`, both of `normalized_shape`.

    The parameters are float32 unless `dtype` says otherwise, and x is converted to their dtype.

    Source: Ba, Kiros & Hinton, "Layer Normalization" (2016), equation 4.

    >>> LayerNorm(2)(np.array([[1.0, 3.0]])).round(3).tolist()
    [[-1.0, 1.0]]
    """

    @explained
    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__(normalized_shape, eps, elementwise_affine, True, dtype)

    def forward(self, x: Any) -> Any:
        """Return the normalised `x`."""
        return functional.layer_norm(self._input(x), self.normalized_shape, self.weight, self.bias, self.eps)


class RMSNorm(_OverLastAxes):
    """Mean square 1 over the last axes, then `weight` times it; without a mean and without a bias.

    Source: Zhang & Sennrich, "Root Mean Square Layer Normalization" (2019), equation 4.

    >>> RMSNorm(2)(np.array([[3.0, -3.0]])).round(3).tolist()
    [[1.0, -1.0]]
    """

    @explained
    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__(normalized_shape, eps, elementwise_affine, False, dtype)

    def forward(self, x: Any) -> Any:
        """Return the normalised `x`."""
        return functional.rms_norm(self._input(x), self.normalized_shape, self.weight, self.eps)


class _OverChannels(Module):
    """The base of the normalisations of `[B, C, …]`, with `weight [C]` and `bias [C]`."""

    axes: ClassVar[tuple[int, ...]] = ()
    """How many axes the input may have; if empty, any number from 2 on."""

    @explained
    def __init__(self, channels: int, eps: float, affine: bool, dtype: Any) -> None:
        super().__init__()
        name = type(self).__name__
        self.channels = positive_size(f"{name}: channels", channels)
        self.eps = _checked_eps(name, eps)
        self.weight = Parameter(np.ones(channels, dtype)) if affine else None
        self.bias = Parameter(np.zeros(channels, dtype)) if affine else None

    def _input(self, x: Any, like: Any) -> Any:
        what = f"{type(self).__name__}({self.channels})"
        x = in_dtype_of(like, x, what)
        if x.ndim < 2 or x.shape[1] != self.channels or (self.axes and x.ndim not in self.axes):
            axes = f" with {' or '.join(map(str, self.axes))} axes" if self.axes else ""
            raise ValueError(f"{what}: expected [batch, {self.channels}, …]{axes}, got {list(x.shape)}")
        return x


class GroupNorm(_OverChannels):
    """Mean 0 and variance 1 over each of `num_groups` groups of a sample's channels, then `weight` and `bias`.

    Source: Wu & He, "Group Normalization" (2018), equation 7.

    >>> GroupNorm(2, 4)(np.ones((3, 4, 5))).shape
    (3, 4, 5)
    """

    @explained
    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, dtype: Any = np.float32
    ) -> None:
        super().__init__(num_channels, eps, affine, floating("GroupNorm", dtype))
        self.num_groups = positive_size("GroupNorm: num_groups", num_groups)
        if num_channels % num_groups:
            raise ValueError(f"GroupNorm: expected groups that divide {num_channels} channels, got {num_groups}")

    def forward(self, x: Any) -> Any:
        """Return the normalised `x`."""
        x = self._input(x, self.weight)
        return functional.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"{self.num_groups}, {self.channels}, eps={self.eps}, affine={self.weight is not None}"


class BatchNorm1d(_OverChannels):
    """Mean 0 and variance 1 in each channel of `[B, C]` or `[B, C, L]`, then `weight` and `bias`.

    Training uses the moments of the batch, and moves the buffers `running_mean` and `running_var` towards them by the
    fraction `momentum`; evaluation uses these buffers.

    Source: Ioffe & Szegedy, "Batch Normalization" (2015), algorithms 1 and 2.

    >>> layer = BatchNorm1d(2)
    >>> layer(np.array([[1.0, 0.0], [3.0, 8.0]])).round(2).tolist()
    [[-1.0, -1.0], [1.0, 1.0]]
    >>> layer.running_mean
    array([0.2, 0.4], dtype=float32)
    """

    axes: ClassVar[tuple[int, ...]] = (2, 3)

    @explained
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        dtype: Any = np.float32,
    ) -> None:
        name = type(self).__name__
        dtype = floating(name, dtype)
        super().__init__(num_features, eps, affine, dtype)
        if not 0 <= momentum <= 1:
            raise ValueError(f"{name}: momentum: expected a number from 0 to 1, got {momentum}")
        self.momentum = float(momentum)
        self.register_buffer("running_mean", np.zeros(num_features, dtype))
        self.register_buffer("running_var", np.ones(num_features, dtype))

    def forward(self, x: Any) -> Any:
        """Return the normalised `x`."""
        mean, variance = self.running_mean, self.running_var
        x = self._input(x, mean)
        if recomputing():  # the first run has already updated the running averages
            mean, variance = mean.copy(), variance.copy()
        return functional.batch_norm(x, mean, variance, self.weight, self.bias, self.training, self.momentum, self.eps)

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"{self.channels}, eps={self.eps}, momentum={self.momentum}, affine={self.weight is not None}"


class BatchNorm2d(BatchNorm1d):
    """`BatchNorm1d` for `[B, C, H, W]`."""

    axes = (4,)
