"""Which places of an array are wrong, said in words."""

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

import numpy as np

from chainrule.check.why.context import Array, Context

FEW = 6
"""Places that are listed one by one."""
TOUCHED = 1e-9
"""Entries of a measured Jacobian below this share of the largest count as zeros."""
SLICES = 3
"""How many slices there must be, and elements in each, for one of each to be no chance."""
BOTH_SIDES = 3
"""How many elements must lie on each side of a bound that is read off the values: fewer do by chance."""


def described(wrong: Array, counts: Array, context: Context) -> tuple[str, dict[str, Any]] | None:
    """Describe the set of elements `wrong`, considered only where `counts` is true; None if no description fits."""
    for name, detail, mask in _known(counts.shape, context):
        if np.array_equal(mask & counts, wrong & counts) and np.any(mask & counts):
            return name, detail
    places = _reused(wrong, counts, context) or _slices(wrong, counts, several=True) or _one_of_each(wrong, counts)
    return places or _beyond_bound(wrong, counts, context) or _slices(wrong, counts)


def _beyond_bound(wrong: Array, counts: Array, context: Context) -> tuple[str, dict[str, Any]] | None:
    """Describe the elements whose values are all below, or above, those of the others, as a clamp leaves them."""
    for name, values in _values(wrong.shape, context).items():
        bad, good = values[wrong & counts], values[~wrong & counts]
        if min(bad.size, good.size) < BOTH_SIDES:
            continue
        for side, low, high in (("below", bad.max(), good.min()), ("above", good.max(), bad.min())):
            if low < high:
                between = f"a bound between {low:.4g} and {high:.4g}"
                return f"where {name} is {side} {between}", {"rows": f"{name} {side} a bound"}
        for side, inner, outer in (("outside", good, bad), ("inside", bad, good)):
            low, high = inner.min(), inner.max()
            if np.all((outer < low) | (outer > high)):
                return f"where {name} is {side} a range of about [{low:.3g}, {high:.3g}]", {
                    "rows": f"{name} {side} a range"
                }
    return None


def listed(wrong: Array) -> str:
    """List elements one by one."""
    places = [str(list(map(int, place))) for place in np.argwhere(wrong)]
    return ", ".join(places[:FEW]) + (f" and {len(places) - FEW} more" if len(places) > FEW else "")


def _one_of_each(wrong: Array, counts: Array) -> tuple[str, dict[str, Any]] | None:
    """Describe one element of each slice along an axis, as that of the true class, or all the others."""
    for axis, length in enumerate(wrong.shape):
        if min(length, wrong.size // length) < SLICES:
            continue
        for places, name in ((wrong, "one element"), (~wrong, "all but one element")):
            if np.all(np.sum(places & counts, axis=axis) == 1):
                return f"{name} of each slice along axis {axis}", {"axes": [axis], "rows": name}
    return None


def _slices(wrong: Array, counts: Array, several: bool = False) -> tuple[str, dict[str, Any]] | None:
    """Describe whole slices along one axis, if wanted only those of `several` elements each: others are by chance."""
    for axis in range(wrong.ndim):
        rest = tuple(k for k in range(wrong.ndim) if k != axis)
        bad = np.any(wrong & counts, axis=rest)
        good = np.any(~wrong & counts, axis=rest)
        if several and np.min(np.sum(counts, axis=rest), where=bad | good, initial=SLICES) < 2:
            continue
        if not np.any(bad & good) and np.any(bad) and np.any(good):
            rows = [int(k) for k in np.flatnonzero(bad)]
            return _row_name(rows, axis, wrong.shape[axis]), {"axes": [axis], "rows": rows}
    return None


def _row_name(rows: list[int], axis: int, length: int) -> str:
    if rows == [length - 1]:
        return f"the last entry along axis {axis}"
    if rows == [0]:
        return f"the first entry along axis {axis}"
    if rows == list(range(1, length)):
        return f"all but the first entry along axis {axis}"
    if rows == list(range(length - 1)):
        return f"all but the last entry along axis {axis}"
    return f"the entries {rows} along axis {axis}"


def _reused(wrong: Array, counts: Array, context: Context) -> tuple[str, dict[str, Any]] | None:
    """Describe the elements that enter the output several times, as the rows of a table that are looked up twice."""
    jacobian = context.jacobian()
    if jacobian is None or counts.shape != context.x.shape:
        return None
    uses = np.count_nonzero(abs(jacobian) > TOUCHED * float(abs(jacobian).max(initial=0)), axis=0).reshape(counts.shape)
    often = uses > uses.min(initial=uses.max(initial=0), where=uses > 0)
    if np.any(wrong & counts) and np.array_equal(often & counts, wrong & counts):
        return "where an element is used several times", {"rows": "used several times"}
    return None


def _known(shape: tuple[int, ...], context: Context) -> Iterator[tuple[str, dict[str, Any], Array]]:
    for name, mask in patterns(shape).items():
        yield name, {"rows": name}, mask
    for name, values in _values(shape, context).items():
        if len(np.unique(values)) == 2:
            low = values == values.min()
            yield f"where {name} is {values.min():g}", {"rows": f"{name} = {values.min():g}"}, low
            yield f"where {name} is not {values.min():g}", {"rows": f"{name} ≠ {values.min():g}"}, ~low
            continue
        for words, mask in (
            ("> 0", values > 0),
            ("< 0", values < 0),
            ("= 0", values == 0),
            ("≤ 0", values <= 0),
            ("≥ 0", values >= 0),
            ("outside [−1, 1]", abs(values) > 1),
            ("inside [−1, 1]", abs(values) <= 1),
        ):
            yield f"where {name} {words}", {"rows": f"{name} {words}"}, mask


def patterns(shape: tuple[int, ...]) -> Mapping[str, Array]:
    """Return the named masks of a shape: diagonal, triangles, border."""
    if len(shape) < 2:
        return {}
    n, m = shape[-2:]
    square = {
        "the diagonal": np.eye(n, m, dtype=bool),
        "all but the diagonal": ~np.eye(n, m, dtype=bool),
        "above the diagonal": np.triu(np.ones((n, m), bool), 1),
        "below the diagonal": np.tril(np.ones((n, m), bool), -1),
        "on and above the diagonal": np.triu(np.ones((n, m), bool)),
        "on and below the diagonal": np.tril(np.ones((n, m), bool)),
        "the border": _border(n, m),
        "inside the border": ~_border(n, m),
    }
    return {name: np.broadcast_to(mask, shape) for name, mask in square.items()}


def _border(n: int, m: int) -> Array:
    mask = np.ones((n, m), bool)
    mask[1:-1, 1:-1] = False
    return mask


def _values(shape: tuple[int, ...], context: Context) -> dict[str, Array]:
    found: dict[str, Array] = {}
    for name, value in {**context.arguments, context.result: context.output}.items():
        value = np.asarray(value)
        if value.size < 2 or value.dtype.kind not in "fiub":
            continue
        for spread in (value, *(value.reshape(value.shape + (1,) * k) for k in range(1, len(shape)))):
            try:
                found[name] = np.broadcast_to(spread, shape).astype(float)
                break
            except ValueError:
                continue
    for (name, a), (other, b) in combinations(list(found.items()), 2):
        if context.result not in (name, other):
            found[f"{name} − {other}"] = a - b
    return found


def subsets(ndim: int) -> list[tuple[int, ...]]:
    """Return every choice of some but not all axes; beyond three axes, only one axis, or all but one."""
    counts = range(1, ndim) if ndim <= 3 else (1, ndim - 1)
    return [axes for count in counts for axes in combinations(range(ndim), count)]
