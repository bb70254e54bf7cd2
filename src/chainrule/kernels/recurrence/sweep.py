"""All steps of a sequence, each with its product, as one task of machine code whose parts are samples.

The samples of a batch do not depend on each other, so each thread goes through all steps with its share of them, and
none waits for another before the end.
"""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.kernels import openblas
from chainrule.kernels.matrices import is_limited

from .loops import Each, Steps

Array = Any
SAMPLES = 16
"""The fewest samples of a part: each goes through the whole of the weights at every step."""
PACKING = 4
"""From how many steps on the weights are packed ahead."""
NUMBERS = (
    *("gemm", "step", "rows", "apart", "pairs", "n", "k", "lda", "ldb", "ldc", "b", "count", "first", "move"),
    *("of_a", "of_c"),
)
"""What the table of a task holds."""


@dataclass(frozen=True)
class Product:
    """The product that belongs to a step: `out ← a b`, or `out ← out + a b`. What each step takes is in C order."""

    a: Array | Each
    b: Array
    out: Array | Each
    adds: bool = False

    def __call__(self, number: int) -> None:
        """Do it for a step."""
        a, out = (x.at(number) if isinstance(x, Each) else x for x in (self.a, self.out))
        if self.adds:
            out += a @ self.b
        else:
            np.matmul(a, self.b, out=out)


def forwards(product: Product, steps: Steps) -> None:
    """Go through the steps from the first to the last, each behind its product."""
    _go(product, steps, range(steps.count), product_first=True)


def backwards(steps: Steps, product: Product) -> None:
    """Go through the steps from the last to the first, each before its product."""
    _go(product, steps, range(steps.count - 1, -1, -1), product_first=False)


def _go(product: Product, steps: Steps, order: range, product_first: bool) -> None:
    task = _task(product, steps, order, product_first) if steps.is_loop else None
    with openblas.one_thread():
        if task is not None:
            from chainrule.kernels.native.tasks import at_once

            at_once([task], alone=is_limited())
            return
        for number in order:
            for part in (product, steps) if product_first else (steps, product):
                part(number)


def _task(product: Product, steps: Steps, order: range, product_first: bool) -> Any:
    """Return the task, or None if there is no product to call from machine code."""
    from chainrule.kernels.native.gemm import repeated
    from chainrule.kernels.native.gemm.blocks import address_of_gemm
    from chainrule.kernels.native.machine import EXPLICIT, GLUE
    from chainrule.kernels.native.tasks import Task, address, parts_of

    batch, (k, n), b = steps.rows, product.b.shape, product.b
    work = 2.0 * batch * n * k * steps.count
    parts = parts_of(work, max(batch // SAMPLES, 1))
    form = repeated.form_of(b) if steps.count >= PACKING else None
    gemm = 0 if form else address_of_gemm(b.dtype, -(-batch // parts), n, k, False, times=steps.count)
    if not (form or gemm):
        return None
    if form:
        b = repeated.packed(b, form)
    pairs = np.empty((steps.count, 2), np.int64)
    for column, x in enumerate((product.a, product.out)):
        pairs[:, column] = x.addresses() if isinstance(x, Each) else address(x)
    numbers = [
        *(gemm, steps.at, address(steps.table), steps.table.strides[0], address(pairs), n, k, k, n, n, address(b)),
        *(steps.count, order.start, order.step, k * b.itemsize, n * b.itemsize),
    ]
    text = _text(b.dtype, product_first, product.adds, form)
    kept, level = (product, steps, pairs, b), EXPLICIT if form else GLUE
    return Task(text, [], numbers, 0, batch, parts=parts, level=level, kept=kept)


@functools.cache
def _text(dtype: Any, product_first: bool, adds: bool, form: Any) -> str:
    """Return the function that goes through all steps with a range of samples, and with a form multiplies by itself."""
    from chainrule.kernels.native.gemm import repeated
    from chainrule.kernels.native.gemm.writing import joined
    from chainrule.kernels.native.symbol import LLVM

    real = LLVM[np.dtype(dtype)]
    lines = ["define i64 @f(ptr %table, i64 %begin, i64 %end) nounwind {", "entry:"]
    for place, name in enumerate(NUMBERS):
        kind = "ptr" if name in ("gemm", "step", "rows", "pairs", "b") else "i64"
        lines.append(f"  %{name}.at = getelementptr inbounds i64, ptr %table, i64 {place}")
        lines.append(f"  %{name} = load {kind}, ptr %{name}.at")
    multiplied = [
        "  %pair = shl i64 %t, 1",
        "  %a.at = getelementptr inbounds i64, ptr %pairs, i64 %pair",
        "  %c.at = getelementptr inbounds i64, ptr %a.at, i64 1",
    ]
    for x in "ac":
        multiplied += [f"  %{x}.0 = load ptr, ptr %{x}.at", f"  %{x} = getelementptr i8, ptr %{x}.0, i64 %{x}.by"]
        lines.append(f"  %{x}.by = mul i64 %begin, %of_{x}")
    if form:
        given = f"ptr %b, i64 %m, i64 %n, i64 %k, {real} {float(adds)}, ptr %c, i64 %ldc"
        multiplied.append(f"  call void @multiplied(ptr %a, i64 %lda, {given})")
    else:
        multiplied.append(
            f"  call void %gemm(i32 {openblas.ROW_MAJOR}, i32 {openblas.PLAIN}, i32 {openblas.PLAIN}, i64 %m, i64 %n, "
            f"i64 %k, {real} 1.0, ptr %a, i64 %lda, ptr %b, i64 %ldb, {real} {float(adds)}, ptr %c, i64 %ldc)"
        )
    stepped = [
        "  %row = mul i64 %t, %apart",
        "  %given = getelementptr i8, ptr %rows, i64 %row",
        "  %done = call i64 %step(ptr %given, i64 %begin, i64 %end)",
    ]
    lines += [
        "  %m = sub i64 %end, %begin",
        "  br label %head",
        "head:",
        "  %i = phi i64 [ 0, %entry ], [ %i.next, %body ]",
        "  %t = phi i64 [ %first, %entry ], [ %t.next, %body ]",
        "  %more = icmp slt i64 %i, %count",
        "  br i1 %more, label %body, label %leave",
        "body:",
        *(multiplied + stepped if product_first else stepped + multiplied),
        "  %i.next = add i64 %i, 1",
        "  %t.next = add i64 %t, %move",
        "  br label %head",
        "leave:",
        "  ret i64 -1",
        "}",
    ]
    own = repeated.multiplying("multiplied", dtype, form) if form else []
    return joined([*own, "\n".join(lines)])
