"""The functions of layers: products, convolutions, pooling, normalisation, embedding."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.tensor import Tensor as Engine
from chainrule.core.tensor import value_of
from chainrule.core.traces.capturing import plain as by_sample
from chainrule.core.traces.capturing import running
from chainrule.nn import functional
from chainrule.rules.arrays.index import At
from chainrule.rules.elementary.compare import stop_gradient

from ...dtypes import cast, floating
from ...face import faced
from ...reductions import indices_of, plain, vector_norm_of
from ...values import is_mapped


@faced
def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """Return `x Wᵀ + b` for `weight [out, in]`."""
    if input.dtype != weight.dtype:
        raise RuntimeError(f"linear: mat1 and mat2 must have the same dtype, but got {input.dtype} and {weight.dtype}")
    if input.shape[-1] != weight.shape[-1]:
        raise RuntimeError(
            f"linear: input {list(input.shape)} does not fit weight {list(weight.shape)}: expected "
            f"{weight.shape[-1]} features"
        )
    if weight.ndim == 1:
        y = np.matmul(input, weight)
        return y if bias is None else y + bias
    return functional.linear(input, np.transpose(weight), bias)


@faced
def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    """Return `x1ᵀ W x2 + b`."""
    return functional.bilinear(input1, input2, weight, bias)


def _one(x: Any) -> Any:
    """Return an argument of a window: integers, also where they are tensors."""
    if isinstance(x, tuple | list):
        return tuple(map(int, x))
    return x if isinstance(x, str) or x is None else int(x)


def _conv(name: str) -> Any:
    engine = getattr(functional, name)

    def function(
        input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
    ) -> Any:
        if input.dtype != weight.dtype:
            raise RuntimeError(f"{name}: input {input.dtype} and weight {weight.dtype} should have the same dtype")
        return engine(input, weight, bias, _one(stride), _one(padding), _one(dilation), groups)

    function.__name__, function.__doc__ = name, f"Return the {name[-2:]} cross-correlation with `weight [out, in, …]`."
    return faced(function)


def _conv_transpose(name: str) -> Any:
    engine = getattr(functional, name)

    def function(
        input: Any,
        weight: Any,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        dilation: Any = 1,
    ) -> Any:
        return engine(input, weight, bias, _one(stride), _one(padding), _one(output_padding), groups, _one(dilation))

    function.__name__, function.__doc__ = name, "Return the transposed convolution with `weight [in, out, …]`."
    return faced(function)


conv1d, conv2d, conv3d = map(_conv, ("conv1d", "conv2d", "conv3d"))
conv_transpose1d, conv_transpose2d, conv_transpose3d = map(
    _conv_transpose, ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
)


@faced
def unfold(input: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Return all windows as columns."""
    return functional.unfold(input, _one(kernel_size), _one(dilation), _one(padding), _one(stride))


