"""Instructions that move elements, as tasks: joins, pads, scattered slices, and reshapes of what has gaps."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from chainrule.compile.program.assembled import assembled, is_basic
from chainrule.compile.program.program import Instruction, Value
from chainrule.compile.program.spreading import spread
from chainrule.compile.program.transposes import transposed
from chainrule.kernels.native.copies import cleared, copied, is_movable
from chainrule.kernels.native.tasks import Task
from chainrule.rules.arrays.arrange import Pad
from chainrule.rules.arrays.index import Scatter
from chainrule.rules.arrays.join import Concatenate, Stack
from chainrule.rules.arrays.shape import Reshape

Buffer = Callable[[Value], Any]
Pair = tuple[Any, Any]


def moved(i: Instruction, buffer: Buffer) -> list[Task] | None:
    """Return an instruction that moves elements as tasks on its buffers, or None if there is no code for it."""
    pairs_of = MOVES.get(i.op or i.function)
    if pairs_of is None or not all(isinstance(x, Value) for x in i.args):
        return None
    parts, out = [buffer(x) for x in i.args], buffer(i.outputs[0])
    pairs = pairs_of(parts, out, i.settings)
    if pairs is None or any(a.dtype != out.dtype or a.shape != b.shape for a, b in pairs):
        return None
    pairs = [(a, b) for a, b in pairs if a.size]
    if not is_movable(out, *(view for pair in pairs for view in pair)):
        return None
    covered = sum(a.size for a, _ in pairs)
    return [*([cleared(out)] if covered < out.size else []), *(copied(a, b) for a, b in pairs)]


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


def _assembled(parts: list[Any], out: Any, settings: Mapping[str, Any]) -> list[Pair] | None:
    return _at(parts, out, settings["indices"])


def _at(parts: list[Any], out: Any, indices: Any) -> list[Pair] | None:
    """Return the parts with the views of the result where they go, or None where an index is none of a view."""
    if not all(map(is_basic, indices)):
        return None
    return [(part, _view(out, index)) for part, index in zip(parts, indices, strict=True)]


def _view(out: Any, index: Any) -> Any:
    parts = index if isinstance(index, tuple) else (index,)
    return out[parts if ... in parts else (*parts, ...)]  # the dots keep NumPy from returning a number


def _reshaped(parts: list[Any], out: Any, settings: Mapping[str, Any]) -> list[Pair] | None:  # noqa: ARG001
    return [(parts[0], out.reshape(parts[0].shape))] if out.flags.c_contiguous else None


def _inside(widths: Any, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Return the index of what padding surrounds."""
    return *(slice(before, n - after) for (before, after), n in zip(widths, shape, strict=True)), ...


MOVES: Mapping[Any, Callable[..., Any]] = {
    Concatenate: lambda *given: list(_joined(*given)),
    Stack: lambda *given: list(_stacked(*given)),
    Scatter: _scattered,
    Reshape: _reshaped,
    assembled: _assembled,
    transposed: lambda parts, out, _: [(parts[0].T, out)],
    spread: lambda parts, out, _: [(np.broadcast_to(parts[0], out.shape), out)],
    Pad: lambda parts, out, settings: [(parts[0], out[_inside(settings["widths"], out.shape)])],
}
"""By record, or by function where there is none: what gives the pairs of views, from where and to where."""
