"""ONNX's operators that move, select, create or reduce elements, in terms of chainrule's."""

import math
from typing import Any

import numpy as np

from chainrule.core.tensor import Tensor, value_of
from chainrule.core.traces.capturing import plain
from chainrule.interop.extrema import extremum_along
from chainrule.interop.onnx.call import Call, reads
from chainrule.rules.arrays.gather import along_axis, take, take_along_axis
from chainrule.rules.arrays.index import IndexAdd, IndexSet, getitem
from chainrule.rules.arrays.join import concatenate
from chainrule.rules.arrays.shape import broadcast_to, transpose
from chainrule.rules.arrays.shape import reshape as reshaped
from chainrule.rules.network.softmax import logsumexp


def _axis(call: Call, axis: int, ndim: int) -> int:
    if not -ndim <= axis < ndim:
        call.refuse(f"axis {axis} of an array with {ndim} axes")
    return axis % ndim


# Shapes


@reads("Shape", attributes="start end")
def shape(call: Call, x: Any) -> Any:
    """Return the lengths of the axes."""
    return np.array(x.shape[call.get("start", 0) : call.get("end")], np.int64)


@reads("Size")
def size(call: Call, x: Any) -> Any:  # noqa: ARG001
    """Return the number of elements."""
    return np.array(math.prod(x.shape), np.int64)


@reads("Reshape", attributes="allowzero shape")
def reshape(call: Call, x: Any, given: Any = None) -> Any:
    """Return x in another shape; 0 keeps the length of the axis."""
    wanted = call.ints("shape", given) or []
    if not call.get("allowzero", 0):
        if any(n == 0 and k >= x.ndim for k, n in enumerate(wanted)):
            call.refuse(f"shape {wanted}: 0 at an axis that x, of shape {list(x.shape)}, does not have")
        wanted = [x.shape[k] if n == 0 else n for k, n in enumerate(wanted)]
    try:
        return reshaped(x, tuple(wanted))
    except ValueError:
        call.refuse(f"cannot lay out {list(x.shape)} as {wanted}")


