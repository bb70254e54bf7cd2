"""The product as a whole: blocks of the factors that stay in the caches, and the tiles in them."""

import functools
from typing import Any, NamedTuple

import numpy as np

from chainrule.kernels.native.code import Place
from chainrule.kernels.native.machine import EXPLICIT, address_of
from chainrule.kernels.native.symbol import BOOL, LONG, Symbol
from chainrule.kernels.native.vectors import register_bytes
from chainrule.kernels.openblas import PLAIN
from chainrule.kernels.openblas import address_of_gemm as address_in_openblas

from . import packing, tiles
from .writing import Part, joined, least, quotient, rounded_down

TERMS = 256
"""How many terms of the sums a block has. A panel of b with as many takes 48 KB, about what the first cache holds."""
COLUMNS = 384
"""How many columns of b a block has: 384 KB in float32, which stay in the second cache."""


class Form(NamedTuple):
    """How a product is cut: vectors of so many bytes, how many of them a tile has in a row, its rows, and how many rows
    of a are multiplied with one panel of b before the next is taken.
    """

    width: int
    vectors: int
    height: int
    slab: int


FORMS = {64: Form(64, 3, 8, 128), 32: Form(32, 2, 6, 120)}
"""The forms by the bytes of a vector. 24 of 32 registers hold sums, or 12 of 16: enough to keep two units busy that
take four cycles, and few enough to leave registers for the factors. With more vectors a number of a is used more often.
"""
FEW_ROWS = 8
"""Up to so many rows of a, whole panels of b are read where they lie, since nothing reads them again."""
PAGE = 4096
"""Rows of b that lie a multiple of this many bytes apart share the same few lines of each cache."""
SEVERAL_ROWS = 64
"""With so many rows of a, and rows of b like that, b is packed before, row after row: a tile that copies would go from
page to page."""
LEAST = 2**21
"""From how many multiplications on it is used: 20 µs. Smaller ones do not earn the 0.3 s that compiling takes once."""
NARROW, NARROW_TURNED = 24, 16
"""The fewest rows and columns: with fewer OpenBLAS leaves the other factor as it lies, but not a transposed b."""
SHALLOW = 20
"""The fewest terms: with fewer a tile is written before its sums have taken long enough to compute."""
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
    has_work = times * m * n * k >= LEAST and k >= SHALLOW
    has_work = has_work and (min(m * times, n) >= NARROW or (b_turned and n >= NARROW_TURNED))
    return _own_address(np.dtype(dtype)) if has_work else 0


@functools.cache
def _own_address(dtype: Any) -> int:
    form = FORMS.get(register_bytes())
    if dtype not in (np.float32, np.float64) or form is None:
        return 0
    try:
        return address_of(gemm(dtype, form), EXPLICIT)
    except RuntimeError:  # the system's memory functions are not to be found under these names
        return 0


@functools.cache
def gemm(dtype: Any, form: Form) -> str:
    """Return the code of `c ← alpha a b + beta c`, called as `cblas_?gemm` is."""
    lanes, height = form.width // np.dtype(dtype).itemsize, form.height
    tiles_of = [(a, count) for a in ("lies", "packed") for count in range(1, form.vectors + 1)]
    return joined(
        [
            *(tiles.written(f"{a}{count}", dtype, lanes, count, height, a) for a, count in tiles_of),
            tiles.written("first", dtype, lanes, form.vectors, height, copies=True),
            packing.as_it_lies("as_it_lies", dtype, lanes, form.vectors),
            packing.turned("turned", dtype, lanes, form.vectors),
            packing.as_it_lies("of_a", dtype, height, 1),
            _whole(dtype, lanes, form),
        ]
    )


