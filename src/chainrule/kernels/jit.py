"""How kernels are compiled: lazily, with one set of flags, and cached on disk.

`error_model="numpy"`: a division by zero gives infinity, as NumPy's does; Python's check would keep a loop from being
vectorised. The flags of fast mathematics let sums be reordered and products be fused with sums, which vectorising
needs, but not forget NaN and infinity, as `fastmath=True` would. Quotients stay quotients (no `arcp`): with sums
that may be reordered, LLVM makes of x / √v in float32 a product with an approximate inverse root, NaN where v is 0 or
infinite.

The functions of `functions` are merged into the kernels that call them, without leave to reorder sums: see there.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba.extending import overload

# What kernels call is made when their modules are imported: all of it has to be known here.
from . import functions as functions
from . import numbers

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


MERGED: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract"}, "forceinline": True}
"""How functions are compiled that are merged into kernels and keep the order of their sums."""


def _known(f: Callable[..., Any], inside: Callable[..., Any]) -> None:
    """Let kernels call `f`, and take it for `inside`."""
    overload(f, jit_options=MERGED, strict=False)(lambda *_: inside)


def _know_by_type(choose: Any) -> None:
    single, double = choose.versions
    # Numba compares the parameters of these, annotations and all: lambdas have none.
    versions = {numba.types.float32: lambda x, y: single(x, y), numba.types.float64: lambda x, y: double(x, y)}
    overload(choose, jit_options=MERGED)(lambda x, y: versions.get(x))  # noqa: ARG005


def _where(condition, a, b):  # type: ignore[no-untyped-def]
    return a if condition else b


_HELPERS: dict[Callable[..., Any], Callable[..., Any]] = {
    numbers.constant: lambda x, number: type(x)(number),
    numbers.where: _where,
    numbers.bits32: lambda x: np.int32(np.float32(x).view(np.int32)),
    numbers.bits64: lambda x: np.int64(np.float64(x).view(np.int64)),
    numbers.single: lambda bits: np.int32(bits).view(np.float32),
    numbers.double: lambda bits: np.int64(bits).view(np.float64),
    numbers.int32: lambda n: np.int32(n),
}
for _f, _inside in _HELPERS.items():
    _known(_f, _inside)
for _f in numbers.EXACT:
    _known(_f, _f)
for _f in numbers.BY_TYPE:
    _know_by_type(_f)
