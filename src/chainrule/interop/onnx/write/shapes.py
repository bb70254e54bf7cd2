"""Operations that move, select or reduce elements, in ONNX."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.compile.program.program import Instruction, Value
from chainrule.interop.onnx.graph import Graph, Ref, writes
from chainrule.interop.onnx.tracing import Size
from chainrule.rules.arrays.arrange import Flip, Pad, Tril, Triu
from chainrule.rules.arrays.cumulative import Cumsum, Prod
from chainrule.rules.arrays.index import GetItem, IndexAdd, IndexSet
from chainrule.rules.arrays.join import Concatenate, Split, Stack
from chainrule.rules.arrays.moments import Std, Var
from chainrule.rules.arrays.reduce import All, Argmax, Argmin, CountNonzero, Max, Mean, Min, Sum
from chainrule.rules.arrays.reduce import Any as AnyTrue
from chainrule.rules.arrays.shape import BroadcastTo, Reshape, Transpose
from chainrule.rules.linalg.vector_norms import Norm
from chainrule.rules.network.softmax import LogSumExp

from .elements import in_dtype, number

LAST = np.iinfo(np.int64).max
"""An end of a slice that lies past the end of any axis."""


def ints(*values: int) -> Any:
    """Return an int64 array."""
    return np.array(values, np.int64)


def axes_of(axis: Any, ndim: int) -> list[int]:
    """Return axes counted from the front; all of them for None."""
    given = range(ndim) if axis is None else axis if isinstance(axis, tuple | list) else (axis,)
    return [int(a) % ndim for a in given] if ndim else []


@writes(Reshape)
def reshape(graph: Graph, i: Instruction, x: Any, **_: Any) -> str:
    """Write a change of shape."""
    return graph.reshape(graph.ref(x), graph.shape_of(i.outputs[0]))


@writes(Transpose)
def transpose(graph: Graph, _: Instruction, x: Any, *, axes: Any = None) -> str:
    """Write a permutation of the axes."""
    x = graph.ref(x)
    order = list(range(x.ndim))[::-1] if axes is None else axes_of(axes, x.ndim)
    if not order:
        return str(graph.node("Identity", x))
    return str(graph.node("Transpose", x, perm=order))


@writes(BroadcastTo)
def broadcast_to(graph: Graph, i: Instruction, x: Any, **_: Any) -> str:
    """Write repetitions along axes."""
    return str(graph.node("Expand", graph.ref(x), graph.sizes(graph.shape_of(i.outputs[0]))))


@writes(Concatenate)
def concatenate(graph: Graph, i: Instruction, *xs: Any, axis: int = 0) -> str:
    """Write a concatenation."""
    return str(graph.node("Concat", *in_dtype(graph, i, *xs), axis=axis))


@writes(Stack)
def stack(graph: Graph, i: Instruction, *xs: Any, axis: int = 0) -> str:
    """Write a stack along a new axis."""
    place = axis % i.outputs[0].ndim
    rows = [graph.node("Unsqueeze", x, graph.constant(ints(place))) for x in in_dtype(graph, i, *xs)]
    return str(graph.node("Concat", *rows, axis=place))


@writes(Split)
def split(graph: Graph, i: Instruction, x: Any, *, axis: int = 0, **_: Any) -> list[str]:
    """Write a split along an axis."""
    lengths = graph.sizes([graph.shape_of(value)[axis] for value in i.outputs])
    made = graph.node("Split", graph.ref(x), lengths, outputs=len(i.outputs), axis=axis)
    return [made] if isinstance(made, str) else list(made)


def sliced(graph: Graph, x: Any, parts: Sequence[tuple[int, Any, Any, int]]) -> str:
    """Slice `x`: for each part an axis, a start, an end and a step."""
    axes, starts, ends, steps = zip(*parts, strict=True)
    lists = (graph.sizes(starts), graph.sizes(ends), graph.constant(ints(*axes)), graph.constant(ints(*steps)))
    return str(graph.node("Slice", x, *lists))


@writes(Flip)
def flip(graph: Graph, _: Instruction, x: Any, *, axis: Any = None) -> str:
    """Write a flip."""
    x = graph.ref(x)
    axes = axes_of(axis, x.ndim)
    return sliced(graph, x, [(a, -1, -LAST, -1) for a in axes]) if axes else str(graph.node("Identity", x))


@writes(Pad)
def pad(graph: Graph, _: Instruction, x: Any, *, widths: Any = ()) -> str:
    """Write zero padding."""
    if not widths:
        return str(graph.node("Identity", graph.ref(x)))
    return str(
        graph.node("Pad", graph.ref(x), graph.sizes([pair[0] for pair in widths] + [pair[1] for pair in widths]))
    )


@writes(Tril, Triu)
def tril(graph: Graph, i: Instruction, x: Any, *, k: int = 0) -> str:
    """Write a triangle, with zeros on the other side of a diagonal."""
    return str(graph.node("Trilu", graph.ref(x), graph.constant(np.int64(k)), upper=int(i.op is Triu)))


@writes(Cumsum)
def cumsum(graph: Graph, i: Instruction, x: Any) -> str:
    """Write running sums along the last axis."""
    return str(graph.node("CumSum", *in_dtype(graph, i, x), graph.constant(np.int64(-1))))


# Reductions

REDUCTIONS = {Sum: "ReduceSum", Mean: "ReduceMean", Max: "ReduceMax", Min: "ReduceMin"} | {
    **{Prod: "ReduceProd", LogSumExp: "ReduceLogSumExp", Norm: "ReduceL2"}
}


def reduced(graph: Graph, kind: str, x: Any, ndim: int, axis: Any, keepdims: bool = False) -> str:
    """Reduce over axes."""
    axes = axes_of(axis, ndim)
    if not axes:
        return str(graph.node("Abs" if kind == "ReduceL2" else "Identity", x))
    return str(graph.node(kind, x, graph.constant(ints(*axes)), keepdims=int(keepdims)))


@writes(*REDUCTIONS)
def reduction(graph: Graph, i: Instruction, x: Any, *, axis: Any = None, keepdims: bool = False) -> str:
    """Write a reduction."""
    (x,) = in_dtype(graph, i, x)
    return reduced(graph, REDUCTIONS[i.op], x, x.ndim, axis, keepdims)


@writes(AnyTrue, All, CountNonzero)
def questions(graph: Graph, i: Instruction, x: Any, *, axis: Any = None, keepdims: bool = False) -> str:
    """Write any, all or count_nonzero."""
    x = graph.ref(x, np.bool_)
    kind = {AnyTrue: "ReduceMax", All: "ReduceMin", CountNonzero: "ReduceSum"}[i.op]
    found = reduced(graph, kind, graph.cast(x, np.int64), x.ndim, axis, keepdims)
    return graph.cast(found, i.outputs[0].dtype)


@writes(Var, Std)
def variance(graph: Graph, i: Instruction, x: Any, *, axis: Any = None, ddof: float = 0, keepdims: bool = False) -> str:
    """Write a variance."""
    (x,) = in_dtype(graph, i, x)
    apart = graph.node("Sub", x, reduced(graph, "ReduceMean", x, x.ndim, axis, True))
    total = reduced(graph, "ReduceSum", graph.node("Mul", apart, apart), x.ndim, axis, keepdims)
    count = _count(graph, i, [x.shape[a] for a in axes_of(axis, x.ndim)], ddof)
    found = graph.node("Div", total, count)
    return str(graph.node("Sqrt", found) if i.op is Std else found)


def _count(graph: Graph, i: Instruction, lengths: Sequence[Any], ddof: float) -> str:
    if not any(isinstance(n, Size) for n in lengths):
        return number(graph, i, math.prod(lengths) - ddof)
    product = graph.node("ReduceProd", graph.sizes(lengths), keepdims=0)
    return str(graph.node("Sub", graph.cast(product, i.outputs[0].dtype), number(graph, i, ddof)))


@writes(Argmax, Argmin)
def argmax(graph: Graph, i: Instruction, x: Any, *, axis: int | None = None) -> str:
    """Write argmax or argmin."""
    x = graph.ref(x)
    given = graph.reshape(x, (-1,)) if axis is None else x
    kind = {Argmax: "ArgMax", Argmin: "ArgMin"}[i.op]
    return str(graph.node(kind, given, axis=0 if axis is None else int(axis), keepdims=0))


# Indexing


@writes(GetItem)
def getitem(graph: Graph, i: Instruction, x: Any, *, index: Any = (), **_: Any) -> str:
    """Write indexing: slices and integers first, then at most one group of arrays."""
    x = graph.ref(x)
    parts = _without_ellipsis(index if isinstance(index, tuple) else (index,), x.ndim)
    cuts: list[tuple[int, Any, Any, int]] = []
    gone: list[int] = []
    new: list[int] = []
    arrays: dict[int, Any] = {}
    axis = place = 0
    for part in parts:
        if part is None:
            new.append(place)
            place += 1
            continue
        if isinstance(part, slice):
            cuts += _cut(axis, part)
            place += 1
        elif isinstance(part, int | np.integer | Size) and not isinstance(part, bool):
            end = Size(part.coefficient, part.names, part.offset + 1) if isinstance(part, Size) else int(part) + 1
            cuts.append((axis, part, LAST if end == 0 else end, 1))
            gone.append(axis)
        else:
            arrays[place] = _indices(graph, i, part)
            place += 1
        axis += 1
    if arrays and (gone or new):
        raise ValueError(
            f"export: {i.source}: an index of arrays together with integers or None has no form in ONNX; index twice: "
            "x[integers][arrays]"
        )
    made = sliced(graph, x, cuts) if cuts else x.name
    if gone:
        made = graph.node("Squeeze", made, graph.constant(ints(*gone)))
    if new:
        made = graph.node("Unsqueeze", made, graph.constant(ints(*new)))
    return (
        _picked(graph, i, made, x.ndim, arrays)
        if arrays
        else str(graph.node("Identity", made) if made == x.name else made)
    )


def _without_ellipsis(index: Sequence[Any], ndim: int) -> list[Any]:
    """Return an index with one part for each axis it covers."""
    places = [k for k, part in enumerate(index) if part is Ellipsis]
    if not places:
        return list(index)
    named = sum(part is not None and part is not Ellipsis for part in index)
    k = places[0]
    return [*index[:k], *[slice(None)] * (ndim - named), *index[k + 1 :]]


def _cut(axis: int, part: slice) -> list[tuple[int, Any, Any, int]]:
    step = 1 if part.step is None else int(part.step)
    if part.start is None and part.stop is None and step == 1:
        return []
    start = (0 if step > 0 else -1) if part.start is None else part.start
    end = (LAST if step > 0 else -LAST) if part.stop is None else part.stop
    return [(axis, start, end, step)]


def _indices(graph: Graph, i: Instruction, part: Any) -> Ref:
    found = graph.ref(part)
    if found.dtype.kind not in "iu":
        raise ValueError(
            f"export: {i.source}: an index of booleans gives an array whose length depends on values; use "
            "np.where(condition, x, 0)"
        )
    return graph.ref(found, np.int64)


def _picked(graph: Graph, i: Instruction, x: Any, ndim: int, arrays: dict[int, Ref]) -> str:
    """Index with integer arrays: one axis by Gather, several by GatherND."""
    axes = list(arrays)
    if len(axes) == 1:
        return str(graph.node("Gather", x, arrays[axes[0]], axis=axes[0]))
    if axes != list(range(axes[0], axes[0] + len(axes))):
        raise ValueError(
            f"export: {i.source}: index arrays with a slice between them; transpose so that they stand together"
        )
    shared = list(arrays.values())
    total: Any = shared[0]
    for other in shared[1:]:
        total = graph.node("Add", total, other)
    nothing = graph.node("Mul", total, graph.constant(np.int64(0)))
    last = max(a.ndim for a in shared)
    full = [graph.node("Unsqueeze", graph.node("Add", a, nothing), graph.constant(ints(last))) for a in shared]
    rest = [a for a in range(ndim) if a not in axes]
    front = x if axes[0] == 0 else graph.node("Transpose", x, perm=axes + rest)
    made = graph.node("GatherND", front, graph.node("Concat", *full, axis=last))
    if axes[0] == 0:
        return str(made)
    before = axes[0]
    order = [*range(last, last + before), *range(last), *range(last + before, last + len(rest))]
    return str(graph.node("Transpose", made, perm=order))


@writes(IndexSet, IndexAdd)
def index_set(graph: Graph, i: Instruction, x: Any, v: Any, *, index: Any = ()) -> str:
    """Write assignment to, or addition into, whole rows picked by integers."""
    x, v = in_dtype(graph, i, x, v)
    parts = index if isinstance(index, tuple) else (index,)
    if len(parts) != 1 or not isinstance(parts[0], Value | int | np.integer):
        raise ValueError(f"export: {i.source}: only whole rows, x[i] = v, can be changed in ONNX; use np.where")
    rows = _indices(graph, i, parts[0])
    where = graph.node("Unsqueeze", rows, graph.constant(ints(rows.ndim)))
    shape = (*rows.shape, *x.shape[1:])
    values = graph.node("Expand", v, graph.sizes(shape)) if shape else v
    return str(graph.node("ScatterND", x, where, values, reduction="add" if i.op is IndexAdd else "none"))
