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

from . import openblas
from .suitable import HAS_COMPILER, errors_are_raised, has_wide_vectors

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
    call((rows, b, out, *given[2:]), alone=_is_limited())
    return y


def _alone(a: Array, b: Array, bias: Array | None) -> Array | None:
    """Return the product by BLAS in this thread; None where large products are BLAS's as well."""
    if not has_wide_vectors() or a.dtype not in (np.float32, np.float64):
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


def _is_limited() -> bool:
    """Whether one thread is all that there is, or all that BLAS may use."""
    from . import pool

    return pool.threads() == 1 or openblas.threads() == 1
