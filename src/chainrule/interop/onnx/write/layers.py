"""Products, windows, normalisations and attention, in ONNX."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.compile.program.program import Instruction
from chainrule.interop.onnx.graph import WRITERS, Graph, Ref, writes
from chainrule.rules.arrays.windows import Windows
from chainrule.rules.attention.blockwise import BlockwiseAttention
from chainrule.rules.attention.plain import ScaledDotProductAttention
from chainrule.rules.linalg.einsum import Einsum
from chainrule.rules.linalg.matmul import Matmul
from chainrule.rules.network.convolution import Convolution, ConvolutionTranspose
from chainrule.rules.network.linear import LinearMap
from chainrule.rules.network.norm import LayerNorm, RMSNorm
from chainrule.rules.network.pooling import MaxPool, SumPool
from chainrule.rules.network.softmax import LogSoftmax, Softmax

from .elements import in_dtype, number
from .shapes import ints, reduced


@writes(Matmul)
def matmul(graph: Graph, i: Instruction, a: Any, b: Any) -> str:
    """Write a matrix product."""
    return str(graph.node("MatMul", *in_dtype(graph, i, a, b)))


@writes(LinearMap)
def linear(graph: Graph, i: Instruction, x: Any, w: Any, b: Any) -> str:
    """Write x W + b: one Gemm for rows, a product and a sum otherwise."""
    x, w, b = in_dtype(graph, i, x, w, b)
    if x.ndim == 2:
        return str(graph.node("Gemm", x, w, b))
    return str(graph.node("Add", graph.node("MatMul", x, w), b))


@writes(Einsum)
def einsum(graph: Graph, i: Instruction, *xs: Any, subscripts: str) -> str:
    """Write a sum of products."""
    return str(graph.node("Einsum", *in_dtype(graph, i, *xs), equation=subscripts))


@writes(Softmax, LogSoftmax)
def softmax(graph: Graph, i: Instruction, x: Any, *, axis: Any = -1) -> str:
    """Write softmax or log-softmax: one node for one axis."""
    (x,) = in_dtype(graph, i, x)
    if isinstance(axis, int) and x.ndim:
        return str(graph.node({Softmax: "Softmax", LogSoftmax: "LogSoftmax"}[i.op], x, axis=axis))
    logarithm = graph.node("Sub", x, reduced(graph, "ReduceLogSumExp", x, x.ndim, axis, True))
    return str(graph.node("Exp", logarithm) if i.op is Softmax else logarithm)


# Windows


def _window(windows: Windows) -> dict[str, Any]:
    before, after = zip(*windows.padding, strict=True)
    return {"kernel_shape": list(windows.kernel), "strides": list(windows.stride), "pads": [*before, *after]}


@writes(Convolution)
def convolution(graph: Graph, i: Instruction, x: Any, w: Any, *, windows: Windows, groups: int = 1) -> str:
    """Write a convolution of any number of axes."""
    settings = {**_window(windows), "dilations": list(windows.dilation), "group": groups}
    return str(graph.node("Conv", *in_dtype(graph, i, x, w), **settings))


@writes(ConvolutionTranspose)
def convolution_transpose(
    graph: Graph, i: Instruction, z: Any, w: Any, *, windows: Windows, groups: int = 1, size: Any = ()
) -> str:
    """Write the adjoint of a convolution; positions that no window reaches become output padding."""
    z, w = in_dtype(graph, i, z, w)
    lengths = z.shape[2:]
    if not all(isinstance(n, int) for n in (*lengths, *size)):
        raise ValueError(f"export: {i.source}: a transposed convolution of images whose size moves; {_FIXED}")
    spans = zip(size, lengths, windows.stride, windows.padding, windows.span, strict=True)
    more = [n - (s * (m - 1) + span - p - q) for n, m, s, (p, q), span in spans]
    settings = {**_window(windows), "dilations": list(windows.dilation), "group": groups, "output_padding": more}
    return str(graph.node("ConvTranspose", z, w, **settings))


_FIXED = "leave these axes out of dynamic="


@writes(MaxPool)
def max_pool(graph: Graph, i: Instruction, x: Any, *, windows: Windows) -> str:
    """Write the largest element of each window."""
    (x,) = in_dtype(graph, i, x)
    made = graph.node("MaxPool", _images(graph, x, windows), **_window(windows), dilations=list(windows.dilation))
    return _as_before(graph, i, x, made, windows)


@writes(SumPool)
def sum_pool(graph: Graph, i: Instruction, x: Any, *, windows: Windows) -> str:
    """Write the sum of each window: its mean times the kernel's size."""
    (x,) = in_dtype(graph, i, x)
    dilated = list(windows.dilation) if max(windows.dilation) > 1 else None
    settings = {**_window(windows), "dilations": dilated, "count_include_pad": 1}
    mean = _as_before(graph, i, x, graph.node("AveragePool", _images(graph, x, windows), **settings), windows)
    graph.averages[i.outputs[0].number] = mean
    return str(graph.node("Mul", mean, number(graph, i, windows.places)))


