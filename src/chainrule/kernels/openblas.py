"""The BLAS that NumPy ships: the address of its matrix product, and its number of threads.

NumPy's wheels hold OpenBLAS with 64-bit integers and the prefix and suffix of `scipy_cblas_sgemm64_`:
https://github.com/MacPython/openblas-libs. Its thread pool does not mix with other threads, so products inside those
run in `one_thread()`. If NumPy was built with another BLAS, none of this is available.
"""

import contextlib
import ctypes
import functools
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROW_MAJOR, PLAIN, TRANSPOSED = 101, 111, 112
"""CBLAS's numbers for the order of elements and for the two forms of a factor."""


@functools.cache
def _library() -> Any:
    """Return the library of NumPy's wheel, loaded already, or None where there is none that is known."""
    package = Path(np.__file__).parent
    for folder in (package.parent / "numpy.libs", package / ".dylibs"):
        for path in sorted(folder.glob("*openblas64*")):
            with contextlib.suppress(OSError):
                library = ctypes.CDLL(str(path))
                if hasattr(library, "scipy_cblas_sgemm64_"):
                    return library
    return None


@functools.cache
def address_of_gemm(dtype: Any) -> int:
    """Return the address of the matrix product for float32 or float64; 0 if unknown."""
    return address_of(f"scipy_cblas_{'s' if np.dtype(dtype) == np.float32 else 'd'}gemm64_")


@functools.cache
def address_of(name: str) -> int:
    """Return the address of one of the library's functions; 0 if unknown."""
    library = _library()
    return ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0 if hasattr(library, name) else 0


def threads() -> int:
    """Return how many threads BLAS may use, by its variables or by who has limited it; 0 where it is not known.

    `one_thread` is no such limit: whoever is in such a block has the pool's threads instead.
    """
    library = _library()
    count = getattr(library, "scipy_openblas_get_num_threads64_", None)
    with _serial.lock:
        return _serial.before if _serial.open else count() if count is not None else 0


class _Serial:
    """How many blocks of `one_thread` are open, and the number of threads before the first."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.open = 0
        self.before = 1


_serial = _Serial()


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Keep NumPy's BLAS to the thread that calls it, in the whole process, until the last such block is left."""
    library = _library()
    if not hasattr(library, "scipy_openblas_set_num_threads64_"):
        yield
        return
    with _serial.lock:
        if _serial.open == 0:
            _serial.before = library.scipy_openblas_get_num_threads64_()
            library.scipy_openblas_set_num_threads64_(1)
        _serial.open += 1
    try:
        yield
    finally:
        with _serial.lock:
            _serial.open -= 1
            if _serial.open == 0:
                library.scipy_openblas_set_num_threads64_(_serial.before)