@faced
def fold(input: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Return the sum of windows given as columns."""
    return functional.fold(input, _one(output_size), _one(kernel_size), _one(dilation), _one(padding), _one(stride))


# Pooling


def _max_pool(name: str) -> Any:
    engine = getattr(functional, name)

    def function(
        input: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:
        stride = None if isinstance(stride, tuple | list) and not stride else _one(stride)
        return engine(input, _one(kernel_size), stride, _one(padding), _one(dilation), ceil_mode, return_indices)

    function.__name__, function.__doc__ = name, "Return the maximum of each window, and on request its flat index."
    return faced(function)


max_pool1d, max_pool2d, max_pool3d = map(_max_pool, ("max_pool1d", "max_pool2d", "max_pool3d"))


def _averaged(name: str, input: Any, settings: tuple[Any, ...]) -> Any:
    found = getattr(functional, name)(input, *settings)
    if input.dtype.kind == "f":
        return found
    if input.dtype != np.int64:  # of which PyTorch divides the sums as whole numbers
        raise RuntimeError(f'"{name}" not implemented for {input.dtype}; use x.float()')
    return np.trunc(found).astype(np.int64)


@faced
def avg_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """Return the mean of each window."""
    shared = (_one(kernel_size), _step(stride), _one(padding), ceil_mode, count_include_pad)
    return _averaged("avg_pool1d", input, shared)


def _step(stride: Any) -> Any:
    return None if isinstance(stride, tuple | list) and not stride else _one(stride)


@faced
def avg_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """Return the mean of each window."""
    shared = (_one(kernel_size), _step(stride), _one(padding), ceil_mode, count_include_pad, divisor_override)
    return _averaged("avg_pool2d", input, shared)


@faced
def avg_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """Return the mean of each window."""
    shared = (_one(kernel_size), _step(stride), _one(padding), ceil_mode, count_include_pad, divisor_override)
    return _averaged("avg_pool3d", input, shared)


def _lengths(x: Any, output_size: Any, axes: int) -> Any:
    sizes = tuple(output_size) if isinstance(output_size, tuple | list) else (output_size,) * axes
    sizes = sizes * axes if len(sizes) == 1 else sizes
    return tuple(x.shape[k - axes] if n is None else int(n) for k, n in enumerate(sizes))


def _adaptive(name: str, axes: int) -> Any:
    engine = getattr(functional, name)

    def function(input: Any, output_size: Any) -> Any:
        sizes = _lengths(input, output_size, axes)
        if input.dtype.kind != "f" and "avg" in name:
            raise RuntimeError(f"{name}: expected floats, got {input.dtype}; use x.float()")
        return engine(input, sizes if axes > 1 else sizes[0])

    function.__name__, function.__doc__ = name, "Return the pooled windows, as many as asked for."
    return faced(function)


adaptive_avg_pool1d = _adaptive("adaptive_avg_pool1d", 1)
adaptive_avg_pool2d = _adaptive("adaptive_avg_pool2d", 2)
adaptive_avg_pool3d = _adaptive("adaptive_avg_pool3d", 3)


def _adaptive_max(name: str, axes: int) -> Any:
    engine = getattr(functional, name)

    def function(input: Any, output_size: Any, return_indices: bool = False) -> Any:
        sizes = _lengths(input, output_size, axes)
        found = engine(input, sizes if axes > 1 else sizes[0])
        if not return_indices:
            return found
        return found, by_sample(lambda x: _winners(x, sizes), input)

    function.__name__, function.__doc__ = name, "Return the largest elements of windows, as many as asked for."
    return faced(function)


def _winners(x: Any, sizes: Sequence[int]) -> Any:
    """Return the flat index, within the pooled axes, of the largest element of each adaptive window."""
    space = x.shape[x.ndim - len(sizes) :]
    flat = np.arange(math.prod(space)).reshape(space)
    found = np.zeros((*x.shape[: x.ndim - len(sizes)], *sizes), np.int64)
    for place in np.ndindex(*sizes):
        window = tuple(slice(k * n // m, -(-(k + 1) * n // m)) for k, n, m in zip(place, space, sizes, strict=True))
        part = x[(..., *window)].reshape(*found.shape[: found.ndim - len(sizes)], -1)
        found[(..., *place)] = flat[window].ravel()[part.argmax(-1)]
    return found


adaptive_max_pool1d = _adaptive_max("adaptive_max_pool1d", 1)
adaptive_max_pool2d = _adaptive_max("adaptive_max_pool2d", 2)
adaptive_max_pool3d = _adaptive_max("adaptive_max_pool3d", 3)


def _lp(axes: int) -> Any:
    pool = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}[axes]

    def function(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
        sizes = tuple(kernel_size) if isinstance(kernel_size, tuple | list) else (kernel_size,) * axes
        means = pool(np.power(input, norm_type), _one(kernel_size), _step(stride), 0, ceil_mode)
        total = functional.relu(np.sign(means) * functional.relu(np.absolute(means))) * math.prod(sizes)
        return np.power(total, 1 / norm_type)

    function.__name__, function.__doc__ = f"lp_pool{axes}d", "Return the p-norm of each window."
    return faced(function)


lp_pool1d, lp_pool2d, lp_pool3d = map(_lp, (1, 2, 3))


def _unpool(axes: int) -> Any:
    def function(
        input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
    ) -> Any:
        def each(x: Any) -> tuple[int, ...]:
            return tuple(map(int, x)) if isinstance(x, tuple | list) else (int(x),) * axes

        kernel = each(kernel_size)
        steps = kernel if stride is None or stride in ((), []) else each(stride)
        pads, space = each(padding), input.shape[input.ndim - axes :]
        sizes = tuple((n - 1) * s - 2 * p + k for n, s, p, k in zip(space, steps, pads, kernel, strict=True))
        sizes = sizes if output_size is None else tuple(output_size)[-axes:]
        lead = input.shape[: input.ndim - axes]
        rows, cells = math.prod(lead), math.prod(sizes)
        flat = np.reshape(input, (rows, -1))
        places = np.reshape(indices_of(indices), (rows, -1)) + np.arange(rows)[:, None] * cells
        base = Engine(np.zeros(rows * cells, input.dtype), input._trace, None) if isinstance(input, Engine) else None
        if base is None:
            raise RuntimeError("max_unpool: expected floating-point numbers")
        row, where = np.reshape(flat, (-1,)), np.reshape(places, (-1,))
        # Each element gets the gradient of its place, also if another one was written there later.
        made = base.at[where].set(stop_gradient(row)).at[where].add(row - stop_gradient(row))
        return np.reshape(made, (*lead, *sizes))

    function.__name__, function.__doc__ = (
        f"max_unpool{axes}d",
        "Return the elements at the places they were taken from.",
    )
    return faced(function)


max_unpool1d, max_unpool2d, max_unpool3d = map(_unpool, (1, 2, 3))


# Normalisation


def _array(x: Any) -> Any:
    """Return the array of a running moment, to be written into; in a capture what stands for it at each replay."""
    if running.capture is not None and isinstance(x, Engine):
        return running.capture.seen(x)._value
    return None if x is None else np.asarray(value_of(x))


@faced
def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: Any = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Return the input normalised in each channel; in training the running moments follow the batch's."""
    if not training and (is_mapped(running_mean) or is_mapped(running_var)):  # each of several models has its own
        return _by_moments(input, running_mean, running_var, weight, bias, eps)
    mean, variance = _array(running_mean), _array(running_var)
    return functional.batch_norm(input, mean, variance, weight, bias, training, momentum, eps)


def _by_moments(x: Any, mean: Any, variance: Any, weight: Any, bias: Any, eps: float) -> Any:
    """Return the input normalised in each channel by moments that are given."""
    channel = (1, -1) + (1,) * (x.ndim - 2)
    y = (x - np.reshape(mean, channel)) / np.sqrt(np.reshape(variance, channel) + np.asarray(eps, variance.dtype))
    y = y if weight is None else y * np.reshape(weight, channel)
    return y if bias is None else y + np.reshape(bias, channel)


@faced
def instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Return the input normalised in each channel of each sample."""
    mean, variance = _array(running_mean), _array(running_var)
    return functional.instance_norm(input, mean, variance, weight, bias, use_input_stats, momentum, eps)


@faced
def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Return the input normalised over groups of channels of each sample."""
    return functional.group_norm(input, num_groups, weight, bias, eps)


@faced
def layer_norm(input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Return the input normalised over its last axes."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if input.shape[input.ndim - len(shape) :] != shape:
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [*, {', '.join(map(str, shape))}], but "
            f"got input of size{list(input.shape)}"
        )
    return functional.layer_norm(input, shape, weight, bias, eps)


@faced
def rms_norm(input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> Any:
    """Return the input divided by the root of its mean square over its last axes."""
    return functional.rms_norm(input, tuple(normalized_shape), weight, eps)


@faced
def local_response_norm(input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Any:
    """Return the input divided by a power of the mean square of neighbouring channels."""
    input = floating(input)
    square = input * input
    widths = [(0, 0)] * input.ndim
    widths[1] = (size // 2, (size - 1) // 2)
    padded = np.pad(square, widths)
    n = input.shape[1]
    total = padded[:, 0:n]
    for j in range(1, size):
        total = total + padded[:, j : j + n]
    return input / np.power(total / size * alpha + k, beta)


@faced
def normalize(input: Any, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> Any:
    """Return vectors along an axis divided by their p-norm, at least `eps`."""
    axis = tuple(dim) if isinstance(dim, list) else dim
    if input.ndim == 0:
        axis = None
    size = vector_norm_of(input, p, axis, True)
    return input / np.where(np.less(size, eps), np.asarray(eps, size.dtype), size)


# Embedding


@faced
def embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    """Return rows of a table; the row `padding_idx` gets no gradient."""
    indices = indices_of(input)
    if padding_idx is not None and padding_idx < 0:
        padding_idx = len(weight) + padding_idx
    if max_norm is not None:
        _shorten(weight, indices, max_norm, norm_type)
    found = functional.embedding(indices, weight, padding_idx)
    if not scale_grad_by_freq:
        return found
    counts = np.bincount(indices.ravel(), minlength=len(weight))[indices]
    share = (1 / np.maximum(counts, 1))[..., None].astype(weight.dtype)
    return stop_gradient(found * (1 - share)) + found * share


def _shorten(weight: Any, indices: Any, max_norm: float, norm_type: float) -> None:
    """Scale the used rows of a table down to a norm of at most `max_norm`, in place."""
    table = np.asarray(value_of(weight))
    rows = np.unique(indices)
    size = np.linalg.norm(table[rows], norm_type, axis=1, keepdims=True)
    table[rows] *= np.where(size > max_norm, max_norm / (size + 1e-7), 1).astype(table.dtype)
    if isinstance(weight, Engine):
        weight.mark_changed()


@faced
def embedding_bag(
    input: Any,
    weight: Any,
    offsets: Any = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Any:
    """Return the mean, sum or maximum of rows of a table for each bag of indices."""
    indices = indices_of(input)
    if max_norm is not None:
        _shorten(weight, plain(indices), max_norm, norm_type)
    flat, (n, bags) = np.reshape(indices, (-1,)), _bags(indices, offsets, include_last_offset)
    if not n:
        return np.zeros((0, weight.shape[1]), weight.dtype)
    rows = weight[flat]
    if per_sample_weights is not None:
        rows = rows * np.reshape(per_sample_weights, (-1, 1))
    kept = None if padding_idx is None else np.not_equal(flat, padding_idx % len(weight))
    if mode == "max":
        best, empty = by_sample(functools.partial(_largest, n), rows, bags, *([] if kept is None else [kept]))
        found = rows[best, np.arange(weight.shape[1])] if len(flat) else np.zeros(best.shape, weight.dtype)
        return np.where(empty[:, None], np.zeros((), weight.dtype), found)
    if kept is not None:
        rows = np.where(np.reshape(kept, (-1, 1)), rows, np.zeros((), rows.dtype))
    total = At(np.zeros((n, weight.shape[1]), rows.dtype))[bags].add(rows)
    if mode == "mean":
        total = total / by_sample(functools.partial(_counts, n), bags, *([] if kept is None else [kept]))
    return cast(total, weight.dtype)


def _bags(indices: Any, offsets: Any, include_last: bool) -> tuple[int, Any]:
    """Return the number of bags, and the bag of each index."""
    if indices.ndim == 2:
        return indices.shape[0], np.repeat(np.arange(indices.shape[0]), indices.shape[1])
    starts = indices_of(offsets)[: -1 if include_last else None]
    places = np.arange(len(indices))
    return len(starts), by_sample(lambda starts: np.searchsorted(starts, places, "right") - 1, starts)


def _counts(n: int, bags: Any, kept: Any = None) -> Any:
    """Return how many rows of each bag count, as a column, and 1 for none."""
    return np.maximum(np.bincount(bags, kept, n), 1).astype(np.int64)[:, None]


def _largest(n: int, rows: Any, bags: Any, kept: Any = None) -> Any:
    """Return the row of the largest element of each bag in each column, and which bags have none."""
    best, empty = np.zeros((n, rows.shape[1]), np.int64), np.ones(n, bool)
    for bag in range(n):
        places = np.flatnonzero(bags == bag if kept is None else (bags == bag) & kept)
        if places.size:
            best[bag], empty[bag] = places[np.argmax(rows[places], axis=0)], False
    return best, empty