def _images(graph: Graph, x: Ref, windows: Windows) -> Any:
    """Return `x` as `[B, C, …]`, the shape ONNX's pooling takes; all axes before the windows' become B."""
    return x if x.ndim == windows.axes + 2 else graph.reshape(x, (-1, 1, *x.shape[x.ndim - windows.axes :]))


def _as_before(graph: Graph, i: Instruction, x: Ref, y: Any, windows: Windows) -> str:
    return str(y) if x.ndim == windows.axes + 2 else graph.reshape(y, graph.shape_of(i.outputs[0]))


# Normalisation


@writes(LayerNorm)
def layer_norm(graph: Graph, i: Instruction, x: Any, gamma: Any, beta: Any, *, eps: float = 1e-5) -> str:
    """Write mean 0 and variance 1 over the last axis."""
    x, gamma, beta = in_dtype(graph, i, x, gamma, beta)
    scale = gamma if gamma.ndim else graph.node("Expand", gamma, graph.sizes(x.shape[-1:]))
    shift = beta if beta.ndim else graph.node("Expand", beta, graph.sizes(x.shape[-1:]))
    return str(graph.node("LayerNormalization", x, scale, shift, axis=-1, epsilon=float(eps)))


@writes(RMSNorm)
def rms_norm(graph: Graph, i: Instruction, x: Any, gamma: Any, *, eps: float = 1e-5) -> str:
    """Write mean square 1 over the last axis."""
    x, gamma = in_dtype(graph, i, x, gamma)
    if graph.opset >= 23 and gamma.ndim:
        return str(graph.node("RMSNormalization", x, gamma, axis=-1, epsilon=float(eps)))
    square = graph.node("ReduceMean", graph.node("Mul", x, x), graph.constant(ints(-1)), keepdims=1)
    root = graph.node("Sqrt", graph.node("Add", square, number(graph, i, eps)))
    return str(graph.node("Mul", graph.node("Div", x, root), gamma))


# Attention


@writes(ScaledDotProductAttention, BlockwiseAttention)
def attention(
    graph: Graph, i: Instruction, q: Any, k: Any, v: Any, mask: Any, _seed: Any = None, *, causal: bool = False,
    scale: float | None = None, dropout: float = 0.0, **_: Any,
) -> str:  # fmt: skip
    """Write attention: one node where ONNX has it, for four axes, else products and a softmax."""
    if dropout:
        raise ValueError(f"export: {i.source}: attention with dropout draws random numbers; pass dropout=0")
    q, k, v = in_dtype(graph, i, q, k, v)
    found = None if mask is None or mask is True or isinstance(mask, np.bool_) else graph.ref(mask)
    if found is not None and found.dtype.kind == "f":
        found = graph.ref(found, q.dtype)
    if graph.opset >= 23 and q.ndim == k.ndim == v.ndim == 4 and q.dtype == np.float32:
        settings: dict[str, Any] = {"is_causal": int(causal), "scale": None if scale is None else float(scale)}
        return str(graph.node("Attention", q, k, v, found, **settings))
    return _composed(graph, i, (q, k, v), found, causal, scale)


def _composed(graph: Graph, i: Instruction, qkv: Sequence[Any], mask: Any, causal: bool, scale: float | None) -> str:
    q, k, v = qkv
    order = list(range(k.ndim))
    turned = graph.node("Transpose", k, perm=[*order[:-2], order[-1], order[-2]])
    factor = number(graph, i, scale if scale is not None else q.shape[-1] ** -0.5)
    scores = graph.node("MatMul", graph.node("Mul", q, factor), turned)
    never = number(graph, i, -np.inf)
    if mask is not None:
        is_open = mask.dtype.kind == "b"
        scores = graph.node("Where", mask, scores, never) if is_open else graph.node("Add", scores, mask)
    if causal:
        one = graph.node("Expand", graph.constant(1.0, np.float32), graph.sizes((q.shape[-2], k.shape[-2])))
        below = graph.cast(graph.node("Trilu", one, upper=0), np.bool_)
        scores = graph.node("Where", below, scores, never)
    return str(graph.node("MatMul", graph.node("Softmax", scores, axis=-1), v))


# Calls of functions that are no operations


def checked_indices(graph: Graph, _: Instruction, x: Any) -> str:
    """Write the indices of an embedding; the file does not check that they are in range."""
    return str(graph.node("Cast", graph.ref(x), to=graph.onnx.TensorProto.INT64))


for _checks in ("indices in range", "_in_range.<locals>.checked"):
    WRITERS[_checks] = checked_indices
