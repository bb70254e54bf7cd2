"""Matrix products as tasks: small ones as loops, large ones by `gemm` or the BLAS that NumPy ships.

Each factor, and the result, has rows or columns of adjacent elements; between those there may be others, as in a slice.
"""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.kernels.openblas import PLAIN, ROW_MAJOR, TRANSPOSED

from .gemm.blocks import address_of_gemm, is_own
from .gemm.writing import Part
from .machine import EXPLICITLY, GLUE, target
from .nests import widened
from .symbol import LLVM
from .tasks import Call, Function, Task, address, parts_of

UNIT = 48
"""Rows or columns that stay together where a product is cut: as many as the widest tiles have, or a multiple of it."""
NARROW = 48
"""The fewest rows or columns of a part: the other factor is packed again for each part."""
REPACKED = 4
"""How many times as much packing b again costs if it is transposed, relative to packing a again.

A product of 64 rows with a transposed b takes 1.85 times as long in four parts of 16 rows, 1.05 times as long in four
parts of its 784 columns.
"""
AT_ARRAYS = (6, 8, 10, 15)
"""Where the table of a large product has the addresses of the factors, the result, and the bias."""
BY_LOOPS = 2**12
"""Up to so many multiplications a product is cheaper as loops than as a call of BLAS."""


def call_of(a: Any, b: Any, with_bias: bool) -> Call | None:
    """Return `out ← a b`, or `out ← a b + bias`, as a function of arrays that lie like these; None if BLAS is to do it.

    `out` is in C order. The arrays' elements are not read.
    """
    (m, k), n = a.shape, b.shape[1]
    out = np.empty((m, n), a.dtype)
    if not fits(a, b, out) or not is_own(a.dtype, m, n, k, _step(b) is None):
        return None
    bias = out[0] if with_bias else None
    task = product(a, b, out, bias)
    arrays = [a, b, out, bias] if with_bias else [a, b, out]
    return Call([task], arrays, [(k, 0, place) for k, place in zip(range(len(arrays)), AT_ARRAYS, strict=False)])


def calls_of(pairs: Sequence[tuple[Any, Any]], more: Sequence[Task], others: Sequence[Any]) -> Call | None:
    """Return several products and then other tasks, as a function of each pair's factors and result, then `others`.

    The arrays of the pairs may be the same ones; None if one of the products is BLAS's to do.
    """
    tasks, arrays, places = [], [], []
    for k, (a, b) in enumerate(pairs):
        out = np.empty((len(a), b.shape[1]), a.dtype)
        if not fits(a, b, out) or not is_own(a.dtype, len(a), b.shape[1], len(b), _step(b) is None):
            return None
        tasks.append(product(a, b, out))
        places += [(3 * k + j, k, place) for j, place in enumerate(AT_ARRAYS[:3])]
        arrays += [a[:], b[:], out]  # views are objects of their own, whose places are told apart
    return Call([*tasks, *more], [*arrays, *others], places)


