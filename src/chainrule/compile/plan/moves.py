"""Instructions that move elements, as tasks: joins, pads, rolls, written slices, and reshapes of what has gaps."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from chainrule.compile.program.assembled import assembled, is_basic
from chainrule.compile.program.program import Instruction, Value
from chainrule.compile.program.spreading import spread
from chainrule.compile.program.transposes import transposed
from chainrule.kernels.native.copies import cleared, copied, is_movable
from chainrule.kernels.native.tasks import Task
from chainrule.rules.arrays.arrange import Pad, Roll
from chainrule.rules.arrays.index import DiagonalIndex, GetItem, IndexSet, Scatter
from chainrule.rules.arrays.join import Concatenate, Stack
from chainrule.rules.arrays.shape import Reshape

NUMBERS = (int, float, bool, np.float64, np.float32)
"""Arguments that are written into an array as they are."""
Buffer = Callable[[Value], Any]
Pair = tuple[Any, Any]


def moved(i: Instruction, buffer: Buffer) -> list[Task] | None:
    """Return an instruction that moves elements as tasks on its buffers, or None if there is no code for it."""
    pairs_of, out = MOVES.get(i.op or i.function), buffer(i.outputs[0])
    if pairs_of is None or not all(isinstance(x, Value) or type(x) in NUMBERS for x in i.args):
        return None
    parts = [buffer(x) if isinstance(x, Value) else np.asarray(x, out.dtype) for x in i.args]
    pairs = pairs_of(parts, out, _known(i.settings))
    if pairs is None or any(a.dtype != out.dtype or a.shape != b.shape for a, b in pairs):
        return None
    pairs = [(a, b) for a, b in pairs if a.size]
    if not is_movable(out, *(view for pair in pairs for view in pair)):
        return None
    covered = sum(a.size for a, _ in pairs)
    return [*([cleared(out)] if covered < out.size else []), *(copied(a, b) for a, b in pairs)]


def _known(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return settings with the numbers of a diagonal's rows and columns, which are no arrays of the user's."""
    index = settings.get("index")
    if type(index) is not DiagonalIndex:
        return settings
    return {**settings, "index": DiagonalIndex(x.array if isinstance(x, Value) else x for x in index)}


def _joined(parts: list[Any], out: Any, settings: Mapping[str, Any]) -> Iterator[Pair]:
    axis, start = settings.get("axis", 0), 0
    for part in parts:
        end = start + part.shape[axis]
        yield part, out.swapaxes(0, axis)[start:end].swapaxes(0, axis)
        start = end


def _stacked(parts: list[Any], out: Any, settings: Mapping[str, Any]) -> Iterator[Pair]:
    places = np.moveaxis(out, settings.get("axis", 0), 0)
    return ((part, places[k, ...]) for k, part in enumerate(parts))


def _scattered(parts: list[Any], out: Any, settings: Mapping[str, Any]) -> list[Pair] | None:
    if not settings.get("unique") or tuple(settings["shape"]) != out.shape:
        return None
    return _at(parts, out, [settings["index"]])


def _picked(parts: list[Any], out: Any, settings: Mapping[str, Any]) -> list[Pair] | None:
    """Return what has to be copied because NumPy gives no view of it: a number, for one."""
    index = settings["index"]
    return [(_view(parts[0], index), out)] if _is_view(index) else None


def _assembled(parts: list[Any], out: Any, settings: Mapping[str, Any]) -> list[Pair] | None:
    return _at(parts, out, settings["indices"])


def _at(parts: list[Any], out: Any, indices: Any) -> list[Pair] | None:
    """Return the parts with the views of the result where they go, or None where an index is none of a view."""
    if not all(map(_is_view, indices)):
        return None
    return [(part, _view(out, index)) for part, index in zip(parts, indices, strict=True)]


def _is_view(index: Any) -> bool:
    return type(index) is DiagonalIndex or is_basic(index)


def _view(out: Any, index: Any) -> Any:
    if type(index) is DiagonalIndex:
        return index.of(out)
    parts = index if isinstance(index, tuple) else (index,)
    return out[parts if ... in parts else (*parts, ...)]  # the dots keep NumPy from returning a number


def _written(parts: list[Any], out: Any, settings: Mapping[str, Any]) -> list[Pair] | None:
    """Return the array, and then what is written over some of it."""
    x, value = parts
    index = settings["index"]
    if x.shape != out.shape or not _is_view(index):
        return None
    view = _view(out, index)
    return [(x, out), (np.broadcast_to(value, view.shape), view)]


def _rolled(parts: list[Any], out: Any, settings: Mapping[str, Any]) -> list[Pair] | None:
    """Return what stays in its order and what comes round to the front, along each axis."""
    shift, axis = settings["shift"], settings["axis"]
    axes = axis if isinstance(axis, tuple) else (axis,)
    shifts = shift if isinstance(shift, tuple) else (shift,) * len(axes)
    if len(shifts) != len(axes) or not all(type(x) is int for x in (*shifts, *axes)) or not out.size:
        return None
    moves = [0] * out.ndim
    for places, a in zip(shifts, axes, strict=True):
        moves[a] += places
    pairs = [(parts[0], out)]
    for a, (places, n) in enumerate(zip(moves, out.shape, strict=True)):
        if k := places % n:
            pairs = [pair for source, target in pairs for pair in _turned(source, target, a, k)]
    return pairs


def _turned(source: Any, target: Any, axis: int, k: int) -> list[Pair]:
    source, target = np.moveaxis(source, axis, 0), np.moveaxis(target, axis, 0)
    halves = [(source[: len(source) - k, ...], target[k:, ...]), (source[len(source) - k :, ...], target[:k, ...])]
    return [(np.moveaxis(a, 0, axis), np.moveaxis(b, 0, axis)) for a, b in halves]


def _reshaped(parts: list[Any], out: Any, settings: Mapping[str, Any]) -> list[Pair] | None:  # noqa: ARG001
    return [(parts[0], out.reshape(parts[0].shape))] if out.flags.c_contiguous else None


def _inside(widths: Any, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Return the index of what padding surrounds."""
    return *(slice(before, n - after) for (before, after), n in zip(widths, shape, strict=True)), ...


MOVES: Mapping[Any, Callable[..., Any]] = {
    Concatenate: lambda *given: list(_joined(*given)),
    Stack: lambda *given: list(_stacked(*given)),
    GetItem: _picked,
    Scatter: _scattered,
    IndexSet: _written,
    Roll: _rolled,
    Reshape: _reshaped,
    assembled: _assembled,
    transposed: lambda parts, out, _: [(parts[0].T, out)],
    spread: lambda parts, out, _: [(np.broadcast_to(parts[0], out.shape), out)],
    Pad: lambda parts, out, settings: [(parts[0], out[_inside(settings["widths"], out.shape)])],
}
"""By record, or by function where there is none: what gives the pairs of views, from where and to where."""
