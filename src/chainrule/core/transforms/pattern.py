"""Which inputs each output depends on: sets of indices, carried through the operations of one run.

The operations are those that `linearize` records. Elementwise operations join the sets of their arguments, operations
along an axis those of whole lines, and linear operations that only pick elements carry them along; for others, a record
may state its pattern (`touches`). Everything else counts as dense: each element of the result depends on everything
that an argument depends on. So a pattern may be too large, but it lacks no entry, with one exception: that an operation
only picks elements is seen from two random arguments, and a wrong guess there has a probability below 2⁻⁵⁰.

(A. Griewank and A. Walther, "Evaluating Derivatives", 2008, chapter 7, calls these sets index domains.)
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from .linearize import Linearized

Array = Any

LARGEST = 10**8
"""A pattern with more entries than this is no sparse one."""


@dataclass(frozen=True)
class Sets:
    """A set of columns for each of `size` elements: those of element i are `columns[starts[i]:starts[i + 1]]`."""

    starts: Array
    columns: Array
    width: int

    @property
    def size(self) -> int:
        """The number of sets."""
        return len(self.starts) - 1

    @property
    def rows(self) -> Array:
        """The element to which each of `columns` belongs."""
        return np.repeat(np.arange(self.size), np.diff(self.starts))

    @classmethod
    def of_pairs(cls, rows: Array, columns: Array, size: int, width: int) -> "Sets":
        """Make sets of pairs, which may be repeated and in any order."""
        if not width:
            return cls(np.zeros(size + 1, np.int64), np.zeros(0, np.int64), width)
        keys = np.unique(rows * np.int64(width) + columns)
        counts = np.bincount(keys // width, minlength=size)
        return cls(np.concatenate([[0], np.cumsum(counts)]), keys % width, width)

    @classmethod
    def single(cls, size: int, first: int, width: int) -> "Sets":
        """Make sets of one column each, counted from `first`."""
        return cls(np.arange(size + 1), np.arange(first, first + size), width)

    def taken(self, places: Array) -> tuple[Array, Array]:
        """Return, as pairs, the sets at `places`, which become numbers 0, 1, …; none for a place of −1."""
        known = np.flatnonzero(places >= 0)
        starts, counts = self.starts[places[known]], np.diff(self.starts)[places[known]]
        rows = np.repeat(known, counts)
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return rows, self.columns[np.repeat(starts, counts) + within]


Pairs = tuple[Array, Array]


def detected(line: Linearized, sizes: Sequence[int]) -> list[Sets]:
    """Return the sets of each output of a linearized function; columns count the elements of all inputs in order."""
    width = sum(sizes)
    found: dict[int, Sets] = {}
    first = 0
    for number, size in zip(line.given, sizes, strict=True):
        found[number] = Sets.single(size, first, width)
        first += size
    for step, last in line.steps:
        args = [None if number is None else found.get(number) for number in step.dots]
        moving = [k for k, sets in enumerate(args) if sets is not None]
        if moving:
            found.update(zip(step.links, _through(step, args, moving, width), strict=True))
        for number in last:
            found.pop(number, None)
    results = []
    for link, y in zip(line.run.links, line.run.values, strict=True):
        sets = None if link is None else found.get(link)
        results.append(sets or Sets(np.zeros(np.size(y) + 1, np.int64), np.zeros(0, np.int64), width))
    return results


def _through(step: Any, args: Sequence[Sets | None], moving: Sequence[int], width: int) -> list[Sets]:
    """Return the sets of the results of one operation."""
    op, sizes = step.op, [math.prod(y.shape) for y in step.outputs]
    picked = _places(step, moving)
    if picked is not None:
        return [
            Sets.of_pairs(*_joined([args[k].taken(where) for k, where in one]), size, width)  # type: ignore[union-attr]
            for one, size in zip(picked, sizes, strict=True)
        ]
    touched = op.touches(step.args, moving, step.settings) if op.touches is not None else None
    if touched is not None:
        parts = []
        for k, (to, source) in zip(moving, touched, strict=True):
            rows, columns = args[k].taken(source)  # type: ignore[union-attr]
            parts.append((to[rows], columns))
        return [Sets.of_pairs(*_joined(parts), sizes[0], width)]
    if "axis" in step.settings and len(step.args) == 1 and not op.several:
        joined = _along(args[0], step.args[0].shape, step.outputs[0].shape, step.settings["axis"])
        if joined is not None:
            return [joined]
    everything = np.unique(np.concatenate([args[k].columns for k in moving]))  # type: ignore[union-attr]
    _check_room(op.name, sum(sizes), len(everything))
    return [Sets(np.arange(size + 1) * len(everything), np.tile(everything, size), width) for size in sizes]


def _check_room(name: str, rows: int, columns: int) -> None:
    if rows * columns > LARGEST:
        raise ValueError(
            f"sparsity: after {name}, {rows} values each depend on {columns} inputs, as far as is known: that is "
            f"not sparse; leave sparsity= out, pass a pattern, or use chainrule.vjp, jvp or hvp"
        )


def _joined(parts: Sequence[Pairs]) -> Pairs:
    return np.concatenate([rows for rows, _ in parts]), np.concatenate([columns for _, columns in parts])


def _places(step: Any, moving: Sequence[int]) -> list[list[tuple[int, Array]]] | None:
    """Return, for each result, pairs of an argument and the place in it of each element's source, −1 for none; None if
    an element may have more than one source in an argument.
    """
    if step.op.is_pointwise:
        return [[(k, _broadcast(step.args[k].shape, step.outputs[0].shape)) for k in moving]]
    return _picked(step.op, step.args, moving, step.settings) if step.op.kind == "linear" else None


def _broadcast(shape: tuple[int, ...], whole: tuple[int, ...]) -> Array:
    return np.broadcast_to(np.arange(math.prod(shape)).reshape(shape), whole).ravel()


def _along(sets: Any, shape: tuple[int, ...], result: tuple[int, ...], axis: Any) -> Sets | None:
    """Join the sets along axes, which the result lacks, or has with any length; None for any other result."""
    axes = normalize_axis_tuple(range(len(shape)) if axis is None else axis, len(shape))
    kept = tuple(1 if k in axes else n for k, n in enumerate(shape))
    line = _broadcast(kept, shape)
    joined = Sets.of_pairs(line[sets.rows], sets.columns, math.prod(kept), sets.width)
    if result == tuple(n for k, n in enumerate(shape) if k not in axes):
        return joined
    if tuple(1 if k in axes else n for k, n in enumerate(result)) != kept:
        return None
    size = math.prod(result)
    _check_room("an operation along an axis", size, int(np.diff(joined.starts).max(initial=0)))
    return Sets.of_pairs(*joined.taken(_broadcast(kept, result)), size, sets.width)


def _picked(op: Any, args: Sequence[Array], moving: Sequence[int], settings: Mapping[str, Any]) -> Any:
    """Return the places for a linear operation whose results are elements of its arguments, or zero."""
    first, second = (_sources_of(op, args, moving, settings, np.random.default_rng(seed)) for seed in (0, 1))
    if first is None or second is None:
        return None
    agree = all(
        np.array_equal(a, b) for one, two in zip(first, second, strict=True) for a, b in zip(one, two, strict=True)
    )
    return [list(zip(moving, one, strict=True)) for one in first] if agree else None


def _sources_of(
    op: Any, args: Sequence[Array], moving: Sequence[int], settings: Mapping[str, Any], rng: Any
) -> list[list[Array]] | None:
    """Return, for each result, what `_sources` finds with random arguments; None if it finds none for one of them."""
    drawn = {k: rng.uniform(1.0, 2.0, args[k].shape) for k in moving}
    zeros = [np.zeros(np.shape(x)) if getattr(getattr(x, "dtype", None), "kind", "f") == "f" else x for x in args]
    y = op.primal(*(drawn.get(k, zeros[k]) for k in range(len(args))), **settings)
    found = []
    for part in y if op.several else (y,):
        sources = _sources(np.asarray(part).ravel(), drawn)
        if sources is None:
            return None
        found.append(sources)
    return found


def _sources(y: Array, drawn: Mapping[int, Array]) -> list[Array] | None:
    """Return, for each argument, the place of each number of `y` in it, −1 if it comes from another one or is zero;
    None if it is in none.
    """
    missing: Array = y != 0
    places = []
    for x in drawn.values():
        flat = x.ravel()
        order = np.argsort(flat)
        place: Array = np.searchsorted(flat, y, sorter=order)
        place = order[np.minimum(place, max(flat.size - 1, 0))] if flat.size else np.full(y.size, -1)
        hit = (flat[place] == y) if flat.size else np.zeros(y.size, bool)
        places.append(np.where(hit, place, -1))
        missing &= ~hit
    return None if missing.any() else places


Touches = Callable[[Sequence[Array], Sequence[int], Mapping[str, Any]], Sequence[Pairs] | None]
"""A record's `touches`: from arguments, which of them move, and settings, for each of these pairs (element of the
result, element of the argument) in flat positions; None if it cannot say."""
