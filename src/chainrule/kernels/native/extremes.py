"""Extremes over windows as tasks, and their gradients.

Small windows, as `x.reshape(…, h, 2, w, 2).max(axis=(-3, -1))` pools, are written out. Longer ones are loops, over
rows where the window is what lies behind each other, or else over a block of axes in the middle.
"""

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np

from chainrule.kernels.functions import ordered, unordered
from chainrule.kernels.numbers import where

from . import ufuncs as ufuncs  # comparisons of symbols
from .code import Code
from .symbol import LONG, Symbol
from .tasks import ADDITION, Function, Task, parts_of

MOST = 64
"""The largest window, in elements, that the code goes through without a loop, so that the loops run on vectors."""
ROW = 16
"""From how many elements on a window whose elements lie behind each other is a row: vectors run along it."""

Axis = tuple[int, int, int]
"""Its length, and the steps along it in the array and in the array of extremes."""


def fits(x: Any, axes: Sequence[int]) -> bool:
    """Whether there is code for extremes of an array over these axes."""
    if not (x.size and x.dtype in (np.float32, np.float64) and x.flags.c_contiguous and axes):
        return False
    window = math.prod(x.shape[k] for k in axes)
    return 1 < window <= MOST or (window > MOST and _block(x.shape, axes) is not None)


def extremes(x: Any, axes: Sequence[int], out: Any, larger: bool) -> Task:
    """Return the task `out ← max x`, or min x, over some axes; `out` has the other ones, in C order."""
    return _task("extremes", x, axes, [x, out], larger)


def shares(x: Any, axes: Sequence[int], y: Any, y_bar: Any, x_bar: Any) -> Task:
    """Return the task that gives each element of x that is the extreme y its share of y_bar: ties share equally."""
    return _task("shares", x, axes, [x, y, y_bar, x_bar], False)


def places(x: Any, out: Any, larger: bool) -> Task:
    """Return the task that sets each integer to the place of the first extreme in a row of x, or of its first NaN."""
    text = _text_of_places(x.dtype, larger)
    return Task(text, [x, out], [x.shape[1]], 0, len(x), parts=parts_of(3.0 * ADDITION * x.size, len(x)))


def _task(name: str, x: Any, axes: Sequence[int], arrays: list[Any], larger: bool) -> Task:
    block = _block(x.shape, axes)
    if block is not None and (block[1] > MOST or (block[2] == 1 and block[1] >= ROW)):
        outer, window, inner = block
        if name == "shares" and inner > 1:
            arrays = [*arrays, np.empty_like(arrays[1])]  # how many elements attain each extreme
        text, numbers, length = _text_of_blocks(name, x.dtype, inner == 1, larger), [window, inner], outer
    else:
        kept, places = _split(x.shape, {k % x.ndim for k in axes})
        text, numbers, length = _text(name, x.dtype, tuple(kept[1:]), kept[0][1:], places, larger), [], kept[0][0]
    return Task(text, arrays, numbers, 0, length, parts=parts_of(3.0 * ADDITION * x.size, length))


def _block(shape: Sequence[int], axes: Sequence[int]) -> tuple[int, int, int] | None:
    """Return the elements before, in and behind axes that lie next to each other, or None if they do not."""
    found = sorted(k % len(shape) for k in axes)
    first, last = found[0], found[-1] + 1
    if last - first != len(found):
        return None
    return math.prod(shape[:first]), math.prod(shape[first:last]), math.prod(shape[last:])


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
        hit = _hit(x[place], best)
        hits.append(hit)
        ties = ties + np.where(hit, one, none)
    share = one / ties
    for place, hit in zip(window, hits, strict=True):
        x_bar[place] = cotangent * np.where(hit, share, none)


@functools.cache
def _text_of_blocks(name: str, dtype: Any, are_rows: bool, larger: bool) -> str:
    several = 2 if name == "extremes" else 4 if are_rows else 5
    function = Function([dtype] * several, 2)
    write: Callable[..., None] = _shares_of_row if are_rows else _shares_of_columns
    if name == "extremes":
        write = functools.partial(_extreme_of_row if are_rows else _extremes_of_columns, larger)
    with function.code.loop(function.begin, function.end) as i:
        write(function.code, function.places, function.numbers, i)
    return function.text()