@reads("Flatten", attributes="axis")
def flatten(call: Call, x: Any) -> Any:
    """Return x as a matrix: the axes before `axis`, and those from it on."""
    axis = call.get("axis", 1)
    axis = axis + x.ndim if axis < 0 else axis
    return reshaped(x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


@reads("Transpose", attributes="perm")
def transposed(call: Call, x: Any) -> Any:
    """Return x with its axes in another order."""
    return transpose(x, call.get("perm"))


@reads("Squeeze", attributes="axes")
def squeeze(call: Call, x: Any, given: Any = None) -> Any:
    """Return x without axes of length 1."""
    axes = call.ints("axes", given)
    gone = {k for k, n in enumerate(x.shape) if n == 1} if axes is None else {_axis(call, a, x.ndim) for a in axes}
    if any(x.shape[a] != 1 for a in gone):
        call.refuse(f"axes {sorted(gone)} of an array of shape {list(x.shape)}, expected lengths of 1")
    return reshaped(x, tuple(n for k, n in enumerate(x.shape) if k not in gone))


@reads("Unsqueeze", attributes="axes")
def unsqueeze(call: Call, x: Any, given: Any = None) -> Any:
    """Return x with new axes of length 1."""
    axes = call.ints("axes", given) or []
    ndim = np.ndim(x) + len(axes)
    places = {_axis(call, a, ndim) for a in axes}
    rest = iter(x.shape)
    return reshaped(x, tuple(1 if k in places else next(rest) for k in range(ndim)))


@reads("Expand")
def expand(call: Call, x: Any, given: Any) -> Any:
    """Return x repeated along axes."""
    wanted = call.known("shape", given)
    return broadcast_to(x, call.bounded(np.broadcast_shapes(x.shape, tuple(wanted))))


@reads("Tile")
def tile(call: Call, x: Any, given: Any) -> Any:
    """Return x repeated as a whole."""
    repeats = call.known("repeats", given)
    call.bounded([n * r for n, r in zip(x.shape, repeats, strict=True)])
    return np.tile(x, tuple(repeats))


# Parts


@reads("Concat", attributes="axis")
def concat(call: Call, *xs: Any) -> Any:
    """Return arrays concatenated."""
    return concatenate(list(xs), axis=call.get("axis", 0))


@reads("Split", attributes="axis split num_outputs")
def split(call: Call, x: Any, given: Any = None) -> Any:
    """Return pieces of given lengths, or equal pieces of which the last may be shorter."""
    axis = _axis(call, call.get("axis", 0), x.ndim)
    lengths, total, count = call.ints("split", given), x.shape[axis], len(call.outputs)
    if lengths is None:
        piece = -(-total // count)
        lengths = [min(piece, max(0, total - piece * k)) for k in range(count)]
    if sum(lengths) != total or min(lengths) < 0 or len(lengths) != count:
        call.refuse(f"{count} pieces of lengths {lengths} of an axis of length {total}")
    ends = np.cumsum(lengths)
    return [_along(x, axis, slice(int(end - n), int(end))) for n, end in zip(lengths, ends, strict=True)]


def _along(x: Any, axis: int, part: Any) -> Any:
    return x[(slice(None),) * axis + (part,)]


@reads("Slice", attributes="starts ends axes")
def slice_(call: Call, x: Any, *given: Any) -> Any:
    """Return a part of x."""
    starts, ends, axes, steps = [*given, None, None, None, None][:4]
    begin, end = call.ints("starts", starts) or [], call.ints("ends", ends) or []
    where = call.ints("axes", axes) or list(range(len(begin)))
    by = [1] * len(begin) if steps is None else call.known("steps", steps)
    index = [slice(None)] * x.ndim
    for a, first, last, step in zip(where, begin, end, by, strict=True):
        axis = _axis(call, a, x.ndim)
        n = x.shape[axis]
        if step == 0:
            call.refuse("a step of 0")
        # Clamped as in the specification: no index lies before the first element, so that end is None.
        low, high = (0, n) if step > 0 else (0, n - 1)
        first = min(max(first + n if first < 0 else first, low), high)
        last = min(max(last + n if last < 0 else last, -1 if step < 0 else 0), n)
        index[axis] = slice(first, None if last < 0 else last, step)
    return x[tuple(index)]


@reads("Gather", attributes="axis")
def gather(call: Call, x: Any, indices: Any) -> Any:
    """Return the elements at indices along an axis."""
    axis = _axis(call, call.get("axis", 0), x.ndim)
    found = _in_range(call, indices, x.shape[axis])
    return take(x, found, axis=axis)


def _in_range(call: Call, indices: Any, n: int) -> Any:
    def checked(found: Any) -> Any:
        found = np.asarray(found)
        if found.size and not ((found >= -n) & (found < n)).all():
            call.refuse(f"indices from {found.min()} to {found.max()}, expected {-n} to {n - 1}")
        return found

    return plain(checked, indices)


@reads("GatherElements", attributes="axis")
def gather_elements(call: Call, x: Any, indices: Any) -> Any:
    """Return one element per index, at the index's own position along the other axes."""
    axis = _axis(call, call.get("axis", 0), x.ndim)
    found = _in_range(call, indices, x.shape[axis])
    cut = tuple(slice(None) if k == axis else slice(n) for k, n in enumerate(indices.shape))
    return take_along_axis(x[cut], found, axis)


@reads("GatherND", attributes="batch_dims")
def gather_nd(call: Call, x: Any, indices: Any) -> Any:
    """Return the elements that rows of indices select."""
    if call.get("batch_dims", 0):
        call.refuse("batch_dims: expected 0, there are no others here")
    return getitem(x, _places(call, x, indices))


def _places(call: Call, x: Any, indices: Any) -> tuple[Any, ...]:
    """Return an index of one array for each of the first axes, which the last axis of `indices` lists."""
    each = zip(range(indices.shape[-1]), x.shape, strict=False)
    return tuple(_in_range(call, indices[..., k], n) for k, n in each)


@reads("ScatterND", attributes="reduction")
def scatter_nd(call: Call, x: Any, indices: Any, updates: Any) -> Any:
    """Return x with elements replaced or added to at rows of indices."""
    operation = {"none": IndexSet, "add": IndexAdd}.get(call.get("reduction", "none"))
    if operation is None:
        call.refuse(f"reduction: expected 'none' or 'add', got {call.get('reduction')!r}")
    return operation.apply(x, updates, index=_places(call, x, indices))


@reads("ScatterElements", attributes="axis reduction")
def scatter_elements(call: Call, x: Any, indices: Any, updates: Any) -> Any:
    """Return x with one element per index replaced, added to or compared, at its position along the other axes."""
    reduction = call.get("reduction", "none")
    axis = _axis(call, call.get("axis", 0), x.ndim)
    found = _in_range(call, indices, x.shape[axis])
    if reduction in ("max", "min"):
        return extremum_along("ScatterElements", x, axis, found, updates, largest=reduction == "max")
    operation = {"none": IndexSet, "add": IndexAdd}.get(reduction)
    if operation is None:
        call.refuse(f"reduction: expected 'none', 'add', 'max' or 'min', got {reduction!r}")
    return operation.apply(x, updates, index=along_axis("ScatterElements", found.shape, found, axis))


@reads("NonZero")
def nonzero(call: Call, x: Any) -> Any:  # noqa: ARG001
    """Return the places of the elements that are not zero, a row for each axis."""
    return plain(lambda x: np.array(np.nonzero(x), np.int64), x)


@reads("Pad", attributes="mode pads value")
def pad(call: Call, x: Any, given: Any = None, value: Any = None, axes: Any = None) -> Any:
    """Return x padded with a constant, its edge, or its reflection."""
    widths = call.ints("pads", given) or []
    where = range(x.ndim) if axes is None else [_axis(call, a, x.ndim) for a in call.known("axes", axes)]
    pairs = [(0, 0)] * x.ndim
    for k, axis in enumerate(where):
        pairs[axis] = (widths[k], widths[k + len(widths) // 2])
    call.bounded([n + a + b for n, (a, b) in zip(x.shape, pairs, strict=True)])
    cut = tuple(slice(max(0, -a), n - max(0, -b)) for n, (a, b) in zip(x.shape, pairs, strict=True))
    x, pairs = x[cut], [(max(0, a), max(0, b)) for a, b in pairs]
    mode = call.get("mode", "constant")
    if mode != "constant":
        return np.pad(x, pairs, mode=mode)
    fill = call.get("value", 0.0) if value is None else value
    if isinstance(fill, Tensor):
        return np.pad(x, pairs) + fill * np.pad(np.zeros(x.shape, x.dtype), pairs, constant_values=1)
    return np.pad(x, pairs, constant_values=np.asarray(fill).item())


@reads("Trilu", attributes="upper")
def trilu(call: Call, x: Any, k: Any = 0) -> Any:
    """Return x with zeros on one side of a diagonal."""
    return (np.triu if call.get("upper", 1) else np.tril)(x, int(value_of(k)))


# Makers


@reads("Constant", attributes="value value_float value_floats value_int value_ints")
def constant(call: Call) -> Any:
    """Return a constant array from the file."""
    for name, dtype in (("value", None), ("value_float", np.float32), ("value_floats", np.float32)):
        if call.get(name) is not None:
            return np.asarray(call.get(name), dtype)
    return np.asarray(call.get("value_int", call.get("value_ints")), np.int64)


@reads("ConstantOfShape", attributes="value")
def constant_of_shape(call: Call, given: Any) -> Any:
    """Return an array of one number."""
    value = np.asarray(call.get("value", np.zeros(1, np.float32)))
    return np.full(call.bounded(call.known("shape", given)), value.reshape(-1)[0], value.dtype)


@reads("Range")
def range_(call: Call, start: Any, limit: Any, delta: Any) -> Any:
    """Return evenly spaced numbers."""
    first, last, step = (np.asarray(value_of(x)).reshape(()) for x in (start, limit, delta))
    if step == 0 or not np.isfinite([first, last, step]).all():
        call.refuse(f"from {first} to {last} by {step}")
    call.bounded([max(0, math.ceil((float(last) - float(first)) / float(step)))])
    return np.arange(first.item(), last.item(), step.item(), dtype=first.dtype)


@reads("OneHot", attributes="axis")
def one_hot(call: Call, indices: Any, depth: Any, values: Any) -> Any:
    """Return one of two numbers: one at the index, the other elsewhere."""
    n = int(np.asarray(value_of(depth)).reshape(-1)[0])
    found, (off, on) = np.asarray(value_of(indices)), np.asarray(value_of(values))
    axis = _axis(call, call.get("axis", -1), found.ndim + 1)
    call.bounded([*found.shape, n])
    places = np.arange(n).reshape([-1 if k == axis else 1 for k in range(found.ndim + 1)])
    return np.where(np.expand_dims(found % n, axis) == places, on, off)


# Reductions


@reads("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum",
       "ReduceLogSumExp", "ReduceSumSquare", attributes="axes keepdims noop_with_empty_axes")  # fmt: skip
def reduce(call: Call, x: Any, given: Any = None) -> Any:
    """Return a reduction over axes, or over all of them."""
    axes = call.ints("axes", given)
    if not axes and call.get("noop_with_empty_axes", 0):
        return x
    over = tuple(range(x.ndim)) if not axes else tuple(_axis(call, a, x.ndim) for a in axes)
    settings: dict[str, Any] = {"axis": over, "keepdims": bool(call.get("keepdims", 1))}
    forms = {
        "ReduceSum": lambda: np.sum(x, **settings),
        "ReduceMean": lambda: np.mean(x, **settings),
        "ReduceMax": lambda: np.max(x, **settings),
        "ReduceMin": lambda: np.min(x, **settings),
        "ReduceProd": lambda: np.prod(x, **settings),
        "ReduceL1": lambda: np.sum(np.abs(x), **settings),
        "ReduceL2": lambda: np.sqrt(np.sum(x * x, **settings)),
        "ReduceLogSum": lambda: np.log(np.sum(x, **settings)),
        "ReduceLogSumExp": lambda: logsumexp(x, **settings),
        "ReduceSumSquare": lambda: np.sum(x * x, **settings),
    }
    return forms[call.kind]()


@reads("ArgMax", "ArgMin", attributes="axis keepdims select_last_index")
def arg(call: Call, x: Any) -> Any:
    """Return the position of the largest or smallest element along an axis."""
    axis = _axis(call, call.get("axis", 0), x.ndim)
    find = {"ArgMax": np.argmax, "ArgMin": np.argmin}[call.kind]
    if call.get("select_last_index", 0):
        found = x.shape[axis] - 1 - find(np.flip(x, axis), axis=axis)
    else:
        found = find(x, axis=axis)
    return np.expand_dims(found, axis) if call.get("keepdims", 1) else found


@reads("TopK", attributes="axis largest sorted")
def top_k(call: Call, x: Any, given: Any) -> tuple[Any, Any]:
    """Return the largest or smallest elements along an axis, in order, and their positions."""
    axis, count = _axis(call, call.get("axis", -1), x.ndim), int(np.ravel(call.known("k", given))[0])
    if not 0 <= count <= x.shape[axis]:
        call.refuse(f"k: expected 0 to {x.shape[axis]}, the length of axis {axis}, got {count}")
    order = np.argsort(-x if call.get("largest", 1) else x, axis=axis, kind="stable")
    places = order[(slice(None),) * axis + (slice(count),)]
    return take_along_axis(x, places, axis), places


@reads("CumSum", attributes="exclusive reverse")
def cumsum(call: Call, x: Any, given: Any) -> Any:
    """Return running sums along an axis."""
    axis = _axis(call, call.known("axis", given)[0], x.ndim)
    y = np.flip(x, axis) if call.get("reverse", 0) else x
    total = np.cumsum(y, axis=axis)
    total = total - y if call.get("exclusive", 0) else total
    return np.flip(total, axis) if call.get("reverse", 0) else total
