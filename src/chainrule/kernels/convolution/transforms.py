r"""Winograd's transforms as parts of machine code: of images, of results and of kernels, along the channels.

A tile is multiplied on both sides with a small matrix of zeros and ones, $R\,d\,R^\top$, so each is sums and
differences. `lay` has images with their channels innermost; a transformed one is 16 matrices `[tiles, channels]`.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from chainrule.kernels.native.gemm.writing import Part, least, quotient
from chainrule.kernels.native.vectors import Vector, Vectors

Rows = tuple[tuple[int, ...], ...]

IMAGES: Rows = ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1))
"""Bᵀ, which the elements under a tile are multiplied with."""
RESULTS: Rows = ((1, 1, 1, 0), (0, 1, -1, -1))
"""Aᵀ, which makes a tile of results."""
COTANGENTS: Rows = tuple(zip(*RESULTS, strict=True))
"""A, which the cotangent of a tile is multiplied with."""
TAPS = 9
"""The elements of a kernel."""
MATRICES = 16

SPLIT = "ptr noalias %image, i64 %height, i64 %wide, i64 %images, i64 %high, i64 %across, i64 %pitch, ptr noalias %to"
JOIN = "ptr noalias %from, i64 %tiles, i64 %high, i64 %across, i64 %pitch, ptr noalias %to"
SPREAD = "ptr noalias %w, i64 %outputs, i64 %terms, i64 %of_output, i64 %of_term, i64 %begin, i64 %end, ptr noalias %to"
GATHER = "ptr noalias %from, i64 %sums, i64 %outputs, i64 %channels, i64 %pitch, i64 %begin, i64 %end, ptr noalias %w"


def combined(factors: tuple[int, ...], values: Sequence[Vector]) -> Vector:
    """Return the sum of some vectors and the negatives of others."""
    added, taken = ([v for f, v in zip(factors, values, strict=True) if f == sign] for sign in (1, -1))
    zero = values[0].of.constant(0)
    total = functools.reduce(lambda a, b: a + b, added) if added else zero
    return functools.reduce(lambda a, b: a - b, taken, total)


def _both_sides(rows: Rows, d: list[list[Vector]]) -> list[list[Vector]]:
    """Return R d Rᵀ."""
    left = [[combined(row, column) for column in zip(*d, strict=True)] for row in rows]
    return [[combined(row, line) for row in rows] for line in left]


def splitting(name: str, dtype: Any, lanes: int, rows: Rows) -> str:
    """Return the function that sets 16 matrices `[tiles, pitch]` to R d Rᵀ for each tile d of some images.

    Images are `[height, wide, pitch]`; `high` by `across` tiles of each, two elements apart, are of the size of R.
    """
    part = Part(name, SPLIT, dtype, lanes)
    v, image, to = part.vectors, part.place("image"), part.place("to")
    wide, images, high, across, pitch = map(part.whole, ("wide", "images", "high", "across", "pitch"))
    size, apart = len(rows[0]), images * high * across * pitch
    with part.loop(0, images) as b, part.loop(0, high) as r, part.loop(0, across) as t:
        corner = ((b * part.whole("height") + r * 2) * wide + t * 2) * pitch
        tile = ((b * high + r) * across + t) * pitch
        lines = [part.behind(image, corner + i * wide * pitch) for i in range(size)]
        with part.loop(0, pitch >> lanes.bit_length() - 1) as group:
            c = group * lanes
            d = [[v.load(line, c + j * pitch) for j in range(size)] for line in lines]
            found = [x for row in _both_sides(rows, d) for x in row]
            for k, x in enumerate(found):
                v.store(x, to, tile + c + k * apart)
    return part.text()


def joining(name: str, dtype: Any, lanes: int) -> str:
    """Return the function that makes images `[2 high, 2 across, pitch]` of 16 matrices `[tiles, pitch]`.

    `high` are the tiles of all images, one below the other.
    """
    part = Part(name, JOIN, dtype, lanes)
    v, source, to = part.vectors, part.place("from"), part.place("to")
    across, pitch, apart = part.whole("across"), part.whole("pitch"), part.whole("tiles") * part.whole("pitch")
    with part.loop(0, part.whole("high")) as r, part.loop(0, across) as t:
        tile, corner = (r * across + t) * pitch, (r * across * 2 + t) * 2 * pitch
        with part.loop(0, pitch >> lanes.bit_length() - 1) as group:
            c = group * lanes
            d = [[v.load(source, tile + c + (4 * i + j) * apart) for j in range(4)] for i in range(4)]
            for i, row in enumerate(_both_sides(RESULTS, d)):
                for j, x in enumerate(row):
                    v.store(x, to, corner + c + (i * across * 2 + j) * pitch)
    return part.text()


def _of_kernel(v: Vectors, a: Sequence[Vector]) -> list[Vector]:
    """Return G a of three vectors."""
    half = v.constant(0.5)
    outer, inner = (a[0] + a[2]) * half, a[1] * half
    return [a[0], outer + inner, outer - inner, a[2]]


def _to_kernel(v: Vectors, a: Sequence[Vector]) -> list[Vector]:
    """Return Gᵀ a of four vectors."""
    half = v.constant(0.5)
    total, difference = (a[1] + a[2]) * half, (a[1] - a[2]) * half
    return [a[0] + total, difference, total + a[3]]


def _on_both_sides(v: Vectors, d: list[list[Vector]], of: Callable[..., list[Vector]]) -> list[list[Vector]]:
    columns = [of(v, column) for column in zip(*d, strict=True)]
    return [of(v, line) for line in zip(*columns, strict=True)]


def spreading(name: str, dtype: Any, lanes: int, vectors: int, is_turned: bool) -> str:
    """Return the function that writes kernels as 16 matrices G g Gᵀ each, as a tile of a product reads them.

    Kernels are `of_output` apart for each output, and `of_term` for each term. For a range of blocks of outputs the
    result is `[blocks, 16, terms, vectors · lanes]`. `is_turned` turns the kernels around.
    """
    part = Part(name, SPREAD, dtype, lanes)
    v, w, to, width = part.vectors, part.place("w"), part.place("to"), lanes * vectors
    outputs, terms = part.whole("outputs"), part.whole("terms")
    order = (3, 1, 2, 0) if is_turned else (0, 1, 2, 3)  # turned around, G g has its first and last rows exchanged
    with part.loop(part.whole("begin"), part.whole("end")) as block:
        for q in range(vectors):
            first = block * width + q * lanes
            lines = [part.behind(w, least(first + i, outputs - 1) * part.whole("of_output")) for i in range(lanes)]
            with part.loop(0, terms) as t:
                at = t * part.whole("of_term")
                taps: list[Vector] = []
                for begin in range(0, TAPS, lanes):
                    some = v.first_lanes(part.index(min(TAPS - begin, lanes)))
                    taps += v.transposed([v.load_some(line, at + begin, some) for line in lines])
                found = _on_both_sides(v, [taps[3 * i : 3 * i + 3] for i in range(3)], _of_kernel)
                for i, row in enumerate(found):
                    for j, x in enumerate(row):
                        k = 4 * order[i] + order[j]
                        v.store(x, to, ((block * MATRICES + k) * terms + t) * width + q * lanes)
    return part.text()


def gathering(name: str, dtype: Any, lanes: int) -> str:
    """Return the function that makes kernels `[outputs, channels, 9]`, for a range of outputs, of 16 matrices.

    Matrices are `[sums, 16, outputs, pitch]`, of which the sums are added up; a kernel is Gᵀ g G.
    """
    part = Part(name, GATHER, dtype, lanes)
    v, source, w = part.vectors, part.place("from"), part.place("w")
    outputs, channels, pitch = map(part.whole, ("outputs", "channels", "pitch"))
    with part.loop(part.whole("begin"), part.whole("end")) as o, part.loop(0, quotient(channels, lanes)) as group:
        c = group * lanes
        lines = [part.behind(source, (k * outputs + o) * pitch + c) for k in range(MATRICES)]
        held = [v.variable(v.load(line, 0)) for line in lines]
        with part.loop(1, part.whole("sums")) as number:
            for place, line in zip(held, lines, strict=True):
                place.set(place.get() + v.load(line, number * outputs * pitch * MATRICES))
        read = [place.get() for place in held]
        found = _on_both_sides(v, [read[4 * i : 4 * i + 4] for i in range(4)], _to_kernel)
        taps = [x for row in found for x in row]
        for begin in range(0, TAPS, lanes):
            some = taps[begin : begin + lanes]
            mask = v.first_lanes(part.index(len(some)))
            for i, x in enumerate(v.transposed([*some, *[v.constant(0)] * (lanes - len(some))])):
                with part.when(channels > c + i):
                    v.store_some(x, w, (o * channels + c + i) * TAPS + begin, mask)
    return part.text()
