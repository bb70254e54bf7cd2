"""Products of large matrices in eager code: by code of our own on the one pool of threads, as in compiled programs.

OpenBLAS's own threads look for the next product for 26 ms without sleeping, and slow down whatever runs between two
products: one of ours takes twice as long. So where large products are ours, those that are too small for us stay in the
calling thread. Whether a product goes to our code depends on its factors alone, and so does the order in which it adds:
equal calls give equal bits, on any number of threads. As many threads are used as the pool has, and one where BLAS is
limited to one.
"""

import functools
from typing import Any

import numpy as np

from . import openblas, sums
from .suitable import HAS_COMPILER, errors_are_raised, has_own_products, suitable
from .suitable import LARGE as LARGE_SUM

Array = Any
Shape = tuple[int, ...]
LEAST = 2**21
"""From how many multiplications on: 20 µs on one core. The first one in a process loads LLVM, which takes 0.1 s."""
THREADED, LARGE = 2**18, 2**23
"""From how many multiplications on OpenBLAS uses its threads, and from how many on that is worth what it costs."""


def product(a: Array, b: Array, bias: Array | None = None) -> Array | None:
    """Return `a @ b`, plus `bias` for each row, of large [..., k] and [k, n]; None where NumPy is to compute it.

    >>> product(np.ones((2, 2)), np.ones((2, 2))) is None
    True
    """
    if type(a) is not np.ndarray or type(b) is not np.ndarray or a.ndim < 2 or b.ndim != 2:
        return None
    work = a.size * b.shape[1]
    if work < THREADED or a.shape[-1] != b.shape[0] or a.dtype != b.dtype or not HAS_COMPILER:
        return None
    if bias is not None and bias.dtype != a.dtype:
        return None
    if work < LEAST:
        return _alone(a, b, bias)
    given = (a, b) if bias is None else (a, b, bias)
    if not all(x.flags.aligned for x in given) or (bias is not None and not bias.flags.c_contiguous):
        return None
    if errors_are_raised():
        return None
    rows = a if a.ndim == 2 else a.reshape(-1, a.shape[-1])
    call = _call(a.dtype, rows.shape, rows.strides, b.shape, b.strides, bias is not None)
    if call is None:
        return _alone(a, b, bias) if work < LARGE else None
    y = np.empty((*a.shape[:-1], b.shape[1]), a.dtype)
    out = y if y.ndim == 2 else y.reshape(-1, y.shape[-1])
    call((rows, b, out, *given[2:]), alone=is_limited())
    return y


def of_linear(y_bar: Array, x: Array, w: Array | None) -> tuple[Array | None, Array, Array] | None:
    """Return the gradients of `x w + b`, ȳ Wᵀ, xᵀ ȳ and the sum of the rows of ȳ, of large arrays in one call.

    Without `w` the first is not computed and is None. The bits are those of the three by themselves. None instead of
    all where they are to be computed so.
    """
    if not suitable(LARGE_SUM, y_bar, x) or x.size * y_bar.shape[-1] < LEAST or errors_are_raised():
        return None
    of_w = None if w is None else (w.shape, w.strides)
    if w is not None and (w.dtype != x.dtype or not w.flags.aligned):
        return None
    call = _call_of_linear(x.dtype, (x.size // x.shape[-1], x.shape[-1]), y_bar.shape[-1], of_w)
    if call is None:
        return None
    w_bar, b_bar = np.empty((x.shape[-1], y_bar.shape[-1]), x.dtype), np.empty(y_bar.shape[-1], x.dtype)
    x_bar = None if w is None else np.empty(x.shape, x.dtype)
    given = (x, y_bar, w_bar) if w is None else (y_bar, w, x_bar, x, y_bar, w_bar)
    call((*given, y_bar, b_bar), alone=is_limited())
    return x_bar, w_bar, b_bar


@functools.lru_cache(1024)
def _call_of_linear(dtype: Any, x_shape: Shape, n: int, of_w: tuple[Shape, Shape] | None) -> Any:
    """Return the three gradients as a function of each product's factors and result, and of what is summed to what."""
    from .native.products import calls_of

    x, y_bar = np.empty(x_shape, dtype), np.empty((x_shape[0], n), dtype)
    pairs = [(x.T, y_bar)]
    if of_w is not None:
        pairs.insert(0, (y_bar, np.lib.stride_tricks.as_strided(np.empty(0, dtype), *of_w).T))
    rows, total = np.empty(0, dtype), np.empty(0, dtype)
    return calls_of(pairs, sums.tasks_of_rows(rows, total, *y_bar.shape), [rows, total])


def _alone(a: Array, b: Array, bias: Array | None) -> Array | None:
    """Return the product by BLAS in this thread; None where large products are BLAS's as well."""
    if not has_own_products() or a.dtype not in (np.float32, np.float64):
        return None
    with openblas.one_thread():
        y = np.matmul(a.reshape(-1, a.shape[-1]), b).reshape((*a.shape[:-1], b.shape[1]))
    if bias is not None:
        y += bias
    return y


@functools.lru_cache(1024)
def _call(dtype: Any, a: Shape, a_strides: Shape, b: Shape, b_strides: Shape, with_bias: bool) -> Any:
    """Return the product of matrices with this layout, or None if NumPy's is to be used."""
    from .native.products import call_of

    like = np.empty(0, dtype)
    x, y = (np.lib.stride_tricks.as_strided(like, *layout) for layout in ((a, a_strides), (b, b_strides)))
    return call_of(x, y, with_bias)


def is_limited() -> bool:
    """Whether one thread is all that there is, or all that BLAS may use."""
    from . import pool

    return pool.threads() == 1 or openblas.threads() == 1
