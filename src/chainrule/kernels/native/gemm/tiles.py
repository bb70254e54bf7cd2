"""A tile of the result, `c ← alpha a b + beta c`, whose sums stay in registers."""

from typing import Any

from chainrule.kernels.native.vectors import Vector, tile

from .writing import Part, least

ROWS = 8
"""How many rows a tile has. With two vectors each, 16 sums are under way: enough to keep two units busy that take four
cycles, and few enough to leave registers for the factors."""

PARAMETERS = (
    "ptr %a, i64 %row, i64 %step, ptr noalias %b, i64 %pitch, i64 %terms, {real} %alpha, {real} %beta, ptr noalias %c, "
    "i64 %next, i64 %rows, i64 %columns"
)


def written(name: str, dtype: Any, lanes: int, vectors: int, height: int = ROWS) -> str:
    """Return the function that computes a tile of a height, and of `vectors` vectors of columns.

    Element (i, p) of a lies at `row` i + `step` p, and row p of b at `pitch` p. Only the first `rows` rows of a are
    read, and only these rows and the first `columns` columns of c, which lie `next` apart, are read or written. With
    `beta` 0 nothing of c is read.
    """
    part = Part(name, PARAMETERS, dtype, lanes)
    v, b, step, pitch = part.vectors, part.place("b"), part.whole("step"), part.whole("pitch")
    # Rows beyond the last are the last one, so that nothing behind the array is read.
    last = part.whole("rows") - 1
    a = [part.behind(part.place("a"), least(last, i) * part.whole("row")) for i in range(height)]
    sums = tile(
        v, part.whole("terms"), [[v.constant(0)] * vectors] * height,
        lambda i, p: a[i][p * step],
        lambda p, k: v.load(b, p * pitch + k * lanes),
    )  # fmt: skip
    _store(part, sums)
    return part.text()


def _store(part: Part, sums: list[list[Vector]]) -> None:
    """Write a tile: whole vectors where all of it is inside of c, elsewhere those of their lanes that are."""
    v, height, vectors = part.vectors, len(sums), len(sums[0])
    c, rows, columns = part.place("c"), part.whole("rows"), part.whole("columns")
    alpha, beta, keeps = v.spread(part.number("alpha")), v.spread(part.number("beta")), part.number("beta") != 0
    places = [(i, k, part.whole("next") * i + k * v.lanes) for i in range(height) for k in range(vectors)]
    is_whole = (rows >= height) & (columns >= vectors * v.lanes)
    with part.when(is_whole & ~keeps):
        for i, k, at in places:
            v.store(sums[i][k] * alpha, c, at)
    with part.when(is_whole & keeps):
        for i, k, at in places:
            v.store(v.load(c, at) * beta + sums[i][k] * alpha, c, at)
    with part.when(~is_whole):
        for i, k, at in places:
            left = columns - k * v.lanes
            before = v.load_some(c, at, v.first_lanes(left, (rows > i) & keeps))
            v.store_some(before * beta + sums[i][k] * alpha, c, at, v.first_lanes(left, rows > i))
