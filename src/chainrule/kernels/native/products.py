"""Matrix products as tasks: small ones as loops, others by the BLAS that NumPy ships.

A factor is an array whose rows, or whose columns, lie one after the other; the result's rows do.
"""

from typing import Any

import numpy as np

from chainrule.kernels.openblas import PLAIN, ROW_MAJOR, TRANSPOSED, address_of_gemm

from .symbol import FLOAT
from .tasks import Function, Task, address

BY_LOOPS = 2**12
"""Up to so many multiplications a product is cheaper as loops than as a call of BLAS."""


def product(a: Any, b: Any, out: Any) -> Task:
    """Return the task `out ← a b`."""
    turned = tuple(not x.flags.c_contiguous for x in (a, b))
    (m, k), n = a.shape, b.shape[1]
    gemm = address_of_gemm(a.dtype)
    if m * n * k <= BY_LOOPS or not gemm:
        return Task(_by_loops(a.dtype, (m, n, k), turned), [a, b, out])
    # A single row or column may have any step in NumPy, and BLAS refuses some.
    steps = [m if turned[0] else k, k if turned[1] else n, n]
    forms = [TRANSPOSED if t else PLAIN for t in turned]
    numbers = [gemm, *forms, m, n, k, *(x for pair in zip(map(address, (a, b, out)), steps, strict=True) for x in pair)]
    return Task(_BLAS.replace("real", "float" if a.dtype == FLOAT else "double"), [], numbers)


def _by_loops(dtype: Any, sizes: tuple[int, int, int], turned: tuple[bool, ...]) -> str:
    function = Function([dtype] * 3)
    (m, n, k), code, (a, b, out) = sizes, function.code, function.places
    with code.loop(0, m) as i:

        def factor(p: Any) -> Any:
            return a[p * m + i] if turned[0] else a[i * k + p]

        if turned[1]:
            with code.loop(0, n) as j:
                total = code.variable(dtype, 0)
                with code.loop(0, k) as p:
                    total.add(factor(p) * b[j * k + p])
                out[i * n + j] = total.get()
        else:
            with code.loop(0, n) as j:
                out[i * n + j] = code.constant(0, dtype)
            with code.loop(0, k) as p:
                x = factor(p)
                with code.loop(0, n) as j:
                    out[i * n + j] = out[i * n + j] + x * b[p * n + j]
    return function.text()


def _gemm() -> str:
    """Return the function that calls cblas_?gemm.

    Its table holds the address, the two forms, m, n, k, and a, b, c, each with the step between its rows.
    """
    kinds = ["ptr", "i32", "i32", "i64", "i64", "i64", *["ptr", "i64"] * 3]
    lines = ["define i64 @f(ptr %table, i64 %begin, i64 %end) nounwind {"]
    for position, kind in enumerate(kinds):
        lines.append(f"  %at{position} = getelementptr inbounds i64, ptr %table, i64 {position}")
        lines.append(f"  %x{position} = load {kind}, ptr %at{position}")
    first = ", ".join(f"{kind} %x{position}" for position, kind in enumerate(kinds[:8]) if 0 < position < 6)
    lines.append(
        f"  call void %x0(i32 {ROW_MAJOR}, {first}, real 1.0, ptr %x6, i64 %x7, ptr %x8, i64 %x9, real 0.0, "
        "ptr %x10, i64 %x11)"
    )
    return "\n".join([*lines, "  ret i64 -1", "}"]) + "\n"


_BLAS = _gemm()


def fits(a: Any, b: Any, out: Any) -> bool:
    """Whether two factors and a result are such as `product` takes."""
    return (
        a.ndim == b.ndim == out.ndim == 2
        and a.dtype == b.dtype == out.dtype
        and a.dtype in (np.float32, np.float64)
        and out.size > 0
        and a.size > 0
        and all(x.flags.c_contiguous or x.T.flags.c_contiguous for x in (a, b))
        and out.flags.c_contiguous
    )
