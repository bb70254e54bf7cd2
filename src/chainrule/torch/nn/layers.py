"""Layers with parameters: linear, embedding, convolution, normalisation."""

import math
from typing import Any, ClassVar

import numpy as np

from chainrule.nn.counting import count_one

from ..dtypes import default, numpy_dtype
from ..face import unwrapped, wrapped
from ..writing import assign
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter


def made(shape: tuple[int, ...], dtype: Any) -> Parameter:
    """Return a parameter of zeros."""
    return Parameter(wrapped(np.zeros(shape, numpy_dtype(dtype) or default.floating.numpy)))


def each(x: Any, axes: int) -> tuple[Any, ...]:
    """Return a size for each axis."""
    return tuple(x) if isinstance(x, tuple | list) else (x,) * axes


class Identity(Module):
    """The input itself."""

    def forward(self, input: Any) -> Any:
        """Return the input."""
        return input


class Linear(Module):
    """`x Wᵀ + b` with `weight [out, in]` and `bias [out]`, both uniform within ± 1 / √in at first.

    >>> import chainrule.torch as torch
    >>> torch.nn.Linear(3, 2)(torch.zeros(5, 3)).shape
    torch.Size([5, 2])
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = made((out_features, in_features), dtype)
        self.bias: Any
        self.register_parameter("bias", made((out_features,), dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters again."""
        limit = 1 / math.sqrt(self.in_features) if self.in_features else 0
        init.uniform_(self.weight, -limit, limit)
        if self.bias is not None:
            init.uniform_(self.bias, -limit, limit)

    def forward(self, input: Any) -> Any:
        """Return the output."""
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class NonDynamicallyQuantizableLinear(Linear):
    """`Linear`, by the name of the output layer of attention, which PyTorch's quantization leaves as it is."""


class Bilinear(Module):
    """`x1ᵀ W x2 + b` with `weight [out, in1, in2]`."""

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.weight = made((out_features, in1_features, in2_features), dtype)
        self.register_parameter("bias", made((out_features,), dtype) if bias else None)
        limit = 1 / math.sqrt(in1_features)
        for parameter in self.parameters():
            init.uniform_(parameter, -limit, limit)

    def forward(self, input1: Any, input2: Any) -> Any:
        """Return the output."""
        return F.bilinear(input1, input2, self.weight, self.bias)


class Embedding(Module):
    """A table of vectors, `weight [num_embeddings, embedding_dim]`, standard normal at first."""

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Any = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        if padding_idx is not None and padding_idx < 0:
            padding_idx += num_embeddings
        self.padding_idx, self.max_norm, self.norm_type = padding_idx, max_norm, norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        if _weight is None:
            self.weight = made((num_embeddings, embedding_dim), dtype)
            init.normal_(self.weight)
            if padding_idx is not None:
                self.weight.data[padding_idx] = 0
        else:
            self.weight = Parameter(_weight, requires_grad=not _freeze)

    @classmethod
    def from_pretrained(
        cls, embeddings: Any, freeze: bool = True, padding_idx: int | None = None, **settings: Any
    ) -> Any:
        """Return a table of given vectors."""
        rows, columns = embeddings.shape
        return cls(rows, columns, padding_idx, _weight=embeddings, _freeze=freeze, **settings)

    def forward(self, input: Any) -> Any:
        """Return the vectors of indices."""
        return F.embedding(input, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq)

    def extra_repr(self) -> str:
        """Return the sizes."""
        pad = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{pad}"


class EmbeddingBag(Module):
    """The mean, sum or maximum of rows of a table for each bag of indices."""

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Any = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.mode, self.max_norm, self.norm_type = mode, max_norm, norm_type
        self.include_last_offset, self.padding_idx = include_last_offset, padding_idx
        self.weight = made((num_embeddings, embedding_dim), dtype) if _weight is None else Parameter(_weight)
        if _weight is None:
            init.normal_(self.weight)

    def forward(self, input: Any, offsets: Any = None, per_sample_weights: Any = None) -> Any:
        """Return one vector for each bag."""
        return F.embedding_bag(
            input,
            self.weight,
            offsets,
            max_norm=self.max_norm,
            norm_type=self.norm_type,
            mode=self.mode,
            per_sample_weights=per_sample_weights,
            include_last_offset=self.include_last_offset,
            padding_idx=self.padding_idx,
        )


