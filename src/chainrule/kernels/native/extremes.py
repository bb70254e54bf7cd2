"""Extremes over small windows as tasks: what `x.reshape(…, h, 2, w, 2).max(axis=(-3, -1))` pools, and its gradient."""

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np

from . import ufuncs as ufuncs  # comparisons of symbols
from .code import Code
from .symbol import Symbol
from .tasks import ADDITION, Function, Task, parts_of

MOST = 64
"""The largest window, in elements: the code goes through it without a loop, so that the loops run on vectors."""

Axis = tuple[int, int, int]
"""Its length, and the steps along it in the array and in the array of extremes."""


def fits(x: Any, axes: Sequence[int]) -> bool:
    """Whether there is code for extremes of an array over these axes."""
    window = math.prod(x.shape[k] for k in axes)
    return bool(x.size and x.dtype in (np.float32, np.float64) and x.flags.c_contiguous and 1 < window <= MOST and axes)


def extremes(x: Any, axes: Sequence[int], out: Any, larger: bool) -> Task:
    """Return the task `out ← max x`, or min x, over some axes; `out` has the other ones, in C order."""
    return _task("extremes", x, axes, [x, out], larger)


def shares(x: Any, axes: Sequence[int], y: Any, y_bar: Any, x_bar: Any) -> Task:
    """Return the task that gives each element of x that is the extreme y its share of y_bar: ties share equally."""
    return _task("shares", x, axes, [x, y, y_bar, x_bar], False)


def _task(name: str, x: Any, axes: Sequence[int], arrays: list[Any], larger: bool) -> Task:
    kept, window = _split(x.shape, {k % x.ndim for k in axes})
    text = _text(name, x.dtype, tuple(kept[1:]), kept[0][1:], window, larger)
    length = kept[0][0]
    return Task(text, arrays, begin=0, end=length, parts=parts_of(3.0 * ADDITION * x.size, length))


def _split(shape: Sequence[int], axes: set[int]) -> tuple[list[Axis], tuple[int, ...]]:
    """Return the axes that are kept, and the places of a window's elements relative to its first.

    Adjacent axes that are kept are joined.
    """
    kept: list[Axis] = []
    reduced: list[tuple[int, int]] = []
    in_x = in_y = 1
    was_kept = False
    for k in reversed(range(len(shape))):
        if k in axes:
            reduced.insert(0, (shape[k], in_x))
        else:
            if was_kept:
                length, *steps = kept.pop(0)
                kept.insert(0, (length * shape[k], steps[0], steps[1]))
            else:
                kept.insert(0, (shape[k], in_x, in_y))
            in_y *= shape[k]
        in_x *= shape[k]
        was_kept = k not in axes
    places = [sum(i * step for i, (_, step) in zip(at, reduced, strict=True)) for at in product(*_ranges(reduced))]
    return kept or [(1, 0, 0)], tuple(places)


def _ranges(axes: Sequence[tuple[int, int]]) -> Iterator[range]:
    return (range(length) for length, _ in axes)


@functools.cache
def _text(
    name: str, dtype: Any, inner: tuple[Axis, ...], outer: tuple[int, int], window: tuple[int, ...], larger: bool
) -> str:
    function = Function([dtype] * (2 if name == "extremes" else 4))
    write: Callable[..., None] = functools.partial(_extreme, larger) if name == "extremes" else _shared
    code = function.code

    def walk(axes: tuple[Axis, ...], of_x: Any, of_y: Any) -> None:
        if not axes:
            write(code, function.places, [of_x + place for place in window], of_y)
            return
        (length, in_x, in_y), *rest = axes
        with code.loop(0, length) as i:
            walk(tuple(rest), of_x + i * in_x, of_y + i * in_y)

    with code.loop(function.begin, function.end) as i:
        walk(inner, i * outer[0], i * outer[1])
    return function.text()


def _extreme(larger: bool, code: Code, places: Sequence[Any], window: list[Symbol], at: Symbol) -> None:  # noqa: ARG001
    x, out = places
    found: Any = x[window[0]]
    for place in window[1:]:
        found = (np.maximum if larger else np.minimum)(found, x[place])
    out[at] = found


def _shared(code: Code, places: Sequence[Any], window: list[Symbol], at: Symbol) -> None:
    x, y, y_bar, x_bar = places
    best, cotangent = y[at], y_bar[at]
    one, none = code.constant(1, best.dtype), code.constant(0, best.dtype)
    hits, ties = [], none
    for place in window:
        value = x[place]
        # NaN attains the extreme of a window in which there is one.
        hit = np.logical_or(np.equal(value, best), np.not_equal(value, value))
        hits.append(hit)
        ties = ties + np.where(hit, one, none)
    share = one / ties
    for place, hit in zip(window, hits, strict=True):
        x_bar[place] = cotangent * np.where(hit, share, none)
