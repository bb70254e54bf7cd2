"""Systems of equations and Cholesky factors as tasks: calls of the LAPACK in NumPy's wheel.

LAPACK's matrices lie by columns. `solve` and `factor` fail, by their index 0, where LAPACK says that a matrix is
singular or not positive definite; whoever made the task then has NumPy say so.
"""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.kernels.openblas import PLAIN, ROW_MAJOR, TRANSPOSED, address_of

from .machine import GLUE
from .symbol import LLVM
from .tasks import Task, address

Array = Any
LEFT, LOWER, ANY_DIAGONAL = 141, 122, 131
"""CBLAS's numbers for the side of a triangular factor, its triangle, and its diagonal."""
NAMES = {"solve": "scipy_{}gesv_64_", "factor": "scipy_{}potrf_64_", "triangular": "scipy_cblas_{}trsm64_"}


def place_of(name: str, dtype: Any) -> int:
    """Return the address of LAPACK's function for float32 or float64; 0 where there is none."""
    return address_of(NAMES[name].format("s" if dtype == np.float32 else "d"))


def solve(a: Array, x: Array) -> Task:
    """Return the task `x ← (a⁻¹ xᵀ)ᵀ`, for a matrix that lies by columns and right sides that lie one by one.

    `a` has n columns as its rows, and is overwritten; the rows of x, in C order, are the right sides.
    """
    n, pivots = len(a), np.empty(len(a), np.int64)
    sizes = np.array([n, len(x), 0], np.int64)  # and what is said about the result
    task = Task(_solving(), [], [place_of("solve", a.dtype), *map(address, (sizes, a, pivots, x))], level=GLUE)
    task.kept = (sizes, a, pivots, x)
    return task


def factor(a: Array) -> Task:
    """Return the task that makes of the lower triangle of a symmetric matrix in C order that of its Cholesky factor."""
    sizes = np.array([len(a), ord("U"), 0], np.int64)  # by columns it is the upper one
    task = Task(_factoring(), [], [place_of("factor", a.dtype), *map(address, (sizes, a))], level=GLUE)
    task.kept = (sizes, a)
    return task


def triangular(a: Array, is_transposed: bool, x: Array) -> Task:
    """Return the task `x ← a⁻¹ x`, or `a⁻ᵀ x`, for the lower triangle of a matrix, both in C order."""
    (n, k), form = x.shape, TRANSPOSED if is_transposed else PLAIN
    numbers = [place_of("triangular", a.dtype), form, n, k, address(a), address(x)]
    task = Task(_by_triangle(a.dtype), [], numbers, level=GLUE)
    task.kept = (a, x)
    return task


def _text(names: Sequence[str], lines: Sequence[str]) -> str:
    """Return a function that reads the table, and does some lines."""
    head = ["define i64 @f(ptr %table, i64 %begin, i64 %end) nounwind {", "entry:"]
    for k, name in enumerate(names):
        kind = "i64" if name.startswith("number") else "i32" if name.startswith("form") else "ptr"
        head += [f"  %{name}.at = getelementptr inbounds i64, ptr %table, i64 {k}"]
        head += [f"  %{name} = load {kind}, ptr %{name}.at"]
    return "\n".join([*head, *lines, "}"]) + "\n"


_SAID = (
    "  %said = load i64, ptr %info",
    "  %is_bad = icmp ne i64 %said, 0",
    "  %found = select i1 %is_bad, i64 0, i64 -1",
    "  ret i64 %found",
)
_SECOND = "  %second = getelementptr inbounds i64, ptr %sizes, i64 1"
_INFO = "  %info = getelementptr inbounds i64, ptr %sizes, i64 2"


@functools.cache
def _solving() -> str:
    given = "ptr %sizes, ptr %second, ptr %a, ptr %sizes, ptr %pivots, ptr %x, ptr %sizes, ptr %info"
    lines = [_SECOND, _INFO, f"  call void %f({given})", *_SAID]
    return _text(["f", "sizes", "a", "pivots", "x"], lines)


@functools.cache
def _factoring() -> str:
    given = "ptr %second, ptr %sizes, ptr %a, ptr %sizes, ptr %info, i64 1"
    return _text(["f", "sizes", "a"], [_SECOND, _INFO, f"  call void %f({given})", *_SAID])


@functools.cache
def _by_triangle(dtype: Any) -> str:
    real = LLVM[np.dtype(dtype)]
    given = (
        f"i32 {ROW_MAJOR}, i32 {LEFT}, i32 {LOWER}, i32 %form, i32 {ANY_DIAGONAL}, i64 %number.n, i64 %number.k, "
        f"{real} 1.0, ptr %a, i64 %number.n, ptr %x, i64 %number.k"
    )
    return _text(["f", "form", "number.n", "number.k", "a", "x"], [f"  call void %f({given})", "  ret i64 -1"])
