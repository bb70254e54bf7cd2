"""`torch.distributions.utils`: what distributions of one's own are written with."""

import math
from typing import Any

import numpy as np

from .. import elementwise, shapes
from ..creation import as_tensor, scalar_tensor
from ..dtypes import default, finfo
from ..face import Tensor
from ..missing import lacking as _lacking
from ..nn import functional
from ..random import randn

euler_constant = float(np.euler_gamma)


def broadcast_all(*values: Any) -> tuple[Any, ...]:
    """Return tensors and numbers as tensors of one shape; numbers get the dtype of the first tensor."""
    for x in values:
        if not isinstance(x, Tensor | int | float | bool):
            raise ValueError("Input arguments must all be instances of Number, torch.Tensor or objects implementing it")
    like = next((x for x in values if isinstance(x, Tensor)), None)
    kind = default.floating if like is None else like.dtype
    made = [x if isinstance(x, Tensor) else scalar_tensor(x, dtype=kind) for x in values]
    return tuple(shapes.broadcast_tensors(*made))


def _standard_normal(shape: Any, dtype: Any, device: Any = None) -> Any:
    return randn(*shape, dtype=dtype, device=device)


def clamp_probs(probs: Any) -> Any:
    """Return probabilities moved away from 0 and 1 by the smallest step of their dtype."""
    eps = finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def logits_to_probs(logits: Any, is_binary: bool = False) -> Any:
    """Return the probabilities of logits: along the last axis, or of one class against the other."""
    return elementwise.sigmoid(logits) if is_binary else functional.softmax(logits, dim=-1)


def probs_to_logits(probs: Any, is_binary: bool = False) -> Any:
    """Return the logits of probabilities."""
    inside = clamp_probs(probs)
    return elementwise.log(inside) - elementwise.log1p(-inside) if is_binary else elementwise.log(inside)


class lazy_property:
    """A property that is computed once for each object."""

    def __init__(self, wrapped: Any) -> None:
        self.wrapped, self.__doc__ = wrapped, wrapped.__doc__

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return property(self.wrapped)
        value = self.wrapped(instance)
        setattr(instance, self.wrapped.__name__, value)
        return value


def vec_to_tril_matrix(vec: Any, diag: int = 0) -> Any:
    """Return lower triangular matrices of vectors that list their elements row by row."""
    n = (-(1 + 2 * diag) + math.isqrt((1 + 2 * diag) ** 2 + 8 * vec.shape[-1] + 4 * abs(diag) * (diag + 1))) // 2
    matrix = vec.new_zeros(*vec.shape[:-1], n, n)
    rows, columns = (as_tensor(k) for k in np.tril_indices(n, diag))
    matrix[..., rows, columns] = vec
    return matrix


def tril_matrix_to_vec(mat: Any, diag: int = 0) -> Any:
    """Return the elements of the lower triangle of matrices, row by row."""
    n = mat.shape[-1]
    if not -n <= diag < n:
        raise ValueError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].")
    rows, columns = (as_tensor(k) for k in np.tril_indices(n, diag))
    return mat[..., rows, columns]


__all__ = [
    *("broadcast_all", "clamp_probs", "euler_constant", "lazy_property", "logits_to_probs", "probs_to_logits"),
    *("tril_matrix_to_vec", "vec_to_tril_matrix"),
]

__getattr__ = _lacking(__name__)
