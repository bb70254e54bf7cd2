"""`torch.sparse`: products and sums of sparse tensors; see `sparse.tensors`."""

import functools
from typing import Any

import numpy as np

from .. import products
from ..creation import full, tensor
from ..missing import lacking as _lacking
from ..nn import functional
from .tensors import SparseRows as SparseRows
from .tensors import SparseTensor as SparseTensor


def mm(mat1: Any, mat2: Any) -> Any:
    """Return the product of a sparse matrix and a dense or sparse one, with gradients for both."""
    if not isinstance(mat1, SparseTensor):
        return mat1 @ mat2
    return mat1.mm(mat2)


def addmm(mat: Any, mat1: Any, mat2: Any, *, beta: float = 1.0, alpha: float = 1.0) -> Any:
    """Return `beta * mat + alpha * (mat1 @ mat2)`, `mat1` sparse."""
    return beta * mat + alpha * mm(mat1, mat2)


def sum(input: Any, dim: Any = None, dtype: Any = None) -> Any:
    """Return the sum of a sparse tensor's elements, or a sparse tensor of the sums along one axis."""
    return (input if dtype is None else input.to(dtype)).sum(dim)


def softmax(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """Return the softmax along an axis of a matrix; what is not stored counts as minus infinity."""
    return _normalized(input if dtype is None else input.to(dtype), dim, functional.softmax)


def log_softmax(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """Return the logarithm of `softmax`."""
    return _normalized(input if dtype is None else input.to(dtype), dim, functional.log_softmax)


def _normalized(x: Any, dim: int, function: Any) -> Any:
    own = x.coalesce()
    places = tuple(map(tensor, own._places))
    dense = full(own.shape, -np.inf, dtype=own.dtype).index_put(places, own._entries)
    empty = np.ones(own.shape, bool)
    empty[tuple(own._places)] = False
    rows = tensor(empty.all(axis=dim, keepdims=True) & np.ones(own.shape, bool))
    return own._with(function(dense.masked_fill(rows, 0.0), dim)[places])


def _or_sparse(dense: Any, place: int, sparse: Any) -> Any:
    """Return a product that is another function where its matrix at a place is sparse."""

    @functools.wraps(dense)
    def product(*args: Any, **settings: Any) -> Any:
        if len(args) > place and isinstance(args[place], SparseTensor):
            return sparse(*args, **settings)
        return dense(*args, **settings)

    return product


OF_EITHER = {
    "mm": _or_sparse(products.mm, 0, mm),
    "spmm": _or_sparse(products.mm, 0, mm),
    "mv": _or_sparse(products.mv, 0, mm),
    "matmul": _or_sparse(products.matmul, 0, mm),
    "addmm": _or_sparse(products.addmm, 1, addmm),
}
"""Products of `torch` that take sparse matrices too."""

__getattr__ = _lacking(__name__)