def product(a: Any, b: Any, out: Any, bias: Any = None) -> Task:
    """Return the task `out ← a b`, and with a `bias`, for large matrices into rows, `out ← a b + bias`."""
    if _step(out) is None:
        a, b, out = b.T, a.T, out.T
    turned = tuple(_step(x) is None for x in (a, b))
    (m, k), n = a.shape, b.shape[1]
    steps = tuple(_step(x.T if t else x) or 0 for x, t in zip((a, b, out), (*turned, False), strict=True))
    gemm = address_of_gemm(a.dtype, m, n, k, turned[1])
    if m * n * k <= BY_LOOPS or not gemm:
        return Task(_by_loops(a.dtype, (m, n, k), turned, steps), [a, b, out])
    forms = [TRANSPOSED if t else PLAIN for t in turned]
    along_rows = m >= (REPACKED * n if turned[1] else n)
    length = m if along_rows else n
    units = -(-length // UNIT)
    parts = parts_of(2.0 * m * n * k, length // NARROW)
    # How far a, b and out advance per row, or per column, of the result.
    moves = (1 if turned[0] else steps[0], 0, steps[2]) if along_rows else (0, steps[1] if turned[1] else 1, 1)
    numbers = [gemm, *forms, m, n, k, *(x for pair in zip(map(address, (a, b, out)), steps, strict=True) for x in pair)]
    numbers += [x * UNIT * a.itemsize for x in moves]
    if bias is None:
        return Task(_cut_gemm(a.dtype, along_rows), [], numbers, 0, units, parts=parts, level=GLUE)
    text = _cut_gemm(a.dtype, along_rows, with_bias=True)
    return Task(text, [], [*numbers, address(bias)], 0, units, parts=parts, kept=(bias,))


@functools.lru_cache(4096)
def _by_loops(dtype: Any, sizes: tuple[int, int, int], turned: tuple[bool, ...], steps: tuple[int, ...]) -> str:
    function = Function([dtype] * 3)
    (m, n, k), (of_a, of_b, of_out), code, (a, b, out) = sizes, steps, function.code, function.places
    if n == 1 and turned[0]:  # vectors run along the columns of a
        with code.loop(0, m) as i:
            out[i * of_out] = code.constant(0, dtype)
        with code.loop(0, k) as p, code.loop(0, m) as i:
            out[i * of_out] = out[i * of_out] + a[p * of_a + i] * b[p if turned[1] else p * of_b]
        return function.text()
    with code.loop(0, m) as i:

        def factor(p: Any) -> Any:
            return a[p * of_a + i] if turned[0] else a[i * of_a + p]

        if turned[1] or n == 1:
            with code.loop(0, n) as j:
                total = code.variable(dtype, 0)
                with code.loop(0, k) as p:
                    total.add(factor(p) * b[j * of_b + p if turned[1] else p * of_b])
                out[i * of_out + j] = total.get()
        else:
            with code.loop(0, n) as j:
                out[i * of_out + j] = code.constant(0, dtype)
            with code.loop(0, k) as p:
                x = factor(p)
                with code.loop(0, n) as j:
                    out[i * of_out + j] = out[i * of_out + j] + x * b[p * of_b + j]
    return function.text()


@functools.cache
def _cut_gemm(dtype: Any, along_rows: bool, with_bias: bool = False) -> str:
    """Return the function that computes a range of rows or columns of a product, in units, by cblas_?gemm.

    Its table holds the address, the two transpose flags, m, n, k, and a, b, c, each with its leading dimension, the
    number of bytes by which the three advance per unit, and the bias, which is added while the part is in the cache.
    """
    kinds = ["ptr", "i32", "i32", "i64", "i64", "i64", *["ptr", "i64"] * 3, "i64", "i64", "i64", *["ptr"] * with_bias]
    lines = [EXPLICITLY, _row_added(dtype)] if with_bias else []
    lines += ["define i64 @f(ptr %table, i64 %begin, i64 %end) nounwind {"]
    for position, kind in enumerate(kinds):
        lines.append(f"  %at{position} = getelementptr inbounds i64, ptr %table, i64 {position}")
        lines.append(f"  %x{position} = load {kind}, ptr %at{position}")
    for position, move in ((6, 12), (8, 13), (10, 14)):
        lines.append(f"  %by{position} = mul i64 %begin, %x{move}")
        lines.append(f"  %p{position} = getelementptr inbounds i8, ptr %x{position}, i64 %by{position}")
    whole = "%x3" if along_rows else "%x4"
    lines += [
        f"  %first = mul i64 %begin, {UNIT}",
        f"  %behind = mul i64 %end, {UNIT}",
        f"  %is_inside = icmp slt i64 %behind, {whole}",
        f"  %last = select i1 %is_inside, i64 %behind, i64 {whole}",
        "  %count = sub i64 %last, %first",
    ]
    m, n = ("%count", "%x4") if along_rows else ("%x3", "%count")
    real = LLVM[np.dtype(dtype)]
    lines.append(
        f"  call void %x0(i32 {ROW_MAJOR}, i32 %x1, i32 %x2, i64 {m}, i64 {n}, i64 %x5, {real} 1.0, ptr %p6, i64 %x7, "
        f"ptr %p8, i64 %x9, {real} 0.0, ptr %p10, i64 %x11)"
    )
    if with_bias:
        column = "0" if along_rows else "%first"
        lines.append(f"  %bias = getelementptr inbounds {real}, ptr %x15, i64 {column}")
        lines.append(f"  call void @row_added(ptr %p10, i64 %x11, ptr %bias, i64 {m}, i64 {n})")
    return "\n".join([*lines, "  ret i64 -1", "}"]) + "\n"


def _row_added(dtype: Any) -> str:
    """Return the function that adds a row to each row of a matrix whose rows are `step` elements apart."""
    part = Part("row_added", "ptr noalias %p0, i64 %step, ptr noalias %p1, i64 %m, i64 %n", dtype, lanes=1)
    matrix, row = part.place("p0"), part.place("p1")
    with part.loop(0, part.whole("m")) as i:
        begin = i * part.whole("step")
        with part.loop(0, part.whole("n")) as j:
            matrix[begin + j] = matrix[begin + j] + row[j]
    return part.text(vectors=widened(part, target()))


def products(a: Any, b: Any, out: Any) -> Task:
    """Return the task of a matrix product for each pair in stacks [..., m, k] and [..., k, n] with any leading strides.

    Only the last two axes must have a layout that BLAS accepts; the others may be strided views of a larger array, so
    attention heads are multiplied in place.
    """
    (m, k), n = a.shape[-2:], b.shape[-1]
    a, b = (np.broadcast_to(x, (*out.shape[:-2], *x.shape[-2:])) for x in (a, b))
    places = np.stack([_places(x) for x in (a, b, out)], axis=-1).reshape(-1)
    turned = [_step(x) is None for x in (a, b)]
    steps = [_step(x.swapaxes(-1, -2) if t else x) for x, t in zip((a, b, out), (*turned, False), strict=True)]
    forms = [TRANSPOSED if t else PLAIN for t in turned]
    count = len(places) // 3
    numbers = [address_of_gemm(a.dtype, m, n, k, turned[1]), *forms, m, n, k, *steps, address(places)]
    parts = parts_of(2.0 * m * n * k * count, count)
    task = Task(_each_gemm(a.dtype), [], numbers, 0, count, parts=parts, level=GLUE)
    task.kept = (places,)
    return task


def _places(stack: Any) -> Any:
    """Return the address of each matrix of a stack."""
    offsets = np.zeros(stack.shape[:-2], np.int64)
    for axis, (length, stride) in enumerate(zip(stack.shape[:-2], stack.strides[:-2], strict=True)):
        shape = [1] * offsets.ndim
        shape[axis] = length
        offsets = offsets + (np.arange(length) * stride).reshape(shape)
    return offsets.reshape(-1) + stack.__array_interface__["data"][0]


def _step(x: Any) -> int | None:
    """Return the leading dimension of the last two axes, in elements; None if BLAS cannot take them."""
    rows, columns = x.shape[-2:]
    by_row, by_column = (stride // x.itemsize for stride in x.strides[-2:])
    if columns > 1 and by_column != 1:
        return None
    if rows == 1:
        return max(int(columns), 1)
    return int(by_row) if by_row >= columns and x.strides[-2] % x.itemsize == 0 else None


@functools.cache
def _each_gemm(dtype: Any) -> str:
    """Return the function that computes a range of products.

    Its table holds the address of cblas_?gemm, the two transpose flags, m, n, k, the leading dimensions of a, b and c,
    and the address of a list with the addresses of each product's three matrices.
    """
    kinds = ["ptr", "i32", "i32", *["i64"] * 6, "ptr"]
    lines = ["define i64 @f(ptr %table, i64 %begin, i64 %end) nounwind {", "entry:"]
    for position, kind in enumerate(kinds):
        lines.append(f"  %at{position} = getelementptr inbounds i64, ptr %table, i64 {position}")
        lines.append(f"  %x{position} = load {kind}, ptr %at{position}")
    lines += [
        "  br label %head",
        "head:",
        "  %i = phi i64 [ %begin, %entry ], [ %next, %body ]",
        "  %more = icmp slt i64 %i, %end",
        "  br i1 %more, label %body, label %done",
        "body:",
        "  %three = mul i64 %i, 3",
    ]
    for k, name in enumerate("abc"):
        lines += [
            f"  %place_{name} = add i64 %three, {k}",
            f"  %where_{name} = getelementptr inbounds i64, ptr %x9, i64 %place_{name}",
            f"  %{name} = load ptr, ptr %where_{name}",
        ]
    real = LLVM[np.dtype(dtype)]
    lines += [
        f"  call void %x0(i32 {ROW_MAJOR}, i32 %x1, i32 %x2, i64 %x3, i64 %x4, i64 %x5, {real} 1.0, ptr %a, i64 %x6, "
        f"ptr %b, i64 %x7, {real} 0.0, ptr %c, i64 %x8)",
        "  %next = add i64 %i, 1",
        "  br label %head",
        "done:",
        "  ret i64 -1",
        "}",
    ]
    return "\n".join(lines) + "\n"


def lies_as_factor(x: Any) -> bool:
    """Whether the rows or the columns of a matrix, or of each in a stack, have adjacent elements."""
    return _step(x) is not None or _step(x.swapaxes(-1, -2)) is not None


def stacks_fit(a: Any, b: Any, out: Any) -> bool:
    """Whether `products` accepts these stacks of factors and results."""
    return bool(
        out.ndim > 2
        and a.ndim > 1
        and b.ndim > 1
        and a.dtype == b.dtype == out.dtype
        and a.dtype in (np.float32, np.float64)
        and out.size
        and a.size
        and address_of_gemm(a.dtype, a.shape[-2], b.shape[-1], a.shape[-1], False)
        and all(map(lies_as_factor, (a, b)))
        and _step(out) is not None
    )


def fits(a: Any, b: Any, out: Any) -> bool:
    """Whether `product` accepts these two factors and result."""
    return (
        a.ndim == b.ndim == out.ndim == 2
        and a.dtype == b.dtype == out.dtype
        and a.dtype in (np.float32, np.float64)
        and out.size > 0
        and a.size > 0
        and all(map(lies_as_factor, (a, b, out)))
    )
