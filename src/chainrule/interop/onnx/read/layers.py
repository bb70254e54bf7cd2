"""ONNX's products, windows, normalisations and attention, in terms of chainrule's."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.tensor import value_of
from chainrule.interop.onnx.call import Call, reads
from chainrule.nn import functional
from chainrule.rules.arrays.shape import reshape, swapaxes
from chainrule.rules.arrays.windows import Windows
from chainrule.rules.network.convolution import Convolution, ConvolutionTranspose
from chainrule.rules.network.norm import layer_norm as normalized
from chainrule.rules.network.norm import rms_norm as root_normalized
from chainrule.rules.network.pooling import MaxPool, SumPool


@reads("MatMul")
def matmul(call: Call, a: Any, b: Any) -> Any:  # noqa: ARG001
    """Return a matrix product."""
    return a @ b


@reads("Gemm", attributes="alpha beta transA transB")
def gemm(call: Call, a: Any, b: Any, c: Any = None) -> Any:
    """Return α A B + β C."""
    a = swapaxes(a, 0, 1) if call.get("transA", 0) else a
    b = swapaxes(b, 0, 1) if call.get("transB", 0) else b
    alpha, beta = call.get("alpha", 1.0), call.get("beta", 1.0)
    if c is not None and alpha == beta == 1 and np.ndim(c) == 1 and c.shape[0] == b.shape[1]:
        return functional.linear(a, b, c)
    y = a @ b if alpha == 1 else alpha * (a @ b)
    return y if c is None else y + (c if beta == 1 else beta * c)


@reads("Einsum", attributes="equation")
def einsum(call: Call, *xs: Any) -> Any:
    """Return a sum of products."""
    equation = call.get("equation")
    return np.einsum(equation.decode() if isinstance(equation, bytes) else equation, *xs)


# Windows

WINDOW = "auto_pad dilations kernel_shape pads strides"


def _windows(call: Call, size: Sequence[int], kernel: Sequence[int]) -> Windows:
    """Return the windows that the attributes describe, over images of a size."""
    axes = len(kernel)
    stride, dilation = call.get("strides", [1] * axes), call.get("dilations", [1] * axes)
    pads, way = call.get("pads", [0] * 2 * axes), call.get("auto_pad", "NOTSET")
    lists = {"strides": stride, "dilations": dilation, "kernel_shape": call.get("kernel_shape", kernel)}
    for name, given in lists.items():
        if len(given) != axes or min(given) < 1:
            call.refuse(f"{name}: expected {axes} numbers from 1, got {list(given)}")
    if len(size) != axes or len(pads) != 2 * axes or min(pads, default=0) < 0:
        call.refuse(f"a kernel {list(kernel)} and pads {list(pads)} do not fit an image {list(size)}")
    span = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    if way in ("SAME_UPPER", "SAME_LOWER"):
        needed = [max(0, (-(-n // s) - 1) * s + p - n) for n, s, p in zip(size, stride, span, strict=True)]
        less = [(total // 2, total - total // 2) for total in needed]
        pairs = less if way == "SAME_UPPER" else [pair[::-1] for pair in less]
    else:
        pairs = [(0, 0)] * axes if way == "VALID" else [(pads[k], pads[k + axes]) for k in range(axes)]
    call.bounded([n + p + q for n, (p, q) in zip(size, pairs, strict=True)])
    if any(n + p + q < reach for n, (p, q), reach in zip(size, pairs, span, strict=True)):
        call.refuse(f"a kernel that reaches {span} over an image {list(size)}")
    return Windows.of(tuple(map(int, kernel)), tuple(stride), tuple(pairs), tuple(dilation))


def _with_bias(y: Any, bias: Any) -> Any:
    return y if bias is None else y + reshape(bias, (-1, *[1] * (y.ndim - 2)))


@reads("Conv", attributes=f"{WINDOW} group")
def conv(call: Call, x: Any, w: Any, bias: Any = None) -> Any:
    """Return a convolution of any number of axes."""
    windows = _windows(call, x.shape[2:], w.shape[2:])
    return _with_bias(Convolution.apply(x, w, windows=windows, groups=call.get("group", 1)), bias)


@reads("ConvTranspose", attributes=f"{WINDOW} group output_padding")
def conv_transpose(call: Call, x: Any, w: Any, bias: Any = None) -> Any:
    """Return the adjoint of a convolution."""
    if call.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        call.refuse("auto_pad: expected NOTSET or VALID; write the pads out")
    axes = w.ndim - 2
    pads, more = call.get("pads", [0] * 2 * axes), call.get("output_padding", [0] * axes)
    stride, dilation = call.get("strides", [1] * axes), call.get("dilations", [1] * axes)
    each = zip(x.shape[2:], stride, dilation, w.shape[2:], pads[:axes], pads[axes:], more, strict=True)
    size = call.bounded([s * (n - 1) + d * (k - 1) + 1 - p - q + o for n, s, d, k, p, q, o in each])
    pairs = tuple((pads[k], pads[k + axes]) for k in range(axes))
    windows = Windows.of(tuple(w.shape[2:]), tuple(stride), pairs, tuple(dilation))
    y = ConvolutionTranspose.apply(x, w, windows=windows, groups=call.get("group", 1), size=size)
    return _with_bias(y, bias)


def _pooling(call: Call, x: Any) -> tuple[Windows, Windows]:
    """Return the windows, and the same with the extra padding that an incomplete last window needs."""
    kernel = call.get("kernel_shape") or call.refuse("kernel_shape is missing")
    windows = _windows(call, x.shape[2:], kernel)
    if not call.get("ceil_mode", 0):
        return windows, windows
    pairs = []
    for n, s, (p, q), span in zip(x.shape[2:], windows.stride, windows.padding, windows.span, strict=True):
        count = -(-(n + p + q - span) // s) + 1
        count -= (count - 1) * s >= n + p  # the last window must begin before the end of x
        pairs.append((p, q + max(0, (count - 1) * s + span - n - p - q)))
    return windows, Windows.of(windows.kernel, windows.stride, tuple(pairs), windows.dilation)


@reads("MaxPool", attributes=f"{WINDOW} ceil_mode storage_order")
def max_pool(call: Call, x: Any) -> Any:
    """Return the largest element of each window."""
    if len(call.outputs) > 1 and call.outputs[1]:
        call.refuse("the indices are used as an output, and there are none here")
    return MaxPool.apply(x, windows=_pooling(call, x)[1])


@reads("AveragePool", attributes=f"{WINDOW} ceil_mode count_include_pad")
def average_pool(call: Call, x: Any) -> Any:
    """Return the mean of each window, with or without the padding."""
    windows, reaching = _pooling(call, x)
    inside = np.ones((1, 1, *x.shape[2:]), x.dtype)
    if call.get("count_include_pad", 0):
        inside = np.pad(inside, ((0, 0), (0, 0), *windows.padding), constant_values=1)
        pairs = [(0, all_of[1] - own[1]) for own, all_of in zip(windows.padding, reaching.padding, strict=True)]
        counting = Windows.of(windows.kernel, windows.stride, tuple(pairs), windows.dilation)
    else:
        counting = reaching
    count = SumPool.primal(inside, windows=counting)
    total = SumPool.apply(x, windows=reaching)
    same = count.reshape(-1)[0]
    return total / (float(same) if (count == same).all() else count)


@reads("GlobalAveragePool", "GlobalMaxPool")
def global_pool(call: Call, x: Any) -> Any:
    """Return the mean or the largest element of each image."""
    return (np.mean if call.kind == "GlobalAveragePool" else np.max)(x, axis=tuple(range(2, x.ndim)), keepdims=True)


# Normalisation


@reads("BatchNormalization", attributes="epsilon momentum training_mode spatial")
def batch_norm(call: Call, x: Any, scale: Any, bias: Any, mean: Any, variance: Any) -> Any:
    """Normalise each channel: by running moments or, in training, by those of the batch, which update them."""
    if any(call.outputs[1:]):
        call.refuse("the moments are used as outputs, and there are none here")
    if call.get("spatial", 1) != 1:
        call.refuse("spatial: expected 1")
    trains = call.module.training and type(mean) is np.ndarray and isinstance(variance, np.ndarray)
    eps, momentum = call.get("epsilon", 1e-5), 1 - call.get("momentum", 0.9)
    return functional.batch_norm(x, mean, variance, scale, bias, trains, momentum, eps)


@reads("InstanceNormalization", attributes="epsilon")
def instance_norm(call: Call, x: Any, scale: Any, bias: Any) -> Any:
    """Normalise each channel of each sample."""
    flat = reshape(x, (*x.shape[:2], math.prod(x.shape[2:])))
    y = reshape(normalized(flat, eps=call.get("epsilon", 1e-5)), x.shape)
    return _with_bias(y * reshape(scale, (-1, *[1] * (x.ndim - 2))), bias)


@reads("GroupNormalization", attributes="epsilon num_groups stash_type")
def group_norm(call: Call, x: Any, scale: Any, bias: Any) -> Any:
    """Normalise groups of channels."""
    groups = call.get("num_groups") or call.refuse("num_groups is missing")
    if x.ndim < 2 or groups < 1 or x.shape[1] % groups:
        call.refuse(f"num_groups {groups}: expected a divisor of the channels of {list(x.shape)}")
    return functional.group_norm(x, groups, scale, bias, call.get("epsilon", 1e-5))


@reads("LayerNormalization", "RMSNormalization", attributes="axis epsilon stash_type")
def layer_norm(call: Call, x: Any, scale: Any, bias: Any = None) -> Any:
    """Normalise over the last axes."""
    if any(call.outputs[1:]):
        call.refuse("the moments are used as outputs, and there are none here")
    axis = call.get("axis", -1)
    over = x.shape[axis % x.ndim :]
    function: Any = normalized if call.kind == "LayerNormalization" else root_normalized
    eps = call.get("epsilon", 1e-5)
    if tuple(scale.shape) == over and (bias is None or tuple(bias.shape) == over) and len(over) == 1:
        rest = () if function is root_normalized else (bias,)
        return function(x, scale, *rest, eps=eps)
    flat = reshape(x, (*x.shape[: x.ndim - len(over)], math.prod(over)))
    y = reshape(function(flat, eps=eps), x.shape) * scale
    return y if bias is None else y + bias


@reads("LpNormalization", attributes="axis p")
def lp_norm(call: Call, x: Any) -> Any:
    """Return x divided by its norm along an axis."""
    axis = call.get("axis", -1)
    if call.get("p", 2) == 1:
        return x / np.sum(np.abs(x), axis=axis, keepdims=True)
    return x / np.sqrt(np.sum(x * x, axis=axis, keepdims=True))


# Attention


@reads(
    "Attention", attributes="is_causal kv_num_heads q_num_heads scale softcap qk_matmul_output_mode softmax_precision"
)
def attention(call: Call, q: Any, k: Any, v: Any, mask: Any = None, *past: Any) -> Any:
    """Return attention: over four axes [B, H, N, d], or three [B, N, H d] with the number of heads."""
    if call.get("softcap", 0.0) or any(x is not None for x in past) or any(call.outputs[1:]):
        call.refuse("softcap, past keys and further outputs: there are none here")
    heads = call.get("q_num_heads"), call.get("kv_num_heads"), call.get("kv_num_heads")
    flat = q.ndim == 3
    if flat:
        if None in heads:
            call.refuse("q_num_heads and kv_num_heads are missing")
        q, k, v = (
            swapaxes(reshape(x, (*x.shape[:2], n, x.shape[2] // n)), 1, 2)
            for x, n in zip((q, k, v), heads, strict=True)
        )
    shared = k.shape[1] != q.shape[1]
    mask = mask if mask is None or mask.dtype.kind != "b" else value_of(mask)
    y = functional.scaled_dot_product_attention(
        q, k, v, mask, bool(call.get("is_causal", 0)), call.get("scale"), enable_gqa=shared
    )
    return reshape(swapaxes(y, 1, 2), (y.shape[0], y.shape[2], y.shape[1] * y.shape[3])) if flat else y
