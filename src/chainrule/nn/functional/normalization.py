"""Normalisation over the last axes, over groups of channels, over the batch."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.traces.capturing import effect, running, state
from chainrule.kernels.suitable import HAS_COMPILER, LARGE
from chainrule.rules.arrays.shape import moveaxis, reshape
from chainrule.rules.network import norm
from chainrule.rules.network.batch_norm import BatchNorm, channel_moments

from .arguments import arrayed


def layer_norm(input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = norm.EPS) -> Any:
    """Return `input` with mean 0 and variance 1 over its last axes, which have `normalized_shape`, scaled and shifted.

    >>> layer_norm(np.array([[1.0, 3.0]]), 2, eps=0.0)
    array([[-1.,  1.]])
    """
    return norm.layer_norm(input, weight, bias, eps, normalized_shape)


def rms_norm(input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> Any:
    """Return `input` with mean square 1 over its last axes, which have `normalized_shape`, then scaled.

    `eps` defaults to the machine epsilon of the dtype of `input`.

    >>> rms_norm(np.array([3.0, 3.0]), 2)
    array([1., 1.])
    """
    input = arrayed(input)
    eps = float(np.finfo(input.dtype if input.dtype.kind == "f" else float).eps) if eps is None else eps
    return norm.rms_norm(input, weight, eps, normalized_shape)


def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = norm.EPS) -> Any:
    """Return `input [B, C, …]` with mean 0 and variance 1 over each sample's groups of C / `num_groups` channels.

    `weight` and `bias` are `[C]`. Source: Wu & He, "Group Normalization" (2018), equation 7.

    >>> group_norm(np.array([[1.0, 3.0, 5.0, 5.0]]), 2, eps=1e-12)
    array([[-1.,  1.,  0.,  0.]])
    """
    input = _with_channels("group_norm", input)
    batch, channels = input.shape[:2]
    if num_groups < 1 or channels % num_groups:
        raise ValueError(f"group_norm: expected a number of groups that divides {channels}, got {num_groups}")
    size = math.prod(input.shape[1:]) // num_groups
    y = norm.layer_norm(reshape(input, (batch, num_groups, size)), eps=eps)
    return _affine(reshape(y, input.shape), weight, bias)


def instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = norm.EPS,
) -> Any:
    """Return `input [B, C, …]` with mean 0 and variance 1 over each channel of each sample, then scaled and shifted.

    Running moments, if given, move towards the mean of the samples' own; without `use_input_stats` they replace them.
    See `batch_norm`.

    Source: Ulyanov, Vedaldi & Lempitsky, "Instance Normalization" (2016), equation 3.

    >>> instance_norm(np.array([[[1.0, 3.0], [5.0, 9.0]]]), eps=0.0)
    array([[[-1.,  1.], [-1.,  1.]]])
    """
    input = _with_channels("instance_norm", input)
    if not use_input_stats:
        return _by_running("instance_norm", input, running_mean, running_var, weight, bias, eps)
    flat = reshape(input, (*input.shape[:2], math.prod(input.shape[2:])))
    _check_several("instance_norm", flat.shape[2], input)
    y = reshape(norm.layer_norm(flat, eps=eps), input.shape)
    _follow(running_mean, running_var, flat, momentum)
    return _affine(y, weight, bias)


def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: Any = 0.1,
    eps: float = norm.EPS,
) -> Any:
    """Return `input [B, C, …]` with mean 0 and variance 1 in each channel over all else, then scaled and shifted.

    In training it uses the batch's moments, and the arrays `running_mean` and `running_var`, `[C]` or None, move
    towards them by the fraction `momentum` (the variance with n − 1 in its denominator, as in PyTorch); otherwise it
    uses these arrays. With an array of one integer as `momentum`, the number of batches with this one, they are the
    mean of all batches' moments.

    Raises ValueError in training if a channel has fewer than two values.

    Source: Ioffe & Szegedy, "Batch Normalization" (2015), algorithms 1 and 2.

    >>> mean, variance = np.zeros(1), np.ones(1)
    >>> batch_norm(np.array([[1.0], [3.0]]), mean, variance, training=True, eps=1e-12)
    array([[-1.], [ 1.]])
    >>> mean, variance
    (array([0.2]), array([1.1]))
    """
    input = _with_channels("batch_norm", input)
    if not training:
        return _by_running("batch_norm", input, running_mean, running_var, weight, bias, eps)
    if _in_one_pass(input, weight, bias):
        _check_several("batch_norm", math.prod(input.shape) // input.shape[1], input)
        y = BatchNorm.apply(input, weight, bias, eps=eps)
        _follow(running_mean, running_var, input, momentum, by_channel=True)
        return y
    channels = moveaxis(input, 1, 0)
    flat = reshape(channels, (len(channels), math.prod(channels.shape[1:])))
    _check_several("batch_norm", flat.shape[1], input)
    y = moveaxis(reshape(norm.layer_norm(flat, eps=eps), channels.shape), 0, 1)
    _follow(running_mean, running_var, flat, momentum)
    return _affine(y, weight, bias)


def _in_one_pass(x: Any, weight: Any, bias: Any) -> bool:
    """Whether `BatchNorm` is faster than the operations: for large arrays that no `vmap` follows.

    Of [B, C] only in a program, which writes it out as sums of columns.
    """
    if running.maps or weight is None or bias is None or not HAS_COMPILER:
        return False
    return bool(x.size >= LARGE if x.ndim > 2 else running.capture is not None and x.size >= FEW)


FEW = 2048
"""Elements of [B, C] from which on a program writes batch normalisation out."""


def _with_channels(name: str, x: Any) -> Any:
    x = arrayed(x)
    if x.ndim < 2:
        raise ValueError(f"{name}: expected [batch, channels, …], got {list(x.shape)}")
    return x


def _check_several(name: str, count: int, x: Any) -> None:
    if count < 2:
        raise ValueError(f"{name}: expected more than one value in each channel in training, got {list(x.shape)}")


def _follow(running_mean: Any, running_var: Any, flat: Any, momentum: Any, by_channel: bool = False) -> None:
    """Move running moments, where there are any, towards those of the rows; of several samples, towards their mean.

    `by_channel`, the rows are the channels of [B, C, …].
    """
    moved = [x for x in (running_mean, running_var) if x is not None]
    if moved and isinstance(momentum, np.ndarray):
        effect(_Averaged(by_channel), state(momentum), running_mean, running_var, flat, writes=moved)
    elif moved:
        kind = _MovedByChannel if by_channel else _Moved
        effect(kind(momentum), running_mean, running_var, flat, writes=moved)


class _Moved:
    """The effect that moves running moments towards those of rows."""

    name = "move"

    def __init__(self, momentum: float) -> None:
        self.momentum = momentum

    def __call__(self, running_mean: Any, running_var: Any, rows: Any) -> None:
        """Move them."""
        _move(running_mean, running_var, *self.moments(np.asarray(rows)), self.momentum)

    def moments(self, rows: Any) -> tuple[Any, Any, int]:
        """Return the mean and the biased variance of each row, and how many values it has."""
        return *norm.moments(rows), rows.shape[-1]

    def tasks(self, arrays: Sequence[Any]) -> list[Any] | None:
        """Return the same in machine code, or None where there is none for such arrays."""
        mean, variance, rows = arrays
        is_plain = rows.ndim == 2 and all(a.flags.c_contiguous and a.dtype == rows.dtype for a in (mean, variance))
        if not is_plain or rows.dtype not in (np.float32, np.float64) or {mean.shape, variance.shape} != {(len(rows),)}:
            return None
        from chainrule.kernels import normalization
        from chainrule.kernels.native.copies import copied, is_movable

        if rows.flags.c_contiguous:
            return normalization.moved(rows, mean, variance, self.momentum)
        own = np.empty(rows.shape, rows.dtype)  # of [B, C] the channels are columns
        if not is_movable(rows, own):
            return None
        return [copied(rows, own), *normalization.moved(own, mean, variance, self.momentum)]


class _MovedByChannel(_Moved):
    """The same of the channels of [B, C, …]."""

    def moments(self, rows: Any) -> tuple[Any, Any, int]:
        """Return those of each channel."""
        return *channel_moments(rows), rows.size // rows.shape[1]

    def of_channels(self, count: int) -> "_MovedTo":
        """Return the effect for moments of so many values each, as a compiled program knows them."""
        return _MovedTo(self.momentum, count)


class _Averaged:
    """The effect that makes running moments the mean of those of all batches, whose number it reads at each call."""

    name = "average"

    def __init__(self, by_channel: bool) -> None:
        self.kind = _MovedByChannel if by_channel else _Moved

    def __call__(self, batches: Any, running_mean: Any, running_var: Any, rows: Any) -> None:
        """Move them."""
        self.kind(1.0 / float(batches))(running_mean, running_var, rows)


class _MovedTo:
    """The effect that moves running moments towards others."""

    name = "move"

    def __init__(self, momentum: float, count: int) -> None:
        self.momentum, self.count = momentum, count

    def __call__(self, running_mean: Any, running_var: Any, mean: Any, variance: Any) -> None:
        """Move them."""
        _move(running_mean, running_var, mean, variance, self.count, self.momentum)

    def tasks(self, arrays: Sequence[Any]) -> list[Any] | None:
        """Return the same in machine code, or None where there is none for such arrays."""
        running_mean, running_var, mean, variance = arrays
        if running_mean is None or running_var is None or len({a.dtype for a in arrays}) > 1:
            return None
        if mean.dtype not in (np.float32, np.float64) or not all(a.flags.c_contiguous for a in arrays):
            return None
        from chainrule.kernels import normalization

        return [normalization.moved_to(mean, variance, running_mean, running_var, self.momentum, self.count)]


def _move(running_mean: Any, running_var: Any, mean: Any, variance: Any, count: int, momentum: float) -> None:
    variance = variance * (count / (count - 1))  # unbiased
    for moved, now in ((running_mean, mean), (running_var, variance)):
        if moved is not None:
            moved += momentum * ((now.mean(axis=0) if now.ndim > 1 else now) - moved)


def _by_running(name: str, x: Any, mean: Any, variance: Any, weight: Any, bias: Any, eps: float) -> Any:
    if mean is None or variance is None:
        raise ValueError(f"{name}: expected running_mean and running_var where the input's own moments are not used")
    return _affine((x - _by_channel(mean, x)) / _by_channel(np.sqrt(variance + eps), x), weight, bias)


def _by_channel(parameter: Any, x: Any) -> Any:
    return reshape(parameter, (-1, *[1] * (x.ndim - 2)))


def _affine(y: Any, weight: Any, bias: Any) -> Any:
    y = y if weight is None else y * _by_channel(weight, y)
    return y if bias is None else y + _by_channel(bias, y)