class _Conv(Module):
    """What convolutions share."""

    axes: ClassVar[int]
    transposed: ClassVar[bool] = False

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
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if in_channels % groups or out_channels % groups:
            raise ValueError("in_channels and out_channels must be divisible by groups")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride = each(kernel_size, self.axes), each(stride, self.axes)
        self.padding = padding if isinstance(padding, str) else each(padding, self.axes)
        self.dilation, self.padding_mode = each(dilation, self.axes), padding_mode
        first, second = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        self.weight = made((first, second // groups, *self.kernel_size), dtype)
        self.register_parameter("bias", made((out_channels,), dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters again."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            limit = 1 / math.sqrt(math.prod(self.weight.shape[1:]))
            init.uniform_(self.bias, -limit, limit)

    def forward(self, input: Any) -> Any:
        """Return the output."""
        function = getattr(F, f"conv{self.axes}d")
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            if isinstance(padding, str):
                total = [
                    d * (k - 1) if padding == "same" else 0
                    for d, k in zip(self.dilation, self.kernel_size, strict=True)
                ]
                margins = [n for t in reversed(total) for n in (t // 2, t - t // 2)]
            else:
                margins = [n for p in reversed(padding) for n in (p, p)]
            input, padding = F.pad(input, margins, self.padding_mode), 0
        return function(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def extra_repr(self) -> str:
        """Return the sizes, and the settings that differ from their defaults."""
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0,) * self.axes:
            text += f", padding={self.padding}"
        if self.dilation != (1,) * self.axes:
            text += f", dilation={self.dilation}"
        if any(output := getattr(self, "output_padding", ())):
            text += f", output_padding={output}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        text += "" if self.bias is not None else ", bias=False"
        return text if self.padding_mode == "zeros" else f"{text}, padding_mode={self.padding_mode}"


class Conv1d(_Conv):
    """Cross-correlation of `[B, C, L]` with `weight [out, in / groups, k]`."""

    axes = 1


class Conv2d(_Conv):
    """Cross-correlation of `[B, C, H, W]` with `weight [out, in / groups, k, k]`."""

    axes = 2


class Conv3d(_Conv):
    """Cross-correlation of `[B, C, D, H, W]`."""

    axes = 3


class _ConvTranspose(_Conv):
    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype
        )
        self.output_padding = each(output_padding, self.axes)

    def forward(self, input: Any, output_size: Any = None) -> Any:
        """Return the output."""
        extra = self.output_padding
        if output_size is not None:
            wanted = tuple(output_size)[-self.axes :]
            least = [
                (n - 1) * s - 2 * p + d * (k - 1) + 1
                for n, s, p, d, k in zip(
                    input.shape[-self.axes :], self.stride, self.padding, self.dilation, self.kernel_size, strict=True
                )
            ]
            extra = tuple(a - b for a, b in zip(wanted, least, strict=True))
        function = getattr(F, f"conv_transpose{self.axes}d")
        return function(input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation)


class ConvTranspose1d(_ConvTranspose):
    """Transposed convolution of `[B, C, L]`."""

    axes = 1


class ConvTranspose2d(_ConvTranspose):
    """Transposed convolution of `[B, C, H, W]`."""

    axes = 2


class ConvTranspose3d(_ConvTranspose):
    """Transposed convolution of `[B, C, D, H, W]`."""

    axes = 3


# Normalisation


class _BatchNorm(Module):
    """Mean 0 and variance 1 in each channel, by the batch in training and by running moments in evaluation."""

    axes: ClassVar[tuple[int, ...]] = ()
    tracks = True

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        track = self.tracks if track_running_stats is None else track_running_stats
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track
        self.register_parameter("weight", made((num_features,), dtype) if affine else None)
        self.register_parameter("bias", made((num_features,), dtype) if affine else None)
        kind = numpy_dtype(dtype) or default.floating.numpy
        self.register_buffer("running_mean", wrapped(np.zeros(num_features, kind)) if track else None)
        self.register_buffer("running_var", wrapped(np.ones(num_features, kind)) if track else None)
        self.register_buffer("num_batches_tracked", wrapped(np.zeros((), np.int64)) if track else None)
        if affine:
            init.ones_(self.weight)

    def reset_running_stats(self) -> None:
        """Start the running moments again."""
        if self.track_running_stats:
            for name, value in (("running_mean", 0), ("running_var", 1), ("num_batches_tracked", 0)):
                assign(getattr(self, name), name, np.asarray(value), unsafe=True)

    def reset_parameters(self) -> None:
        """Start parameters and moments again."""
        self.reset_running_stats()
        if self.affine:
            init.ones_(self.weight)
            init.zeros_(self.bias)

    def _check(self, input: Any) -> None:
        if self.axes and input.ndim not in self.axes:
            raise ValueError(f"expected {' or '.join(f'{n}D' for n in self.axes)} input (got {input.ndim}D input)")

    def forward(self, input: Any) -> Any:
        """Return the normalised input."""
        self._check(input)
        factor = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats:
            count_one(batches := unwrapped(self.num_batches_tracked))
            if self.momentum is None:
                factor = batches  # not 1 / batches, which a compiled function would keep
        own = self.training or self.running_mean is None
        mean = self.running_mean if not self.training or self.track_running_stats else None
        variance = self.running_var if not self.training or self.track_running_stats else None
        return F.batch_norm(input, mean, variance, self.weight, self.bias, own, factor, self.eps)

    def extra_repr(self) -> str:
        """Return the settings."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of `[B, C]` or `[B, C, L]`."""

    axes = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of `[B, C, H, W]`."""

    axes = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch normalisation of `[B, C, D, H, W]`."""

    axes = (5,)


class SyncBatchNorm(_BatchNorm):
    """Batch normalisation over the batches of all processes; of one process it is that of its own batch."""

    axes = (2, 3, 4, 5)

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any = None) -> Module:
        """Return the module as it is: in one process each batch normalisation sees the whole batch."""
        return module


class _InstanceNorm(_BatchNorm):
    tracks = False

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype)

    def forward(self, input: Any) -> Any:
        """Return the normalised input."""
        self._check(input)
        alone = input.ndim == self.axes[0]
        x = input.unsqueeze(0) if alone else input
        own = self.training or not self.track_running_stats
        momentum = self.momentum or 0.0
        y = F.instance_norm(x, self.running_mean, self.running_var, self.weight, self.bias, own, momentum, self.eps)
        return y.squeeze(0) if alone else y


class InstanceNorm1d(_InstanceNorm):
    """Instance normalisation of `[B, C, L]`."""

    axes = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Instance normalisation of `[B, C, H, W]`."""

    axes = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Instance normalisation of `[B, C, D, H, W]`."""

    axes = (4, 5)


class GroupNorm(Module):
    """Mean 0 and variance 1 over groups of channels of each sample."""

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if num_channels % num_groups:
            raise ValueError("num_channels must be divisible by num_groups")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self.register_parameter("weight", made((num_channels,), dtype) if affine else None)
        self.register_parameter("bias", made((num_channels,), dtype) if affine else None)
        if affine:
            init.ones_(self.weight)

    def forward(self, input: Any) -> Any:
        """Return the normalised input."""
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"


class LayerNorm(Module):
    """Mean 0 and variance 1 over the last axes."""

    def __init__(
        self,
        normalized_shape: Any,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.normalized_shape, self.eps, self.elementwise_affine = shape, eps, elementwise_affine
        self.register_parameter("weight", made(shape, dtype) if elementwise_affine else None)
        self.register_parameter("bias", made(shape, dtype) if elementwise_affine and bias else None)
        if elementwise_affine:
            init.ones_(self.weight)

    def forward(self, input: Any) -> Any:
        """Return the normalised input."""
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class RMSNorm(Module):
    """Division by the root mean square over the last axes."""

    def __init__(
        self,
        normalized_shape: Any,
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.normalized_shape, self.eps, self.elementwise_affine = shape, eps, elementwise_affine
        self.register_parameter("weight", made(shape, dtype) if elementwise_affine else None)
        if elementwise_affine:
            init.ones_(self.weight)

    def forward(self, x: Any) -> Any:
        """Return the scaled input."""
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    extra_repr = LayerNorm.extra_repr
