"""The product as a whole: blocks of the factors that stay in the caches, and the tiles in them."""

import functools
from typing import Any

import numpy as np

from chainrule.kernels.native.machine import address_of, machine
from chainrule.kernels.native.symbol import BOOL, LONG, Symbol
from chainrule.kernels.openblas import PLAIN
from chainrule.kernels.openblas import address_of_gemm as address_in_openblas

from . import packing, tile
from .vectors import Vectors

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
LEVEL = 1
"""How much LLVM optimises this code, which says itself what a vector is: more takes longer and makes nothing faster."""
LEAST = 2**21
"""From how many multiplications on it is used: 20 µs. Smaller ones do not earn the 0.3 s that compiling takes once."""
NARROW, NARROW_TURNED = 24, 16
"""The fewest rows and columns: with fewer OpenBLAS leaves the other factor as it lies, but not a transposed b."""
PARAMETERS = (
    "i32 %order, i32 %a_turned, i32 %b_turned, i64 %m, i64 %n, i64 %k, {real} %alpha, ptr %a, i64 %lda, "
    "ptr %b, i64 %ldb, {real} %beta, ptr %c, i64 %ldc"
)


def address_of_gemm(dtype: Any, m: int, n: int, k: int, b_turned: bool) -> int:
    """Return the address of the faster product of these sizes: ours or BLAS's; 0 if there is neither."""
    has_work = m * n * k >= LEAST and (min(m, n) >= NARROW or (b_turned and n >= NARROW_TURNED))
    return (_own_address(np.dtype(dtype)) if has_work else 0) or address_in_openblas(dtype)


@functools.cache
def _own_address(dtype: Any) -> int:
    if dtype not in (np.float32, np.float64) or "+avx512f" not in machine().features:
        return 0
    try:
        return address_of(gemm(dtype), LEVEL)
    except RuntimeError:  # the system's memory functions are not to be found under these names
        return 0


@functools.cache
def gemm(dtype: Any) -> str:
    """Return the code of `c ← alpha a b + beta c`, called as `cblas_?gemm` is."""
    lanes = BYTES // np.dtype(dtype).itemsize
    width = lanes * VECTORS
    parts = [
        tile.tile("wide", dtype, lanes, VECTORS, width),
        tile.tile("narrow", dtype, lanes, 1, width),
        packing.as_it_lies("as_it_lies", dtype, lanes, VECTORS),
        packing.turned("turned", dtype, lanes, VECTORS),
        packing.as_it_lies("of_a", dtype, tile.ROWS, 1),
        _whole(dtype, lanes, width),
    ]
    lines = [line for part in parts for line in part.splitlines()]
    declared = dict.fromkeys(line for line in lines if line.startswith("declare"))
    return "\n".join([*declared, *(line for line in lines if line not in declared)]) + "\n"


def _whole(dtype: Any, lanes: int, width: int) -> str:
    code = Vectors(dtype, lanes)
    code.declared |= {"declare ptr @malloc(i64)", "declare void @free(ptr)"}
    m, n, k, lda, ldb = map(code.given, ("m", "n", "k", "lda", "ldb"))
    a_lies, b_lies = (code.made(BOOL, f"icmp eq i32 %{x}_turned, {PLAIN}") for x in "ab")
    one = code.index(1)
    of_row, of_term = code.chosen(a_lies, lda, one), code.chosen(a_lies, one, lda)
    b_term, b_column = code.chosen(b_lies, ldb, one), code.chosen(b_lies, one, ldb)

    # Equal blocks of terms, so that the last is not a short one; each a number of whole vectors.
    blocks = _quotient(k, TERMS)
    terms = _up(code.made(k.dtype, f"sdiv i64 {k + blocks - 1}, {blocks}"), lanes)
    # The lanes between panels keep these from falling on the same lines of the cache.
    panel, sliver = terms * width + lanes, terms * tile.ROWS + lanes
    for_b = _quotient(_least(n, COLUMNS), width) * panel
    memory = code.named(f"call ptr @malloc(i64 {(for_b + ROWS // tile.ROWS * sliver) * code.dtype.itemsize + BYTES})")
    packed_b = _aligned(code, memory)
    packed_a = code.at(packed_b, for_b)
    pack_b = code.pointer_if(b_lies, "@as_it_lies", "@turned")
    # Of a transposed a, the rows of a tile lie apart. They are read once for each panel of b.
    packs_a = ~a_lies & (n > width)
    row, step = code.chosen(packs_a, one, of_row), code.chosen(packs_a, code.index(tile.ROWS), of_term)
    next_a = code.chosen(packs_a, sliver, of_row * tile.ROWS)

    with code.loop(0, blocks) as block:
        p = block * terms
        count = _least(terms, k - p)
        beta = code.named(f"select i1 {block == 0}, {code.real} %beta, {code.real} 1.0")
        with code.loop(0, _quotient(n, COLUMNS)) as stripe:
            j = stripe * COLUMNS
            columns = _least(n - j, COLUMNS)
            b = code.at("%b", p * b_term + j * b_column)
            code.call(pack_b, packing.PARAMETERS, (b, ldb, count, columns, packed_b, panel))
            with code.loop(0, _quotient(m, ROWS)) as slab:
                i = slab * ROWS
                rows = _least(m - i, ROWS)
                a = code.at("%a", i * of_row + p * of_term)
                packed = code.chosen(packs_a, rows, code.index(0))
                code.call("@of_a", packing.PARAMETERS, (a, lda, count, packed, packed_a, sliver))
                a = code.pointer_if(packs_a, packed_a, a)
                c = code.at("%c", i * code.given("ldc") + j)
                _tiles(code, (a, row, step, next_a), (packed_b, panel), count, beta, c, rows, columns)
    code.write(f"call void @free(ptr {memory})")
    entry = code.function("f", PARAMETERS.format(real=code.real), linkage="")
    return "\n".join([*sorted(code.declared), entry])


def _tiles(code: Vectors, a: Any, b: Any, count: Symbol, beta: str, c: str, rows: Symbol, columns: Symbol) -> None:
    """Compute the tiles of some rows and columns: with each panel of b, which is then in the first cache, all rows."""
    (first, row, step, next_a), (packed_b, panel), next_c = a, b, code.given("ldc")
    width = code.lanes * VECTORS
    with code.loop(0, _quotient(columns, width)) as number:
        right = columns - number * width
        compute = code.pointer_if(right > code.lanes, "@wide", "@narrow")
        with code.loop(0, _quotient(rows, tile.ROWS)) as t:
            top = t * tile.ROWS
            left, there = code.at(first, t * next_a), code.at(c, top * next_c + number * width)
            given = left, row, step, code.at(packed_b, number * panel), count, "%alpha", beta
            code.call(compute, tile.PARAMETERS, (*given, there, next_c, rows - top, right))


def _least(a: Any, b: Any) -> Symbol:
    least: Symbol = np.minimum(a, b)
    return least


def _quotient(number: Any, divisor: int) -> Any:
    """Return a number divided by a power of two, rounded up."""
    return number + (divisor - 1) >> divisor.bit_length() - 1


def _up(number: Any, unit: int) -> Any:
    """Return the next multiple of a power of two."""
    return number + (unit - 1) & -unit


def _aligned(code: Vectors, memory: str) -> str:
    """Return the first address in memory at which a cache line begins."""
    at = code.made(LONG, f"ptrtoint ptr {memory} to i64")
    return code.named(f"inttoptr i64 {_up(at, BYTES)} to ptr")
