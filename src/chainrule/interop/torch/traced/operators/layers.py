"""ATen's normalisations and dropout, with chainrule's operations."""

# ruff: noqa: ARG001  # ATen's arguments, also those that say nothing here

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.traces.capturing import plain
from chainrule.interop.torch.traced.call import Call, carries
from chainrule.nn import functional
from chainrule.nn.dropout import DropoutMask
from chainrule.nn.dropout import dropout as dropped

Outputs = tuple[Any, ...]


@carries("layer_norm")
def layer_norm(
    call: Call, x: Any, normalized_shape: Sequence[int], weight: Any = None, bias: Any = None, eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Any:  # fmt: skip
    """Return x normalised to mean 0 and variance 1 over the last axes, scaled and shifted."""
    return functional.layer_norm(x, tuple(normalized_shape), weight, bias, eps)


@carries("native_layer_norm")
def native_layer_norm(call: Call, x: Any, shape: Sequence[int], weight: Any, bias: Any, eps: float) -> Outputs:
    """Return the layer norm, and the moments that PyTorch hands to its backward pass."""
    return (layer_norm(call, x, shape, weight, bias, eps), *_moments(call, x, tuple(range(-len(shape), 0)), eps))


def _moments(call: Call, x: Any, axes: tuple[int, ...], eps: float) -> Outputs:
    """Return the mean and 1 / standard deviation if a later step uses them, else None."""
    if not any(dtype is not None for dtype in call.step.dtypes[1:3]):
        return None, None
    variance = np.var(x, axis=axes, keepdims=True)
    return np.mean(x, axis=axes, keepdims=True), 1 / np.sqrt(variance + eps)


@carries("rms_norm")
def rms_norm(call: Call, x: Any, normalized_shape: Sequence[int], weight: Any = None, eps: Any = None) -> Any:
    """Return x divided by its root mean square over the last axes."""
    eps = float(np.finfo(call.dtype).eps) if eps is None else eps
    return functional.rms_norm(x, tuple(normalized_shape), weight, eps)


@carries("_fused_rms_norm")
def fused_rms_norm(call: Call, x: Any, normalized_shape: Sequence[int], weight: Any, eps: Any) -> Outputs:
    """Return the RMS norm, and a placeholder for what only PyTorch's backward pass needs."""
    eps = float(np.finfo(x.dtype).eps) if eps is None else eps
    return functional.rms_norm(x, tuple(normalized_shape), weight, eps), None


@carries("group_norm")
def group_norm(
    call: Call, x: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Any:  # fmt: skip
    """Return x normalised to mean 0 and variance 1 over each group of channels."""
    return functional.group_norm(x, num_groups, weight, bias, eps)


@carries("native_group_norm")
def native_group_norm(
    call: Call, x: Any, weight: Any, bias: Any, n: int, c: int, size: int, group: int, eps: float
) -> Outputs:
    """Return the group norm; its moments are not kept."""
    return functional.group_norm(x, group, weight, bias, eps), None, None


# Batch normalisation


@carries("_native_batch_norm_legit_no_training")
def batch_norm_inference(
    call: Call, x: Any, weight: Any, bias: Any, mean: Any, variance: Any, momentum: float, eps: float
) -> Outputs:
    """Return x normalised by the running moments."""
    return functional.batch_norm(x, mean, variance, weight, bias, False, momentum, eps), None, None


@carries("_native_batch_norm_legit_functional")
def batch_norm_functional(
    call: Call, x: Any, weight: Any, bias: Any, mean: Any, variance: Any, training: bool, momentum: float, eps: float
) -> Outputs:
    """Return x normalised by its own moments, and the updated running moments."""
    if not training:
        return (*batch_norm_inference(call, x, weight, bias, mean, variance, momentum, eps), mean, variance)
    y = functional.batch_norm(x, None, None, weight, bias, True, momentum, eps)
    axes = (0, *range(2, x.ndim))
    mean = plain(lambda x, old: old + momentum * (np.mean(x, axis=axes) - old), x, mean)
    variance = plain(lambda x, old: old + momentum * (np.var(x, axis=axes, ddof=1) - old), x, variance)
    return y, None, None, mean, variance


@carries("_native_batch_norm_legit.no_stats")
def batch_norm_without(
    call: Call, x: Any, weight: Any, bias: Any, training: bool, momentum: float, eps: float
) -> Outputs:
    """Return x normalised by its own moments, for layers without running moments."""
    return functional.batch_norm(x, None, None, weight, bias, True, momentum, eps), None, None


# Dropout


@carries("dropout")
def dropout(call: Call, x: Any, p: float, train: bool) -> Any:
    """Return x with elements dropped if the trace is of training mode."""
    return dropped(x, p, bool(train))


@carries("native_dropout")
def native_dropout(call: Call, x: Any, p: float, train: bool | None) -> Outputs:
    """Return x with elements dropped, and the mask of those kept."""
    if call.step.dtypes[1] is None:
        return dropped(x, p, train is not False), None
    mask = DropoutMask.apply(x, p=float(p)) if p < 1 else np.zeros(x.shape, x.dtype)
    return x * mask, np.not_equal(mask, 0)
