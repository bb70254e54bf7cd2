"""What both directions of attention by lanes are written with: units of queries, tiles of scores, transposes."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.kernels.native.code import Index, Place
from chainrule.kernels.native.symbol import DOUBLE, LONG, Symbol
from chainrule.kernels.native.tasks import Function
from chainrule.kernels.native.vectors import Vector, Vectors, has_memory, in_heights, register_bytes, tile

LOG2_E = 1 / math.log(2)
LEAST_LANES = 4
TILE = 2
"""How many vectors of queries a tile has."""


def lanes_for(dtype: Any, *widths: int) -> int:
    """Return the largest power of two of lanes that divides all widths and has a register."""
    most = register_bytes() // np.dtype(dtype).itemsize
    return math.gcd(most, *widths)


def fits(dtype: Any, *widths: int) -> bool:
    """Whether there is code for keys and values of these widths."""
    return dtype in (np.float32, np.float64) and lanes_for(dtype, *widths) >= LEAST_LANES and has_memory()


class Pass:
    """What both directions write: units of queries, tiles, transposes."""

    def __init__(
        self, function: Function, dtype: Any, d: int, e: int, keys: int, causal: bool, vectors: int = 2
    ) -> None:
        self.function, self.code, self.dtype = function, function.code, np.dtype(dtype)
        self.d, self.e, self.keys, self.causal = d, e, keys, causal
        self.v = Vectors(self.code, dtype, register_bytes() // self.dtype.itemsize)
        self.narrow = Vectors(self.code, dtype, lanes_for(dtype, d, e))
        self.vectors, self.queries = vectors, vectors * self.v.lanes
        self.heights = (8, 1) if register_bytes() == 64 else (4, 1)
        """The rows of a tile: eight rows of two vectors fill half of 32 registers, four half of 16."""

    def place(self, table: Place, index: Symbol) -> Place:
        """Return the place whose address a table holds."""
        at = f"%{self.code.fresh()}"
        self.code.write(f"{at} = inttoptr i64 {table[index]} to ptr")
        return Place(self.code, at, self.dtype)

    def least(self, a: Symbol, b: Symbol) -> Symbol:
        """Return the smaller of two numbers."""
        return self.code.chosen(a < b, a, b)

    def quotient(self, a: Symbol, b: int | Symbol) -> Symbol:
        """Return the quotient of two numbers, rounded down."""
        return self.code.made(LONG, f"sdiv i64 {a}, {b}")

    def constant(self, number: int) -> Symbol:
        """Return an index."""
        return self.code.constant(number, LONG)

    def is_whole(self, count: Symbol) -> Symbol:
        """Return 1 if a unit has all of its queries, else 0."""
        return self.code.chosen(count == self.queries, self.constant(1), self.constant(0))

    def turn(self, source: Place, start: Symbol, step: Symbol, count: Symbol, width: int, factor: Symbol | None,
             target: Place) -> None:  # fmt: skip
        """Set `target` [width, queries] to the transpose of rows times a factor, with zeros where no row is."""
        n, code, whole = self.narrow, self.code, self.is_whole(count)
        with code.loop(0, whole), code.loop(0, self.queries // n.lanes) as r, code.loop(0, width // n.lanes) as c:
            at = start + r * n.lanes * step + c * n.lanes
            rows = [n.load(source, at + step * k) for k in range(n.lanes)]
            for k, column in enumerate(n.transposed(rows)):
                column = column if factor is None else column * n.spread(factor)
                n.store(column, target, (c * n.lanes + k) * self.queries + r * n.lanes)
        with code.loop(whole, 1), code.loop(0, width) as c:
            with code.loop(0, count) as r:
                x = source[start + r * step + c]
                target[c * self.queries + r] = x if factor is None else x * factor
            with code.loop(count, self.queries) as r:
                target[c * self.queries + r] = code.constant(0, self.dtype)

    def copied(self, source: Place, start: Symbol, step: Any, count: Symbol, width: int, target: Place, at: Any = 0,
               of_target: Any = None) -> None:  # fmt: skip
        """Copy rows; side by side if nothing else is said."""
        n, code = self.narrow, self.code
        with code.loop(0, count) as r, code.loop(0, width // n.lanes) as c:
            x = n.load(source, start + r * step + c * n.lanes)
            n.store(x, target, r * (width if of_target is None else of_target) + at + c * n.lanes)

    def cleared(self, place: Place, start: Symbol, step: Any, count: Symbol, width: int) -> None:
        """Set rows to zero."""
        n, code = self.narrow, self.code
        with code.loop(0, count) as r, code.loop(0, width // n.lanes) as c:
            n.store(n.constant(0), place, start + r * step + c * n.lanes)

    def turn_back(self, source: Place, count: Symbol, width: int, target: Place, start: Symbol, step: Symbol) -> None:
        """Set rows to the transpose of `source` [width, queries], as far as they are there."""
        n, code, whole = self.narrow, self.code, self.is_whole(count)
        with code.loop(0, whole), code.loop(0, self.queries // n.lanes) as r, code.loop(0, width // n.lanes) as c:
            rows = [n.load(source, (c * n.lanes + k) * self.queries + r * n.lanes) for k in range(n.lanes)]
            for k, row in enumerate(n.transposed(rows)):
                n.store(row, target, start + (r * n.lanes + k) * step + c * n.lanes)
        with code.loop(whole, 1), code.loop(0, count) as r, code.loop(0, width) as c:
            target[start + r * step + c] = source[c * self.queries + r]

    def stored(self, sums: list[list[Vector]], out: Place, first: Symbol, left: Index = 0) -> None:
        """Write a tile into `out` [rows, queries], from a row and a query on."""
        for m, row in enumerate(sums):
            for n, x in enumerate(row):
                self.v.store(x, out, (first + m) * self.queries + left + n * self.v.lanes)

    def scores(self, keys: Place, start: Symbol, step: Symbol, count: Symbol | Callable[[Symbol], Symbol],
               turned: Place, width: int, out: Place, begin: Place | None = None) -> None:  # fmt: skip
        """Set `out` [keys, queries] to the products of keys with transposed queries [width, queries].

        `count` is how many keys are gone through, or says it for the first query of two vectors. `begin` is added.
        """
        v = self.v
        with self.code.loop(0, self.vectors // TILE) as pair:
            left = pair * (TILE * v.lanes)

            def some(first: Symbol, height: int) -> None:
                under = start + first * step
                initial = [v.constant(0) if begin is None else v.load(begin, left + n * v.lanes) for n in range(TILE)]
                sums = tile(
                    v, width, [initial] * height,
                    lambda m, t: keys[under + step * m + t],
                    lambda t, n: v.load(turned, t * self.queries + left + n * v.lanes),
                )  # fmt: skip
                self.stored(sums, out, first, left)

            in_heights(self.code, count(left) if callable(count) else count, self.heights, some)

    def visible(self, first_query: Symbol, key: Symbol, n: int, x: Vector, other: float) -> Vector:
        """Return what belongs to vector n of the queries and a key, with `other` where a query is before the key."""
        return self.v.from_lane(key - first_query - n * self.v.lanes, x, self.v.constant(other))


def scaled(number: Symbol, dtype: Any) -> Symbol:
    """Return a float64 that is given by its bits, in a type."""
    return number.view(DOUBLE).astype(dtype)
