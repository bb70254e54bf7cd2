"""A tile of the result, `c ← alpha a b + beta c`, whose sums stay in registers."""

from typing import Any

import numpy as np

from .vectors import Vectors

ROWS = 8
"""How many rows a tile has. With two vectors each, 16 sums are under way: enough to keep two units busy that take four
cycles, and few enough to leave registers for the factors."""
UNROLLED = 2
"""How many terms of each sum are added before the loop starts over."""

PARAMETERS = (
    "ptr %a, i64 %row, i64 %step, ptr %b, i64 %terms, {real} %alpha, {real} %beta, ptr %c, i64 %next, "
    "i64 %rows, i64 %columns"
)


def tile(name: str, dtype: Any, lanes: int, vectors: int, pitch: int) -> str:
    """Return the function that computes a tile of `vectors` vectors of columns.

    Element (i, p) of a lies at `row` i + `step` p, and row p of b at `pitch` p. Only the first `rows` rows of a are
    read, and only these rows and the first `columns` columns of c, which lie `next` apart, are read or written. With
    `beta` 0 nothing of c is read.
    """
    code = Vectors(dtype, lanes)
    row, step, terms, rows = map(code.given, ("row", "step", "terms", "rows"))
    # Rows beyond the last are the last one, so that nothing behind the array is read.
    lines: list[Any] = [np.minimum(rows - 1, i) * row for i in range(ROWS)]
    a = [code.at("%a", line) for line in lines]
    sums = [[code.variable_vector() for _ in range(vectors)] for _ in range(ROWS)]

    def add(p: Any) -> None:
        b = [code.load(code.at("%b", p * pitch + k * lanes)) for k in range(vectors)]
        for i in range(ROWS):
            factor = code.number(code.at(a[i], p * step))
            for k in range(vectors):
                sums[i][k].set(code.fused(factor, b[k], sums[i][k].get()))

    whole = terms >> UNROLLED.bit_length() - 1
    with code.loop(0, whole) as block:
        for u in range(UNROLLED):
            add(block * UNROLLED + u)
    with code.loop(whole * UNROLLED, terms) as p:
        add(p)

    _store(code, [[x.get() for x in line] for line in sums])
    return "\n".join([*sorted(code.declared), code.function(name, PARAMETERS.format(real=code.real))])


def _store(code: Vectors, sums: list[list[str]]) -> None:
    """Write a tile: whole vectors where all of it is inside of c, elsewhere those of their lanes that are."""
    vectors = len(sums[0])
    rows, columns, keeps = code.given("rows"), code.given("columns"), code.is_not_zero("%beta")
    alpha, beta = code.spread("%alpha"), code.spread("%beta")
    places, scaled = [], []
    for i in range(ROWS):
        for k in range(vectors):
            places.append(code.at("%c", code.given("next") * i + k * code.lanes))
            scaled.append(code.times(sums[i][k], alpha))
    is_whole = (rows >= ROWS) & (columns >= vectors * code.lanes)
    with code.when(is_whole & ~keeps):
        for place, x in zip(places, scaled, strict=True):
            code.store(x, place)
    with code.when(is_whole & keeps):
        for place, x in zip(places, scaled, strict=True):
            code.store(code.fused(code.load(place), beta, x), place)
    with code.when(~is_whole):
        inside = [code.below(columns - k * code.lanes) for k in range(vectors)]
        for n, (place, x) in enumerate(zip(places, scaled, strict=True)):
            within = code.both(inside[n % vectors], rows > n // vectors)
            before = code.load_some(place, code.both(within, keeps))
            code.store_some(code.fused(before, beta, x), place, within)
