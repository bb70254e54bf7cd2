"""The right numbers in the wrong places: transposed, axes swapped, shifted, another argument's."""

from collections.abc import Iterator
from itertools import permutations

import numpy as np

from chainrule.check.why.context import Array, Context

from .candidate import Candidate

FARTHEST = 3
"""Shifts that are tried."""


def rearranged(context: Context) -> Iterator[Candidate]:
    """Propose that analytic is expected in another order, or is the gradient of another argument."""
    n = context.expected
    yield from reordered(n, context)
    if not np.any(context.analytic):  # that of any argument may be 0
        return
    for name, x in context.floating.items():
        if name == context.argument or x.size != context.analytic.size:
            continue
        if (other := context.gradient_of(name)) is None:
            continue
        detail = {"argument": name}
        text = f"this is the gradient of {name}"
        cost = 2 if context.same_shape else 3.1  # before it is summed, that of a bias is that of what it is added to
        yield Candidate("other-argument", text, cost, predicted=other, detail=detail)
        yield Candidate("other-argument", f"{text}, transposed", 3.5, predicted=other.T, detail=detail)
        yield Candidate("other-argument", f"{text} with the wrong sign", 3.5, predicted=-other, detail=detail)


def reordered(a: Array, context: Context) -> Iterator[Candidate]:
    """Propose the array with axes swapped, reversed, shifted, or read in another order."""
    wanted = context.analytic.shape
    for axes, turned in transposes(a):
        two = a.ndim == 2
        text = "the gradient is transposed" if two else f"the axes are in the order {axes}"
        if turned.shape == wanted:
            code = "transposed" if two else "axes-swapped"
            yield Candidate(code, text, 2 if two else 2.5, predicted=turned, detail={"axes": list(axes)})
        elif turned.size == context.analytic.size:
            text += ", and reshaped"
            yield Candidate("axes-swapped", text, 4, predicted=turned.reshape(wanted), detail={"axes": list(axes)})
    if a.shape != wanted:
        if a.size == context.analytic.size:
            text = f"the numbers are right, the shape is not{needed(wanted, a.shape)}"
            cost = 3 if wanted == a.shape[::-1] else 1.5  # for a row in place of a column, `transposed` says the same
            yield Candidate("axes-swapped", text, cost, predicted=a.reshape(wanted))
        return
    for reversed_axes, flipped in flips(a):
        text = f"the gradient is reversed along axes {list(reversed_axes)}"
        yield Candidate("axes-swapped", text, 3, predicted=flipped, detail={"axes": list(reversed_axes)})
    for axis, by, moved, how in shifts(a):
        text = f"the gradient is off by {by} along axis {axis}{how}"
        yield Candidate("shifted", text, 2.5, predicted=moved, detail={"axes": [axis], "shift": by})
    sorted_places = np.sort(a, axis=None)
    if a.size > 3 and len(np.unique(sorted_places)) > 2:
        order = np.argsort(context.analytic, axis=None)
        moved = np.empty(a.size)
        moved[order] = sorted_places
        text = "the numbers are right, but in other places"
        yield Candidate("wrong-point", text, 7, predicted=moved.reshape(wanted), detail={"moved": True})


def needed(given: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """Return how a shape differs from the required one, and what to do if they differ only in axes of length 1."""
    text = f": {list(given)} where {list(wanted)} is needed"
    if len(given) == len(wanted) or [n for n in given if n != 1] != [n for n in wanted if n != 1]:
        return text
    return text + (": drop keepdims" if len(given) > len(wanted) else ": keep the axis (keepdims=True)")


def transposes(a: Array) -> Iterator[tuple[tuple[int, ...], Array]]:
    """Yield every other order of the axes (if there are many, only swaps of two)."""
    if a.ndim < 2:
        return
    orders = list(permutations(range(a.ndim))) if a.ndim <= 4 else []
    for axes in orders[1:]:
        yield axes, np.transpose(a, axes)


def flips(a: Array) -> Iterator[tuple[tuple[int, ...], Array]]:
    """Yield the array reversed along each axis, and along the last two together."""
    choices = [(k,) for k in range(a.ndim)] + ([(a.ndim - 2, a.ndim - 1)] if a.ndim >= 2 else [])
    for axes in choices:
        if all(a.shape[k] > 1 for k in axes):
            yield axes, np.flip(a, axes)


def shifts(a: Array) -> Iterator[tuple[int, int, Array, str]]:
    """Yield the array shifted along each axis: wrapping around, and with zeros moving in."""
    for axis in range(a.ndim):
        length = a.shape[axis]
        for by in range(-FARTHEST, FARTHEST + 1):
            if by == 0 or abs(by) >= length:
                continue
            around = np.roll(a, by, axis)
            yield axis, by, around, ", around the end"
            emptied = np.moveaxis(around.copy(), axis, 0)
            emptied[slice(0, by) if by > 0 else slice(by, None)] = 0
            if np.any(emptied):
                yield axis, by, np.moveaxis(emptied, 0, axis), ", and zeros move in"
