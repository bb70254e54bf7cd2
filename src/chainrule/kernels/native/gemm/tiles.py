"""A tile of the result, `c ← alpha a b + beta c`, whose sums stay in registers."""

from typing import Any

from chainrule.kernels.native.code import Place
from chainrule.kernels.native.symbol import Symbol
from chainrule.kernels.native.vectors import Vector, tile

from .writing import Part, least

PARAMETERS = (
    "ptr %a, i64 %row, i64 %step, ptr noalias %b, i64 %pitch, i64 %terms, {real} %alpha, {real} %beta, ptr noalias %c, "
    "i64 %next, i64 %rows, i64 %columns"
)
UNROLLED = 2
"""How many terms are added before the loop asks whether there are more. With four LLVM keeps sums on the stack."""
AHEAD = 8
"""How many terms ahead a tile that copies has b fetched: rows that lie far apart are not foreseen by the processor."""
COPYING = f"{PARAMETERS}, ptr noalias %copy"


def written(name: str, dtype: Any, lanes: int, vectors: int, height: int, a: str = "", copies: bool = False) -> str:
    """Return the function that computes a tile of a height, and of `vectors` vectors of columns.

    Element (i, p) of a lies at `row` i + `step` p, and row p of b at `pitch` p. Only the first `rows` rows of a are
    read, and only these rows and the first `columns` columns of c, which lie `next` apart, are read or written. With
    `beta` 0 nothing of c is read.

    Numbers that the text has leave more of the processor to the products: with `a` "lies" the step is 1, with "packed"
    the rows are adjacent, and so are the terms. One that `copies` writes what it reads of b to `copy` as well, packed.
    """
    part = Part(name, COPYING if copies else PARAMETERS, dtype, lanes)
    v, b = part.vectors, part.place("b")
    step = part.index({"lies": 1, "packed": height}[a]) if a else part.whole("step")
    rows = _rows(part, height, is_packed=a == "packed")

    def of_b(p: Symbol, k: int) -> Vector:
        found = v.load(b, p * part.whole("pitch") + k * lanes)
        if copies:
            part.fetch(b, (p + AHEAD) * part.whole("pitch") + k * lanes)
            v.store(found, part.place("copy"), p * (vectors * lanes) + k * lanes)
        return found

    sums = tile(
        v,
        part.whole("terms"),
        [[v.constant(0)] * vectors] * height,
        lambda i, p: rows[i][p * step],
        of_b,
        unrolled=UNROLLED,
    )
    _store(part, sums)
    return part.text()


def _rows(part: Part, height: int, is_packed: bool) -> list[Place]:
    """Return where each row of a begins; rows beyond the last are the last one, so that nothing behind it is read."""
    a, last = part.place("a"), part.whole("rows") - 1
    if is_packed:
        return [part.behind(a, i) for i in range(height)]
    return [part.behind(a, least(last, i) * part.whole("row")) for i in range(height)]


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
