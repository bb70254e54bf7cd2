"""The product as a whole: blocks of the factors that stay in the caches, and the tiles in them."""

import functools
from typing import Any

import numpy as np

from chainrule.kernels.native.code import Place
from chainrule.kernels.native.machine import EXPLICIT, address_of, machine
from chainrule.kernels.native.symbol import BOOL, LONG, Symbol
from chainrule.kernels.openblas import PLAIN
from chainrule.kernels.openblas import address_of_gemm as address_in_openblas

from . import packing, tiles
from .writing import Part, least, quotient

BYTES = 64
"""The width of a vector."""
VECTORS = 2
"""How many of them a row of a tile has."""
TERMS = 256
"""How many terms of the sums a block has. A panel of b with as many takes 32 KB, which stay in the first cache."""
COLUMNS = 256
"""How many columns of b a block has: 256 KB in float32, which stay in the second cache."""
ROWS = 128
"""How many rows of a are multiplied with one panel of b before the next is taken."""
FEW_ROWS = 32
"""Up to so many rows of a, whole panels of b are read where they lie: packing them takes longer.

With 64 rows it does so only where b is in the core's cache already, and weights that were changed since are not.
"""
LEAST = 2**21
"""From how many multiplications on it is used: 20 µs. Smaller ones do not earn the 0.1 s that compiling takes once."""
NARROW, NARROW_TURNED = 24, 16
"""The fewest rows and columns: with fewer OpenBLAS leaves the other factor as it lies, but not a transposed b."""
PARAMETERS = (
    "i32 %order, i32 %a_turned, i32 %b_turned, i64 %m, i64 %n, i64 %k, {real} %alpha, ptr %a, i64 %lda, "
    "ptr %b, i64 %ldb, {real} %beta, ptr %c, i64 %ldc"
)


def address_of_gemm(dtype: Any, m: int, n: int, k: int, b_turned: bool, times: int = 1) -> int:
    """Return the address of the faster product of these sizes: ours or BLAS's; 0 if there is neither.

    `times` says how often it is called in a row with the same b.
    """
    return _own(dtype, m, n, k, b_turned, times) or address_in_openblas(dtype)


def is_own(dtype: Any, m: int, n: int, k: int, b_turned: bool) -> bool:
    """Whether the faster product of these sizes is ours."""
    return _own(dtype, m, n, k, b_turned) != 0


def _own(dtype: Any, m: int, n: int, k: int, b_turned: bool, times: int = 1) -> int:
    has_work = times * m * n * k >= LEAST
    has_work = has_work and (min(m * times, n) >= NARROW or (b_turned and n >= NARROW_TURNED))
    return _own_address(np.dtype(dtype)) if has_work else 0


@functools.cache
def _own_address(dtype: Any) -> int:
    if dtype not in (np.float32, np.float64) or "+avx512f" not in machine().features:
        return 0
    try:
        return address_of(gemm(dtype), EXPLICIT)
    except RuntimeError:  # the system's memory functions are not to be found under these names
        return 0


@functools.cache
def gemm(dtype: Any) -> str:
    """Return the code of `c ← alpha a b + beta c`, called as `cblas_?gemm` is."""
    lanes = BYTES // np.dtype(dtype).itemsize
    width = lanes * VECTORS
    parts = [
        tiles.written("wide", dtype, lanes, VECTORS),
        tiles.written("narrow", dtype, lanes, 1),
        packing.as_it_lies("as_it_lies", dtype, lanes, VECTORS),
        packing.turned("turned", dtype, lanes, VECTORS),
        packing.as_it_lies("of_a", dtype, tiles.ROWS, 1),
        _whole(dtype, lanes, width),
    ]
    lines = [line for part in parts for line in part.splitlines()]
    declared = dict.fromkeys(line for line in lines if line.startswith("declare"))
    return "\n".join([*declared, *(line for line in lines if line not in declared)]) + "\n"


