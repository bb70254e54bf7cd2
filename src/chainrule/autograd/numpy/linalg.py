"""autograd.numpy.linalg: NumPy's linear algebra, differentiable."""

from typing import Any

import numpy as _np

from chainrule.numpy import linalg as _linalg

__all__ = ["T", "eigh", "eigvalsh"]


def T(x: Any) -> Any:
    """Return matrices transposed.

    >>> T(_np.array([[1.0, 2.0]])).shape
    (2, 1)
    """
    return _np.swapaxes(x, -1, -2)


def _dot(a: Any, b: Any) -> Any:
    """Return products of matrices: autograd's own name for it, which its users import."""
    return _np.matmul(a, b)


def eigh(x: Any, UPLO: str = "L") -> Any:
    """Return eigenvalues and eigenvectors of symmetric matrices, of which only one triangle is read, as in NumPy.

    >>> eigh(_np.array([[2.0, 9.0], [0.0, 1.0]])).eigenvalues
    array([1., 2.])
    """
    return _linalg.eigh(x, UPLO=UPLO)


def eigvalsh(x: Any, UPLO: str = "L") -> Any:
    """Return the eigenvalues of symmetric matrices, of which only one triangle is read, as in NumPy."""
    return _linalg.eigvalsh(x, UPLO=UPLO)


def __getattr__(name: str) -> Any:
    return getattr(_linalg, name)


def __dir__() -> list[str]:
    return sorted({*__all__, *dir(_linalg)})
