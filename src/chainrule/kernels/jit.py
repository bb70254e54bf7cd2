"""How kernels are compiled: lazily, with one set of flags, and cached on disk.

`error_model="numpy"`: a division by zero gives infinity, as NumPy's does; Python's check would keep a loop from being
vectorised. The flags of fast mathematics let sums be reordered and products be fused with sums, which vectorising
needs, but not forget NaN and infinity, as `fastmath=True` would. Quotients stay quotients (no `arcp`): with sums
that may be reordered, LLVM makes of x / √v in float32 a product with an approximate inverse root, NaN where v is 0 or
infinite.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])

FLAGS = frozenset({"reassoc", "contract", "nsz"})


def kernel(f: F) -> F:
    """Compile `f` at its first call for the types it is called with; the Python function stays in `f.py_func`.

    Compiled code is cached on disk: next to the source if that is writable, else in Numba's user folder
    (`NUMBA_CACHE_DIR` sets another). If neither is writable, each process compiles for itself.
    """
    try:
        return _compiled(f, cache=True)
    except RuntimeError:  # no folder that can be written to
        return _compiled(f, cache=False)


def inline(f: F) -> F:
    """Compile a function that kernels call for each element; it is merged into them."""
    return cast(F, numba.njit(f, error_model="numpy", fastmath=set(FLAGS), inline="never"))


def _compiled(f: F, cache: bool) -> F:
    return cast(F, numba.njit(f, cache=cache, error_model="numpy", fastmath=set(FLAGS), nogil=True))
