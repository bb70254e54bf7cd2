"""Matrix products inside kernels: the BLAS that NumPy ships, called without the interpreter.

A loop over blocks that calls `np.matmul` for each of them takes the interpreter's lock between any two products, and
cannot add to a block in place. Here a kernel gets the address of `cblas_?gemm` as a number and calls it itself, with
rows of any stride and C ← α A B + β C. Where NumPy was built with another BLAS the address is 0, and the products are
loops: right, and slower.
"""

from typing import Any, TypeAlias

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

from . import openblas
from .jit import inline
from .openblas import PLAIN, ROW_MAJOR, TRANSPOSED, one_thread

__all__ = ["address_of_gemm", "one_thread", "product"]

Array: TypeAlias = Any


def address_of_gemm(dtype: Any) -> int:
    """Return the address of the matrix product for float32 or float64; 0 if unknown."""
    if getattr(numba.config, "DISABLE_JIT", 0):  # cannot be called from Python
        return 0
    return openblas.address_of_gemm(np.dtype(dtype))


def _make_call(
    typingctx: Any, address: Any, at: Any, bt: Any, m: Any, n: Any, k: Any, alpha: Any,  # noqa: ARG001
    a: Any, lda: Any, b: Any, ldb: Any, beta: Any, c: Any, ldc: Any,  # noqa: ARG001
) -> Any:  # fmt: skip
    """Call the function at an address as cblas_?gemm; a, b and c are addresses as well."""
    whole, number = numba.types.int64, alpha
    signature = numba.types.void(*[whole] * 6, number, *[whole] * 4, number, *[whole] * 2)

    def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        i32, i64 = ir.IntType(32), ir.IntType(64)
        real = context.get_value_type(number)
        pointer = context.get_value_type(numba.types.voidptr)
        sizes = [i64] * 3
        kinds = [i32, i32, i32, *sizes, real, pointer, i64, pointer, i64, real, pointer, i64]
        function = builder.inttoptr(args[0], ir.FunctionType(ir.VoidType(), kinds).as_pointer())
        given = [ir.Constant(i32, ROW_MAJOR), builder.trunc(args[1], i32), builder.trunc(args[2], i32), *args[3:]]
        for k in (7, 9, 12):
            given[k] = builder.inttoptr(given[k], pointer)
        builder.call(function, given)
        return context.get_dummy_value()

    return signature, generate


_call: Any = intrinsic(_make_call)


@inline
def _step(a: Array) -> int:
    """Return how many elements lie between two rows; NumPy gives a single row any stride, and BLAS refuses some."""
    step: int = max(a.strides[0] // a.itemsize, a.shape[1])
    return step


@inline
def product(
    address: int, a: Array, a_turned: bool, b: Array, b_turned: bool, alpha: Array, beta: Array, c: Array,
) -> None:  # fmt: skip
    """Set `c ← alpha a b + beta c`, where `a_turned` and `b_turned` say that the transpose is meant.

    All three have rows whose elements lie side by side, and the same dtype; `beta` is 0 or 1, and with 0 what was in
    `c` does not matter.
    """
    m, n = c.shape
    k = a.shape[0] if a_turned else a.shape[1]
    if m == 0 or n == 0 or k == 0:
        return
    if address != 0:
        _call(
            address, TRANSPOSED if a_turned else PLAIN, TRANSPOSED if b_turned else PLAIN, m, n, k, alpha,
            a.ctypes.data, _step(a), b.ctypes.data, _step(b), beta, c.ctypes.data, _step(c),
        )  # fmt: skip
    else:
        _by_loops(a, a_turned, b, b_turned, alpha, beta, c)


@inline
def _by_loops(a: Array, a_turned: bool, b: Array, b_turned: bool, alpha: Array, beta: Array, c: Array) -> None:
    m, n = c.shape
    k = a.shape[0] if a_turned else a.shape[1]
    for i in range(m):
        if beta == 0:
            for j in range(n):
                c[i, j] = 0
        for p in range(k):
            factor = alpha * (a[p, i] if a_turned else a[i, p])
            if b_turned:
                for j in range(n):
                    c[i, j] += factor * b[j, p]
            else:
                for j in range(n):
                    c[i, j] += factor * b[p, j]