@functools.cache
def _text_of_places(dtype: Any, larger: bool) -> str:
    function = Function([dtype, np.dtype(np.int64)], 1)
    code, (x, out), (length,) = function.code, function.places, function.numbers
    with code.loop(function.begin, function.end) as i:
        best, start = _best_of_row(larger, code, x, length, i), i * length
        # Counted from the end, since a variable can only be raised.
        left = code.variable(LONG, 0)
        with code.loop(0, length) as k:
            left.raise_to(code.chosen(_hit(x[start + k], best), length - k, code.constant(0, LONG)))
        out[i] = length - left.get()
    return function.text()


def _extreme_of_row(larger: bool, code: Code, places: Sequence[Any], numbers: Sequence[Symbol], i: Symbol) -> None:
    x, out = places
    out[i] = _best_of_row(larger, code, x, numbers[0], i)


def _best_of_row(larger: bool, code: Code, x: Any, length: Symbol, i: Symbol) -> Any:
    zero, start = code.constant(0, x.dtype), i * length

    # Of the numbers that are in the order of the floats, those of the negatives are in the other one.
    def turned(value: Symbol) -> Symbol:
        return value if larger else -value

    order = code.variable(ordered(zero, zero).dtype, ordered(turned(x[start]), zero))
    lost = code.variable(order.dtype, 0)
    with code.loop(0, length) as k:
        value = x[start + k]
        order.raise_to(ordered(turned(value), zero))
        lost.raise_to(np.not_equal(value, value).astype(order.dtype))
    found = turned(unordered(zero, order.get()))
    return code.chosen(lost.get() > 0, code.constant(np.nan, x.dtype), found)


def _extremes_of_columns(larger: bool, code: Code, places: Sequence[Any], numbers: Sequence[Symbol], i: Symbol) -> None:
    (x, out), (window, inner) = places, numbers
    start, target = i * window * inner, i * inner
    with code.loop(0, inner) as j:
        out[target + j] = x[start + j]
    with code.loop(1, window) as k, code.loop(0, inner) as j:
        out[target + j] = (np.maximum if larger else np.minimum)(out[target + j], x[start + k * inner + j])


def _hit(value: Symbol, best: Symbol) -> Any:
    """Return whether an element is the extreme: NaN is that of a window in which there is one."""
    return np.logical_or(np.equal(value, best), np.not_equal(value, value))


def _shares_of_row(code: Code, places: Sequence[Any], numbers: Sequence[Symbol], i: Symbol) -> None:
    x, y, y_bar, x_bar = places
    one, none = code.constant(1, x.dtype), code.constant(0, x.dtype)
    length, best, cotangent, start = numbers[0], y[i], y_bar[i], i * numbers[0]
    ties = code.variable(x.dtype, 0)
    with code.loop(0, length) as k:
        ties.add(where(_hit(x[start + k], best), one, none))
    share = one / ties.get()
    with code.loop(0, length) as k:
        x_bar[start + k] = cotangent * np.where(_hit(x[start + k], best), share, none)


def _shares_of_columns(code: Code, places: Sequence[Any], numbers: Sequence[Symbol], i: Symbol) -> None:
    (x, y, y_bar, x_bar, ties), (window, inner) = places, numbers
    one, none = code.constant(1, x.dtype), code.constant(0, x.dtype)
    start, at = i * window * inner, i * inner
    with code.loop(0, inner) as j:
        ties[at + j] = none
    with code.loop(0, window) as k, code.loop(0, inner) as j:
        ties[at + j] = ties[at + j] + np.where(_hit(x[start + k * inner + j], y[at + j]), one, none)
    with code.loop(0, window) as k, code.loop(0, inner) as j:
        share = np.where(_hit(x[start + k * inner + j], y[at + j]), one / ties[at + j], none)
        x_bar[start + k * inner + j] = y_bar[at + j] * share
