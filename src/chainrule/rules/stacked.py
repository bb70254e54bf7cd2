"""How operations act on a stack of arguments along a leading axis (`chainrule.core.transforms.batch`).

These are the operations that the rules of others are made of. An entry returns the call on whole stacks; those missing
here are applied row by row.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.core.transforms.batch import Call, along_last_axes, in_stacks, lifted

from .arrays.index import BASIC, GetItem, Scatter
from .arrays.join import Concatenate
from .arrays.reduce import Mean, Sum
from .arrays.shape import Astype, BroadcastTo, Copy, Reshape, Transpose
from .elementary.arithmetic import Add, Multiply, Negative, Subtract
from .elementary.powers import Positive
from .elementary.selection import Where
from .linalg.matmul import Matmul

Values = tuple[Any, ...]
Mine = tuple[bool, ...]
Settings = Mapping[str, Any]


def _as_tuple(numbers: Any) -> tuple[int, ...]:
    return (int(numbers),) if np.ndim(numbers) == 0 else tuple(numbers)


def _past_leading(axes: tuple[int, ...], ndim: int) -> tuple[int, ...]:
    """Return axes of a value as axes of a stack."""
    return tuple(axis % ndim + 1 for axis in axes)


def _reshape(values: Values, mine: Mine, settings: Settings) -> Call:  # noqa: ARG001
    return values, {"shape": (values[0].shape[0], *_as_tuple(settings["shape"]))}


def _transpose(values: Values, mine: Mine, settings: Settings) -> Call:  # noqa: ARG001
    ndim, axes = values[0].ndim - 1, settings["axes"]
    return values, {"axes": (0, *_past_leading(tuple(range(ndim))[::-1] if axes is None else axes, ndim))}


def _broadcast_to(values: Values, mine: Mine, settings: Settings) -> Call:  # noqa: ARG001
    shape = _as_tuple(settings["shape"])
    return [lifted(values[0], len(shape))], {"shape": (values[0].shape[0], *shape)}


def _reduced(values: Values, mine: Mine, settings: Settings) -> Call:  # noqa: ARG001
    ndim, axis = values[0].ndim - 1, settings["axis"]
    axes = tuple(range(ndim)) if axis is None else _as_tuple(axis)
    return values, {**settings, "axis": _past_leading(axes, ndim)}


def _getitem(values: Values, mine: Mine, settings: Settings) -> Call | None:  # noqa: ARG001
    index = settings["index"]
    return (values, {**settings, "index": (slice(None), *index)}) if _stays_in_place(index) else None


def _scatter(values: Values, mine: Mine, settings: Settings) -> Call | None:  # noqa: ARG001
    index = settings["index"]
    shape = (values[0].shape[0], *settings["shape"])
    return (values, {**settings, "index": (slice(None), *index), "shape": shape}) if _stays_in_place(index) else None


def _stays_in_place(index: tuple[Any, ...]) -> bool:
    """Whether the axes of the result stand where the index has them.

    NumPy moves those of separated arrays to the front, before the leading axis.
    """
    basic = [isinstance(part, BASIC) for part in index]
    return all(basic) or (len(index) == 1 and not basic[0])


def _concatenate(values: Values, mine: Mine, settings: Settings) -> Call:
    size = next(x.shape[0] for x, own in zip(values, mine, strict=True) if own)
    stacks = [x if own else np.stack([x] * size) for x, own in zip(values, mine, strict=True)]
    return stacks, {"axis": _past_leading((settings["axis"],), stacks[0].ndim - 1)[0]}


ALONG_LAST_AXES = (Add, Subtract, Multiply, Negative, Positive, Where, Copy, Astype, Matmul)
"""They act on elements, or on matrices in the last two axes, and broadcast in front of these."""

in_stacks.update(dict.fromkeys(ALONG_LAST_AXES, along_last_axes))
in_stacks.update(
    {
        Reshape: _reshape,
        Transpose: _transpose,
        BroadcastTo: _broadcast_to,
        Sum: _reduced,
        Mean: _reduced,
        GetItem: _getitem,
        Scatter: _scatter,
        Concatenate: _concatenate,
    }
)