def _whole(dtype: Any, lanes: int, width: int) -> str:
    part = Part("f", PARAMETERS, dtype, lanes)
    m, n, k, lda, ldb = map(part.whole, ("m", "n", "k", "lda", "ldb"))
    a_lies, b_lies = (part.made(BOOL, f"icmp eq i32 %{x}_turned, {PLAIN}") for x in "ab")
    one = part.index(1)
    of_row, of_term = part.chosen(a_lies, lda, one), part.chosen(a_lies, one, lda)
    b_term, b_column = part.chosen(b_lies, ldb, one), part.chosen(b_lies, one, ldb)

    # Equal blocks of terms, so that the last is not a short one; each a number of whole vectors.
    blocks = quotient(k, TERMS)
    terms = part.made(LONG, f"sdiv i64 {k + blocks - 1}, {blocks}") + (lanes - 1) & -lanes
    # The lanes between panels keep these from falling on the same lines of the cache.
    panel, sliver = terms * width + lanes, terms * tiles.ROWS + lanes
    for_b = quotient(least(n, COLUMNS), width) * panel
    packed_b, memory = part.memory(for_b + ROWS // tiles.ROWS * sliver, BYTES)
    packed_a = part.behind(packed_b, for_b)
    pack_b = part.function(b_lies, "as_it_lies", "turned")
    # The rows of a transposed a lie side by side in a term, so a tile's are packed, unless it is read only once.
    packs_a = ~a_lies & (n > width)
    row, step = part.chosen(packs_a, one, of_row), part.chosen(packs_a, part.index(tiles.ROWS), of_term)
    next_a = part.chosen(packs_a, sliver, of_row * tiles.ROWS)
    packs_b = ~b_lies | (m > FEW_ROWS)

    with part.loop(0, blocks) as block:
        p = block * terms
        count = least(terms, k - p)
        beta = part.chosen(block == 0, part.number("beta"), part.constant(1, dtype))
        with part.loop(0, quotient(n, COLUMNS)) as stripe:
            j = stripe * COLUMNS
            columns = least(n - j, COLUMNS)
            b = part.behind(part.place("b"), p * b_term + j * b_column)
            # Where a panel is read as it lies, the last one may end behind the array, and is packed.
            begin = part.chosen(packs_b, part.index(0), columns & -width)
            given = part.behind(b, begin * b_column), ldb, count, columns - begin, packed_b, panel
            part.call(pack_b, packing.PARAMETERS, given)
            with part.loop(0, quotient(m, ROWS)) as slab:
                i = slab * ROWS
                rows = least(m - i, ROWS)
                a = part.behind(part.place("a"), i * of_row + p * of_term)
                packed = part.chosen(packs_a, rows, part.index(0))
                part.call("@of_a", packing.PARAMETERS, (a, lda, count, packed, packed_a, sliver))
                a = part.either(packs_a, packed_a, a)
                c = part.behind(part.place("c"), i * part.whole("ldc") + j)
                _tiles(part, (a, row, step, next_a), (b, begin, packed_b, panel), count, beta, c, rows, columns)
    part.write(f"call void @free(ptr {memory})")
    return part.text(linkage="")


def _tiles(
    part: Part, of_a: Any, of_b: Any, count: Symbol, beta: Symbol, c: Place, rows: Symbol, columns: Symbol
) -> None:
    """Compute the tiles of some rows and columns: with each panel of b, which is then in the first cache, all rows."""
    (first, row, step, next_a), (lying, begin, packed_b, panel), next_c = of_a, of_b, part.whole("ldc")
    lanes, width = part.vectors.lanes, part.vectors.lanes * VECTORS
    before = begin >> width.bit_length() - 1
    with part.loop(0, quotient(columns, width)) as number:
        right = columns - number * width
        compute = part.function(right > lanes, "wide", "narrow")
        lies = number < before
        b = part.either(lies, part.behind(lying, number * width), part.behind(packed_b, (number - before) * panel))
        pitch = part.chosen(lies, part.whole("ldb"), part.index(width))
        with part.loop(0, quotient(rows, tiles.ROWS)) as t:
            top = t * tiles.ROWS
            a, there = part.behind(first, t * next_a), part.behind(c, top * next_c + number * width)
            given = a, row, step, b, pitch, count, part.number("alpha"), beta, there, next_c, rows - top, right
            part.call(compute, tiles.PARAMETERS, given)
