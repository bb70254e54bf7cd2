"""Copies between strided views as tasks: what joins, slices and reshapes move need not go through Python."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from .code import Index
from .symbol import Symbol
from .tasks import ADDITION, Function, Task, parts_of

Axes = list[tuple[int, ...]]
"""A length for each axis, and the step in elements of each array along it."""
SIZES = (1, 2, 4, 8)
"""The sizes in bytes of what can be copied: an element is moved as an unsigned integer."""


def is_movable(*views: Any) -> bool:
    """Whether there is code for copies between such views: elements of a known size, a whole number of them apart."""
    return all(
        v.size and v.dtype.itemsize in SIZES and not v.dtype.hasobject and not any(s % v.itemsize for s in v.strides)
        for v in views
    )


def copied(source: Any, target: Any) -> Task:
    """Return the task `target ← source`, for views of one shape and dtype that share no memory."""
    if source.shape != target.shape or source.dtype != target.dtype:
        raise ValueError(
            f"copied: got {source.dtype}{source.shape} for {target.dtype}{target.shape}, expected the same"
        )
    return _task(axes_of(target, source), target, source)


def cleared(target: Any) -> Task:
    """Return the task that fills a view with zeros."""
    return _task(axes_of(target), target)


def axes_of(*views: Any) -> Axes:
    """Return the axes of views of one shape, outermost first, joined where all views can be walked through as one.

    >>> x = np.zeros((4, 6))
    >>> axes_of(x, x.copy()), axes_of(x[:, :2], np.zeros((4, 2)))
    ([(24, 1, 1)], [(4, 6, 2), (2, 1, 1)])
    """
    found: Axes = []
    for k, length in enumerate(views[0].shape):
        axis = (length, *(v.strides[k] // v.itemsize for v in views))
        if length == 1:
            continue
        if found and all(outer == length * inner for outer, inner in zip(found[-1][1:], axis[1:], strict=True)):
            axis = (found.pop()[0] * length, *axis[1:])
        found.append(axis)
    return found or [(1, *[1] * len(views))]


def _task(axes: Axes, *views: Any) -> Task:
    size = views[0].size
    dense = tuple(step == 1 for step in axes[-1][1:])
    text = _text(views[0].itemsize, len(axes), dense)
    numbers = [length for length, *_ in axes[1:]] + [step for _, *steps in axes for step in steps]
    return Task(text, views, numbers, 0, axes[0][0], parts=parts_of(ADDITION * len(views) * size, axes[0][0]))


@functools.cache
def _text(itemsize: int, count: int, dense: tuple[bool, ...]) -> str:
    """Return the function for so many axes; `dense` says for each array whether its innermost step is one element."""
    several = len(dense)
    unsigned = np.dtype(f"uint{8 * itemsize}")
    function = Function([unsigned] * several, count - 1 + count * several)
    lengths, steps = function.numbers[: count - 1], function.numbers[count - 1 :]
    code, (target, *sources) = function.code, function.places

    def walk(axis: int, offsets: Sequence[Symbol | None]) -> None:
        ends: tuple[Index, Index] = (0, lengths[axis - 1]) if axis else (function.begin, function.end)
        with code.loop(*ends) as i:
            places = []
            for k, offset in enumerate(offsets):
                move = i if axis == count - 1 and dense[k] else i * steps[axis * several + k]
                places.append(move if offset is None else offset + move)
            if axis < count - 1:
                walk(axis + 1, places)
            else:
                target[places[0]] = sources[0][places[1]] if sources else code.constant(0, unsigned)

    walk(0, [None] * several)
    return function.text()