def _whole(dtype: Any, lanes: int, form: Form) -> str:
    part, width, height = Part("f", PARAMETERS, dtype, lanes), lanes * form.vectors, form.height
    m, n, k, lda, ldb = map(part.whole, ("m", "n", "k", "lda", "ldb"))
    a_lies, b_lies = (part.made(BOOL, f"icmp eq i32 %{x}_turned, {PLAIN}") for x in "ab")
    one = part.index(1)
    of_row, of_term = part.chosen(a_lies, lda, one), part.chosen(a_lies, one, lda)
    b_term, b_column = part.chosen(b_lies, ldb, one), part.chosen(b_lies, one, ldb)

    # Equal blocks of terms, so that the last is not a short one; each a number of whole vectors.
    blocks = quotient(k, TERMS)
    terms = part.made(LONG, f"sdiv i64 {k + blocks - 1}, {blocks}") + (lanes - 1) & -lanes
    # The lanes between panels keep these from falling on the same lines of the cache.
    panel, sliver = terms * width + lanes, terms * height + lanes
    for_b = quotient(least(n, COLUMNS), width) * panel
    packed_b, memory = part.memory(for_b + form.slab // height * sliver, form.width)
    packed_a = part.behind(packed_b, for_b)
    pack_b = part.function(b_lies, "as_it_lies", "turned")
    # The rows of a transposed a lie side by side in a term, so a tile's are packed.
    packs_a = ~a_lies
    row, step = part.chosen(packs_a, one, of_row), part.chosen(packs_a, part.index(height), of_term)
    next_a = part.chosen(packs_a, sliver, of_row * height)
    # With few rows whole panels of b are read where they lie; with more the first tile copies what it reads, or the
    # whole block is packed before.
    is_read = b_lies & (m <= FEW_ROWS)
    is_spread = (m < SEVERAL_ROWS) | ((ldb * np.dtype(dtype).itemsize & (PAGE - 1)) > 0)
    is_copied = b_lies & (m > FEW_ROWS) & is_spread

    with part.loop(0, blocks) as block:
        p = block * terms
        count = least(terms, k - p)
        beta = part.chosen(block == 0, part.number("beta"), part.constant(1, dtype))
        with part.loop(0, quotient(n, COLUMNS)) as stripe:
            j = stripe * COLUMNS
            columns = least(n - j, COLUMNS)
            b = part.behind(part.place("b"), p * b_term + j * b_column)
            # The last panel may end behind the array, so it is packed in any case.
            whole = part.chosen(is_read | is_copied, rounded_down(columns, width), part.index(0))
            given = part.behind(b, whole * (b_column * width)), ldb, count, columns - whole * width
            part.call(pack_b.name, packing.PARAMETERS, (*given, part.behind(packed_b, whole * panel), panel))
            with part.loop(0, quotient(m, form.slab)) as slab:
                i = slab * form.slab
                rows = least(m - i, form.slab)
                a = part.behind(part.place("a"), i * of_row + p * of_term)
                packed = part.chosen(packs_a, rows, part.index(0))
                part.call("@of_a", packing.PARAMETERS, (a, lda, count, packed, packed_a, sliver))
                a = part.either(packs_a, packed_a, a)
                c = part.behind(part.place("c"), i * part.whole("ldc") + j)
                of_a, of_b = (
                    (a, row, step, next_a, packs_a),
                    (b, whole, is_read, is_copied & (slab == 0), packed_b, panel),
                )
                _tiles(part, form, of_a, of_b, count, beta, c, rows, columns)
    part.write(f"call void @free(ptr {memory})")
    return part.text(linkage="")


def _tiles(
    part: Part, form: Form, of_a: Any, of_b: Any, count: Symbol, beta: Symbol, c: Place, rows: Symbol, columns: Symbol
) -> None:
    """Compute the tiles of some rows and columns: with each panel of b, which is then in the first cache, all rows."""
    (first, row, step, next_a, is_packed), (lying, whole, is_read, is_copied, packed_b, panel) = of_a, of_b
    next_c, lanes, zero = part.whole("ldc"), part.vectors.lanes, part.index(0)
    width = lanes * form.vectors
    with part.loop(0, quotient(columns, width)) as number:
        right = columns - number * width
        sizes = range(1, form.vectors + 1)
        compute = part.wide_enough(right, lanes, [part.function(is_packed, f"packed{k}", f"lies{k}") for k in sizes])
        there, packed, ldb = (
            part.behind(lying, number * width),
            part.behind(packed_b, number * panel),
            part.whole("ldb"),
        )

        def given(t: Any, b: Place, pitch: Any, number: Symbol = number, right: Symbol = right) -> tuple[Any, ...]:
            top = t * form.height
            of_c = part.behind(c, top * next_c + number * width), next_c, rows - top, right
            return (part.behind(first, t * next_a), row, step, b, pitch, count, part.number("alpha"), beta, *of_c)

        copies, reads = (number < whole) & is_copied, (number < whole) & is_read
        with part.when(copies):
            part.call("@first", tiles.COPYING, (*given(zero, there, ldb), packed))
        b, pitch = part.either(reads, there, packed), part.chosen(reads, ldb, part.index(width))
        with part.loop(part.chosen(copies, part.index(1), zero), quotient(rows, form.height)) as t:
            part.call(compute.name, tiles.PARAMETERS, given(t, b, pitch))
